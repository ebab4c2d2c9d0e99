//! Those who meet many strangers under the same template: accomplices, a role, or people whose application changed.
//!
//! A group that stands apart is judged by what its members share. Accomplices come with one program that few others use,
//! from one network that was never seen before, or were made together. A new role comes from networks that have long
//! been there. Its members are told apart by what they use, and each is compared with its fellows.

use std::time::Duration;

use super::days::passed;
use super::objects::Who;
use super::origin::Origin;
use super::people::{Function, MARKS, Mark};
use super::{Ask, Day, Known, key};
use crate::clock::Timestamp;

/// Mates that are no coincidence, as a number and as a share of the others (its reciprocal).
const MATES: u32 = 3;
const SHARE: u32 = 4;
/// Days between the first days of principals that were made together, and after which that says nothing.
const TOGETHER: Day = 2;
const YOUNG: Day = 30;
/// Principals that were made in the same days are this share of all at most, as its reciprocal. Where credentials change
/// daily, all are young.
const BORN: u32 = 10;
/// A program that one in this many principals uses is an ordinary one.
const ORDINARY: u32 = 20;
/// Fellows with whom one is compared, and the multiple of their median that is too much.
const FELLOWS: usize = 3;
const EXCESS: u32 = 3;
/// How long it is remembered what somebody's role is: looking it up reads all principals.
const MEMO: Duration = Duration::from_secs(600);

/// What the others who meet many strangers have in common with one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Company {
    /// The others.
    all: u32,
    /// Those of them who share its network, its program, or its first day; and all who share any of these.
    network: u32,
    program: u32,
    born: u32,
    pub(super) mates: u32,
    /// Those who ask for one number after the other, guess, or send parameters twice.
    signs: u32,
    /// Those who share what few others use: a role.
    pub(super) of_roles: u32,
}

impl Company {
    /// Whether so many show signs of an attack that it is what the application does.
    pub(super) const fn are_signs_common(&self) -> bool {
        self.signs >= MATES && self.signs.saturating_mul(SHARE) >= self.all
    }

    const fn is_many(&self, mates: u32) -> bool {
        mates >= MATES && mates.saturating_mul(SHARE) >= self.all
    }
}

/// What somebody's role says of the strangers that it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credit {
    /// It uses nothing that few others use, or is not like those who do.
    None,
    /// It has the marks of a role.
    Role,
    /// It has the role of those who read everything.
    Roams,
}

/// What is known of a role, until when.
pub(super) struct Memo {
    at: Timestamp,
    role: Vec<Mark>,
}

impl Known {
    /// The others under a template who met at least half of a limit.
    pub(super) fn company(&mut self, ask: &Ask, (who, origin): (Who, Origin), limit: u32) -> Company {
        let mut company = Company::default();
        let hash = self.templates.hash(&ask.template);
        let Some(template) = self.templates.peek(hash, &ask.template) else { return company };
        let over = template.over.clone();
        let born = self.people.look(who).map_or(0, |person| person.first);
        let mut marks: Vec<[Function; MARKS]> = Vec::new();
        for other in over.iter().filter(|other| other.who != who) {
            let key = key(other.who, ask.template);
            let hash = self.pairs.hash(&key);
            let Some(pair) = self.pairs.peek(hash, &key) else { continue };
            let strangers = pair.strangers.sum();
            if pair.apart || strangers < limit / 2 {
                continue;
            }
            company.all = company.all.saturating_add(1);
            let has_signs = pair.has_signs(strangers, 0);
            company.signs = company.signs.saturating_add(u32::from(has_signs));
            let Some(person) = self.people.look(other.who) else { continue };
            let shares = (
                other.origin.network == origin.network,
                other.origin.program == origin.program,
                person.first.abs_diff(born) <= TOGETHER,
            );
            company.network = company.network.saturating_add(u32::from(shares.0));
            company.program = company.program.saturating_add(u32::from(shares.1));
            company.born = company.born.saturating_add(u32::from(shares.2));
            company.mates = company.mates.saturating_add(u32::from(shares.0 || shares.1 || shares.2));
            if strangers >= limit {
                marks.push(person.marks);
            }
        }
        company.of_roles = self.of_roles(&marks, ask.now);
        company
    }

    /// How many have a mark in common that few others have: by their marks.
    fn of_roles(&mut self, marks: &[[Function; MARKS]], now: Timestamp) -> u32 {
        let rare = self.people.rare();
        let mut holders: Vec<(Function, usize)> = Vec::new();
        for mark in marks.iter().flatten().filter(|mark| **mark != 0) {
            match holders.iter_mut().find(|(known, _)| known == mark) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => holders.push((*mark, 1)),
            }
        }
        holders.retain(|(mark, count)| *count > FELLOWS && self.people.users(*mark, now) <= rare);
        let is_of_role =
            |its: &&[Function; MARKS]| its.iter().any(|mark| holders.iter().any(|(one, _)| one == mark));
        u32::try_from(marks.iter().filter(is_of_role).count()).unwrap_or_default()
    }

    /// Whether one shares with its company what honest people do not share.
    pub(super) fn is_alike(
        &mut self,
        (who, origin): (Who, Origin),
        (company, day): (&Company, Day),
        has_role: bool,
    ) -> bool {
        let learn = self.limits.learn;
        let is_home = self.people.origins.is_old(origin.network, day, learn);
        // A role in its office.
        if is_home && company.network >= 2 {
            return false;
        }
        if company.is_many(company.network) && !is_home {
            return true;
        }
        let users = self.people.origins.users(origin.program);
        let is_ordinary = users.saturating_mul(ORDINARY) > self.people.count();
        if !has_role && company.is_many(company.program) && !is_ordinary {
            return true;
        }
        let (Some(person), Some(began)) = (self.people.look(who), self.first) else { return false };
        let is_young = passed(began, person.first) >= learn && passed(person.first, day) <= YOUNG;
        company.is_many(company.born)
            && is_young
            && self.people.born(person.first, TOGETHER).saturating_mul(BORN) <= self.people.count()
    }

    /// What somebody's role says of the strangers that it met under a template.
    pub(super) fn credit(&mut self, ask: &Ask, (who, origin): (Who, Origin), strangers: u32) -> Credit {
        let mut credit = Credit::None;
        for mark in self.role(who, ask.now) {
            if is_alien(origin, &mark.fellows) {
                continue;
            }
            if mark.is_roamers() {
                return Credit::Roams;
            }
            if !self.exceeds(ask, &mark.fellows, strangers) {
                credit = Credit::Role;
            }
        }
        credit
    }

    /// Whether somebody met far more strangers than its fellows: as a rule, or, where few of them met any, than each.
    fn exceeds(&mut self, ask: &Ask, fellows: &[(Who, Origin)], strangers: u32) -> bool {
        let mut counts: Vec<u32> = Vec::new();
        for (fellow, _) in fellows {
            let key = key(*fellow, ask.template);
            let hash = self.pairs.hash(&key);
            let count = self.pairs.peek(hash, &key).map_or(0, |pair| pair.strangers.sum());
            counts.extend((count > 0).then_some(count));
        }
        counts.sort_unstable();
        let usual = if counts.len() >= FELLOWS { counts.get(counts.len() / 2) } else { counts.last() };
        strangers >= usual.copied().unwrap_or_default().saturating_mul(EXCESS)
    }

    /// The role of somebody, as of a few minutes ago.
    fn role(&mut self, who: Who, now: Timestamp) -> Vec<Mark> {
        let hash = self.memos.hash(&who);
        if let Some(memo) = self.memos.get(hash, &who, now)
            && now.since(memo.at) <= MEMO
        {
            return memo.role.clone();
        }
        let role = self.people.role(who, now);
        self.memos.remove(&who);
        self.memos.touch(who, now, || Memo { at: now, role: role.clone() });
        role
    }
}

/// Whether somebody comes from elsewhere and with another program, where most of its fellows sit in one place.
fn is_alien(origin: Origin, fellows: &[(Who, Origin)]) -> bool {
    let sit = |network: u32| fellows.iter().filter(|(_, one)| one.network == network).count();
    let is_place = fellows.iter().any(|(_, one)| sit(one.network).saturating_mul(2) >= fellows.len());
    let is_like = |one: &Origin| one.network == origin.network || one.program == origin.program;
    fellows.len() >= FELLOWS && is_place && !fellows.iter().any(|(_, one)| is_like(one))
}
