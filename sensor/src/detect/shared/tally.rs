//! What one host saw of login routes within a slot of time, and its form in a record.
//!
//! ```text
//! slot    count of routes (2), routes
//! route   id (8) | successes (4) | last success (8, ms since 1970) | control tried, failed (4, 4)
//!         whole: tally, sketches: passwords, known clients, their accounts | count of groups (2), groups
//! group   id (8) | tally
//! tally   attempts (4) | failures (4) | sketches: failed clients, passed clients, accounts, accounts entered
//! sketch  count (2), registers (2 each)
//! ```
//!
//! Integers are big-endian. Names, addresses and passwords are in it as registers of keyed hashes only, routes and traits
//! as keyed hashes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::sketch::Sketch;

/// Routes of a slot: as many as a host remembers.
const ROUTES: usize = 64;
/// Groups that a host counts within a slot, on all routes.
const GROUPS: usize = 1_024;
/// Groups of a route that go out: those with most attempts. Of equally many those with the smallest identifiers, which are
/// the same on all hosts. The choice depends on no outcome, so what is left out biases no share of failures.
const SAID: usize = 32;
/// Longest slot in a record. A host with 250 different clients in a slot, all of one program, takes about 4 KiB.
pub const MAX_SLOT: usize = 16_384;

/// Attempts of strangers: those of a route, or those that share a trait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    /// Clients whose trial failed. A trial is the first attempt of a client within an hour.
    pub(crate) failed: Sketch,
    /// Clients that got in, at the first attempt or at a later one.
    pub(crate) passed: Sketch,
    /// Accounts that they failed on.
    pub(crate) accounts: Sketch,
    /// Accounts that they got in to.
    pub(crate) entered: Sketch,
}

/// A stranger's attempt, hashed.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    pub(crate) client: u64,
    pub(crate) account: u64,
    pub(crate) password: u64,
    pub(crate) failed: bool,
    pub(crate) is_trial: bool,
}

impl Tally {
    fn count(&mut self, attempt: &Hashed) {
        self.attempts = self.attempts.saturating_add(1);
        if attempt.failed {
            self.failures = self.failures.saturating_add(1);
            self.accounts.insert(attempt.account);
        } else {
            self.passed.insert(attempt.client);
            self.entered.insert(attempt.account);
        }
        if attempt.failed && attempt.is_trial {
            self.failed.insert(attempt.client);
        }
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend(self.attempts.to_be_bytes());
        into.extend(self.failures.to_be_bytes());
        for sketch in [&self.failed, &self.passed, &self.accounts, &self.entered] {
            sketch.write(into);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            attempts: u32::from_be_bytes(take(from)?),
            failures: u32::from_be_bytes(take(from)?),
            failed: Sketch::read(from)?,
            passed: Sketch::read(from)?,
            accounts: Sketch::read(from)?,
            entered: Sketch::read(from)?,
        })
    }
}

/// A login route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfRoute {
    /// Of anybody.
    pub(crate) successes: u32,
    /// Milliseconds since 1970; 0 if there was none.
    pub(crate) last_success: u64,
    /// The control group: attempts on accounts from where they were logged in to before, once a minute for a client.
    pub(crate) control: (u32, u32),
    pub(crate) whole: Tally,
    pub(crate) passwords: Sketch,
    /// Clients that are no strangers here and got in, and on which accounts: on another host they may be strangers.
    pub(crate) known: Sketch,
    pub(crate) known_accounts: Sketch,
    pub(crate) groups: BTreeMap<u64, Tally>,
}

/// A slot. Routes and groups by keyed hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    routes: BTreeMap<u64, OfRoute>,
    groups: usize,
    /// Attempts that were not counted for a route or a group, as there was no room.
    uncounted: u64,
}

impl Slot {
    /// The counts of a route, if there is room for it.
    pub(crate) fn route(&mut self, id: u64) -> Option<&mut OfRoute> {
        if self.routes.len() >= ROUTES && !self.routes.contains_key(&id) {
            self.uncounted = self.uncounted.saturating_add(1);
            return None;
        }
        Some(self.routes.entry(id).or_default())
    }

    /// The counts of a route, if there are any.
    pub(crate) fn find(&self, id: u64) -> Option<&OfRoute> {
        self.routes.get(&id)
    }

    /// Attempts that were not counted for a route or a group, as there was no room.
    pub(crate) const fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// Somebody who is no stranger got in.
    pub(crate) fn count_known(&mut self, route: u64, client: u64, account: u64) {
        let Some(of_route) = self.route(route) else { return };
        of_route.known.insert(client);
        of_route.known_accounts.insert(account);
    }

    /// Counts a stranger's attempt.
    pub(crate) fn count(&mut self, route: u64, traits: [u64; 2], attempt: &Hashed) {
        let mut groups = self.groups;
        let Some(of_route) = self.route(route) else { return };
        of_route.whole.count(attempt);
        if attempt.failed && attempt.password != 0 {
            of_route.passwords.insert(attempt.password);
        }
        let mut left_out = 0_u64;
        for id in traits {
            if !of_route.groups.contains_key(&id) {
                if groups >= GROUPS {
                    left_out = left_out.saturating_add(1);
                    continue;
                }
                groups = groups.saturating_add(1);
            }
            of_route.groups.entry(id).or_default().count(attempt);
        }
        self.groups = groups;
        self.uncounted = self.uncounted.saturating_add(left_out);
    }

    /// For a record, at most [`MAX_SLOT`] bytes, with how many attempts were on routes that did not fit. Each route comes
    /// before any group: noise on one route, of whatever programs, leaves out no other. Groups have equal parts of what is
    /// left, and what some do not need goes to routes with more attempts.
    pub(crate) fn write(&self) -> (Vec<u8>, u64) {
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_by_key(|(id, route)| (Reverse(route.whole.attempts), **id));
        let (mut left, mut left_out) = (MAX_SLOT.saturating_sub(2), 0_u64);
        let mut parts = Vec::new();
        for (id, route) in routes {
            let head = route.head(*id);
            match left.checked_sub(head.len().saturating_add(2)) {
                Some(rest) => {
                    left = rest;
                    parts.push((route, head));
                }
                None => left_out = left_out.saturating_add(route.whole.attempts.into()),
            }
        }
        for (place, (route, part)) in parts.iter_mut().enumerate().rev() {
            let share = left.checked_div(place.saturating_add(1)).unwrap_or(0);
            let (count, groups) = route.said(share);
            left = left.saturating_sub(groups.len());
            part.extend(count.to_be_bytes());
            part.extend(groups);
        }
        let mut bytes = u16::try_from(parts.len()).unwrap_or(0).to_be_bytes().to_vec();
        parts.iter().for_each(|(_, part)| bytes.extend(part));
        (bytes, left_out)
    }

    /// Reads what [`Self::write`] wrote; none if it is something else.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut slot = Self::default();
        if bytes.len() > MAX_SLOT {
            return None;
        }
        for _ in 0..u16::from_be_bytes(take(&mut bytes)?) {
            let (id, route) = OfRoute::read(&mut bytes)?;
            slot.groups = slot.groups.saturating_add(route.groups.len());
            if slot.routes.insert(id, route).is_some() || slot.routes.len() > ROUTES || slot.groups > GROUPS {
                return None;
            }
        }
        bytes.is_empty().then_some(slot)
    }
}

impl OfRoute {
    /// Groups, and how many of their attempts failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (u64, u32)> {
        self.groups.iter().map(|(id, tally)| (*id, tally.failures))
    }

    /// What precedes its groups.
    fn head(&self, id: u64) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend(self.successes.to_be_bytes());
        bytes.extend(self.last_success.to_be_bytes());
        bytes.extend(self.control.0.to_be_bytes());
        bytes.extend(self.control.1.to_be_bytes());
        self.whole.write(&mut bytes);
        for sketch in [&self.passwords, &self.known, &self.known_accounts] {
            sketch.write(&mut bytes);
        }
        bytes
    }

    /// As many groups as fit into so many bytes, and their count.
    fn said(&self, most: usize) -> (u16, Vec<u8>) {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(id, tally)| (Reverse(tally.attempts), **id));
        let (mut written, mut count) = (Vec::new(), 0_u16);
        for (id, tally) in groups.into_iter().take(SAID) {
            let mut group = id.to_be_bytes().to_vec();
            tally.write(&mut group);
            if written.len().saturating_add(group.len()) > most {
                break;
            }
            written.extend(group);
            count = count.saturating_add(1);
        }
        (count, written)
    }

    fn read(from: &mut &[u8]) -> Option<(u64, Self)> {
        let id = u64::from_be_bytes(take(from)?);
        let mut route = Self {
            successes: u32::from_be_bytes(take(from)?),
            last_success: u64::from_be_bytes(take(from)?),
            control: (u32::from_be_bytes(take(from)?), u32::from_be_bytes(take(from)?)),
            whole: Tally::read(from)?,
            passwords: Sketch::read(from)?,
            known: Sketch::read(from)?,
            known_accounts: Sketch::read(from)?,
            groups: BTreeMap::new(),
        };
        for _ in 0..u16::from_be_bytes(take(from)?) {
            let id = u64::from_be_bytes(take(from)?);
            if route.groups.insert(id, Tally::read(from)?).is_some() {
                return None;
            }
        }
        Some((id, route))
    }
}

/// The first bytes of a record.
fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashed(number: u64) -> Hashed {
        let hash = |what: u64| crate::detect::window::hash_of((what, number));
        Hashed {
            client: hash(1),
            account: hash(2),
            password: hash(3),
            failed: !number.is_multiple_of(3),
            is_trial: !number.is_multiple_of(5),
        }
    }

    proptest! {
        #[test]
        fn a_slot_is_read_back(
            attempts in prop::collection::vec((0_u64..4, 0_u64..20, 0_u64..400), 0..300),
            cut: prop::sample::Index,
        ) {
            let mut slot = Slot::default();
            for (route, what, number) in attempts {
                slot.count(route, [what, what + 100], &hashed(number));
                slot.route(route).unwrap().control.0 += 1;
                slot.count_known(route, number, what);
            }
            let (bytes, left_out) = slot.write();
            let read = Slot::read(&bytes).unwrap();
            prop_assert_eq!(read.write(), (bytes.clone(), 0));
            let attempts = |slot: &Slot| {
                slot.routes.values().map(|route| u64::from(route.whole.attempts)).sum::<u64>()
            };
            prop_assert_eq!(attempts(&read) + left_out, attempts(&slot));
            for (id, route) in &read.routes {
                let own = &slot.routes[id];
                prop_assert_eq!((&route.whole, &route.passwords), (&own.whole, &own.passwords));
                prop_assert_eq!((&route.known, &route.known_accounts), (&own.known, &own.known_accounts));
                prop_assert!(route.groups.iter().all(|(id, tally)| own.groups[id] == *tally));
            }
            prop_assert!(!bytes.is_empty() && bytes.len() <= MAX_SLOT);
            prop_assert!(Slot::read(&bytes[..cut.index(bytes.len())]).is_none());
        }

        #[test]
        fn any_bytes_are_a_slot_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(slot) = Slot::read(&bytes) {
                prop_assert!(slot.routes.len() <= ROUTES);
            }
        }
    }

    #[test]
    fn however_much_a_host_sees_its_record_is_bounded_and_the_largest_groups_are_in_it() {
        let mut slot = Slot::default();
        for number in 0..20_000 {
            slot.count(number % 100, [7, 1_000 + number], &hashed(number));
        }
        assert!(slot.uncounted > 0, "{}", slot.groups);
        let (bytes, left_out) = slot.write();
        let read = Slot::read(&bytes).unwrap();
        assert!(left_out > 0, "{}", read.routes.len());
        assert!(!read.routes.is_empty());
        let mut slot = Slot::default();
        (0..20_000).for_each(|number| slot.count(1, [7, 1_000 + number], &hashed(number)));
        assert!(slot.uncounted > 0, "{}", slot.groups);
        let read = Slot::read(&slot.write().0).unwrap();
        let groups = &read.find(1).unwrap().groups;
        assert!(groups.len() == SAID && groups.contains_key(&7), "{}", groups.len());
    }

    #[test]
    fn noise_on_one_route_leaves_out_no_other() {
        let mut slot = Slot::default();
        (0..2_000).for_each(|number| slot.count(1, [number % 40, 100 + number % 40], &hashed(number)));
        (0..30).for_each(|number| slot.count(2, [7, 8], &hashed(number)));
        let (bytes, left_out) = slot.write();
        let read = Slot::read(&bytes).unwrap();
        assert_eq!((read.find(2), left_out), (slot.find(2), 0));
        assert!(read.find(1).unwrap().groups.len() > 4, "{}", read.find(1).unwrap().groups.len());
    }
}
