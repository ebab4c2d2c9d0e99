//! Attempts to log in with what the attacker has.

use std::net::IpAddr;
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::identity::KeyedHash;

use super::super::Actor;
use super::super::apps::App;
use super::super::random::mix;
use super::super::record::Origin;
use super::super::stage::{ACCOUNTS, Stage, Visitor, address};

/// Where attempts come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spread {
    /// Hosted machines, 20 in a /24.
    Hosted(u64),
    /// Homes whose owners know nothing of it: no two in a /24, but by chance.
    Residential(u64),
}

impl Spread {
    const fn count(self) -> u64 {
        match self {
            Self::Hosted(count) | Self::Residential(count) => count,
        }
    }

    fn source(self, seed: u64, number: u64) -> IpAddr {
        let seed = mix(seed ^ 0x00a7_7ac4);
        match self {
            Self::Residential(count) => address(seed ^ (number % count)),
            Self::Hosted(count) => match address(seed ^ (number % count / 20)) {
                IpAddr::V4(block) => {
                    let [a, b, c, _] = block.octets();
                    IpAddr::from([a, b, c, 10 + 7 * (number % count % 20) as u8])
                }
                IpAddr::V6(_) => unreachable!("those are addresses of IPv4"),
            },
        }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub(super) enum Credentials {
    /// A stolen list: another account and its password each time. 30% have an account here; of all attempts, this
    /// share succeeds. Published rates lie between 0.1% and 2%.
    Stolen(f64),
    /// Passwords of one account; the last one is right.
    OneAccount,
    /// One password for known accounts; this share has it.
    OnePassword(f64),
}

/// Attempts, evenly spread over a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logins {
    pub(super) attempts: u64,
    pub(super) lasts: Duration,
    pub(super) spread: Spread,
    pub(super) credentials: Credentials,
    pub(super) app: App,
    pub(super) made: u64,
}

/// The account that brute force is after.
const VICTIM: u64 = 77_777;
/// Share of a stolen list that has an account here; assumed.
const KNOWN: f64 = 0.3;

impl Logins {
    fn next(&self, stage: &mut Stage<'_>) -> (u64, KeyedHash, bool) {
        let (site, random) = (stage.site, &mut *stage.random);
        match self.credentials {
            Credentials::Stolen(success) => {
                let is_known = random.chance(KNOWN);
                let user = random.below(ACCOUNTS) + if is_known { 0 } else { ACCOUNTS };
                let is_right = is_known && random.chance(success / KNOWN);
                (user, site.password(user, if is_right { 0 } else { 50 }), is_right)
            }
            Credentials::OneAccount => {
                let is_right = self.made + 1 == self.attempts;
                (VICTIM, site.password(VICTIM, if is_right { 0 } else { 1_000 + self.made }), is_right)
            }
            Credentials::OnePassword(success) => {
                (random.below(ACCOUNTS), site.common_password(3), random.chance(success))
            }
        }
    }
}

impl Actor for Logins {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let client = self.spread.source(stage.site.plan.seed, self.made);
        let (user, password, is_right) = self.next(stage);
        let visitor = Visitor { client, app: self.app, principal: None, origin: Origin::Attack };
        stage.log_in(&visitor, now, user, password, is_right);
        self.made += 1;
        let mean = self.lasts / u32::try_from(self.attempts).ok()?;
        // Tools pace themselves, but not to the microsecond; many machines together are random.
        let gap = if self.spread.count() == 1 {
            mean.mul_f64(stage.random.unit().mul_add(0.4, 0.8))
        } else {
            stage.random.gap(mean)
        };
        (self.made < self.attempts).then(|| now.plus(gap))
    }
}
