//! What one client or principal requested under one route within an hour.

use super::FORBIDDEN;
use crate::clock::Timestamp;
use crate::detect::recent::{Distinct, Sparse};
use crate::detect::{Offender, Sample, Severity};

/// Steps that count as small: to the next identifier, or over a gap left by a deleted object.
const STEP: u64 = 8;

/// From this many on, they are people behind one address, or an actor that looks like many.
const CROWD: u32 = 3;

/// What is kept of a walk only since it was first looked at: most never are.
pub(super) struct Closely {
    /// Programs and principals among its requests.
    pub(super) actors: Distinct<1>,
    pub(super) samples: Vec<Sample>,
    /// By how much its actor's successes outnumbered those of the walk.
    besides: Option<i64>,
}

/// One hour of a walk.
pub(super) struct Walk {
    pub(super) began: Timestamp,
    pub(super) who: Offender,
    /// Whether more than one client was it.
    pub(super) several: bool,
    /// The previous hour was reported.
    pub(super) goes_on: bool,
    pub(super) objects: Sparse,
    /// Exchanges answered with the object, or that it does not exist or is forbidden.
    pub(super) exchanges: u32,
    pub(super) failures: u32,
    /// Those of them that were forbidden (403), rather than absent.
    pub(super) forbidden: u32,
    /// The start of the last object that cannot be guessed.
    head: u64,
    /// Numeric identifiers: the last one, the extremes, and steps from one to the next, all and small ones.
    last: Option<u64>,
    lowest: u64,
    highest: u64,
    pub(super) steps: u32,
    up: u32,
    down: u32,
    pub(super) told: Option<Severity>,
    closely: Option<Box<Closely>>,
}

impl Walk {
    pub(super) const fn new(began: Timestamp, who: Offender) -> Self {
        Self {
            began,
            who,
            several: false,
            goes_on: false,
            objects: Sparse::NONE,
            exchanges: 0,
            failures: 0,
            forbidden: 0,
            head: 0,
            last: None,
            lowest: u64::MAX,
            highest: 0,
            steps: 0,
            up: 0,
            down: 0,
            told: None,
            closely: None,
        }
    }

    /// Records a request for an object by its hash, and by its number if it has one; returns whether it is new.
    #[inline]
    pub(super) fn note(&mut self, object: u64, number: Option<u64>, failed: bool) -> bool {
        self.exchanges = self.exchanges.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(failed));
        if let Some(number) = number {
            self.step(number);
        }
        self.objects.note(object)
    }

    /// Whether an unguessable object starts differently from the one before, so that it does not come from a counter.
    pub(super) fn is_no_neighbour(&mut self, head: u64) -> bool {
        std::mem::replace(&mut self.head, head) != head
    }

    /// What is kept since it is looked at.
    pub(super) fn closely(&mut self) -> &mut Closely {
        let new = || Box::new(Closely { actors: Distinct::NONE, samples: Vec::new(), besides: None });
        self.closely.get_or_insert_with(new)
    }

    /// Examples of its requests.
    pub(super) fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.closely.iter().flat_map(|closely| closely.samples.iter().cloned())
    }

    /// Successes elsewhere since the walk was first looked at, out of this many of its actor since then.
    pub(super) fn pages(&mut self, all: u32) -> u32 {
        let passes = self.exchanges.saturating_sub(self.failures);
        let others = i64::from(all).saturating_sub(passes.into());
        let before = *self.closely().besides.get_or_insert(others);
        u32::try_from(others.saturating_sub(before)).unwrap_or(0)
    }

    fn step(&mut self, number: u64) {
        let Some(last) = self.last.replace(number) else {
            (self.lowest, self.highest) = (number, number);
            return;
        };
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        if number == last {
            return;
        }
        self.steps = self.steps.saturating_add(1);
        if number.abs_diff(last) > STEP {
            return;
        }
        let way = if number > last { &mut self.up } else { &mut self.down };
        *way = way.saturating_add(1);
    }

    /// Steps to near identifiers in the prevailing direction.
    pub(super) fn small_steps(&self) -> u32 {
        self.up.max(self.down)
    }

    /// About how many people or programs requested; one if unknown.
    pub(super) fn people(&self) -> u32 {
        self.closely.as_ref().map_or(1, |closely| closely.actors.estimate().max(1))
    }

    /// Whether identifiers are walked through: most steps are small and in one direction, or, if several connections of
    /// one program share the walk, half of all identifiers between the extremes are requested. Many people behind one
    /// address together request most of what exists, and none of them walks.
    pub(super) fn is_sequential(&self, objects: u32) -> bool {
        let one_way = self.steps > 0 && self.small_steps().saturating_mul(10) >= self.steps.saturating_mul(6);
        let numeric = self.steps.saturating_mul(2) >= objects;
        let span = self.highest.saturating_sub(self.lowest);
        let one = self.people() < CROWD;
        let dense = one && numeric && span > 0 && u64::from(objects).saturating_mul(2) >= span;
        numeric && (one_way || dense)
    }

    /// Whether at least one in [`FORBIDDEN`] failures is forbidden rather than absent.
    pub(super) fn is_forbidden(&self) -> bool {
        self.failures > 0 && self.forbidden.saturating_mul(FORBIDDEN) >= self.failures
    }

    /// Whether this percentage of the responses are failures.
    pub(super) fn fails(&self, percent: u32) -> bool {
        self.fails_without(0, percent)
    }

    /// The same, where some of the failures are excused.
    pub(super) fn fails_without(&self, excused: u32, percent: u32) -> bool {
        let (failures, all) = (u64::from(self.failures.saturating_sub(excused)), u64::from(self.exchanges));
        failures.saturating_mul(100) >= all.saturating_mul(percent.into()) && all > 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ahash::RandomState;
    use proptest::prelude::*;

    use super::*;
    use crate::prefix::ClientNet;

    fn walk(numbers: impl IntoIterator<Item = u64>) -> bool {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let who = Offender { client: ClientNet::of(Ipv4Addr::LOCALHOST.into()), proxied: false };
        let mut walk = Walk::new(Timestamp::default(), who);
        for number in numbers {
            walk.note(hasher.hash_one(number), Some(number), false);
        }
        walk.is_sequential(walk.objects.estimate())
    }

    /// With its key and the time at which it was seen; what the settings say of entries follows from it.
    #[test]
    fn it_is_small() {
        assert!(size_of::<(super::super::Key, Timestamp, Walk)>() <= 192);
    }

    proptest! {
        #[test]
        fn walks_are_sequential_in_any_way(start in 0_u64..1_000_000_000_000, length in 30_u64..800, gap in 1_u64..6) {
            let up = (0..length).map(|step| start + step * gap);
            prop_assert!(walk(up.clone()));
            prop_assert!(walk(up.clone().rev()));
            // Four connections at a time.
            let four = (0..length).map(|step| start + (step / 4 * 4 + (step * 7) % 4));
            prop_assert!(walk(four));
        }

        #[test]
        fn picks_are_not(numbers in prop::collection::vec(0_u64..1_000_000, 30..400)) {
            prop_assert!(!walk(numbers));
        }
    }
}
