//! Bytes that arrived out of order.

use std::collections::VecDeque;

use super::counters::Refusal;
use super::policy::{Extent, OverlapPolicy};
use super::sequence::Sequence;
use crate::clock::Timestamp;

/// Overhead of a piece, besides its bytes.
pub(super) const PIECE_OVERHEAD: usize = 96;

/// Why a receiver may not have accepted a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) why: Refusal,
    /// Until then, what the segment acknowledges may have been sent before, and be seen later; see
    /// [`super::Config::acknowledged_wait`].
    pub(super) until: Timestamp,
}

/// A segment, or what is left of it after earlier deliveries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    /// The bytes' extent.
    pub(super) extent: Extent,
    /// Where the segment itself started.
    pub(super) origin: Sequence,
    /// As many bytes as the extent has, or none if they were not captured.
    pub(super) bytes: Option<&'a [u8]>,
    /// These bytes may not be delivered before the other side has reached this number.
    pub(super) gate: Option<Sequence>,
    /// Why the receiver may not have accepted them; then its acknowledgement decides, and any other copy takes
    /// precedence.
    pub(super) dubious: Option<Doubt>,
}

/// A range of bytes, captured or not.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) start: Sequence,
    pub(super) end: Sequence,
    /// None: not captured.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) gate: Option<Sequence>,
    /// See [`Arrival::dubious`].
    pub(super) dubious: Option<Doubt>,
    /// Extent of the segment that it came in, as the overlap policy sees it.
    origin: Extent,
    /// Counts up.
    age: u32,
}

impl Piece {
    /// Moves the end to an earlier byte within.
    fn cut_back(&mut self, end: Sequence) {
        if let Some(bytes) = &mut self.bytes {
            bytes.truncate(offset(end, self.start));
        }
        self.end = end;
    }

    /// Splits off everything from a byte within on.
    fn tail(&self, start: Sequence) -> Self {
        let bytes = self
            .bytes
            .as_ref()
            .map(|bytes| bytes.get(offset(start, self.start)..).map(<[u8]>::to_vec).unwrap_or_default());
        Self { start, bytes, ..*self }
    }
}

/// What an insertion overlapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Bytes that were already present.
    pub(super) bytes: u32,
    /// Whether any of them differed.
    pub(super) conflicting: bool,
}

/// Pieces in order, none overlapping.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    pieces: VecDeque<Piece>,
    bytes: usize,
    age: u32,
}

impl Assembler {
    /// Its share of the bounds on buffered bytes.
    pub(super) fn cost(&self) -> usize {
        self.bytes.saturating_add(self.pieces.len().saturating_mul(PIECE_OVERHEAD))
    }

    /// Number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The first piece.
    pub(super) fn first(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    /// The end of the last piece.
    pub(super) fn end(&self) -> Option<Sequence> {
        self.pieces.back().map(|piece| piece.end)
    }

    /// Where the pieces end that follow a number without a gap and without doubt; nothing if there is a gap at once.
    pub(super) fn run_end(&self, from: Sequence) -> Option<Sequence> {
        let mut end = None;
        for piece in &self.pieces {
            if piece.start.after(end.unwrap_or(from)) || piece.dubious.is_some() {
                break;
            }
            end = Some(piece.end);
        }
        end
    }

    /// Takes the first piece.
    pub(super) fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&piece));
        Some(piece)
    }

    /// Adds an arrival. One segment adds at most one piece more than it overlaps.
    pub(super) fn insert(&mut self, arrival: &Arrival<'_>, policy: OverlapPolicy) -> Overlap {
        self.age = self.age.wrapping_add(1);
        let (start, end) = arrival.extent;
        let first = self.pieces.partition_point(|piece| !piece.end.after(start));
        let after = self.pieces.partition_point(|piece| piece.start.before(end));
        let origin = self.origin(arrival, policy, first, after);
        let mut writer = Writer { arrival, origin, policy, age: self.age, added: 0 };
        if first >= after && first == self.pieces.len() {
            writer.write(&mut self.pieces, start, end);
            self.bytes = self.bytes.saturating_add(writer.added);
            return Overlap::default();
        }
        let rest = self.pieces.split_off(after.max(first));
        let met = self.pieces.split_off(first);
        let before = met.iter().fold(0_usize, |sum, piece| sum.saturating_add(size(piece)));
        let overlap = writer.merge(&mut self.pieces, met);
        self.pieces.extend(rest);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(writer.added);
        overlap
    }

    /// The extent that the policy sees; joins the arrival to its neighbour if the policy does so.
    fn origin(&mut self, arrival: &Arrival<'_>, policy: OverlapPolicy, first: usize, after: usize) -> Extent {
        let (start, end) = arrival.extent;
        let own = (arrival.origin, end);
        let neighbour = first.checked_sub(1).and_then(|index| self.pieces.get(index));
        let Some(neighbour) = neighbour.filter(|piece| piece.bytes.is_some() && piece.origin.1 == start)
        else {
            return own;
        };
        if !policy.joins_neighbours() || arrival.bytes.is_none() || arrival.origin != start {
            return own;
        }
        // On the way down the tree, an older piece that starts between the two comes first, and hides the neighbour.
        let hides = |piece: &Piece| {
            !piece.origin.0.after(start) && piece.age.wrapping_sub(neighbour.age).cast_signed() < 0
        };
        if self.pieces.range(first..after.max(first)).any(hides) {
            return own;
        }
        let joined = (neighbour.origin.0, end);
        for piece in self.pieces.range_mut(..first).rev().take_while(|piece| piece.origin.0 == joined.0) {
            piece.origin.1 = end;
        }
        joined
    }
}

/// Writes an arrival among pieces.
struct Writer<'a> {
    arrival: &'a Arrival<'a>,
    origin: Extent,
    policy: OverlapPolicy,
    age: u32,
    /// Bytes added to the pieces.
    added: usize,
}

impl Writer<'_> {
    /// Puts back the pieces that the arrival overlapped, with the arrival where it wins and in the gaps.
    fn merge(&mut self, pieces: &mut VecDeque<Piece>, met: VecDeque<Piece>) -> Overlap {
        let (start, end) = self.arrival.extent;
        let mut overlap = Overlap::default();
        let mut next = start;
        let mut last = None;
        for mut piece in met {
            let shared = (piece.start.max(start), piece.end.min(end));
            overlap.bytes = overlap.bytes.saturating_add(shared.1.since(shared.0));
            overlap.conflicting |= self.differs(&piece, shared);
            if !self.wins(&piece) {
                self.write(pieces, next, shared.0);
                next = shared.1;
                self.keep(pieces, piece);
                continue;
            }
            if piece.end.after(end) {
                last = Some(piece.tail(end));
            }
            if piece.start.before(start) {
                piece.cut_back(start);
                self.keep(pieces, piece);
            }
        }
        self.write(pieces, next, end);
        if let Some(piece) = last {
            self.keep(pieces, piece);
        }
        overlap
    }

    /// Whether the arrival wins where it overlaps a piece. Bytes always win over their absence.
    fn wins(&self, piece: &Piece) -> bool {
        match (self.arrival.dubious, piece.dubious) {
            (None, Some(_)) => return true,
            (Some(_), None) => return false,
            (None, None) | (Some(_), Some(_)) => {}
        }
        match (self.arrival.bytes, &piece.bytes) {
            (Some(_), None) => true,
            (None, _) => false,
            (Some(_), Some(_)) => self.policy.prefers_later(self.origin, piece.origin),
        }
    }

    fn differs(&self, piece: &Piece, shared: Extent) -> bool {
        let earlier = piece.bytes.as_ref().and_then(|bytes| part(bytes, piece.start, shared));
        let later = self.arrival.bytes.and_then(|bytes| part(bytes, self.arrival.extent.0, shared));
        earlier.zip(later).is_some_and(|(earlier, later)| earlier != later)
    }

    fn keep(&mut self, pieces: &mut VecDeque<Piece>, piece: Piece) {
        self.added = self.added.saturating_add(size(&piece));
        pieces.push_back(piece);
    }

    /// Appends a part of the arrival to the last piece, merging them if they are adjacent and otherwise alike.
    fn write(&mut self, pieces: &mut VecDeque<Piece>, start: Sequence, end: Sequence) {
        if !end.after(start) {
            return;
        }
        let bytes = self.arrival.bytes.map(|bytes| {
            let bytes = part(bytes, self.arrival.extent.0, (start, end));
            bytes.unwrap_or_default()
        });
        self.added = self.added.saturating_add(bytes.map_or(0, <[u8]>::len));
        if let Some(last) = pieces.back_mut() {
            let alike = last.end == start
                && last.gate == self.arrival.gate
                && last.dubious == self.arrival.dubious
                && (last.origin == self.origin || !self.policy.looks_at_extents());
            match (&mut last.bytes, bytes) {
                (Some(earlier), Some(bytes)) if alike => {
                    earlier.extend_from_slice(bytes);
                    last.end = end;
                    return;
                }
                (None, None) if alike => {
                    last.end = end;
                    return;
                }
                _ => {}
            }
        }
        pieces.push_back(Piece {
            start,
            end,
            bytes: bytes.map(<[u8]>::to_vec),
            gate: self.arrival.gate,
            dubious: self.arrival.dubious,
            origin: self.origin,
            age: self.age,
        });
    }
}

fn size(piece: &Piece) -> usize {
    piece.bytes.as_ref().map_or(0, Vec::len)
}

fn offset(sequence: Sequence, start: Sequence) -> usize {
    sequence.since(start) as usize
}

/// The bytes of an extent, from bytes that begin at `start`.
fn part(bytes: &[u8], start: Sequence, extent: Extent) -> Option<&[u8]> {
    bytes.get(offset(extent.0, start)..offset(extent.1, start))
}
