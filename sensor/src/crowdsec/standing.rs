//! What CrowdSec decided and still holds, by prefix; pure.
//!
//! A prefix has one decision here: the server says the one that ends last, and that a decision is deleted only if no other
//! about the same value outlasts it. What is deleted is therefore found by its value, not by its number.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::config::CrowdsecBounds;
use super::decision::Decision;
use super::left::Left;
use crate::clock::Timestamp;

/// Ends of the same decision that differ by less are the same: each answer says how much time is left, and is some time
/// on its way.
const SLACK: Duration = Duration::from_secs(5);

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// What holds.
    pub decisions: Vec<Decision>,
    /// Decisions that a person lifted on this host.
    pub declined: Vec<Decision>,
}

/// What a whole list left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// About whom what was known is forgotten.
    pub changed: Vec<IpNet>,
    /// About whom the list has nothing, and what is known stands for now.
    pub doubts: HashSet<IpNet>,
}

/// All decisions that are remembered.
#[derive(Debug)]
pub struct Standing {
    bounds: CrowdsecBounds,
    by_prefix: BTreeMap<IpNet, Decision>,
    by_end: BTreeSet<(Timestamp, IpNet)>,
    /// Whom a person let go on this host, and in spite of which decision.
    declined: BTreeMap<IpNet, Decision>,
}

impl Standing {
    /// Nothing yet.
    #[must_use]
    pub const fn new(bounds: CrowdsecBounds) -> Self {
        Self { bounds, by_prefix: BTreeMap::new(), by_end: BTreeSet::new(), declined: BTreeMap::new() }
    }

    /// Takes a decision. Returns whether it is news.
    ///
    /// # Errors
    /// If it is not to be carried out.
    pub fn offer(&mut self, decision: Decision, now: Timestamp) -> Result<bool, Left> {
        if decision.until <= now {
            return Ok(false);
        }
        if self.bounds.is_too_wide(&decision.prefix) {
            return Err(Left::Wide);
        }
        if self.declined.get(&decision.prefix).is_some_and(|lifted| lifted.id == decision.id) {
            return Err(Left::Declined);
        }
        match self.by_prefix.get(&decision.prefix) {
            None if self.by_prefix.len() >= self.bounds.max_decisions => return Err(Left::Full),
            Some(known) if is_known(known, &decision) => return Ok(false),
            _ => {}
        }
        self.retract(&decision.prefix);
        self.by_end.insert((decision.until, decision.prefix));
        self.by_prefix.insert(decision.prefix, decision);
        Ok(true)
    }

    /// Forgets the decision about a prefix. Returns whether there was one.
    pub fn retract(&mut self, prefix: &IpNet) -> bool {
        let Some(known) = self.by_prefix.remove(prefix) else { return false };
        self.by_end.remove(&(known.until, *prefix));
        true
    }

    /// Forgets what a whole list says otherwise or, where `is_sure`, does not have.
    pub fn keep_only(&mut self, listed: &HashMap<IpNet, i64>, is_sure: impl Fn(&IpNet) -> bool) -> Kept {
        let mut kept = Kept::default();
        for (prefix, decision) in &self.by_prefix {
            match listed.get(prefix) {
                Some(id) if *id == decision.id => {}
                None if !is_sure(prefix) => _ = kept.doubts.insert(*prefix),
                Some(_) | None => kept.changed.push(*prefix),
            }
        }
        kept.changed.iter().for_each(|prefix| _ = self.retract(prefix));
        kept
    }

    /// Forgets what has ended; returns whom it was about.
    pub fn expire(&mut self, now: Timestamp) -> Vec<IpNet> {
        let over = self.by_end.iter().take_while(|(until, _)| *until <= now);
        let ended: Vec<IpNet> = over.map(|(_, prefix)| *prefix).collect();
        ended.iter().for_each(|prefix| _ = self.retract(prefix));
        if !self.declined.is_empty() {
            self.declined.retain(|_, lifted| lifted.until > now);
        }
        ended
    }

    /// Ignores on this host what is decided about a prefix, until something else is. Returns whether anything was.
    pub fn decline(&mut self, prefix: &IpNet) -> bool {
        let Some(lifted) = self.by_prefix.get(prefix).cloned() else { return false };
        self.retract(prefix);
        if self.declined.len() < self.bounds.max_decisions {
            self.declined.insert(*prefix, lifted);
        }
        true
    }

    /// The decision about exactly this prefix.
    #[must_use]
    pub fn get(&self, prefix: &IpNet) -> Option<&Decision> {
        self.by_prefix.get(prefix)
    }

    /// Whom decisions are about.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.by_prefix.keys().copied()
    }

    /// How many decisions each origin has.
    #[must_use]
    pub fn origins(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for decision in self.by_prefix.values() {
            // Names are cloned once per origin.
            match counts.get_mut(&decision.origin) {
                Some(count) => *count = count.saturating_add(1),
                None => _ = counts.insert(decision.origin.clone(), 1),
            }
        }
        counts
    }

    /// How many decisions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_prefix.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// What survives a restart.
    #[must_use]
    pub fn known(&self) -> Known {
        Known {
            decisions: self.by_prefix.values().cloned().collect(),
            declined: self.declined.values().cloned().collect(),
        }
    }

    /// Takes what was known before a restart, as far as it still holds.
    pub fn recall(&mut self, known: Known, now: Timestamp) {
        let declined = known.declined.into_iter().filter(|lifted| lifted.until > now);
        let declined = declined.take(self.bounds.max_decisions);
        self.declined.extend(declined.map(|lifted| (lifted.prefix, lifted)));
        for decision in known.decisions {
            // The configuration may have narrower bounds by now.
            let _left = self.offer(decision, now);
        }
    }
}

/// Whether a decision says nothing that is not known: it is the same one, or another that ends no later.
fn is_known(known: &Decision, said: &Decision) -> bool {
    let apart = known.until.since(said.until).max(said.until.since(known.until));
    if known.id == said.id { apart < SLACK } else { said.until <= known.until }
}
