//! What is usual for a template: how many read what belongs to others.

use super::days::{Day, WEEK};
use super::objects::Who;
use super::origin::Origin;
use super::sizes::Sizes;
use crate::detect::recent::Distinct;

/// Principals that have to be known before anything is usual.
const KNOWN: u32 = 20;
/// Objects of others that one principal adds to the share on a day: one that reads everything does not make it public.
pub(super) const FAIR: u32 = 8;
/// Readings at which old ones begin to count less.
const MANY: u32 = 100_000;
/// Readings before the share says something.
const FEW: u32 = 40;

/// Principals with many strangers that are compared with each other. If they are more, it is not they who changed.
const OVER: usize = 64;

/// A principal that met many strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) who: Who,
    /// Where it was when it did.
    pub(super) origin: Origin,
}

/// A template of paths.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) first: Day,
    /// Principals with a count of strangers in the last week, those that roam left out.
    pub(super) strangers: Sizes,
    /// Principals with a count of refused objects in the last week.
    pub(super) refused: Sizes,
    active: [Distinct<32>; 2],
    since: Day,
    /// Objects that somebody was given for the first time: all, and those that others had before.
    fresh: u32,
    foreign: u32,
    /// Those who met many strangers of late. It is not kept over a restart.
    pub(super) over: Vec<Over>,
}

impl Template {
    pub(super) fn new(day: Day) -> Self {
        Self {
            first: day,
            strangers: Sizes::default(),
            refused: Sizes::default(),
            active: [Distinct::NONE; 2],
            since: day,
            fresh: 0,
            foreign: 0,
            over: Vec::new(),
        }
    }

    /// What is lost with it, where another one makes room: readings, by their order of magnitude.
    pub(super) fn worth(&self) -> u32 {
        self.fresh.checked_ilog2().map_or(0, |power| power.saturating_add(1))
    }

    /// A principal is given an object.
    pub(super) fn meet(&mut self, who: u64, day: Day) {
        if day.abs_diff(self.since) >= WEEK {
            let [current, _] = self.active;
            self.active = [Distinct::NONE, current];
            self.since = day;
        }
        if let Some(active) = self.active.first_mut() {
            active.note(who);
        }
    }

    /// One that it did not have before.
    pub(super) fn count(&mut self, is_foreign: bool) {
        if self.fresh >= MANY {
            self.fresh /= 2;
            self.foreign /= 2;
        }
        self.fresh = self.fresh.saturating_add(1);
        self.foreign = self.foreign.saturating_add(u32::from(is_foreign));
    }

    /// Principals of late, about.
    pub(super) fn active(&self) -> u32 {
        self.active.iter().map(Distinct::estimate).max().unwrap_or_default()
    }

    /// Whether it has been watched long enough, and is used by enough, to know what is usual.
    pub(super) fn is_learned(&self, day: Day, learn: Day) -> bool {
        day.saturating_sub(self.first) >= learn && self.active() >= KNOWN
    }

    /// Whether objects mostly belong to somebody: at most half of what principals are given for the first time was
    /// another's before.
    pub(super) const fn is_private(&self) -> bool {
        self.fresh >= FEW && self.foreign.saturating_mul(2) <= self.fresh
    }

    /// A principal met many strangers, from there. Those who no longer count by `is_over` make room.
    pub(super) fn note_over(&mut self, who: Who, origin: Origin, is_over: impl FnMut(&Over) -> bool) {
        if let Some(known) = self.over.iter_mut().find(|one| one.who == who) {
            known.origin = origin;
            return;
        }
        if self.over.len() >= OVER {
            self.over.retain(is_over);
        }
        if self.over.len() < OVER {
            self.over.push(Over { who, origin });
        }
    }

    pub(super) fn parts(&self) -> [u32; 3] {
        [self.first.into(), self.fresh, self.foreign]
    }

    /// From a file: who was active is learned again.
    pub(super) fn of([first, fresh, foreign]: [u32; 3], active: u32) -> Self {
        let first = Day::try_from(first).unwrap_or(Day::MAX);
        let mut template = Self { fresh, foreign: foreign.min(fresh), ..Self::new(first) };
        // As current: the first that is met afterwards makes them those of the week before.
        if let Some(before) = template.active.first_mut() {
            (0..active.min(20_000)).for_each(|one| {
                before.note(super::people::spread(one));
            });
        }
        template
    }
}
