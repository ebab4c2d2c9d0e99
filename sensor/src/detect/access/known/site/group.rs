//! Thieves who are not alone.

use super::month::BEGIN;
use super::*;

/// Twelve accomplices at fifty objects a day, or a role that is made while somebody steals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// New accounts, from networks and with programs that others use, too.
    Fresh,
    /// Old accounts, with a program of their own.
    Program,
    /// Old accounts, from a hosting provider's network.
    Network,
    /// Old accounts with nothing in common.
    Sleepers,
    /// Fifteen users are given a new role, and read orders all day; one of them reads ten times as many, an outsider
    /// uses the role's function from elsewhere, and another thief does not.
    Role,
    /// No thieves: one in 25 users is shown what others have, on a page that is new and not everybody's yet.
    Canary,
    /// One reads what belongs to others, and another one only what the first one read before, who knows it.
    Chain,
}

/// Accomplices with new and with old accounts.
const FRESH: [u64; 12] = [2_000, 2_001, 2_002, 2_003, 2_004, 2_005, 2_006, 2_007, 2_008, 2_009, 2_010, 2_011];
const OLD: [u64; 12] = [41, 112, 183, 254, 325, 396, 467, 538, 609, 680, 751, 822];
/// The role, and the thieves of that month: within, as if within, and without.
const ROLE: std::ops::Range<u64> = 600..615;
const ROLE_THIEVES: [u64; 3] = [614, 960, 950];
const CHAIN: [u64; 2] = [970, 971];

const RATE: u64 = 50;

impl Group {
    pub(super) const ALL: [Self; 7] =
        [Self::Fresh, Self::Program, Self::Network, Self::Sleepers, Self::Role, Self::Canary, Self::Chain];

    pub(super) const fn thieves(self) -> &'static [u64] {
        match self {
            Self::Fresh => &FRESH,
            Self::Program | Self::Network | Self::Sleepers => &OLD,
            Self::Role => &ROLE_THIEVES,
            Self::Canary => &[],
            Self::Chain => &CHAIN,
        }
    }

    /// Whether severity high is expected. Old accounts that have nothing in common may be the first users of a new page.
    pub(super) const fn is_high(self, _thief: u64) -> bool {
        !matches!(self, Self::Sleepers)
    }

    /// What they do in a minute.
    pub(super) fn act(self, site: &mut Site, template: u64, (day, minute): (u64, u64)) {
        match self {
            Self::Fresh | Self::Program | Self::Network | Self::Sleepers => {
                let thieves = if day >= BEGIN { self.thieves() } else { &[] };
                thieves.iter().for_each(|thief| self.steal(site, *thief, template));
            }
            Self::Canary => {
                if day >= 15 && (480..1_200).contains(&minute) {
                    canary(site, template);
                }
            }
            Self::Role => {
                if day >= 15 {
                    role(site, template, (day, minute));
                }
            }
            Self::Chain => {
                if day >= BEGIN {
                    chain(site, template);
                }
            }
        }
    }

    fn steal(self, site: &mut Site, thief: u64, template: u64) {
        let number = u32::try_from(thief).unwrap();
        let origin = match self {
            Self::Fresh => Origin { network: number % 300, program: number % 5 },
            Self::Program => Origin { network: number / 3, program: 7_000 },
            Self::Network => Origin { network: 7_000, program: number % 5 },
            Self::Sleepers | Self::Role | Self::Canary | Self::Chain => site.origin(thief),
        };
        if site.random.below(MINUTES) >= RATE {
            return;
        }
        let before = site.elsewhere.insert(thief, origin);
        site.thief(thief, Style::Known, &mut 0, template);
        site.elsewhere.remove(&thief);
        site.elsewhere.extend(before.map(|before| (thief, before)));
    }
}

/// A role's work: orders of anybody, and a function that comes with them.
fn role(site: &mut Site, template: u64, (day, minute): (u64, u64)) {
    let [within, like, without] = ROLE_THIEVES;
    let office = (9 * 60..17 * 60).contains(&minute) && day % 7 < 5;
    for member in ROLE {
        if office && site.random.below(8 * 60) < 30 {
            let home = site.elsewhere.insert(member, Origin { network: OFFICE, program: STAFF });
            site.use_(member, 410);
            site.thief(member, Style::Known, &mut 0, template);
            site.elsewhere.remove(&member);
            site.elsewhere.extend(home.map(|home| (member, home)));
        }
    }
    for (thief, rate) in [(within, 300), (like, 100), (without, 50)] {
        if site.random.below(MINUTES) < rate {
            if thief == like {
                site.use_(thief, 410);
            }
            site.thief(thief, Style::Known, &mut 0, template);
        }
    }
}

/// What the new page shows: a dozen objects a day.
fn canary(site: &mut Site, template: u64) {
    for user in (4..USERS).step_by(25) {
        if site.random.below(720) < 12 {
            site.thief(user, Style::Known, &mut 0, template);
        }
    }
}

/// The second asks for what the first one had just now, who looks at an object of the second one now and then.
fn chain(site: &mut Site, template: u64) {
    let [first, second] = CHAIN;
    if site.random.below(MINUTES) >= RATE {
        return;
    }
    let template = if template == ORDERS && site.is_v2 { ORDERS_V2 } else { template };
    let object = if template == DOCUMENTS {
        let other = site.random.below(USERS);
        site.document_of(other)
    } else {
        site.any_order()
    };
    site.ask(Some(first), template, object, Outcome::Given);
    site.ask(Some(second), template, object, Outcome::Given);
}
