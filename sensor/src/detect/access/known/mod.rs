//! Which principal asks for which objects of which template.
//!
//! Objects remember the first few principals that they were given to (`objects`). A principal that is given an object of
//! others has met them (`met`); one that it had not met before is a *stranger*. A week's count of strangers tells a user,
//! a team and a thief apart: users are given objects of colleagues again and again, and of strangers seldom.
//!
//! What is many is what the others under the template say (`template`), and for those whose job it is, their own past
//! (`pair`). Whoever has a role shows it by what few others use (`people`).
//!
//! Architecture invariants: nothing in here knows a name, a path or an address, only hashes. Memory is bounded by
//! [`Bounds`]; what is forgotten makes somebody a stranger at most once more.

mod company;
mod copying;
mod days;
mod judge;
mod kept;
mod met;
mod objects;
mod origin;
mod pair;
mod people;
mod roles;
#[cfg(test)]
mod site;
mod sizes;
mod template;

use std::time::Duration;

pub(crate) use copying::Copying;
pub(crate) use days::Day;
pub(crate) use judge::{Case, Limits, Why};
pub(crate) use objects::Who;
pub(crate) use origin::Origin;
pub(crate) use people::{Function, spread};
pub(crate) use roles::{Call, Misuse, Trespass};

use super::super::Usage;
use super::super::recent::Recent;
use crate::clock::Timestamp;
use company::Memo;
use objects::{Objects, Owners, Seen};
use pair::Pair;
use people::People;
use roles::Roles;
use template::{FAIR, Template};

/// What is remembered at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Objects, at 24 bytes each.
    pub(crate) objects: u32,
    /// Principals, at about 75 bytes each.
    pub(crate) people: u32,
    /// Pairs of a principal and a template under which it was given objects of others or refused some, at about 170
    /// bytes each.
    pub(crate) pairs: u32,
}

/// Templates, at about 850 bytes each.
const TEMPLATES: u32 = 1_024;
/// Methods of templates.
const FUNCTIONS: u32 = 4_096;
/// How long a template or a pair is remembered without anything new.
const KEEP: Duration = Duration::from_secs(60 * 86_400);

/// Roles that are remembered for a while, at up to 1.3 KiB each.
const MEMOS: u32 = 256;
const MEMO: Duration = Duration::from_secs(3_600);

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With the object.
    Given,
    /// It is forbidden.
    Forbidden,
    /// It does not exist, or the server says so.
    Missing,
}

/// A request for an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// The principal; none where there are no credentials.
    pub(crate) who: Option<Who>,
    /// The template, by its hash.
    pub(crate) template: u64,
    /// The method of it.
    pub(crate) function: Function,
    /// The object, by its hash with the template; none where the template has none.
    pub(crate) object: Option<u64>,
    /// Its number, if it is one.
    pub(crate) number: Option<u64>,
    /// Whether it may be found by trying; asked only of what is missing.
    pub(crate) is_guessable: bool,
    /// Whether a parameter came twice.
    pub(crate) is_polluted: bool,
    pub(crate) outcome: Outcome,
    pub(crate) now: Timestamp,
}

/// The knowledge.
pub(crate) struct Known {
    limits: Limits,
    objects: Objects,
    people: People,
    roles: Roles,
    templates: Recent<u64, Template>,
    pairs: Recent<u64, Pair>,
    /// The roles of those who were judged of late.
    memos: Recent<Who, Memo>,
    /// The day of the first exchange.
    first: Option<Day>,
}

/// The day of a moment.
pub(crate) fn day_of(now: Timestamp) -> Day {
    const DAY: u64 = 86_400 * 1_000_000_000;
    Day::try_from(now.unix_nanos() / DAY).unwrap_or(Day::MAX)
}

fn key(who: Who, template: u64) -> u64 {
    spread(who) ^ template
}

impl Known {
    pub(crate) fn new(bounds: Bounds, limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            objects: Objects::new(bounds.objects),
            people: People::new(bounds.people, FUNCTIONS, seed),
            roles: Roles::new(limits.functions, seed),
            templates: Recent::new(TEMPLATES, KEEP, seed),
            pairs: Recent::new(bounds.pairs, KEEP, seed),
            memos: Recent::new(MEMOS, MEMO, seed),
            first: None,
        }
    }

    /// Reads what a request is about to change.
    #[inline]
    pub(crate) fn look_ahead(&self, ask: &Ask) -> (bool, bool, bool) {
        (
            ask.object.is_some_and(|object| self.objects.is_there(object)),
            ask.who.is_some_and(|who| self.people.people.is_there(&who)),
            self.templates.is_there(&ask.template),
        )
    }

    /// A request with its answer; what is to be told of it. Where it comes from is asked only where it matters.
    pub(crate) fn note(&mut self, ask: &Ask, origin: impl Fn() -> Origin) -> Option<Case> {
        let day = day_of(ask.now);
        let Some(who) = ask.who else {
            if ask.outcome == Outcome::Given
                && let Some(object) = ask.object
            {
                self.objects.note(object, None, day, false);
            }
            return None;
        };
        self.first.get_or_insert(day);
        let roams = self.people.meet(who, (day, ask.now), &origin);
        if ask.outcome == Outcome::Given {
            self.people.uses(who, ask.function, (day, ask.now));
        }
        let object = ask.object?;
        if ask.outcome != Outcome::Given {
            return self.refused(ask, (who, object), day, origin);
        }
        let seen = self.objects.note(object, Some(who), day, !roams);
        let template = of_template(&mut self.templates, ask, day)?;
        template.meet(spread(who), day);
        match seen {
            Seen::Own => None,
            Seen::First => {
                template.count(false);
                None
            }
            Seen::Shared => {
                template.count(true);
                None
            }
            Seen::Foreign(owners) => self.foreign(ask, (who, owners), day, origin),
        }
    }

    /// A principal is given an object of others.
    fn foreign(
        &mut self,
        ask: &Ask,
        (who, owners): (Who, Owners),
        day: Day,
        origin: impl Fn() -> Origin,
    ) -> Option<Case> {
        let people = &mut self.people;
        let owners = owners.decide(|owner| people.roams(owner, ask.now) > 0);
        let returns = owners.map(|owner| owner != 0 && self.has_met(owner, who, ask));
        let owners = || owners.into_iter().zip(returns).filter(|(owner, _)| *owner != 0);
        owners().next()?;
        let template = of_template(&mut self.templates, ask, day)?;
        let pair = of_pair(&mut self.pairs, (who, ask), day)?;
        settle(pair, template, day);
        let is_known = owners().all(|(owner, returns)| returns || pair.met.has(owner));
        owners().for_each(|(owner, _)| {
            pair.met.note(owner);
        });
        if pair.strangers.today() < FAIR {
            template.count(!is_known);
        }
        if let Some(number) = ask.number {
            pair.step(number);
        }
        pair.polluted = pair.polluted.saturating_add(u16::from(ask.is_polluted));
        if is_known {
            return None;
        }
        pair.objects = pair.objects.saturating_add(1);
        let before = pair.strangers.sum();
        pair.strangers.add();
        if !pair.apart {
            template.strangers.moved(before, before.saturating_add(1));
        }
        let origin = origin();
        if before >= self.limits.strangers {
            self.note_over(ask, (who, origin));
        }
        self.judge(ask, (who, origin), day)
    }

    /// A principal is over the limit under a template.
    fn note_over(&mut self, ask: &Ask, (who, origin): (Who, Origin)) {
        let Self { templates, pairs, limits, .. } = self;
        let hash = templates.hash(&ask.template);
        let Some(template) = templates.peek(hash, &ask.template) else { return };
        template.note_over(who, origin, |one| {
            let key = key(one.who, ask.template);
            let hash = pairs.hash(&key);
            pairs.peek(hash, &key).is_some_and(|pair| !pair.apart && pair.strangers.sum() >= limits.strangers)
        });
    }

    /// Whether somebody was given objects of another one before: they work together.
    fn has_met(&mut self, one: Who, other: Who, ask: &Ask) -> bool {
        let key = key(one, ask.template);
        let hash = self.pairs.hash(&key);
        self.pairs.get(hash, &key, ask.now).is_some_and(|pair| pair.met.has(other))
    }

    /// A principal is refused an object.
    fn refused(
        &mut self,
        ask: &Ask,
        (who, object): (Who, u64),
        day: Day,
        origin: impl Fn() -> Origin,
    ) -> Option<Case> {
        let owners = self.objects.look(object);
        let is_own = owners.is_some_and(|owners| owners.contains(&who));
        let is_anothers = !is_own && owners.is_some();
        // What is gone was somebody's; what nobody ever had was tried.
        let counts = match ask.outcome {
            Outcome::Forbidden => !is_own,
            Outcome::Missing => ask.is_guessable && !is_own,
            Outcome::Given => false,
        };
        if !counts {
            return None;
        }
        let template = of_template(&mut self.templates, ask, day)?;
        let pair = of_pair(&mut self.pairs, (who, ask), day)?;
        settle(pair, template, day);
        let before = pair.refused.sum();
        if !pair.refuse(object, is_anothers) {
            return None;
        }
        if let Some(number) = ask.number {
            pair.step(number);
        }
        pair.polluted = pair.polluted.saturating_add(u16::from(ask.is_polluted));
        template.refused.moved(before, before.saturating_add(1));
        self.judge(ask, (who, origin()), day)
    }

    /// Time passes: counts of those who do nothing fall, too, and with them what is usual.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.people.sweep(now);
        let Self { pairs, templates, .. } = self;
        let day = day_of(now);
        pairs.visit(256, |_, pair| {
            let hash = templates.hash(&pair.template);
            if let Some(template) = templates.peek(hash, &pair.template) {
                settle(pair, template, day);
            }
        });
        pairs.sweep(now, 256, |_, _| {});
        templates.sweep(now, 16, |_, _| {});
        self.memos.sweep(now, 16, |_, _| {});
    }

    pub(crate) fn usage(&self) -> Usage {
        let objects = Usage {
            entries: self.objects.entries,
            capacity: self.objects.capacity(),
            evicted: self.objects.evicted,
        };
        let tables = objects.and(self.people.usage()).and(self.roles.usage());
        tables.and(self.templates.usage()).and(self.pairs.usage()).and(self.memos.usage())
    }
}

/// What is known of the template of a request.
fn of_template<'a>(
    templates: &'a mut Recent<u64, Template>,
    ask: &Ask,
    day: Day,
) -> Option<&'a mut Template> {
    templates.touch_beside(ask.template, ask.now, || Template::new(day), Template::worth)
}

/// What is known of a principal under it.
fn of_pair<'a>(pairs: &'a mut Recent<u64, Pair>, (who, ask): (Who, &Ask), day: Day) -> Option<&'a mut Pair> {
    pairs.touch_beside(key(who, ask.template), ask.now, || Pair::new(ask.template, day), Pair::worth)
}

/// Lets days pass for a pair, and for what is usual.
fn settle(pair: &mut Pair, template: &mut Template, day: Day) {
    let (strangers, refused) = (pair.strangers.sum(), pair.refused.sum());
    if pair.pass(day) {
        if !pair.apart {
            template.strangers.moved(strangers, pair.strangers.sum());
        }
        template.refused.moved(refused, pair.refused.sum());
    }
}
