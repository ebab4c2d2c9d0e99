//! The client table: look-up and admission.
//!
//! In a spoofed flood, each packet has a new source. Such a source costs one or two loads from the tags, one from the
//! doorkeeper and a comparison with the newcomers' shared rate. It never enters the table, and it never displaces a
//! client that is not idle.
//!
//! A source that sends twice enters the table, and may be spoofed as well. Until it has proven its address (`proof.rs`)
//! it is idle after seconds, and it makes room at once for a client that has.

use sensor_common::abi::{ClientKey, Event, Settings, Slot, SlotDetails, TagWord};
use sensor_common::table::{
    OVERFLOW, Places, WAYS, first_slot, matches, next_match, occupied, prefers_second,
};

use crate::bucket::{Locked, read};
use crate::clock::Now;
use crate::maps::{DETAILS, DOORKEEPER, SLOTS, TAGS};
use crate::{clock, count, maps};

/// A client in the table.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    /// State that every packet needs.
    pub(crate) slot: *mut Slot,
    index: u32,
}

impl Client {
    /// State that only some packets need, one cache line and one address translation further.
    #[inline(always)]
    pub(crate) fn details(self) -> Option<*mut SlotDetails> {
        DETAILS.get_ptr_mut(self.index)
    }
}

/// A client, anywhere in the table.
///
/// The search returns an index and not a slot: the verifier then continues with one state, not with one for each path
/// that led there.
#[inline(always)]
pub(crate) fn find(key: ClientKey, places: &Places) -> Option<Client> {
    let word = read(TAGS.get_ptr_mut(places.near)?);
    let mut index = search(word, places.near, places.tag, key);
    if index == NOWHERE && word & OVERFLOW != 0 {
        index = find_far(key.hi, key.lo, (places.second as u64) << 32 | places.first as u64, places.tag);
    }
    at(index)
}

/// The client at an index; `None` for [`NOWHERE`].
#[inline(always)]
pub(crate) fn at(index: u32) -> Option<Client> {
    SLOTS.get_ptr_mut(index).map(|slot| Client { slot, index })
}

/// Larger than any table: slots take 64 bytes each.
const NOWHERE: u32 = u32::MAX;

/// Not inlined: most hosts' clients are near, and that path should be short.
///
/// Exported, like the functions below: the verifier checks an exported function once and on its own, and assumes
/// nothing about its result. Otherwise it would follow every path through it from each call.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
extern "C" fn find_far(hi: u64, lo: u64, buckets: u64, tag: u8) -> u32 {
    let key = ClientKey { hi, lo };
    let (first, second) = (buckets as u32, (buckets >> 32) as u32);
    // Both words are read before either is searched, so that the CPU waits only once for two cache misses.
    let Some(one) = TAGS.get_ptr_mut(first).map(read) else { return NOWHERE };
    let Some(other) = TAGS.get_ptr_mut(second).map(read) else { return NOWHERE };
    let index = search(one, first, tag, key);
    if index != NOWHERE || one & OVERFLOW == 0 {
        return index;
    }
    search(other, second, tag, key)
}

/// The index of the slot in a bucket that holds the key.
#[inline(always)]
fn search(word: TagWord, bucket: u32, tag: u8, key: ClientKey) -> u32 {
    let mut marks = matches(word, tag);
    for _ in 0..WAYS {
        if marks == 0 {
            break;
        }
        let (way, rest) = next_match(marks);
        let index = slot_index(bucket, way);
        let Some(slot) = SLOTS.get_ptr(index) else { break };
        // SAFETY: a slot of the table; a key is written before its tag.
        if unsafe { (*slot).key } == key {
            return index;
        }
        marks = rest;
    }
    NOWHERE
}

/// Whether the doorkeeper has seen the source before; records it.
///
/// Each word holds the last four fingerprints that mapped to it. A flood pushes them out: with 2^18 words, a source
/// that sends again within a quarter of a second is recognised among four million others a second.
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

/// Admits a source to the table and returns its index; [`NOWHERE`] if there is no room or another CPU holds its
/// buckets. `proof` is [`Slot::PROVEN`] if it has proven its address, else 0.
///
/// Not inlined: it runs once per client.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn admit(hi: u64, lo: u64, proof: u64) -> u32 {
    admit_key(ClientKey { hi, lo }, proof & Slot::PROVEN).unwrap_or(NOWHERE)
}

#[inline(always)]
fn admit_key(key: ClientKey, proof: u64) -> Option<u32> {
    let settings = maps::settings()?;
    let places = Places::of(key, settings.seed, settings.buckets);
    // The lock of the near bucket serialises all admissions of this key, whichever bucket it ends up in.
    let Some(near) = Locked::take(places.near) else {
        count::event(Event::AdmissionContended);
        return None;
    };
    let index = admit_locked(&Newcomer { key, proof, tag: places.tag }, &places, &near);
    near.release();
    index
}

/// A source that is to enter the table.
struct Newcomer {
    key: ClientKey,
    /// [`Slot::PROVEN`] or 0.
    proof: u64,
    tag: u8,
}

#[inline(always)]
fn admit_locked(newcomer: &Newcomer, places: &Places, near: &Locked) -> Option<u32> {
    // Another CPU may have admitted it since the look-up.
    if let Some(client) = find(newcomer.key, places) {
        return Some(client.index);
    }
    let settings = maps::settings()?;
    let now = clock::now(settings);
    let empty = matches(near.word(), 0);
    if empty != 0 {
        return place(near, next_match(empty).0, newcomer, now);
    }
    // Checking one way, chosen by the key, for an idle client keeps current clients in the near buckets. Checking all
    // seven would cost a flood's admissions as many cache misses.
    let way = places.tag as u32 % WAYS;
    if is_idle_at(near.index, way, now, settings) {
        return replace(near, way, newcomer, now);
    }
    let index = admit_far(newcomer, places, near, now);
    if index != FULL {
        return Some(index);
    }
    let index = take_over(near, newcomer, now);
    if index != FULL {
        return Some(index);
    }
    count::event(Event::TableFull);
    None
}

/// No far bucket has room.
const FULL: u32 = NOWHERE - 1;

#[inline(always)]
fn admit_far(newcomer: &Newcomer, places: &Places, near: &Locked, now: Now) -> u32 {
    let Some(first) = Locked::take(places.first) else {
        count::event(Event::AdmissionContended);
        return NOWHERE;
    };
    near.mark_overflow();
    let index = if places.second == places.first {
        place_far(&first, newcomer, now)
    } else if let Some(second) = Locked::take(places.second) {
        let elsewhere = prefers_second(occupied(first.word()), occupied(second.word()));
        if elsewhere {
            first.mark_overflow();
        }
        let chosen = Locked {
            index: if elsewhere { second.index } else { first.index },
            word: if elsewhere { second.word } else { first.word },
        };
        // If the chosen bucket is full, so is the other; only its clients are considered, which saves a second
        // search. Two full buckets are rare in a table of the configured size.
        let index = place_far(&chosen, newcomer, now);
        second.release();
        index
    } else {
        count::event(Event::AdmissionContended);
        NOWHERE
    };
    first.release();
    index
}

/// Takes an empty way, or else that of a client that has to make room.
#[inline(always)]
fn place_far(bucket: &Locked, newcomer: &Newcomer, now: Now) -> u32 {
    let empty = matches(bucket.word(), 0);
    if empty != 0 {
        return place(bucket, next_match(empty).0, newcomer, now).unwrap_or(FULL);
    }
    take_over(bucket, newcomer, now)
}

/// Takes the way of an idle client, or, for a proven one, that of a client that has proven nothing.
#[inline(always)]
fn take_over(bucket: &Locked, newcomer: &Newcomer, now: Now) -> u32 {
    let way = yielding_way(bucket.index, now.ns, newcomer.proof);
    if way < WAYS {
        return replace(bucket, way, newcomer, now).unwrap_or(FULL);
    }
    let way = way.wrapping_sub(UNPROVEN);
    if way >= WAYS {
        return FULL;
    }
    count::event(Event::ClientDisplaced);
    bucket.set_tag(way, 0);
    place(bucket, way, newcomer, now).unwrap_or(FULL)
}

/// The old client can no longer be found before its slot changes hands. A CPU that found it just before may still
/// charge the slot: the new owner's limit is then stricter by one packet.
#[inline(always)]
fn replace(bucket: &Locked, way: u32, newcomer: &Newcomer, now: Now) -> Option<u32> {
    bucket.set_tag(way, 0);
    count::event(Event::ClientEvicted);
    place(bucket, way, newcomer, now)
}

#[inline(always)]
fn place(bucket: &Locked, way: u32, newcomer: &Newcomer, now: Now) -> Option<u32> {
    let index = slot_index(bucket.index, way);
    let slot = SLOTS.get_ptr_mut(index)?;
    // SAFETY: a slot that no tag refers to, under its bucket's lock.
    let Newcomer { key, proof, tag } = *newcomer;
    // SAFETY: as above.
    unsafe { slot.write(Slot { key, packets_tat: now.ns, passed: proof, ..EMPTY }) };
    // SAFETY: as above.
    unsafe { DETAILS.get_ptr_mut(index)?.write(NO_DETAILS) };
    bucket.set_tag(way, tag);
    count::event(Event::ClientAdmitted);
    if proof != 0 {
        count::event(Event::ClientProven);
    }
    Some(index)
}

#[inline(always)]
fn slot_index(bucket: u32, way: u32) -> u32 {
    first_slot(bucket).wrapping_add(way)
}

const EMPTY: Slot = Slot {
    key: ClientKey { hi: 0, lo: 0 },
    packets_tat: 0,
    bits_tat: 0,
    passed: 0,
    drops: 0,
    bytes: 0,
    generation: 0,
    scope: 0,
    flags: 0,
    noticed: 0,
};

const NO_DETAILS: SlotDetails =
    SlotDetails { connections_tat: 0, requests_tat: 0, blocked_until: 0, counts: 0 };

/// A client that has not proven its address is idle after 1/64 of the usual time: 5 s instead of 5 min. While there is
/// room elsewhere, only if it has sent fewer frames than this: clients that use only UDP prove nothing.
const UNPROVEN_SHIFT: u32 = 6;
const PROBATION: u64 = 8;

/// Added to the way of a client that is not idle, but has proven nothing.
const UNPROVEN: u32 = 16;
/// No client of a bucket has to make room.
const NO_WAY: u32 = UNPROVEN + WAYS;

/// The first way whose client is idle. Otherwise, for a newcomer with proof, the last whose client has none, plus
/// [`UNPROVEN`]; else [`NO_WAY`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn yielding_way(bucket: u32, now: u64, proof: u64) -> u32 {
    let Some(settings) = maps::settings() else { return NO_WAY };
    let mut yielding = NO_WAY;
    for way in 0..WAYS {
        let index = slot_index(bucket, way);
        if is_idle(index, now, idle_ns(settings), u64::MAX) != 0 {
            return way;
        }
        if proof != 0 && is_unproven(index) {
            yielding = way.wrapping_add(UNPROVEN);
        }
    }
    yielding
}

#[inline(always)]
fn is_unproven(index: u32) -> bool {
    // SAFETY: a slot of the table.
    SLOTS.get_ptr(index).is_some_and(|slot| !unsafe { (*slot).is_proven() })
}

#[inline(always)]
fn is_idle_at(bucket: u32, way: u32, now: Now, settings: &Settings) -> bool {
    is_idle(slot_index(bucket, way), now.ns, idle_ns(settings), PROBATION) != 0
}

#[inline(always)]
const fn idle_ns(settings: &Settings) -> u64 {
    (settings.idle_ticks as u64).wrapping_mul(settings.tick_ns)
}

/// Whether a client has been silent for long enough and every limit has fully recovered: removing such a client
/// forgives no debt.
///
/// A client that has not proven its address, and has sent fewer frames than `few`, becomes idle sooner: made-up sources
/// fill the table for seconds, not for minutes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_idle(index: u32, now: u64, idle_ns: u64, few: u64) -> u32 {
    u32::from(has_been_idle(index, now, idle_ns, few).unwrap_or(false))
}

#[inline(always)]
fn has_been_idle(index: u32, now: u64, idle_ns: u64, few: u64) -> Option<bool> {
    let slot = SLOTS.get_ptr(index)?;
    let details = DETAILS.get_ptr(index)?;
    // SAFETY: a slot of the table.
    let slot = unsafe { &*slot };
    let is_new = !slot.is_proven() && slot.packets().wrapping_add(slot.drops) < few;
    let long_enough = if is_new { idle_ns >> UNPROVEN_SHIFT } else { idle_ns };
    let silent = now.wrapping_sub(slot.packets_tat);
    if silent >> 63 != 0 || silent <= long_enough {
        return Some(false);
    }
    // SAFETY: as above.
    let details = unsafe { &*details };
    // The sign bits of the differences combined, for the verifier's sake.
    let ahead = now.wrapping_sub(slot.bits_tat)
        | now.wrapping_sub(details.connections_tat)
        | now.wrapping_sub(details.requests_tat);
    Some(ahead >> 63 == 0)
}
