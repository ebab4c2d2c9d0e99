//! What was decided about whom, for as long as it matters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use super::decision::{Decision, Measure};
use crate::clock::Timestamp;

/// Prefixes remembered.
const CAPACITY: usize = 131_072;

#[derive(Clone, Copy, Debug)]
struct Past {
    measure: Measure,
    until: Timestamp,
    repetition: u32,
    /// Whether it was carried out, and not only recorded.
    carried_out: bool,
}

/// The last decision about each prefix; the ones that ended first are forgotten first.
#[derive(Debug, Default)]
pub(super) struct History {
    past: BTreeMap<IpNet, Past>,
    by_end: BTreeSet<(Timestamp, IpNet)>,
    /// Blocks that were carried out and have not ended.
    running: BTreeSet<(Timestamp, IpNet)>,
    evicted: u64,
}

impl History {
    /// Whether a measure as strong holds already.
    pub(super) fn holds(&self, prefix: &IpNet, measure: Measure, carried_out: bool, now: Timestamp) -> bool {
        self.past.get(prefix).is_some_and(|past| {
            past.until > now && past.measure >= measure && (past.carried_out || !carried_out)
        })
    }

    /// How often this prefix was decided about before, not counting what was long ago.
    pub(super) fn repetitions(&self, prefix: &IpNet, forget_after: Duration, now: Timestamp) -> u32 {
        let past = self.past.get(prefix).filter(|past| now < past.until.plus(forget_after));
        past.map_or(0, |past| past.repetition.saturating_add(1))
    }

    /// Remembers a decision.
    pub(super) fn note(&mut self, decision: &Decision, carried_out: bool) {
        let until = decision.until.unwrap_or(Timestamp::from_unix_nanos(u64::MAX));
        let past = Past { measure: decision.measure, until, repetition: decision.repetition, carried_out };
        self.lift(&decision.prefix);
        self.past.insert(decision.prefix, past);
        self.by_end.insert((until, decision.prefix));
        if carried_out && decision.measure == Measure::Block {
            self.running.insert((until, decision.prefix));
        }
        while self.past.len() > CAPACITY {
            let Some((_, oldest)) = self.by_end.first().copied() else { break };
            self.lift(&oldest);
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    /// A person lifted what was decided: it holds no longer, and does not count as a repetition.
    pub(super) fn lift(&mut self, prefix: &IpNet) {
        if let Some(past) = self.past.remove(prefix) {
            self.by_end.remove(&(past.until, *prefix));
            self.running.remove(&(past.until, *prefix));
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
