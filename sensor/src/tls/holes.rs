//! Gaps in the stream, and resynchronisation after them.
//!
//! Bytes left out by the snap length or an instruction may hide where records start and how many there were. The next
//! record is found by its header. Its sequence number, tried within the range that the gap can have held, is confirmed
//! by the tag or, for a truncated record, by contents that start a message. From the number of records follows how many
//! bytes of content are missing, so that the application's message continues in the right place.

use std::ops::Range;

use super::counters::bump;
use super::engine::Application;
use super::flow::Flow;
use super::record::{APPLICATION_DATA, HEADER, Header, MAX_CONTENTS};
use super::session::Phase;
use super::suite::Cipher;
use crate::clock::Timestamp;
use crate::stream::{Missing, Side};

/// Sequence numbers tried beyond the lowest possible one, and bytes of a gap per further number.
const TRIES: u64 = 64;
const BYTES_PER_TRY: u64 = 512;
/// Numbers tried with the next keys.
const NEXT_TRIES: u64 = 16;
/// False records within which another one is searched for.
const MAX_INSIDE: u8 = 8;
/// Usual CBC padding beyond its first byte.
const MAX_PADDING: u64 = 15;
/// Bytes of a truncated record's contents that are examined.
const PROBE: usize = 24;

/// The number of a record that was found.
struct Number {
    sequence: u64,
    /// Under the keys after the current ones.
    is_next: bool,
}

impl<P: Application> Flow<'_, P> {
    /// This many bytes of the stream are missing.
    pub(super) fn hole(&mut self, side: Side, length: u64, why: Missing, time: Timestamp) {
        let mut payload = std::mem::take(&mut self.shared.payload);
        let hole = self.session.half(side).framing.hole(length, &mut payload, &mut self.shared.held);
        let is_one = hole.cut.is_none_or(|header| self.cut(side, header, &mut payload, why, time));
        self.shared.payload = payload;
        if let Some(header) = hole.cut.filter(|_| !is_one) {
            return self.hole_after(side, header, (length, why), time);
        }
        if hole.unknown > 0 {
            let doubt = self.doubt(side);
            doubt.lost = doubt.lost.saturating_add(hole.unknown);
            doubt.is_loss |= why == Missing::Lost;
            self.estimate(side, time);
        }
    }

    /// The same if the interrupted record may be false: another one may start in the bytes before the gap.
    fn hole_after(&mut self, side: Side, header: Header, (length, why): (u64, Missing), time: Timestamp) {
        self.session.half(side).framing.pass_nothing();
        let kept = self.shared.payload.clone();
        let doubt = self.doubt(side);
        doubt.inside = doubt.inside.saturating_add(1);
        if doubt.inside > MAX_INSIDE {
            doubt.inside = 0;
            doubt.lost = doubt.lost.saturating_add(HEADER as u64).saturating_add(kept.len() as u64);
        } else {
            doubt.lost = doubt.lost.saturating_add(1);
            let bytes = header.bytes();
            let inside: Vec<u8> = bytes.iter().skip(1).chain(&kept).copied().collect();
            self.read(side, &inside, time);
        }
        self.hole(side, length, why, time);
    }

    /// A record of which only the first bytes are available; returns whether it is one.
    fn cut(&mut self, side: Side, header: Header, payload: &mut [u8], why: Missing, time: Timestamp) -> bool {
        let half = self.session.half(side);
        let Some(keys) = half.keys.as_deref() else { return true };
        let (is_12, overhead) = (keys.is_12, keys.overhead());
        if half.doubt.is_some() {
            return self.settle_cut(side, header, payload, (why, overhead), time);
        }
        match half.phase {
            Phase::Clear => {}
            _ if !is_12 && header.kind != APPLICATION_DATA => {}
            Phase::Handshake => {
                self.cut_handshake(side, header, payload, time);
                if self.session.half(side).phase == Phase::Open {
                    self.cut_at(side, 0, header, payload, (why, overhead), time);
                }
            }
            Phase::Open => {
                let sequence = half.sequence;
                self.cut_at(side, sequence, header, payload, (why, overhead), time);
            }
        }
        true
    }

    /// The same for the handshake: the server's extensions come first in it. It may also be the first record after the
    /// handshake, which its contents show.
    fn cut_handshake(&mut self, side: Side, header: Header, payload: &[u8], time: Timestamp) {
        if self.probe(side, 0, header, payload) {
            self.session.half(side).phase = Phase::Open;
            return self.leave_start(side, APPLICATION_DATA, time);
        }
        let start = self.session.start.as_mut().filter(|_| side == Side::Server);
        let Some(keys) = start.and_then(|start| start.server.take()) else { return };
        let mut copy = payload.to_vec();
        let expanded = keys.expand();
        if let Some(contents) = keys.open_prefix(expanded.as_ref(), 0, header, &mut copy) {
            self.extensions(copy.get(contents).unwrap_or_default(), time);
        }
    }

    /// Reads the start of a record whose number is known, and reports the rest as missing.
    fn cut_at(
        &mut self,
        side: Side,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
        (why, overhead): (Missing, usize),
        time: Timestamp,
    ) {
        self.note_explicit(side, payload);
        self.session.half(side).sequence = sequence.saturating_add(1);
        if header.kind != APPLICATION_DATA {
            return;
        }
        let all = usize::from(header.length).saturating_sub(overhead);
        let contents = self.open_prefix(side, sequence, header, payload).unwrap_or(0..0);
        let there = contents.len();
        if there > 0 {
            self.deliver_unverified(side, payload.get(contents).unwrap_or_default(), time);
        }
        let rest = self.without_padding(side, all.saturating_sub(there) as u64, 1);
        self.lack(side, rest, why, time);
    }

    /// If padding leaves some records' content length uncertain, the end of a message decides.
    fn without_padding(&mut self, side: Side, contents: u64, records: u64) -> u64 {
        let half = self.session.half(side);
        let is_padded = half.keys.as_deref().is_some_and(|keys| matches!(keys.cipher, Cipher::Cbc { .. }));
        match self.remaining(side).filter(|_| is_padded) {
            Some(left) if contents.saturating_sub(left) <= records.saturating_mul(MAX_PADDING) => {
                contents.min(left)
            }
            _ => contents,
        }
    }

    fn note_explicit(&mut self, side: Side, payload: &[u8]) {
        let half = self.session.half(side);
        if let Some(explicit) = half.keys.as_deref().and_then(|keys| keys.explicit(payload)) {
            half.explicit = explicit;
        }
    }

    /// Reports what is known about a gap before resynchronisation: that the current message ends in it, assuming
    /// maximum-length records, as servers write bodies.
    fn estimate(&mut self, side: Side, time: Timestamp) {
        let Some((most, told, over)) = self.most_in_doubt(side) else { return };
        let more = most.saturating_sub(told);
        let tell = match self.remaining(side) {
            _ if over => 0,
            Some(left) if left > more => 0,
            Some(left) => left,
            None => more,
        };
        if tell > 0 {
            let doubt = self.doubt(side);
            doubt.told = doubt.told.saturating_add(tell);
            doubt.over = true;
            let why = if doubt.is_loss { Missing::Lost } else { Missing::NotCaptured };
            self.lack(side, tell, why, time);
        }
    }

    /// Maximum content that the gap can have held, what was reported of it, and whether a message ended in it.
    fn most_in_doubt(&mut self, side: Side) -> Option<(u64, u64, bool)> {
        let half = self.session.half(side);
        if half.phase != Phase::Open {
            return None;
        }
        let overhead = half.keys.as_deref()?.overhead().saturating_add(HEADER);
        let doubt = half.doubt.as_deref()?;
        let records = least_records(doubt.lost, overhead);
        let most = doubt.lost.saturating_sub(records.saturating_mul(overhead as u64));
        Some((most, doubt.told, doubt.over))
    }

    /// A side ends without certainty.
    pub(super) fn end_of_doubt(&mut self, side: Side, time: Timestamp) {
        if let Some((most, told, false)) = self.most_in_doubt(side) {
            let is_loss = self.doubt(side).is_loss;
            let why = if is_loss { Missing::Lost } else { Missing::NotCaptured };
            self.lack(side, most.saturating_sub(told), why, time);
        }
        self.session.half(side).doubt = None;
    }

    /// A possible whole record after a gap.
    pub(super) fn settle(&mut self, side: Side, header: Header, payload: &mut [u8], time: Timestamp) {
        let numbers = self.numbers(side, payload);
        let kept = payload.to_vec();
        for sequence in numbers {
            if !self.session.pays(kept.len()) {
                break;
            }
            if let Some((contents, kind)) = self.open_record(side, sequence, header, payload) {
                self.found(side, &Number { sequence, is_next: false }, time);
                self.note_explicit(side, &kept);
                return self.take_record(
                    side,
                    sequence,
                    payload.get(contents).unwrap_or_default(),
                    kind,
                    time,
                );
            }
            payload.copy_from_slice(&kept);
        }
        if let Some((sequence, contents, kind)) = self.settle_next(side, header, &kept, payload) {
            self.found(side, &Number { sequence, is_next: true }, time);
            return self.take_record(side, sequence, payload.get(contents).unwrap_or_default(), kind, time);
        }
        self.settle_failed(side, header, &kept, time);
    }

    /// A KeyUpdate may have been in the gap.
    fn settle_next(
        &mut self,
        side: Side,
        header: Header,
        kept: &[u8],
        payload: &mut [u8],
    ) -> Option<(u64, Range<usize>, u8)> {
        let hash = self.session.hash;
        let half = self.session.half(side);
        if half.phase != Phase::Open {
            return None;
        }
        let keys = schedule_next(half, hash)?;
        let expanded = keys.expand()?;
        for sequence in 0..NEXT_TRIES {
            if !self.session.pays(kept.len()) {
                return None;
            }
            if let Some((contents, kind)) = keys.open(Some(&expanded), sequence, header, payload) {
                return self.update_keys(side).then_some((sequence, contents, kind));
            }
            payload.copy_from_slice(kept);
        }
        None
    }

    /// A possible record after a gap, truncated by another gap.
    fn settle_cut(
        &mut self,
        side: Side,
        header: Header,
        payload: &mut [u8],
        (why, overhead): (Missing, usize),
        time: Timestamp,
    ) -> bool {
        for sequence in self.numbers(side, payload) {
            if !self.session.pays(PROBE) {
                break;
            }
            if self.probe(side, sequence, header, payload) {
                self.found(side, &Number { sequence, is_next: false }, time);
                self.cut_at(side, sequence, header, payload, (why, overhead), time);
                return true;
            }
        }
        false
    }

    /// Possible numbers of the next record.
    fn numbers(&mut self, side: Side, payload: &[u8]) -> Range<u64> {
        let half = self.session.half(side);
        let (Some(doubt), Some(keys)) = (half.doubt.as_deref(), half.keys.as_deref()) else { return 0..0 };
        let overhead = keys.overhead().saturating_add(HEADER);
        if half.phase != Phase::Open {
            // In TLS 1.2 the handshake takes the first number.
            return u64::from(keys.is_12)..TRIES;
        }
        // A sender that counts its nonces counts its records.
        let counted = keys.explicit(payload).and_then(|explicit| explicit.checked_sub(half.explicit));
        let most = doubt.lost.checked_div(overhead as u64).unwrap_or_default();
        if let Some(records) = counted.filter(|records| *records > 0 && *records <= most.saturating_add(1)) {
            let sequence = half.sequence.saturating_add(records).saturating_sub(1);
            return sequence..sequence.saturating_add(1);
        }
        let least = least_records(doubt.lost, overhead);
        let tries = TRIES.saturating_add(doubt.lost.checked_div(BYTES_PER_TRY).unwrap_or_default());
        let most = most.max(least).min(least.saturating_add(tries));
        half.sequence.saturating_add(least)..half.sequence.saturating_add(most).saturating_add(1)
    }

    /// Whether a truncated record starts a message under this number.
    fn probe(&mut self, side: Side, sequence: u64, header: Header, payload: &[u8]) -> bool {
        let mut start = [0; PROBE + 16];
        let there = payload.len().min(start.len());
        start.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
        let Some(start) = start.get_mut(..there) else { return false };
        let Some(contents) = self.open_prefix(side, sequence, header, start) else { return false };
        begins_message(side, start.get(contents).unwrap_or_default())
    }

    /// Resynchronised: reports how much content is missing.
    fn found(&mut self, side: Side, number: &Number, time: Timestamp) {
        bump(&mut self.shared.counters.resynchronised);
        let half = self.session.half(side);
        let was = std::mem::replace(&mut half.phase, Phase::Open);
        let Some(doubt) = half.doubt.take() else { return };
        let why = if doubt.is_loss { Missing::Lost } else { Missing::NotCaptured };
        if was != Phase::Open {
            let is_12 = half.keys.as_ref().is_some_and(|keys| keys.is_12);
            // In TLS 1.2 the first record belongs to the handshake; a TLS 1.3 server's first ones are tickets.
            let others = number.sequence.saturating_sub(u64::from(is_12));
            self.leave_start(side, APPLICATION_DATA, time);
            if others > 0 && side == Side::Client {
                self.deliver(side, &[], time);
                self.lack(side, doubt.lost, why, time);
            }
            return;
        }
        let Some(keys) = half.keys.as_deref() else { return };
        let overhead = keys.overhead().saturating_add(HEADER) as u64;
        let records = if number.is_next { 1 } else { number.sequence.saturating_sub(half.sequence) };
        let contents = doubt.lost.saturating_sub(records.saturating_mul(overhead));
        let contents = self.without_padding(side, contents, records);
        // A message that ended in it may have been reported to end some bytes too early.
        self.lack(side, contents.saturating_sub(doubt.told), why, time);
    }

    /// What looked like a record is not one, or is unreadable. Another one may start within it.
    fn settle_failed(&mut self, side: Side, header: Header, kept: &[u8], time: Timestamp) {
        let doubt = self.doubt(side);
        doubt.failures = doubt.failures.saturating_add(1);
        if doubt.failures > MAX_INSIDE {
            return self.unreadable(side, header);
        }
        doubt.lost = doubt.lost.saturating_add(1);
        let bytes = header.bytes();
        let inside: Vec<u8> = bytes.iter().skip(1).chain(kept).copied().collect();
        self.read(side, &inside, time);
    }
}

/// The keys after a KeyUpdate.
fn schedule_next(half: &super::session::Half, hash: super::suite::Hash) -> Option<super::keys::Keys> {
    let next = super::schedule::update(hash, half.secret.as_ref()?)?;
    super::schedule::rekey(hash, half.keys.as_deref()?, &next)
}

/// Minimum number of records in this many bytes.
fn least_records(bytes: u64, overhead: usize) -> u64 {
    bytes.div_ceil(MAX_CONTENTS.saturating_add(overhead) as u64)
}

/// Whether these bytes start an HTTP/1 message: a status line; or a method, a space and a target.
fn begins_message(side: Side, bytes: &[u8]) -> bool {
    if side == Side::Server {
        return bytes.starts_with(b"HTTP/1.");
    }
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let printable = bytes.iter().take(16).all(|byte| matches!(byte, b' '..=b'~'));
    bytes.len() >= 16 && (3..=10).contains(&method) && bytes.get(method) == Some(&b' ') && printable
}
