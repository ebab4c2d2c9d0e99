//! Waiting halves, in the order of their deadlines.

use std::collections::VecDeque;

use super::protocol::Side;
use super::sequence::Sequence;
use crate::clock::Timestamp;

/// When a half has waited long enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Timestamp,
    /// Table entry, and the serial number of its connection.
    pub(super) index: usize,
    pub(super) serial: u32,
    pub(super) side: Side,
    /// See [`Deadlines`].
    pub(super) sequence: Sequence,
}

/// Two queues, each with one timeout for all entries, so the first deadline is always in front. A half is at most once
/// in each; entries of halves that are gone are skipped, and swept out before they become many.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Bytes that the peer has acknowledged up to `sequence`, or that wait for the other side.
    pub(super) acknowledged: VecDeque<Deadline>,
    /// Bytes that wait behind a gap at `sequence`.
    pub(super) holes: VecDeque<Deadline>,
}

impl Deadlines {
    /// The next deadline; it may belong to a half that no longer waits.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let first = |queue: &VecDeque<Deadline>| queue.front().map(|deadline| deadline.at);
        first(&self.acknowledged).into_iter().chain(first(&self.holes)).min()
    }

    /// Sweeps out entries that are not `live` if a queue has more than `limit`. Cheap, because live ones are at most a
    /// quarter of the limit.
    pub(super) fn sweep(&mut self, limit: usize, live: impl Fn(&Deadline) -> bool) {
        for queue in [&mut self.acknowledged, &mut self.holes] {
            if queue.len() > limit {
                queue.retain(&live);
            }
        }
    }
}
