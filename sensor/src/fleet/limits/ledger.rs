//! What this host has not said yet of principals' requests, and what was left when it last said something.

use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::detect::shared::{Allowance, Charge, Charged, Verdict};
use crate::identity::{FLEET_KEYS, FleetKeys, FleetKind};

/// Parts of principals that are remembered.
const MOST: usize = 65_536;
/// Parts of which something is not said yet. Further ones are charged on this host only, so that a flood of made-up
/// principals delays nobody for long.
const MOST_WAITING: usize = 16_384;
/// Longest time for which something is kept.
pub(super) const LONGEST: Duration = Duration::from_secs(1);
/// All hosts together keep at most such a part of what was left.
const KEPT: u32 = 4;
/// A principal is near its limit if less than such a part of it is left.
const NEAR: u32 = 4;
/// How long what was left is of use.
const STALE: Duration = Duration::from_secs(10);

/// The hashes under which the server keeps a principal, a client's part of it, and its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) principal: [u64; FLEET_KEYS],
    pub(super) part: [u64; FLEET_KEYS],
    pub(super) route: [u64; FLEET_KEYS],
}

/// What is said of one client's part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saying {
    pub(super) whose: Charged,
    pub(super) names: Names,
    pub(super) spent: Duration,
    pub(super) allowance: Allowance,
    /// Requests.
    pub(super) count: u64,
}

/// What the server answers about one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) over: bool,
    pub(super) left: Duration,
    /// Until a request conforms again.
    pub(super) wait: Duration,
}

struct Account {
    names: Names,
    allowance: Allowance,
    spent: Duration,
    count: u64,
    /// When the first of it was spent.
    since: Duration,
    /// What was left, and when that was known.
    left: Option<(Duration, Duration)>,
}

/// What is not said yet. Times are of the monotonic clock.
pub struct Ledger {
    keys: FleetKeys,
    accounts: HashMap<Charged, Account, RandomState>,
    /// Those of which something is not said.
    waiting: Vec<Charged>,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(keys: FleetKeys) -> Self {
        Self { keys, accounts: HashMap::with_hasher(RandomState::new()), waiting: Vec::new() }
    }

    /// A request is charged; false if there is no room for it.
    pub(super) fn charge(&mut self, charge: &Charge, now: Duration) -> bool {
        let waits = self.accounts.get(&charge.whose).is_some_and(|account| account.count > 0);
        if !waits && self.waiting.len() >= MOST_WAITING {
            return false;
        }
        if self.accounts.len() >= MOST && !self.accounts.contains_key(&charge.whose) {
            // At least three quarters of them.
            self.accounts.retain(|_, account| account.count > 0);
        }
        let names = || self.keys.names(charge);
        let account = self.accounts.entry(charge.whose).or_insert_with(|| Account {
            names: names(),
            allowance: charge.allowance,
            spent: Duration::ZERO,
            count: 0,
            since: now,
            left: None,
        });
        if account.names.principal != charge.hashes {
            // The fleet's key was changed.
            account.names = names();
        }
        account.allowance = charge.allowance;
        if account.count == 0 {
            account.since = now;
            self.waiting.push(charge.whose);
        }
        account.spent = account.spent.saturating_add(charge.cost);
        account.count = account.count.saturating_add(1);
        true
    }

    /// Whether there is anything to say, now or later.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes what is to be said now, in a fleet of so many hosts; at most so much.
    pub(super) fn due(&mut self, now: Duration, hosts: u32, most: usize) -> Vec<Saying> {
        let mut said = Vec::new();
        let accounts = &mut self.accounts;
        self.waiting.retain(|whose| {
            let Some(account) = accounts.get_mut(whose) else { return false };
            if said.len() >= most || !account.is_due(now, hosts) {
                return true;
            }
            said.push(Saying {
                whose: *whose,
                names: account.names,
                spent: std::mem::take(&mut account.spent),
                allowance: account.allowance,
                count: std::mem::take(&mut account.count),
            });
            false
        });
        said
    }

    /// Takes what the server answered about what was said: of each key of the fleet, the principal and the part.
    pub(super) fn answered(
        &mut self,
        saying: &Saying,
        answers: &[(Answer, Answer)],
        now: Duration,
    ) -> Verdict {
        let left = answers.iter().map(|(principal, _)| principal.left).min().unwrap_or_default();
        if let Some(account) = self.accounts.get_mut(&saying.whose) {
            account.left = Some((left, now));
        }
        let over = answers.iter().filter(|(principal, _)| principal.over);
        Verdict {
            whose: saying.whose,
            over: over.clone().map(|(principal, _)| principal.wait).max(),
            alone: over.clone().any(|(_, part)| part.over),
            near: left.saturating_mul(NEAR) < saying.allowance.depth,
        }
    }

    /// Forgets what was not said; how many requests that were.
    pub(super) fn forget(&mut self) -> u64 {
        let counts = self.waiting.drain(..).filter_map(|whose| self.accounts.remove(&whose));
        counts.fold(0, |sum, account| sum.saturating_add(account.count))
    }
}

impl Account {
    fn is_due(&self, now: Duration, hosts: u32) -> bool {
        let known = self.left.filter(|(_, at)| now.saturating_sub(*at) < STALE);
        let Some((left, _)) = known else { return true };
        let all = self.spent.saturating_mul(hosts.max(1)).saturating_mul(KEPT);
        all > left || now.saturating_sub(self.since) >= LONGEST
    }
}

impl FleetKeys {
    fn names(&self, charge: &Charge) -> Names {
        let client = charge.whose.client.to_string();
        let mut part = [0; FLEET_KEYS];
        for (number, (part, principal)) in part.iter_mut().zip(charge.hashes).enumerate() {
            if principal != 0 {
                let text = [&principal.to_be_bytes(), client.as_bytes()].concat();
                *part = self.hash(FleetKind::Part, &text).get(number).copied().unwrap_or_default();
            }
        }
        let route = charge.route.as_deref();
        Names {
            principal: charge.hashes,
            part,
            route: route.map(|route| self.hash(FleetKind::Route, route.as_bytes())).unwrap_or_default(),
        }
    }
}
