//! Who is there, and what of what they use few others use: the marks of a role.

use std::time::Duration;

use super::days::Day;
use super::objects::Who;
use super::origin::{Origin, Origins};
use crate::clock::Timestamp;
use crate::detect::Usage;
use crate::detect::recent::{Distinct, Recent};

/// A method of a template, by its hash.
pub(crate) type Function = u32;

/// Functions of a principal that few others use, at most.
pub(super) const MARKS: usize = 6;

/// How long somebody is remembered who does nothing.
const KEEP: Duration = Duration::from_secs(60 * 86_400);

/// One in this many principals may use a function that is the mark of a role: a support desk, an administration.
const RARE: u32 = 20;

/// Principals below which nothing is rare.
const CROWD: u32 = 20;

/// A principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) first: Day,
    /// The last day on which it did something, and where it came from first on it.
    pub(super) day: Day,
    pub(super) origin: Origin,
    /// Strangers in a week whose objects it reads as a rule, under any template: support, administration,
    /// synchronisation. Zero for ordinary users; whoever has another number roams.
    pub(super) roams: u16,
    pub(super) marks: [Function; MARKS],
}

impl Person {
    /// What is lost with it, where another one makes room. Credentials that were used on one day only may be made up.
    fn worth(&self) -> u32 {
        u32::from(self.roams > 0).saturating_mul(2).saturating_add(u32::from(self.day != self.first))
    }
}

/// Fellows of a mark that are compared with a principal.
const FELLOWS: usize = 16;

/// The others who use a function that few use.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    all: u32,
    roam: u32,
    /// Some of them, and where they come from.
    pub(super) fellows: Vec<(Who, Origin)>,
}

impl Mark {
    fn note(&mut self, other: Who, person: &Person) {
        self.all = self.all.saturating_add(1);
        self.roam = self.roam.saturating_add(u32::from(person.roams > 0));
        if self.fellows.len() < FELLOWS {
            self.fellows.push((other, person.origin));
        }
    }

    /// Whether most of them roam: it is the role of those who may.
    pub(super) const fn is_roamers(&self) -> bool {
        self.roam >= 1 && self.roam.saturating_mul(2) >= self.all
    }
}

/// A method of a template, a program, or a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) first: Day,
    /// Principals that used it, a method with success.
    pub(super) users: Distinct<8>,
}

impl Use {
    /// What is lost with it, where another one makes room.
    pub(super) fn worth(&self) -> u32 {
        self.users.at_least()
    }
}

/// All principals, and the functions that they use.
pub(super) struct People {
    pub(super) people: Recent<Who, Person>,
    pub(super) uses: Recent<Function, Use>,
    pub(super) origins: Origins,
    /// Principals of the current and the last period.
    all: [Distinct<64>; 2],
    since: Day,
    /// How many these are, about: each exchange asks.
    count: u32,
}

/// Days for which principals are counted.
const PERIOD: Day = 14;

impl People {
    pub(super) fn new(people: u32, functions: u32, seed: u64) -> Self {
        Self {
            people: Recent::new(people, KEEP, seed),
            uses: Recent::new(functions, KEEP, seed),
            origins: Origins::new(seed),
            all: [Distinct::NONE; 2],
            since: 0,
            count: 0,
        }
    }

    /// A principal does something; whether it roams. Where it comes from is asked once a day.
    pub(super) fn meet(
        &mut self,
        who: Who,
        (day, now): (Day, Timestamp),
        origin: impl FnOnce() -> Origin,
    ) -> bool {
        if day.abs_diff(self.since) >= PERIOD {
            let [current, _] = self.all;
            self.all = [Distinct::NONE, current];
            self.since = day;
            self.recount();
        }
        if self.all.first_mut().is_some_and(|all| all.note(spread(who))) {
            self.recount();
        }
        let fresh = || Person { first: day, day: 0, origin: Origin::default(), roams: 0, marks: [0; MARKS] };
        let Some(person) = self.people.touch_beside(who, now, fresh, Person::worth) else { return false };
        if person.day != day {
            (person.day, person.origin) = (day, origin());
            self.origins.note(person.origin, who, (day, now));
        }
        person.roams > 0
    }

    /// It does something with success.
    pub(super) fn uses(&mut self, who: Who, function: Function, (day, now): (Day, Timestamp)) {
        let fresh = || Use { first: day, users: Distinct::NONE };
        let Some(known) = self.uses.touch_beside(function, now, fresh, Use::worth) else { return };
        known.users.note(spread(who));
        let users = known.users.at_least();
        let rare = self.rare();
        if users > rare {
            return;
        }
        let hash = self.people.hash(&who);
        let Self { people, uses, .. } = self;
        let Some(person) = people.get(hash, &who, now) else { return };
        if person.marks.contains(&function) {
            return;
        }
        // In place of one that is rare no longer, as all are at first.
        let free = person.marks.iter_mut().find(|mark| {
            let hash = uses.hash(mark);
            **mark == 0 || uses.get(hash, mark, now).is_none_or(|known| known.users.at_least() > rare)
        });
        if let Some(free) = free {
            *free = function;
        }
    }

    /// Takes one that an earlier run knew.
    pub(super) fn put(&mut self, who: Who, person: Person, now: Timestamp) {
        self.people.touch(who, now, || person);
        let [_, before] = &mut self.all;
        if before.note(spread(who)) {
            self.recount();
        }
    }

    /// Principals that may use a function before it is an ordinary one.
    pub(super) fn rare(&self) -> u32 {
        let all = self.count();
        if all < CROWD { 1 } else { (all / RARE).max(2) }
    }

    /// Principals of late, about.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    fn recount(&mut self) {
        self.count = self.all.iter().map(Distinct::estimate).max().unwrap_or_default();
    }

    /// Principals that used a function, as far as that matters.
    pub(super) fn users(&mut self, function: Function, now: Timestamp) -> u32 {
        let hash = self.uses.hash(&function);
        self.uses.get(hash, &function, now).map_or(0, |known| known.users.at_least())
    }

    /// How far somebody roams: strangers in a week, or zero.
    pub(super) fn roams(&mut self, who: Who, now: Timestamp) -> u16 {
        let hash = self.people.hash(&who);
        self.people.get(hash, &who, now).map_or(0, |person| person.roams)
    }

    /// From now on it does, this far at least.
    pub(super) fn let_roam(&mut self, who: Who, strangers: u32, now: Timestamp) {
        let hash = self.people.hash(&who);
        if let Some(person) = self.people.get(hash, &who, now) {
            person.roams = person.roams.max(u16::try_from(strangers).unwrap_or(u16::MAX));
        }
    }

    /// The functions that mark the role of a principal: rare ones that somebody else uses, too.
    pub(super) fn marks(&mut self, who: Who, now: Timestamp) -> Vec<Function> {
        let rare = self.rare();
        let hash = self.people.hash(&who);
        let Some(person) = self.people.get(hash, &who, now).copied() else { return Vec::new() };
        let marks = person.marks.into_iter().filter(|mark| *mark != 0);
        let is_rare = |mark: &Function| {
            let hash = self.uses.hash(mark);
            let known = self.uses.get(hash, mark, now);
            known.is_some_and(|known| (2..=rare).contains(&known.users.at_least()))
        };
        marks.filter(is_rare).collect()
    }

    /// Who else has a mark of this principal, mark by mark. It looks at all principals.
    pub(super) fn role(&mut self, who: Who, now: Timestamp) -> Vec<Mark> {
        let marks = self.marks(who, now);
        let mut found = vec![Mark::default(); marks.len()];
        if marks.is_empty() {
            return found;
        }
        for (other, person) in self.people.iter().filter(|(other, _)| **other != who) {
            for (mark, of) in marks.iter().zip(&mut found) {
                if person.marks.contains(mark) {
                    of.note(*other, person);
                }
            }
        }
        found
    }

    /// Of how many principals the first day is within so many days of another one. It looks at all principals.
    pub(super) fn born(&self, first: Day, within: Day) -> u32 {
        let is_near = |person: &Person| person.first.abs_diff(first) <= within;
        let born = self.people.iter().filter(|(_, person)| is_near(person)).count();
        u32::try_from(born).unwrap_or(u32::MAX)
    }

    /// What is known of a principal.
    pub(super) fn look(&mut self, who: Who) -> Option<Person> {
        let hash = self.people.hash(&who);
        self.people.peek(hash, &who).copied()
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.people.sweep(now, 256, |_, _| {});
        self.uses.sweep(now, 16, |_, _| {});
        self.origins.sweep(now);
    }

    pub(super) fn usage(&self) -> Usage {
        self.people.usage().and(self.uses.usage()).and(self.origins.usage())
    }
}

/// A hash of what is one in 32 bits already.
pub(crate) fn spread(who: u32) -> u64 {
    u64::from(who).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
