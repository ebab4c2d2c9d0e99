//! The client table: finding a client, and letting a new one in.
//!
//! A spoofed flood shows a new source with each packet. Such a source costs two loads from the tags, one from
//! the doorkeeper and a comparison with the newcomers' shared rate; it never enters the table, and a client
//! that is not idle never leaves it.

use sensor_common::abi::{ClientKey, Event, Settings, Slot, TagWord};
use sensor_common::table::{
    LOCK, OVERFLOW, Places, WAYS, first_slot, matches, next_match, occupied, prefers_second, with_tag,
};

use crate::maps::{DOORKEEPER, SLOTS, TAGS};
use crate::{atomic, clock, count, maps};

/// The slot of a client.
#[inline(always)]
pub(crate) fn find(key: ClientKey, places: &Places) -> Option<*mut Slot> {
    let word = read(TAGS.get_ptr_mut(places.first)?);
    let first = search(word, places.first, places.tag, key);
    if first.is_some() || word & OVERFLOW == 0 {
        return first;
    }
    search(read(TAGS.get_ptr_mut(places.second)?), places.second, places.tag, key)
}

#[inline(always)]
fn search(word: TagWord, bucket: u32, tag: u8, key: ClientKey) -> Option<*mut Slot> {
    let mut marks = matches(word, tag);
    for _ in 0..WAYS {
        if marks == 0 {
            break;
        }
        let (way, rest) = next_match(marks);
        let slot = SLOTS.get_ptr_mut(first_slot(bucket).wrapping_add(way))?;
        // SAFETY: a slot of the table; a key is written before its tag.
        if unsafe { (*slot).key } == key {
            return Some(slot);
        }
        marks = rest;
    }
    None
}

#[inline(always)]
fn read(word: *mut TagWord) -> TagWord {
    // SAFETY: a word of the tags; others change it meanwhile, hence volatile.
    unsafe { word.read_volatile() }
}

/// Whether the doorkeeper has seen the source before; it remembers it from now on.
///
/// Each word holds the last four fingerprints that fell on it. A flood pushes them out: with 2^18 words, a
/// source that sends again within a quarter of a second is recognised among four million others a second.
#[inline(always)]
pub(crate) fn seen_before(places: &Places, settings: &Settings) -> bool {
    let (index, fingerprint) = places.doorkeeper();
    let Some(word) = DOORKEEPER.get_ptr_mut(index & settings.doorkeeper_mask) else { return false };
    // SAFETY: a word of the doorkeeper. Two CPUs may overwrite each other's fingerprint, which then costs
    // its source one more packet as a newcomer.
    let value = unsafe { word.read_volatile() };
    if holds(value, fingerprint) {
        return true;
    }
    // SAFETY: as above.
    unsafe { word.write_volatile((value << 16) | fingerprint) };
    false
}

#[inline(always)]
const fn holds(word: u64, fingerprint: u64) -> bool {
    const ONES: u64 = 0x0001_0001_0001_0001;
    let different = word ^ fingerprint.wrapping_mul(ONES);
    different.wrapping_sub(ONES) & !different & 0x8000_8000_8000_8000 != 0
}

/// Lets a source into the table; `None` where there is no room or another CPU is busy in its buckets.
///
/// Not inlined: it runs once in a client's life.
#[inline(never)]
pub(crate) fn admit(hi: u64, lo: u64) -> Option<*mut Slot> {
    let settings = maps::settings()?;
    let key = ClientKey { hi, lo };
    let places = Places::of(key, settings.seed, settings.buckets);
    // The lock of the first bucket serialises all admissions of this key, wherever it ends up.
    let Some(first) = Locked::take(places.first) else {
        count::event(Event::AdmissionContended);
        return None;
    };
    let slot = admit_locked(key, &places, &first);
    first.release();
    slot
}

#[inline(always)]
fn admit_locked(key: ClientKey, places: &Places, first: &Locked) -> Option<*mut Slot> {
    // Another CPU may have admitted it since this one looked.
    if let Some(slot) = find(key, places) {
        return Some(slot);
    }
    if places.second == places.first {
        return place(first, places.tag, key);
    }
    let Some(second) = Locked::take(places.second) else {
        count::event(Event::AdmissionContended);
        return None;
    };
    let elsewhere = prefers_second(occupied(first.word()), occupied(second.word()));
    if elsewhere {
        first.mark_overflow();
    }
    let chosen = Locked {
        index: if elsewhere { second.index } else { first.index },
        word: if elsewhere { second.word } else { first.word },
    };
    // Where the chosen one is full, so is the other; only its idle clients are offered up, which spares a
    // second search: two full buckets are rare in a table of the configured size.
    let slot = place(&chosen, places.tag, key);
    second.release();
    slot
}

/// Takes an empty way, or else that of an idle client.
#[inline(always)]
fn place(bucket: &Locked, tag: u8, key: ClientKey) -> Option<*mut Slot> {
    let settings = maps::settings()?;
    let now = clock::now(settings);
    let empty = matches(bucket.word(), 0);
    let way = if empty == 0 { idle_way(bucket.index, now.tick_low(), now.ns) } else { next_match(empty).0 };
    let Some(slot) = slot_of(bucket.index, way) else {
        count::event(Event::TableFull);
        return None;
    };
    if empty == 0 {
        // The old client stops being found before its slot changes hands. A CPU that found it just before
        // may still charge the slot: its new owner is then one packet stricter.
        bucket.set_tag(way, 0);
        count::event(Event::ClientEvicted);
    }
    // SAFETY: a slot that no tag leads to, under its bucket's lock.
    unsafe { slot.write(Slot { key, seen_tick: now.tick_low(), ..EMPTY }) };
    bucket.set_tag(way, tag);
    count::event(Event::ClientAdmitted);
    Some(slot)
}

#[inline(always)]
fn slot_of(bucket: u32, way: u32) -> Option<*mut Slot> {
    if way >= WAYS {
        return None;
    }
    SLOTS.get_ptr_mut(first_slot(bucket).wrapping_add(way))
}

const EMPTY: Slot = Slot {
    key: ClientKey { hi: 0, lo: 0 },
    tat: [0; 4],
    packets: 0,
    drops: 0,
    bytes: 0,
    blocked_until: 0,
    generation: 0,
    seen_tick: 0,
    requests: 0,
    scope: 0,
    flags: 0,
    noticed: 0,
};

/// Frames from which on a client is taken to be real.
const PROBATION: u64 = 8;
/// A client on probation is idle after 1/64 of the usual time: 5 s of 5 min.
const PROBATION_SHIFT: u32 = 6;

/// The first way whose client is idle; [`WAYS`] where none is.
#[inline(never)]
fn idle_way(bucket: u32, tick: u32, now: u64) -> u32 {
    let Some(settings) = maps::settings() else { return WAYS };
    for way in 0..WAYS {
        let Some(slot) = slot_of(bucket, way) else { return WAYS };
        if is_idle(slot, tick, now, settings.idle_ticks) {
            return way;
        }
    }
    WAYS
}

/// Whether a client was silent for long enough and every limit has recovered in full: forgetting such a
/// client forgets no debt.
///
/// Long enough is shorter for one that sent a few frames only: a flood that shows each of its made-up sources
/// twice fills the table for seconds, not for minutes.
#[inline(always)]
fn is_idle(slot: *mut Slot, tick: u32, now: u64, idle_ticks: u32) -> bool {
    // SAFETY: a slot of the table.
    let slot = unsafe { &*slot };
    let [packets, bits, connections, requests] = slot.tat;
    // The sign bits of the differences together, for the verifier's sake: four branches make sixteen paths.
    let ahead = now.wrapping_sub(packets)
        | now.wrapping_sub(bits)
        | now.wrapping_sub(connections)
        | now.wrapping_sub(requests);
    let is_new = slot.packets.wrapping_add(slot.drops) < PROBATION;
    let long_enough = if is_new { idle_ticks >> PROBATION_SHIFT } else { idle_ticks };
    ahead >> 63 == 0 && tick.wrapping_sub(slot.seen_tick) > long_enough
}

/// A bucket whose lock this CPU holds.
struct Locked {
    index: u32,
    word: *mut TagWord,
}

impl Locked {
    /// Takes the lock if it is free; waiting is not possible here.
    #[inline(always)]
    fn take(index: u32) -> Option<Self> {
        let word = TAGS.get_ptr_mut(index)?;
        let free = read(word) & !LOCK;
        // SAFETY: a word of the tags.
        let found = unsafe { atomic::compare_exchange(word, free, free | LOCK) };
        if found == free { Some(Self { index, word }) } else { None }
    }

    #[inline(always)]
    fn word(&self) -> TagWord {
        read(self.word)
    }

    /// Only the holder of the lock changes the word, so the exchange succeeds; it is the barrier that
    /// matters: what was written to the slot is visible before its tag.
    #[inline(always)]
    fn set_tag(&self, way: u32, tag: u8) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, with_tag(word, way, tag)) };
    }

    /// Says that a key of this bucket lives in its other one; before that key's tag is set there.
    #[inline(always)]
    fn mark_overflow(&self) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, word | OVERFLOW) };
    }

    #[inline(always)]
    fn release(&self) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, word & !LOCK) };
    }
}
