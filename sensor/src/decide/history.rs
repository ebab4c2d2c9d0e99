//! What was decided about whom, for as long as it matters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use super::decision::{Decision, Measure};
use crate::clock::Timestamp;

/// Decisions remembered.
const CAPACITY: usize = 131_072;

/// A prefix and what was decided about it. A limit and a block of one prefix are two histories: who was limited before
/// is blocked for the first time, and for as long as that lasts.
type Key = (IpNet, Measure);

#[derive(Clone, Copy, Debug)]
struct Past {
    until: Timestamp,
    repetition: u32,
    /// Whether it was carried out, and not only recorded.
    carried_out: bool,
}

/// The last decision of each kind about each prefix; the ones that ended first are forgotten first.
#[derive(Debug, Default)]
pub(super) struct History {
    past: BTreeMap<Key, Past>,
    by_end: BTreeSet<(Timestamp, Key)>,
    /// Blocks that were carried out and have not ended.
    running: BTreeSet<(Timestamp, IpNet)>,
    evicted: u64,
}

impl History {
    /// Until when a measure as strong holds already.
    pub(super) fn holds(
        &self,
        prefix: &IpNet,
        measure: Measure,
        carried_out: bool,
        now: Timestamp,
    ) -> Option<(Measure, Timestamp)> {
        let as_strong = Measure::ALL.into_iter().filter(|known| *known >= measure);
        let past = as_strong.filter_map(|known| Some((known, self.past.get(&(*prefix, known))?)));
        let holds = |past: &Past| past.until > now && (past.carried_out || !carried_out);
        past.filter(|(_, past)| holds(past)).map(|(known, past)| (known, past.until)).max()
    }

    /// How often the same was decided about this prefix before, not counting what was long ago.
    pub(super) fn repetitions(
        &self,
        prefix: &IpNet,
        measure: Measure,
        forget_after: Duration,
        now: Timestamp,
    ) -> u32 {
        let past = self.past.get(&(*prefix, measure)).filter(|past| now < past.until.plus(forget_after));
        past.filter(|past| past.carried_out).map_or(0, |past| past.repetition.saturating_add(1))
    }

    /// Remembers a decision.
    pub(super) fn note(&mut self, decision: &Decision, carried_out: bool) {
        let until = decision.until.unwrap_or(Timestamp::from_unix_nanos(u64::MAX));
        let key = (decision.prefix, decision.measure);
        self.forget(&key);
        self.past.insert(key, Past { until, repetition: decision.repetition, carried_out });
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

    /// A person lifted what was decided: it holds no longer, and does not count as a repetition.
    pub(super) fn lift(&mut self, prefix: &IpNet) {
        for measure in Measure::ALL {
            self.forget(&(*prefix, measure));
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(past) = self.past.remove(key) {
            self.by_end.remove(&(past.until, *key));
            if key.1 == Measure::Block {
                self.running.remove(&(past.until, key.0));
            }
        }
    }

    /// Blocks that hold and were carried out.
    pub(super) fn blocks(&mut self, now: Timestamp) -> usize {
        while self.running.first().is_some_and(|(until, _)| *until <= now) {
            self.running.pop_first();
        }
        self.running.len()
    }

    /// Prefixes that were forgotten for want of room.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}
