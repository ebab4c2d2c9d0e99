//! Effects of time and bounds.

use std::time::Duration;

use super::connection::{Class, Phase};
use super::counters::{Refused, bump};
use super::deadlines::Deadline;
use super::protocol::{CloseCause, Look, Protocol};
use super::streams::Streams;
use crate::clock::Timestamp;

/// Each connection is visited once within this time.
const ROUND: Duration = Duration::from_secs(5);

impl<P: Protocol> Streams<P> {
    /// Lets the protocol visit connections: the share of them that corresponds to the time passed of a round. This
    /// costs some 10 ns per entry, so a hundred thousand in 5 s take a fortieth of a percent of a core, and no list of
    /// messages in progress has to be updated for each segment.
    pub fn look(&mut self, now: Timestamp) {
        let slots = self.table.slots();
        let passed = now.since(self.looked).min(ROUND).as_millis();
        let (part, round) = (passed.saturating_mul(slots as u128), ROUND.as_millis().max(1));
        if part < round && now >= self.looked {
            // Less than one entry's share of the time.
            return;
        }
        self.looked = now;
        let part = usize::try_from(part.div_ceil(round)).unwrap_or(slots).min(slots);
        for _ in 0..part {
            let index = if self.look_next < slots { self.look_next } else { 0 };
            self.look_next = index.saturating_add(1);
            let Some(connection) = self.table.get(index) else { continue };
            let look = Look {
                time: now,
                client_skips: connection.client_half.skips(),
                server_skips: connection.server_half.skips(),
            };
            if let Some(state) = &connection.state {
                self.protocol.look(state, &look);
            }
        }
    }

    /// Does what is due, at most `limit` things of each kind.
    pub(super) fn catch_up(&mut self, now: Timestamp, limit: usize) {
        for _ in 0..limit {
            match self.deadlines.acknowledged.pop_front_if(|deadline| deadline.at <= now) {
                Some(deadline) => self.end_of_patience(&deadline),
                None => break,
            }
        }
        for _ in 0..limit {
            match self.deadlines.holes.pop_front_if(|deadline| deadline.at <= now) {
                Some(deadline) => self.end_of_hole(&deadline),
                None => break,
            }
        }
        for class in Class::ALL {
            for _ in 0..limit {
                let Some((index, end)) = self.oldest_ends(class).filter(|(_, end)| *end <= now) else {
                    break;
                };
                self.give_up(index, CloseCause::Idle, end);
            }
        }
        let idle = Class::ALL.into_iter().filter_map(|class| self.oldest_ends(class)).map(|(_, end)| end);
        let next = idle.chain(self.deadlines.next()).min();
        self.due = next.unwrap_or(Timestamp::from_unix_nanos(u64::MAX));
    }

    /// Ensures that what is due by then is done.
    pub(super) fn look_again(&mut self, at: Timestamp) {
        self.due = self.due.min(at);
    }

    /// How long a connection of a class may be idle.
    pub(super) const fn timeout(&self, class: Class) -> Duration {
        match class {
            Class::HalfOpen => self.config.half_open_timeout,
            Class::Open | Class::Stopped => self.config.idle_timeout,
            Class::Closed => self.config.linger,
        }
    }

    /// Makes room for one more connection.
    pub(super) fn make_room(&mut self, time: Timestamp) {
        if self.table.count(Class::HalfOpen) >= self.config.max_half_open
            && let Some(index) = self.table.oldest(Class::HalfOpen)
        {
            bump(&mut self.counters.half_open_evicted);
            self.give_up(index, CloseCause::Evicted, time);
        }
        if self.table.len() >= self.config.max_connections {
            // Lingering ones have been closed before.
            let live = || self.oldest(&[Class::HalfOpen, Class::Open, Class::Stopped]);
            if let Some(index) = self.table.oldest(Class::Closed).or_else(live) {
                self.give_up(index, CloseCause::Evicted, time);
            }
        }
    }

    /// The longest-idle entry of some classes.
    pub(super) fn oldest(&self, classes: &[Class]) -> Option<usize> {
        let oldest = classes.iter().filter_map(|class| {
            let index = self.table.oldest(*class)?;
            let connection = self.table.get(index)?;
            Some((connection.last_seen, connection.serial, index))
        });
        oldest.min().map(|(.., index)| index)
    }

    /// Enforces the bound on all waiting bytes, and keeps the queues of deadlines short.
    pub(super) fn bound(&mut self, time: Timestamp) {
        while self.counters.buffered_bytes > self.config.max_buffered as u64 {
            let Some(deadline) = self.deadlines.holes.pop_front() else { break };
            self.counters.count_refused(Refused::Total);
            self.work_off(&Deadline { at: time, ..deadline }, |connection, context| {
                connection.half(deadline.side).waits_hole = false;
                if let Some(end) = connection.look(deadline.side).buffered_end() {
                    connection.force(deadline.side, end, context);
                }
            });
        }
        let limit = self.table.len().saturating_mul(8).saturating_add(1024);
        let table = &self.table;
        let live = |deadline: &Deadline| {
            table.get(deadline.index).is_some_and(|connection| {
                connection.serial == deadline.serial && connection.phase == Phase::Established
            })
        };
        self.deadlines.sweep(limit, live);
    }

    fn oldest_ends(&self, class: Class) -> Option<(usize, Timestamp)> {
        let index = self.table.oldest(class)?;
        let connection = self.table.get(index)?;
        Some((index, connection.last_seen.plus(self.timeout(class))))
    }

    /// Acknowledged bytes did not arrive, or those that another side's bytes wait for.
    fn end_of_patience(&mut self, deadline: &Deadline) {
        self.work_off(deadline, |connection, context| {
            connection.half(deadline.side).waits_acknowledged = false;
            connection.force(deadline.side, deadline.sequence, context);
        });
    }

    /// A gap has been open for long; it may not be the same gap.
    fn end_of_hole(&mut self, deadline: &Deadline) {
        self.work_off(deadline, |connection, context| {
            let half = connection.half(deadline.side);
            half.waits_hole = false;
            let first = half.first().filter(|_| half.expected == deadline.sequence);
            if let Some((start, end, _)) = first {
                let target = if start.after(half.expected) { start } else { end };
                connection.force(deadline.side, target, context);
            }
        });
    }

    fn work_off(
        &mut self,
        deadline: &Deadline,
        work: impl FnOnce(&mut super::connection::Connection<P::State>, &mut super::connection::Context<'_, P>),
    ) {
        let done = self.with(deadline.index, deadline.at, |connection, context| {
            if connection.serial == deadline.serial {
                work(connection, context);
                connection.settle(context);
                connection.arm(context);
            }
        });
        if done.is_some()
            && let Some(class) = self.table.reclass(deadline.index)
        {
            self.look_again(deadline.at.plus(self.timeout(class)));
        }
    }
}
