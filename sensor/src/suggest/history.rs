//! Data on clients that are gone, and on completed hours.

use std::collections::{BTreeMap, VecDeque};

use sensor_common::abi::Dimension;
use serde::{Deserialize, Serialize};

use super::ladder::RUNGS;
use super::sketch::Sketch;
use super::track::Track;
use crate::clock::Timestamp;
use crate::enforce::Scope;

/// Days kept.
const DAYS: u64 = 7;
const DAY_NS: u64 = 86_400_000_000_000;

/// Scopes distinguished per day. A sketch for each rung and dimension takes some 90 KiB per scope.
pub(super) const MAX_SCOPES: usize = 16;

/// Needs at every rung.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Needs {
    rungs: Vec<Sketch>,
}

impl Needs {
    fn insert(&mut self, peaks: [f32; RUNGS], units: u64) {
        self.rungs.resize_with(RUNGS, Sketch::default);
        self.rungs.iter_mut().zip(peaks).for_each(|(sketch, peak)| sketch.insert(whole(peak), units));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.rungs.is_empty() {
            return;
        }
        self.rungs.resize_with(RUNGS, Sketch::default);
        self.rungs.iter_mut().zip(&other.rungs).for_each(|(own, other)| own.merge(other));
    }

    pub(super) fn rung(&self, rung: usize) -> Option<&Sketch> {
        self.rungs.get(rung)
    }

    pub(super) fn clients(&self) -> u64 {
        self.rungs.first().map_or(0, Sketch::clients)
    }
}

/// Clients of one scope.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Clients {
    /// By dimension.
    pub(super) usual: [Needs; 4],
    /// Those that went over a limit in force.
    pub(super) limited: [Needs; 4],
    pub(super) count: u64,
    pub(super) count_limited: u64,
}

impl Clients {
    pub(super) fn merge(&mut self, other: &Self) {
        self.usual.iter_mut().zip(&other.usual).for_each(|(own, other)| own.merge(other));
        self.limited.iter_mut().zip(&other.limited).for_each(|(own, other)| own.merge(other));
        self.count = self.count.saturating_add(other.count);
        self.count_limited = self.count_limited.saturating_add(other.count_limited);
    }
}

/// Clients that do not count, once per hour, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// They are blocked.
    pub blocked: u64,
    /// A detector named them.
    pub named: u64,
    /// They are allowed, so that no limit applies to them.
    pub allowed: u64,
    /// There were too many scopes to distinguish theirs.
    pub scopes_full: u64,
    /// They came and went between two samples.
    pub missed: u64,
}

impl Excluded {
    fn merge(&mut self, other: &Self) {
        for (own, other) in [
            (&mut self.blocked, other.blocked),
            (&mut self.named, other.named),
            (&mut self.allowed, other.allowed),
            (&mut self.scopes_full, other.scopes_full),
            (&mut self.missed, other.missed),
        ] {
            *own = own.saturating_add(other);
        }
    }
}

/// Data of one day, or of all days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// The number of the day since 1970, in UTC; for several, the first.
    pub(super) day: u64,
    /// The first sample.
    pub(super) since: Option<Timestamp>,
    /// Total time between samples, without gaps.
    pub(super) observed_ns: u64,
    pub(super) excluded: Excluded,
    pub(super) scopes: BTreeMap<Scope, Clients>,
}

impl Tally {
    /// Adds a client's behaviour in a period.
    pub(super) fn fold(&mut self, track: &Track, scope: Scope, named: bool) {
        let excluded = &mut self.excluded;
        let reason = if track.allowed {
            Some(&mut excluded.allowed)
        } else if track.blocked {
            Some(&mut excluded.blocked)
        } else if named {
            Some(&mut excluded.named)
        } else if self.scopes.len() >= MAX_SCOPES && !self.scopes.contains_key(&scope) {
            Some(&mut excluded.scopes_full)
        } else {
            None
        };
        let needs = track.levels.iter().map(|levels| levels.as_deref().and_then(super::track::Levels::needs));
        if needs.clone().all(|needs| needs.is_none()) {
            return;
        }
        if let Some(count) = reason {
            *count = count.saturating_add(1);
            return;
        }
        let clients = self.scopes.entry(scope).or_default();
        let (places, count) = if track.limited {
            (&mut clients.limited, &mut clients.count_limited)
        } else {
            (&mut clients.usual, &mut clients.count)
        };
        *count = count.saturating_add(1);
        for (place, needs) in places.iter_mut().zip(needs) {
            if let Some((peaks, units)) = needs {
                place.insert(peaks, units);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.day = self.day.min(other.day);
        self.since = [self.since, other.since].into_iter().flatten().min();
        self.observed_ns = self.observed_ns.saturating_add(other.observed_ns);
        self.excluded.merge(&other.excluded);
        for (scope, clients) in &other.scopes {
            self.scopes.entry(*scope).or_default().merge(clients);
        }
    }
}

/// The last seven days with data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    today: Tally,
    past: VecDeque<Tally>,
}

impl History {
    /// Today's data. Days that are too old are dropped, as are those in the future: the clock was set back.
    pub(super) fn today(&mut self, now: Timestamp) -> &mut Tally {
        let day = now.unix_nanos() / DAY_NS;
        if self.today.day != day {
            let over = std::mem::replace(&mut self.today, Tally { day, ..Tally::default() });
            if over.since.is_some() {
                self.past.push_back(over);
            }
            self.past.retain(|tally| tally.day < day && tally.day.saturating_add(DAYS) > day);
        }
        &mut self.today
    }

    /// All days that overlap the time from `since` on, together.
    pub(super) fn together(&self, since: Option<Timestamp>) -> Tally {
        let first = since.map_or(0, |since| since.unix_nanos() / DAY_NS);
        let mut all = Tally { day: u64::MAX, ..Tally::default() };
        let days = self.past.iter().chain([&self.today]);
        days.filter(|tally| tally.day >= first).for_each(|tally| all.merge(tally));
        all
    }
}

/// The smallest burst with room for a level. Rounding residue of a sum needs no further unit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts saturate, and levels are positive"
)]
fn whole(peak: f32) -> u64 {
    (f64::from(peak) - 1e-3).ceil() as u64
}

/// Index of a dimension in arrays.
pub(super) fn place_of(dimension: Dimension) -> usize {
    dimension as usize
}
