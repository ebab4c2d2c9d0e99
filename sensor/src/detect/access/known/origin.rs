//! Where principals come from, and with which programs: what accomplices share, and a role has of old.

use std::time::Duration;

use super::days::{Day, passed};
use super::objects::Who;
use super::people::{Use, spread};
use crate::clock::Timestamp;
use crate::detect::Usage;
use crate::detect::recent::{Distinct, Recent};

/// Programs and networks that are remembered, at about 90 bytes each.
const PROGRAMS: u32 = 1_024;
const NETWORKS: u32 = 4_096;
/// How long, without anybody there.
const KEEP: Duration = Duration::from_secs(60 * 86_400);

/// Where a request comes from, as hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The network: an IPv4 /24 or IPv6 /48.
    pub(crate) network: u32,
    /// The program: its TLS fingerprint and User-Agent.
    pub(crate) program: u32,
}

/// Where principals come from. One request a day of each is noted.
pub(super) struct Origins {
    pub(super) programs: Recent<u32, Use>,
    pub(super) networks: Recent<u32, Use>,
}

impl Origins {
    pub(super) fn new(seed: u64) -> Self {
        Self { programs: Recent::new(PROGRAMS, KEEP, seed), networks: Recent::new(NETWORKS, KEEP, seed) }
    }

    /// A principal comes from there.
    pub(super) fn note(&mut self, origin: Origin, who: Who, (day, now): (Day, Timestamp)) {
        let fresh = || Use { first: day, users: Distinct::NONE };
        for (table, key) in [(&mut self.programs, origin.program), (&mut self.networks, origin.network)] {
            if let Some(known) = table.touch_beside(key, now, fresh, Use::worth) {
                known.users.note(spread(who));
            }
        }
    }

    /// Principals with a program, as far as it matters.
    pub(super) fn users(&mut self, program: u32) -> u32 {
        let hash = self.programs.hash(&program);
        self.programs.peek(hash, &program).map_or(0, |known| known.users.at_least())
    }

    /// Whether a network has been there for some days.
    pub(super) fn is_old(&mut self, network: u32, day: Day, days: Day) -> bool {
        let hash = self.networks.hash(&network);
        self.networks.peek(hash, &network).is_some_and(|known| passed(known.first, day) >= days)
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.programs.sweep(now, 16, |_, _| {});
        self.networks.sweep(now, 16, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.programs.usage().and(self.networks.usage())
    }
}
