//! The clients' last bytes, for comparison with retransmissions.
//!
//! TCP never changes a byte between two copies of it (RFC 9293, section 3.8.1). A client whose copies differ wants two
//! readers to see different things.

use super::connection::{Connection, Context};
use super::counters::bump;
use super::protocol::Protocol;
use super::sequence::Sequence;

/// Bytes for all clients together; at ten thousand requests a second of 500 bytes, those of the last 200 ms. Later
/// retransmissions are not compared.
const BYTES: usize = 1 << 20;
/// Maximum bytes kept of one segment.
const MOST: usize = 4 << 10;
/// Alignment of kept bytes.
const UNIT: u32 = 16;
/// [`BYTES`] in units, a power of two.
const UNITS: u32 = 1 << 16;
const _: () = assert!((UNITS * UNIT) as usize == BYTES, "the ring is made of units");

/// The last bytes of all clients.
#[derive(Debug)]
pub(super) struct Recent {
    bytes: Vec<u8>,
    /// Units written so far, modulo 2^32.
    written: u32,
}

/// Some of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    start: Sequence,
    length: u32,
    /// See [`Recent::written`].
    place: u32,
}

impl Kept {
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.length == 0
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { bytes: vec![0; BYTES], written: 0 }
    }
}

impl Recent {
    #[inline]
    fn keep(&mut self, start: Sequence, bytes: &[u8]) -> Kept {
        let bytes = bytes.get(..MOST).unwrap_or(bytes);
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        let units = length.div_ceil(UNIT);
        let in_round = self.written & (UNITS - 1);
        if in_round.saturating_add(units) > UNITS {
            // What does not fit at the end starts at the beginning.
            self.written = self.written.wrapping_add(UNITS.saturating_sub(in_round));
        }
        let place = offset(self.written);
        let Some(room) = self.bytes.get_mut(place..place.saturating_add(bytes.len())) else {
            return Kept::default();
        };
        room.copy_from_slice(bytes);
        let kept = Kept { start, length, place: self.written };
        self.written = self.written.wrapping_add(units);
        kept
    }

    /// Whether bytes differ from those kept, where both are known. The ring may have wrapped since; then nothing is
    /// known any more.
    fn differs(&self, kept: Kept, start: Sequence, bytes: &[u8]) -> bool {
        if kept.is_empty() || self.written.wrapping_sub(kept.place) > UNITS {
            return false;
        }
        let from = start.max(kept.start);
        let (own, other) = (from.since(start) as usize, from.since(kept.start) as usize);
        let place = offset(kept.place);
        let earlier = self.bytes.get(place..place.saturating_add(kept.length as usize)).unwrap_or_default();
        let pairs = bytes.get(own..).unwrap_or_default().iter();
        pairs.zip(earlier.get(other..).unwrap_or_default()).any(|(later, earlier)| later != earlier)
    }
}

/// The offset of a unit.
const fn offset(written: u32) -> usize {
    (written & (UNITS - 1)).wrapping_mul(UNIT) as usize
}

impl<S> Connection<S> {
    /// Keeps bytes that the client sent and the server accepted.
    #[inline]
    pub(super) fn keep_taken<P>(&mut self, start: Sequence, bytes: &[u8], context: &mut Context<'_, P>) {
        if bytes.is_empty() {
            return;
        }
        let [last, _] = self.taken;
        self.taken = [context.recent.keep(start, bytes), last];
    }

    /// Keeps bytes that the client sent and the server did not accept.
    pub(super) fn keep_refused<P>(&mut self, start: Sequence, bytes: &[u8], context: &mut Context<'_, P>) {
        self.turned_away = context.recent.keep(start, bytes);
    }

    /// Compares retransmitted bytes with those accepted.
    pub(super) fn compare_again<P: Protocol<State = S>>(
        &mut self,
        start: Sequence,
        bytes: &[u8],
        context: &mut Context<'_, P>,
    ) {
        if self.taken.iter().any(|kept| context.recent.differs(*kept, start, bytes)) {
            self.tell_conflict(context);
        }
    }

    /// Compares new bytes with those not accepted.
    pub(super) fn compare_refused<P: Protocol<State = S>>(
        &mut self,
        start: Sequence,
        bytes: &[u8],
        context: &mut Context<'_, P>,
    ) {
        if self.turned_away.is_empty() {
            return;
        }
        if context.recent.differs(self.turned_away, start, bytes) {
            self.tell_conflict(context);
        }
        self.turned_away = Kept::default();
    }

    /// Two copies of the same bytes differ.
    pub(super) fn tell_conflict<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        bump(&mut context.counters.conflicts);
        if let Some(state) = &mut self.state {
            context.protocol.conflict(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_compared_where_it_overlaps() {
        let mut recent = Recent::default();
        let kept = recent.keep(Sequence(u32::MAX - 1), b"abcdef");
        let table: [(u32, &[u8], bool); 7] = [
            (u32::MAX - 1, b"abcdef", false),
            (u32::MAX - 1, b"abXdef", true),
            (1, b"def", false),
            (1, b"deX", true),
            (u32::MAX - 3, b"??abc", false),
            (u32::MAX - 3, b"??aXc", true),
            (4, b"other", false),
        ];
        for (start, bytes, expected) in table {
            assert_eq!(recent.differs(kept, Sequence(start), bytes), expected, "{start}: {bytes:?}");
        }
        assert!(!recent.differs(Kept::default(), Sequence(0), b"a"));
    }

    #[test]
    fn what_was_written_over_is_not_compared() {
        let mut recent = Recent { written: u32::MAX - 100, ..Recent::default() };
        let kept = recent.keep(Sequence(0), b"abc");
        let mut rounds = 0;
        while recent.differs(kept, Sequence(0), b"xyz") {
            let latest = recent.keep(Sequence(9), &[b'x'; 3_000]);
            assert!(recent.differs(latest, Sequence(9), b"y"));
            rounds += 1;
        }
        assert!((300..=BYTES / 3_000 + 1).contains(&rounds), "{rounds}");
    }
}
