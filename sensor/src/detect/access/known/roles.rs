//! Functions that belong to a role: few use them, and those who do have other functions in common. Whoever is refused
//! several of them walks along roles; whoever is served one without the others found a door open.

use std::time::Duration;

use super::days::{Day, passed};
use super::objects::Who;
use super::people::{Function, spread};
use super::{Known, day_of};
use crate::clock::Timestamp;
use crate::detect::Severity;
use crate::detect::recent::{Distinct, Recent};

/// Refused functions of one principal that are told apart.
const REFUSALS: usize = 16;
/// How long refusals belong together.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Until it is judged whether a principal that uses a function of a role has the role: a new administrator loads the pages
/// around it.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Principals that may be refused a new function until it is taken for what pages ask for, and not for a door that one
/// of them tries. After a deployment everybody is refused something; so such refusals count only once the function has
/// been there for [`PATIENCE`], in which others are refused, too.
const COMPANY: u32 = 3;
/// Principals with refusals, and first uses that wait to be judged.
const ENTRIES: u32 = 8_192;
/// Refusals besides a success that make it an attack.
const WALKED: usize = 3;

/// Why something is told of a principal and its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// It was refused functions of roles that it has not.
    Refused,
    /// It was served one.
    Served,
}

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trespass {
    pub(crate) who: Who,
    pub(crate) misuse: Misuse,
    pub(crate) severity: Severity,
    pub(crate) function: Function,
    /// Different functions that it was refused within a week.
    pub(crate) refused: u32,
    /// Principals that use the function.
    pub(crate) users: u32,
    /// Principals at all.
    pub(crate) principals: u32,
}

/// A request for a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) who: Who,
    pub(crate) function: Function,
    /// Whether it was served, or forbidden.
    pub(crate) is_served: bool,
    /// Whether it changes something, or is an administration's by its name.
    pub(crate) is_powerful: bool,
    pub(crate) now: Timestamp,
}

struct Refusals {
    since: Timestamp,
    functions: [Function; REFUSALS],
    told: Option<Severity>,
}

struct Pending {
    since: Timestamp,
}

/// A function that somebody was refused.
struct Door {
    since: Timestamp,
    /// By whom it was tried.
    by: Distinct<4>,
}

/// What is known of refusals and first uses.
pub(super) struct Roles {
    refusals: Recent<Who, Refusals>,
    refused: Recent<Function, Door>,
    pending: Recent<(Who, Function), Pending>,
    /// Refused functions that are told.
    limit: u32,
}

impl Roles {
    pub(super) fn new(limit: u32, seed: u64) -> Self {
        Self {
            refusals: Recent::new(ENTRIES, WEEK, seed),
            refused: Recent::new(4_096, WEEK, seed),
            pending: Recent::new(ENTRIES, PATIENCE.saturating_mul(4), seed),
            limit,
        }
    }

    pub(super) fn usage(&self) -> crate::detect::Usage {
        self.refusals.usage().and(self.refused.usage()).and(self.pending.usage())
    }
}

impl Known {
    /// A request for a function, before its success is noted.
    pub(crate) fn call(&mut self, call: &Call) -> Option<Trespass> {
        let day = day_of(call.now);
        if self.first.is_none_or(|first| passed(first, day) < self.limits.learn) {
            return None;
        }
        if call.is_served { self.first_use(call, day) } else { self.refuse_function(call) }
    }

    /// A function is forbidden to a principal.
    fn refuse_function(&mut self, call: &Call) -> Option<Trespass> {
        let rare = self.people.rare();
        let users = self.people.users(call.function, call.now);
        let new = || Door { since: call.now, by: Distinct::NONE };
        let door = self.roles.refused.touch(call.function, call.now, new)?;
        door.by.note(spread(call.who));
        // What many use, or many are refused as its pages ask for it, says nothing of one.
        if users > rare || door.by.at_least() > rare {
            return None;
        }
        let fresh = || Refusals { since: call.now, functions: [0; REFUSALS], told: None };
        let known = self.roles.refusals.touch_beside(call.who, call.now, fresh, Refusals::count)?;
        if call.now.since(known.since) > WEEK {
            *known = fresh();
        }
        if !known.functions.contains(&call.function) {
            *known.functions.iter_mut().find(|function| **function == 0)? = call.function;
        }
        let functions = known.functions;
        let refused = self.walked(&functions, call);
        let severity = match refused {
            refused if refused >= self.roles.limit.saturating_mul(2) => Severity::High,
            refused if refused >= self.roles.limit => Severity::Medium,
            _ => return None,
        };
        let known = self.roles.refusals.touch_beside(call.who, call.now, fresh, Refusals::count)?;
        if known.told >= Some(severity) {
            return None;
        }
        known.told = Some(severity);
        Some(Trespass {
            who: call.who,
            misuse: Misuse::Refused,
            severity,
            function: call.function,
            refused,
            users,
            principals: self.people.count(),
        })
    }

    /// How many of these refused functions belong to roles, as far as it shows; the last one does.
    fn walked(&mut self, functions: &[Function; REFUSALS], call: &Call) -> u32 {
        let Self { people, roles, limits, .. } = self;
        let (now, day) = (call.now, day_of(call.now));
        let counts = functions.iter().filter(|function| **function != 0).filter(|function| {
            let hash = people.uses.hash(function);
            let known = people.uses.peek(hash, function);
            if **function == call.function
                || known.is_some_and(|known| passed(known.first, day) >= limits.learn)
            {
                return true;
            }
            let hash = roles.refused.hash(function);
            let door = roles.refused.get(hash, function, now);
            door.is_some_and(|door| now.since(door.since) >= PATIENCE && door.by.at_least() <= COMPANY)
        });
        u32::try_from(counts.count()).unwrap_or_default()
    }

    /// A function is served to a principal: is it the first time, and is it one of a role?
    fn first_use(&mut self, call: &Call, day: Day) -> Option<Trespass> {
        if !call.is_powerful {
            return None;
        }
        let hash = self.people.uses.hash(&call.function);
        let known = self.people.uses.peek(hash, &call.function)?;
        let (users, first) = (known.users.at_least(), known.first);
        let mut with = known.users;
        let is_first = with.note(spread(call.who));
        if !is_first || passed(first, day) < self.limits.learn || users > self.people.rare() {
            return None;
        }
        if self.companions(call.who, call.function, call.now) != Some(false) {
            return None;
        }
        let refused = self.refused_functions(call.who, call.now);
        if usize::try_from(refused).unwrap_or_default() >= WALKED {
            return Some(self.served(call.who, call.function, (refused, users)));
        }
        let since = call.now;
        self.roles.pending.touch((call.who, call.function), call.now, || Pending { since })?;
        None
    }

    /// Whether a principal has functions that most users of this one have in common; none where they have nothing in
    /// common. It looks at all principals, once for each first use of a rare function.
    fn companions(&mut self, who: Who, function: Function, now: Timestamp) -> Option<bool> {
        let mut counts: Vec<(Function, u32)> = Vec::new();
        let mut users = 0_u32;
        for (_, person) in
            self.people.people.iter().filter(|(one, person)| **one != who && person.marks.contains(&function))
        {
            users = users.saturating_add(1);
            for mark in person.marks.iter().filter(|mark| **mark != 0 && **mark != function) {
                match counts.iter_mut().find(|(known, _)| known == mark) {
                    Some((_, count)) => *count = count.saturating_add(1),
                    None => counts.push((*mark, 1)),
                }
            }
        }
        counts.retain(|(_, count)| count.saturating_mul(2) >= users);
        let rare = self.people.rare();
        counts.retain(|(mark, _)| self.people.users(*mark, now) <= rare);
        if counts.is_empty() {
            return None;
        }
        let hash = self.people.people.hash(&who);
        let person = self.people.people.peek(hash, &who)?;
        Some(counts.iter().any(|(mark, _)| person.marks.contains(mark)))
    }

    fn refused_functions(&mut self, who: Who, now: Timestamp) -> u32 {
        let hash = self.roles.refusals.hash(&who);
        let known = self.roles.refusals.get(hash, &who, now);
        known.filter(|known| now.since(known.since) <= WEEK).map_or(0, |known| known.count())
    }

    fn served(&self, who: Who, function: Function, (refused, users): (u32, u32)) -> Trespass {
        let is_walk = usize::try_from(refused).unwrap_or_default() >= WALKED;
        let severity = if is_walk { Severity::High } else { Severity::Medium };
        let principals = self.people.count();
        Trespass { who, misuse: Misuse::Served, severity, function, refused, users, principals }
    }

    /// Whether a first use waits to be judged.
    pub(crate) fn is_pending(&mut self, who: Who, function: Function) -> bool {
        if self.roles.pending.is_empty() {
            return false;
        }
        let hash = self.roles.pending.hash(&(who, function));
        self.roles.pending.peek(hash, &(who, function)).is_some()
    }

    /// Judges first uses that have waited.
    pub(crate) fn ripe(&mut self, now: Timestamp) -> Vec<Trespass> {
        if self.roles.pending.is_empty() {
            return Vec::new();
        }
        let is_ripe = |pending: &Pending| now.since(pending.since) >= PATIENCE;
        let ripe: Vec<(Who, Function)> =
            self.roles.pending.iter().filter(|(_, one)| is_ripe(one)).map(|(key, _)| *key).collect();
        let mut cases = Vec::new();
        for key in ripe {
            self.roles.pending.remove(&key);
            let (who, function) = key;
            if self.companions(who, function, now) == Some(false) {
                let refused = self.refused_functions(who, now);
                let users = self.people.users(function, now);
                cases.push(self.served(who, function, (refused, users)));
            }
        }
        self.roles.refusals.sweep(now, 64, |_, _| {});
        cases
    }
}

impl Refusals {
    fn count(&self) -> u32 {
        let count = self.functions.iter().filter(|function| **function != 0).count();
        u32::try_from(count).unwrap_or_default()
    }
}
