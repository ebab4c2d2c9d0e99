//! Past decisions by prefix, as long as they matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use super::decision::{Decision, Measure};
use crate::clock::Timestamp;

/// Decisions remembered.
const CAPACITY: usize = 131_072;

/// A prefix, a measure, and whether it was carried out or only recorded. Each combination has its own history: a client
/// that was limited before, or would have been blocked, is blocked for the first time, and for the first duration.
type Key = (IpNet, Measure, bool);

#[derive(Clone, Copy, Debug)]
struct Past {
    until: Timestamp,
    repetition: u32,
}

/// The last decision of each kind about each prefix; the first to end is forgotten first.
#[derive(Debug, Default)]
pub(super) struct History {
    past: BTreeMap<Key, Past>,
    by_end: BTreeSet<(Timestamp, Key)>,
    /// Blocks that were carried out and have not ended.
    running: BTreeSet<(Timestamp, IpNet)>,
    evicted: u64,
}

impl History {
    /// Until when an equally strong measure is already in force. A client that a proxy denies is not dropped by the
    /// kernel.
    pub(super) fn holds(
        &self,
        prefix: &IpNet,
        measure: Measure,
        carried_out: bool,
        now: Timestamp,
    ) -> Option<(Measure, Timestamp)> {
        let as_strong = Measure::ALL
            .into_iter()
            .filter(|known| *known == measure || (measure == Measure::Limit && *known == Measure::Block));
        let kinds: &[bool] = if carried_out { &[true] } else { &[true, false] };
        let keys = as_strong.flat_map(|known| kinds.iter().map(move |kind| (*prefix, known, *kind)));
        let past = keys.filter_map(|key| Some((key.1, self.past.get(&key)?.until)));
        past.filter(|(_, until)| *until > now).max()
    }

    /// How often the same was decided about this prefix before, not counting old decisions.
    pub(super) fn repetitions(
        &self,
        prefix: &IpNet,
        measure: Measure,
        forget_after: Duration,
        now: Timestamp,
    ) -> u32 {
        let past = self.past.get(&(*prefix, measure, true));
        let past = past.filter(|past| now < past.until.plus(forget_after));
        past.map_or(0, |past| past.repetition.saturating_add(1))
    }

    /// Records a decision.
    pub(super) fn note(&mut self, decision: &Decision, carried_out: bool) {
        let until = decision.until.unwrap_or(Timestamp::from_unix_nanos(u64::MAX));
        let key = (decision.prefix, decision.measure, carried_out);
        self.forget(&key);
        self.past.insert(key, Past { until, repetition: decision.repetition });
        self.by_end.insert((until, key));
        if carried_out && decision.measure == Measure::Block {
            self.running.insert((until, decision.prefix));
        }
        while self.past.len() > CAPACITY {
            let Some((_, oldest)) = self.by_end.first().copied() else { break };
            self.forget(&oldest);
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    /// A person lifted the decision: it is no longer in force, and does not count as a repetition.
    pub(super) fn lift(&mut self, prefix: &IpNet) {
        for measure in Measure::ALL {
            self.forget(&(*prefix, measure, true));
            self.forget(&(*prefix, measure, false));
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(past) = self.past.remove(key) {
            self.by_end.remove(&(past.until, *key));
            if key.1 == Measure::Block && key.2 {
                self.running.remove(&(past.until, key.0));
            }
        }
    }

    /// Blocks in force that were carried out.
    pub(super) fn blocks(&mut self, now: Timestamp) -> usize {
        while self.running.first().is_some_and(|(until, _)| *until <= now) {
            self.running.pop_first();
        }
        self.running.len()
    }

    /// Prefixes dropped for lack of room.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}
