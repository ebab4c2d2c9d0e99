use std::collections::BTreeSet;
use std::net::IpAddr;

use super::*;
use crate::detect::testing::{Attempt as Try, Random, alarms, of, offenders, run, scattered};
use crate::detect::{Config as All, Signal};
use crate::prefix::ClientNet;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY_MS: u64 = 24 * HOUR;

/// A site's people: some programs, of which a few are common; each user has a home network and sometimes another
/// address, so many per mille of whose attempts come from somewhere new.
pub(crate) struct Site {
    random: Random,
    users: u64,
    roaming: u64,
    pub(crate) failing: u64,
}

impl Site {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), users: 20_000, roaming: 200, failing: 100 }
    }

    /// One person who logs in: after a failure again, until it works.
    fn visit(&mut self, at: u64, into: &mut Vec<Try>) {
        let user = self.random.below(self.users);
        let client = if self.random.chance(self.roaming) {
            scattered(2_000_000 + self.random.below(1_000_000))
        } else {
            scattered(user)
        };
        let program = (user % 40) * (user % 40) / 100;
        let mut at = at;
        for again in 0..6 {
            let succeeds = !self.random.chance(self.failing) || again == 5;
            let password = if succeeds { user } else { self.random.next() };
            into.push(Try { at, client, user, password, succeeds, program });
            if succeeds {
                return;
            }
            at += 5_000 + self.random.below(10_000);
        }
    }

    /// So many visits a minute over a time.
    pub(crate) fn visits(&mut self, from: u64, to: u64, per_minute: u64) -> Vec<Try> {
        let mut attempts = Vec::new();
        for _ in 0..(to - from) * per_minute / MINUTE {
            let at = from + self.random.below(to - from);
            self.visit(at, &mut attempts);
        }
        attempts
    }
}

/// An attack: addresses, attempts of each, over a time.
pub(crate) fn attack(
    seed: u64,
    addresses: u64,
    each: u64,
    from: u64,
    span: u64,
    program: impl Fn(u64) -> u64,
) -> Vec<Try> {
    let mut random = Random::new(seed ^ 0xa77ac);
    let mut attempts = Vec::new();
    for bot in 0..addresses {
        for _ in 0..each {
            let number = random.below(1_000_000);
            attempts.push(Try {
                at: from + random.below(span),
                client: scattered(8_000_000 + bot),
                user: 1_000_000 + number,
                password: 1_000_000 + number,
                succeeds: false,
                program: program(bot),
            });
        }
    }
    attempts
}

fn bots(addresses: u64) -> BTreeSet<IpAddr> {
    (0..addresses).map(|bot| scattered(8_000_000 + bot)).collect()
}

/// The first signal about the route, after the attack's start.
fn found(said: &[(u64, Signal)], from: u64) -> Option<u64> {
    let about = of(said, Threat::CredentialStuffing).into_iter();
    let mut about = about.filter(|(_, signal)| matches!(signal.subject, Subject::Route(_)));
    about.find(|(at, _)| *at >= from).map(|(at, _)| at - from)
}

#[test]
fn two_thousand_addresses_in_ten_minutes_are_found_within_a_minute() {
    for seed in 0..4 {
        for history in [10 * MINUTE, 6 * HOUR] {
            let mut attempts = Site::new(seed).visits(0, history + 20 * MINUTE, 50);
            attempts.extend(attack(seed, 2_000, 2, history, 10 * MINUTE, |_| 77));
            let said = run(&All::default(), &mut attempts);
            let delay = found(&said, history).expect("found");
            assert!(delay <= 30_000, "{delay} ms");
            assert!(said.iter().all(|(at, _)| *at >= history), "{:?}", said.first());
            let offenders = offenders(&said);
            assert!(offenders.is_subset(&bots(2_000)), "somebody else");
            assert!(offenders.len() >= 1_950, "{}", offenders.len());
            let most = alarms(&said).iter().map(|(_, signal)| signal.confidence).fold(0.0, f64::max);
            assert!(most > 0.95, "{most}");
        }
    }
}

#[test]
fn the_same_with_a_program_for_each_address_is_found_by_the_route_alone() {
    for seed in 0..4 {
        let mut attempts = Site::new(seed).visits(0, 3 * HOUR, 50);
        attempts.extend(attack(seed, 2_000, 2, 2 * HOUR, 10 * MINUTE, |bot| 1_000 + bot));
        let said = run(&All::default(), &mut attempts);
        assert!(found(&said, 2 * HOUR).expect("found") <= MINUTE);
        assert!(offenders(&said).is_subset(&bots(2_000)));
    }
}

#[test]
fn five_thousand_addresses_in_six_hours_are_found() {
    for seed in 0..3 {
        // Of its own program, and that of a tenth of the site's people.
        for program in [77, 3] {
            let mut attempts = Site::new(seed).visits(0, 10 * HOUR, 50);
            attempts.extend(attack(seed, 5_000, 1, 3 * HOUR, 6 * HOUR, |_| program));
            let said = run(&All::default(), &mut attempts);
            let delay = found(&said, 3 * HOUR).expect("found");
            assert!(delay < 30 * MINUTE, "{} s", delay / 1_000);
            assert!(said.iter().all(|(at, _)| *at >= 3 * HOUR), "{:?}", said.first());
            assert!(offenders(&said).is_subset(&bots(5_000)));
        }
    }
}

#[test]
fn a_few_addresses_once_an_hour_are_found() {
    for seed in 0..3 {
        let mut attempts = Site::new(seed).visits(0, 12 * HOUR, 50);
        for hour in 3..12 {
            attempts.extend(attack(seed + hour, 60, 1, hour * HOUR, HOUR, |_| 77));
        }
        let said = run(&All::default(), &mut attempts);
        let delay = found(&said, 3 * HOUR).expect("found");
        assert!(delay < 2 * HOUR, "{} s", delay / 1_000);
    }
}

#[test]
fn a_rack_of_addresses_is_found_by_its_network() {
    let mut attempts = Site::new(1).visits(0, 4 * HOUR, 50);
    let mut rack = attack(1, 200, 1, 2 * HOUR, HOUR, |bot| bot % 40);
    rack.iter_mut().enumerate().for_each(|(number, attempt)| {
        attempt.client = IpAddr::from([203, 0, 113, u8::try_from(number).unwrap() + 1]);
    });
    attempts.extend(rack);
    let said = run(&All::default(), &mut attempts);
    let signals = of(&said, Threat::CredentialStuffing);
    let shared = |signal: &Signal| signal.evidence.numbers.get("shared").cloned();
    assert!(signals.iter().any(|(_, signal)| shared(signal) == Some("network 203.0.113.0/24".into())));
    assert!(offenders(&said).len() > 150);
}

#[test]
fn a_takeover_within_it_is_told() {
    for at in [3, 200] {
        let mut attempts = Site::new(5).visits(0, 3 * HOUR, 50);
        let mut bots = attack(5, 2_000, 1, 2 * HOUR, 10 * MINUTE, |_| 77);
        bots.sort_by_key(|attempt| attempt.at);
        bots[at].succeeds = true;
        let client = bots[at].client;
        attempts.extend(bots);
        let said = run(&All::default(), &mut attempts);
        let taken = of(&said, Threat::AccountTakeover);
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(taken[0].1.offenders[0].client, ClientNet::of(client));
    }
}

/// A week with days and nights and what goes wrong in it: Monday's forgotten passwords, a deployment in which all
/// fails, tokens of a fleet that expire, a campaign that brings many strangers who fail more often.
fn week(seed: u64) -> Vec<Try> {
    let mut site = Site::new(seed);
    let mut attempts = Vec::new();
    for hour in 0..7 * 24 {
        let (day, of_day) = (hour / 24, hour % 24);
        let busy = [5, 3, 2, 2, 3, 8, 15, 30, 50, 60, 60, 55, 45, 50, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10];
        site.failing = if day == 0 && (7..12).contains(&of_day) { 350 } else { 100 };
        let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
        attempts.extend(site.visits(from, to, busy[usize::try_from(of_day).unwrap()]));
        if day == 2 && (14..17).contains(&of_day) {
            (site.roaming, site.failing) = (900, 250);
            attempts.extend(site.visits(from, to, 400));
            (site.roaming, site.failing) = (200, 100);
        }
    }
    let broken = 3 * DAY_MS + 11 * HOUR..3 * DAY_MS + 11 * HOUR + MINUTE;
    for attempt in &mut attempts {
        attempt.succeeds &= !broken.contains(&attempt.at);
    }
    let device = |number: u64, at: u64, succeeds| Try {
        at,
        client: scattered(6_000_000 + number),
        user: 500_000 + number,
        password: 500_000 + number,
        succeeds,
        program: 55,
    };
    for hour in 0..7 * 24 {
        let expired = hour >= 4 * 24 + 9;
        let tries = if expired { 12 } else { 1 };
        for number in 0..200 {
            let at = hour * HOUR + number * 7_000;
            attempts.extend((0..tries).map(|again| device(number, at + again * 60_000, !expired)));
        }
    }
    attempts
}

#[test]
fn weeks_without_an_attack_wake_nobody() {
    for seed in 0..3 {
        let said = run(&All::default(), &mut week(seed));
        assert!(alarms(&said).is_empty(), "seed {seed}: {:?}", alarms(&said).first());
        assert!(offenders(&said).is_empty());
        assert!(said.len() <= 2, "{said:?}");
    }
}

#[test]
fn a_day_on_which_everybody_fails_more_often_is_no_attack() {
    for seed in 0..3 {
        let mut site = Site::new(seed);
        let mut attempts = site.visits(0, 12 * HOUR, 50);
        site.failing = 500;
        attempts.extend(site.visits(12 * HOUR, 20 * HOUR, 50));
        let said = run(&All::default(), &mut attempts);
        assert!(alarms(&said).is_empty(), "{:?}", alarms(&said).first());
        assert!(offenders(&said).is_empty());
    }
}

/// An office whose programs repeat old passwords fails in the midst of every attack; in the end their owners enter the new
/// ones.
#[test]
fn programs_with_old_passwords_are_no_part_of_an_attack_beside_them() {
    for seed in 0..3 {
        let mut attempts = Site::new(seed).visits(0, 8 * HOUR, 50);
        attempts.extend(attack(seed, 2_000, 2, 6 * HOUR, 10 * MINUTE, |bot| bot));
        let office = scattered(9_999_999);
        let one = Try { at: 0, client: office, user: 0, password: 0, succeeds: false, program: 88 };
        for program in 0..20 {
            let user = 500_000 + program;
            let old =
                (0..560).map(|turn| Try { at: turn * 45_000 + program * 2_000, user, password: user, ..one });
            attempts.extend(old);
            attempts.push(Try { at: 7 * HOUR + program * 1_000, user, password: 1, succeeds: true, ..one });
        }
        let said = run(&All::default(), &mut attempts);
        assert!(found(&said, 6 * HOUR).is_some());
        assert!(!offenders(&said).contains(&office), "seed {seed}");
        let taken = of(&said, Threat::AccountTakeover);
        assert!(taken.is_empty(), "seed {seed}: {:?}", taken.first());
    }
}
