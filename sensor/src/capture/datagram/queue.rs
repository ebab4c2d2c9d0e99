//! The fragments of one datagram, handled as Linux does (`net/ipv4/inet_fragment.c`, `ip_fragment.c`,
//! `net/ipv6/reassembly.c`).

use std::collections::BTreeMap;

use super::Refusal;
use super::header::{MAX_PAYLOAD, Part};
use crate::clock::Timestamp;

/// The fragments received so far.
#[derive(Debug)]
pub(super) struct Queue {
    /// When its timer started.
    pub(super) since: Timestamp,
    /// IPv4 only: the source's fragment count at the last fragment of this datagram.
    pub(super) count: u64,
    pub(super) is_v4: bool,
    /// By offset.
    pieces: BTreeMap<usize, Box<[u8]>>,
    /// Runs of adjacent bytes, in the order in which they formed: fragments are joined only if one follows the last of
    /// all. A duplicate is a fragment that lies within a run.
    runs: Vec<(usize, usize)>,
    /// Where the datagram ends, as far as known.
    end: usize,
    has_last: bool,
    /// From the first fragment: protocol, and bytes before it.
    first: Option<(u8, usize)>,
    /// Bytes received.
    filled: usize,
    /// One bit for each value of the ECN field.
    ecn: u8,
}

/// Effect of a fragment.
pub(super) enum Step {
    /// It waits for others.
    Waits,
    /// It is a duplicate, or breaks a rule that costs only itself.
    Ignored,
    /// It breaks a rule that costs the whole datagram.
    Dropped,
    /// It completes the datagram.
    Complete,
}

/// A reassembled datagram.
pub(super) struct Whole {
    pub(super) protocol: u8,
    pub(super) bytes: Vec<u8>,
}

impl Queue {
    pub(super) const fn new(since: Timestamp, is_v4: bool) -> Self {
        Self {
            since,
            count: 0,
            is_v4,
            pieces: BTreeMap::new(),
            runs: Vec::new(),
            end: 0,
            has_last: false,
            first: None,
            filled: 0,
            ecn: 0,
        }
    }

    /// Starts over.
    pub(super) fn reset(&mut self, now: Timestamp) {
        *self = Self { count: self.count, ..Self::new(now, self.is_v4) };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Number of fragments, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.pieces.len(), self.filled)
    }

    /// Takes a fragment.
    pub(super) fn take(&mut self, part: &Part<'_>) -> Step {
        let offset = part.offset;
        let mut end = offset.saturating_add(part.bytes.len());
        if !self.is_v4 && end > MAX_PAYLOAD {
            return Step::Ignored;
        }
        if part.more {
            if !end.is_multiple_of(8) {
                if !self.is_v4 {
                    return Step::Ignored;
                }
                end &= !7;
            }
            if end > self.end && self.has_last {
                return Step::Dropped;
            }
            self.end = self.end.max(end);
        } else {
            if end < self.end || (self.has_last && end != self.end) {
                return Step::Dropped;
            }
            (self.has_last, self.end) = (true, end);
        }
        // Including one that truncation to a multiple of eight left empty.
        let Some(bytes) = part.bytes.get(..end.saturating_sub(offset)).filter(|bytes| !bytes.is_empty())
        else {
            return Step::Dropped;
        };
        match self.place(offset, end) {
            Ok(()) => {}
            Err(step) => return step,
        }
        self.pieces.insert(offset, bytes.into());
        self.filled = self.filled.saturating_add(bytes.len());
        self.ecn |= 1 << (part.ecn & 3);
        if offset == 0 {
            self.first = Some((part.protocol, part.before));
        }
        let is_complete = self.first.is_some() && self.has_last && self.filled == self.end;
        if is_complete { Step::Complete } else { Step::Waits }
    }

    /// `inet_frag_queue_insert`.
    fn place(&mut self, offset: usize, end: usize) -> Result<(), Step> {
        match self.runs.last_mut() {
            Some((_, last)) if *last < end => {
                if offset < *last {
                    return Err(Step::Dropped);
                }
                if offset == *last {
                    *last = end;
                    return Ok(());
                }
                self.runs.push((offset, end));
                Ok(())
            }
            None => {
                self.runs.push((offset, end));
                Ok(())
            }
            Some(_) => {
                let place = self.runs.partition_point(|(_, run_end)| *run_end <= offset);
                match self.runs.get(place) {
                    Some((run, run_end)) if end > *run => {
                        let is_copy = offset >= *run && end <= *run_end;
                        Err(if is_copy { Step::Ignored } else { Step::Dropped })
                    }
                    _ => {
                        self.runs.insert(place, (offset, end));
                        Ok(())
                    }
                }
            }
        }
    }

    /// The whole datagram, unless it is too long or its ECN fields are incompatible (RFC 3168, section 5.3).
    pub(super) fn join(self) -> Result<Whole, Refusal> {
        const NOT_CAPABLE: u8 = 1;
        let (protocol, before) = self.first.ok_or(Refusal::Overlap)?;
        let is_mixed = self.ecn & NOT_CAPABLE != 0 && self.ecn != NOT_CAPABLE;
        if is_mixed || self.end.saturating_add(before) > MAX_PAYLOAD {
            return Err(Refusal::Overlap);
        }
        let mut bytes = Vec::with_capacity(self.end);
        self.pieces.into_values().for_each(|piece| bytes.extend(piece));
        Ok(Whole { protocol, bytes })
    }
}
