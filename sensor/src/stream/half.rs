//! One direction of a connection.

use super::assembler::{Arrival, Assembler, Overlap, Piece};
use super::counters::Counters;
use super::policy::OverlapPolicy;
use super::sequence::Sequence;
use crate::clock::Timestamp;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Out-of-order pieces; empty most of the time.
    pub(super) assembler: Option<Box<Assembler>>,
    /// Sequence number of the SYN, with `isn_known`.
    pub(super) isn: Sequence,
    /// The next byte to deliver; after the end, the number after the FIN's.
    pub(super) expected: Sequence,
    /// The highest number that the peer has acknowledged, with `acknowledged_known`.
    pub(super) acknowledged: Sequence,
    /// The number after the highest one seen in use.
    pub(super) highest: Sequence,
    /// The source may leave bytes out up to here, with `skipping`.
    pub(super) skip_until: Sequence,
    /// Number of the FIN, with `fin_known`.
    pub(super) fin: Sequence,
    /// Number of the urgent byte to come, with `urgent_known`.
    pub(super) urgent: Sequence,
    pub(super) isn_known: bool,
    /// Whether `expected` is valid.
    pub(super) known: bool,
    /// Whether a segment of this direction was seen.
    pub(super) seen: bool,
    pub(super) acknowledged_known: bool,
    pub(super) skipping: bool,
    pub(super) fin_known: bool,
    pub(super) urgent_known: bool,
    /// Whether the FIN was reached.
    pub(super) ended: bool,
    /// Whether the source has yet to be told about `skip_until`.
    pub(super) tell_skip: bool,
    /// Whether it is in [`super::deadlines::Deadlines::acknowledged`].
    pub(super) waits_acknowledged: bool,
    /// Whether it is in [`super::deadlines::Deadlines::holes`].
    pub(super) waits_hole: bool,
}

impl Half {
    /// Starts at a number.
    pub(super) fn begin(&mut self, expected: Sequence) {
        self.expected = expected;
        self.highest = expected;
        self.known = true;
    }

    /// Starts after a SYN.
    pub(super) fn begin_after_syn(&mut self, isn: Sequence) {
        self.isn = isn;
        self.isn_known = true;
        self.seen = true;
        self.begin(isn.plus(1));
    }

    /// Whether a segment with the next bytes can be delivered directly.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.assembler.is_none()
            && self.known
            && self.seen
            && !self.fin_known
            && !self.urgent_known
            && !self.skipping
            && !self.ended
    }

    /// Records what the peer has acknowledged.
    #[inline]
    pub(super) fn note_acknowledged(&mut self, acknowledged: Sequence) {
        if !self.acknowledged_known || acknowledged.after(self.acknowledged) {
            self.acknowledged = acknowledged;
            self.acknowledged_known = true;
        }
    }

    /// Whether a segment from `start` to `end` can lie in the receiver's window.
    pub(super) fn accepts(&self, start: Sequence, end: Sequence, window: u32) -> bool {
        let window = window.cast_signed();
        let ahead = start.minus(self.expected) <= window
            || (self.acknowledged_known && start.minus(self.acknowledged) <= window);
        ahead && self.expected.minus(end) <= window
    }

    /// Where the skipped bytes end, if the source may be leaving bytes out.
    pub(super) fn skip_end(&mut self) -> Option<Sequence> {
        if self.skipping && !self.skip_until.after(self.expected) {
            self.skipping = false;
        }
        self.skipping.then_some(self.skip_until)
    }

    /// Start and end of the first waiting piece, and what it waits for on the other side.
    pub(super) fn first(&self) -> Option<(Sequence, Sequence, Option<Sequence>)> {
        let piece = self.assembler.as_ref()?.first()?;
        Some((piece.start, piece.end, piece.gate))
    }

    /// Whether the first waiting piece is dubious: what it acknowledges may never have been sent.
    pub(super) fn first_is_dubious(&self) -> bool {
        let first = self.assembler.as_ref().and_then(|waiting| waiting.first());
        first.is_some_and(|piece| piece.dubious.is_some())
    }

    /// Whether the peer may not have accepted the first waiting piece: it has not acknowledged it, nor been seen in
    /// time to have sent what the piece acknowledges.
    pub(super) fn first_is_doubtful(&self, peer: &Self, now: Timestamp) -> bool {
        let Some(piece) = self.assembler.as_ref().and_then(|waiting| waiting.first()) else { return false };
        let Some(doubt) = piece.dubious else { return false };
        let is_acknowledged = self.acknowledged_known && !piece.end.after(self.acknowledged);
        let came_early = piece.gate.is_some_and(|gate| !gate.after(peer.expected)) && now <= doubt.until;
        !is_acknowledged && !came_early
    }

    /// The end of the last waiting piece.
    pub(super) fn buffered_end(&self) -> Option<Sequence> {
        self.assembler.as_ref()?.end()
    }

    /// Whether the source may be leaving out the next bytes.
    pub(super) fn skips(&self) -> bool {
        self.skipping && self.skip_until.after(self.expected)
    }

    /// Queues a piece.
    pub(super) fn insert(
        &mut self,
        arrival: &Arrival<'_>,
        policy: OverlapPolicy,
        counters: &mut Counters,
    ) -> Overlap {
        let assembler = self.assembler.get_or_insert_default();
        let before = assembler.cost();
        let overlap = assembler.insert(arrival, policy);
        account(counters, before, assembler.cost());
        overlap
    }

    /// Takes the first waiting piece.
    pub(super) fn pop(&mut self, counters: &mut Counters) -> Option<Piece> {
        let assembler = self.assembler.as_mut()?;
        let before = assembler.cost();
        let piece = assembler.pop();
        account(counters, before, assembler.cost());
        if assembler.len() == 0 {
            self.assembler = None;
        }
        piece
    }

    /// Drops everything that waits.
    pub(super) fn clear(&mut self, counters: &mut Counters) {
        if let Some(assembler) = self.assembler.take() {
            account(counters, assembler.cost(), 0);
        }
    }
}

fn account(counters: &mut Counters, before: usize, after: usize) {
    let sum = counters.buffered_bytes.saturating_add(after as u64);
    counters.buffered_bytes = sum.saturating_sub(before as u64);
}
