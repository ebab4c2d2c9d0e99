//! Several hosts in one process: detectors, ledgers and signed records, and a map in place of the server.

mod hosts;
mod measured;

use std::collections::BTreeSet;
use std::net::IpAddr;

use hosts::{Fleet, Host, bots_in, traffic};

use super::*;
use crate::detect::distributed::tests::{Site, attack};
use crate::detect::testing::{Names, Random, millis};
use crate::event::Event;
use crate::fleet::Refusal;
use crate::fleet::key::key;

const FLEET: &str = "shop";
const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NEW: &str = "0202020202020202020202020202020202020202020202020202020202020202";
const MINUTE: u64 = 60_000;

#[test]
#[expect(clippy::print_stdout, reason = "what it measures is printed")]
fn eight_hosts_find_within_a_minute_what_each_sees_an_eighth_of() {
    let history = 30 * MINUTE;
    for (addresses, each, within) in [(2_000, 2, 30_000), (400, 1, 60_000)] {
        let mut fleet = Fleet::new(8, history - 5_000);
        let mut attempts = traffic(history, addresses, each, 2);
        fleet.run(&mut attempts);
        let found: Vec<u64> = fleet.found(history).into_iter().map(|found| found.expect("found")).collect();
        // A host says it when it sees an attempt of it.
        let (first, last) = (found.iter().min().unwrap(), found.iter().max().unwrap());
        println!("{addresses} x {each} over 8 hosts: first {first} ms, last {last} ms");
        assert!(*first <= within, "{first} ms");
        assert!(*last <= 60_000, "{last} ms");
        let caught = fleet.offenders();
        let bots = bots_in(&attempts);
        assert!(caught.is_subset(&bots), "somebody else");
        assert!(caught.len() * 10 >= bots.len() * 8, "{} of {}", caught.len(), bots.len());
        let told = fleet.hosts[0]
            .said
            .iter()
            .find(|(_, signal)| signal.evidence.numbers.contains_key("fleet_hosts"));
        assert!(told.is_some_and(|(_, signal)| signal.summary.contains("hosts together")));

        let mut alone = Fleet::new(8, history);
        alone.away = 0..u64::MAX;
        alone.run(&mut traffic(history, addresses, each, 10));
        let found: Vec<_> = alone.found(history);
        println!("without the fleet: {found:?}");
        let later = |one: Option<u64>| one.is_none_or(|at| at > *first * 2);
        assert!(found.into_iter().all(later), "a host alone is as fast");
    }
}

#[test]
fn a_server_that_is_away_delays_what_is_found_and_nothing_else() {
    let history = 30 * MINUTE;
    let mut fleet = Fleet::new(8, history - 5_000);
    fleet.away = history..history + 90_000;
    let mut attempts = traffic(history, 300, 1, 3);
    fleet.run(&mut attempts);
    for found in fleet.found(history).into_iter() {
        let found = found.expect("found");
        assert!((90_000..150_000).contains(&found), "{found} ms");
    }
    let (caught, bots) = (fleet.offenders(), bots_in(&attempts));
    assert!(caught.len() * 10 >= bots.len() * 8, "{} of {}", caught.len(), bots.len());
    assert!(
        fleet.hosts.iter().all(|host| host.ledger.unsaid() == 0 && host.counter.state.counts().lost == 0)
    );
    // What is older than ten minutes is of no use to anybody, and counted.
    let mut fleet = Fleet::new(2, 0);
    fleet.away = 0..u64::MAX;
    fleet.run(&mut Site::new(1).visits(0, 30 * MINUTE, 50));
    assert!(fleet.hosts.iter().all(|host| host.ledger.unsaid() > 100));
}

#[test]
fn a_day_on_which_everybody_fails_more_often_and_an_outage_are_no_attack() {
    let mut site = Site::new(3);
    let mut attempts = site.visits(0, 60 * MINUTE, 50);
    site.failing = 500;
    attempts.extend(site.visits(60 * MINUTE, 85 * MINUTE, 50));
    site.failing = 100;
    let mut evening = site.visits(85 * MINUTE, 98 * MINUTE, 50);
    // At the end, nobody gets in anywhere.
    evening.iter_mut().for_each(|attempt| attempt.succeeds &= attempt.at < 96 * MINUTE);
    attempts.extend(evening);
    let mut fleet = Fleet::new(4, 60 * MINUTE - 5_000);
    fleet.run(&mut attempts);
    assert_eq!(fleet.alarms(), 0);
    assert!(fleet.offenders().is_empty());
}

/// People whose logins fail for a while, on hosts that know few of them; alone, hosts report some of these as attacks.
#[test]
fn bad_days_of_many_kinds_are_no_attack() {
    let (from, until) = (30 * MINUTE, 37 * MINUTE);
    for (seed, failing, change) in [
        (4, 300, (|_| {}) as fn(&mut Fleet)),
        (6, 100, |_| {}),
        // One host joins as it begins, has ten times the traffic, or a clock that is off.
        (7, 500, |fleet| fleet.joins = 30 * MINUTE),
        (8, 500, |fleet| fleet.first = 10),
        (9, 500, |fleet| fleet.hosts[1].ahead = 4_000),
    ] {
        let mut site = Site::new(seed);
        let mut attempts = site.visits(0, from, 50);
        site.failing = failing;
        let mut bad = site.visits(from, until, 50);
        if failing == 100 {
            // Nobody gets in for three minutes.
            bad.iter_mut().for_each(|attempt| attempt.succeeds &= attempt.at > from + 3 * MINUTE);
        }
        attempts.extend(bad);
        let mut fleet = Fleet::new(4, from - 5_000);
        change(&mut fleet);
        fleet.run(&mut attempts);
        assert_eq!(fleet.alarms(), 0, "{seed}");
        assert!(fleet.offenders().is_empty(), "{seed}");
    }
}

/// A stolen host says what it likes, and signs it.
#[test]
fn a_stolen_host_accuses_nobody() {
    let mut fleet = Fleet::new(4, 24 * MINUTE);
    let mut stolen = attack(1, 3_000, 1, 20 * MINUTE, 6 * MINUTE, |bot| bot % 40);
    fleet.hosts.push(Host::new(9, OLD));
    let names = Names::new();
    let mut attempts = Site::new(1).visits(0, 26 * MINUTE, 60);
    attempts.sort_by_key(|attempt| attempt.at);
    stolen.sort_by_key(|attempt| attempt.at);
    let (mut random, mut second, mut lies) = (Random::new(5), 0, stolen.into_iter().peekable());
    for attempt in &attempts {
        while second < attempt.at / 1_000 {
            second += 1;
            while let Some(lie) = lies.next_if(|lie| lie.at < second * 1_000) {
                let exchange = lie.exchange(&names);
                fleet.hosts[4].detectors.observe(&Event::Exchange(&exchange)).for_each(drop);
            }
            fleet.tick(second);
        }
        let place = usize::try_from(random.below(4)).unwrap();
        let exchange = attempt.exchange(&names);
        let said = fleet.hosts[place].detectors.observe(&Event::Exchange(&exchange));
        let said: Vec<_> = said.map(|signal| (attempt.at, signal)).collect();
        fleet.hosts[place].said.extend(said);
    }
    assert!(fleet.hosts[0].ledger.heard() == 4, "it is heard");
    assert!(!fleet.hosts[4].said.is_empty(), "its own detectors see what it makes up");
    fleet.hosts.truncate(4);
    assert_eq!(fleet.alarms(), 0);
    assert!(fleet.offenders().is_empty());
}

#[test]
fn records_are_of_their_host_and_of_their_time_and_never_older() {
    let mut hosts = [Host::new(1, OLD), Host::new(2, OLD)];
    let (names, now) = (Names::new(), millis(1_000));
    let send = |hosts: &mut [Host], number| {
        let attempt = attack(number, 1, 1, 0, 1, |_| 7)[0];
        let exchange = attempt.exchange(&names);
        hosts[0].detectors.observe(&Event::Exchange(&exchange)).for_each(drop);
        hosts[0].count(now);
        let record = hosts[0].ledger.records(now, FLEET, &key(1)).pop().unwrap();
        hosts[0].ledger.said(std::slice::from_ref(&record));
        record
    };
    let ((number, first), (_, second)) = (send(&mut hosts, 1), send(&mut hosts, 2));
    let ledger = &mut hosts[1].ledger;
    ledger.advance(now);
    let (one, other) = (key(1).public(), key(2).public());
    for (by, number, blob, fleet, why) in [
        (other, number, &first, FLEET, Refusal::Stranger),
        (one, number + 1, &first, FLEET, Refusal::Stale),
        (one, number, &first, "other", Refusal::Forged),
        (one, number, &first[..40].to_vec(), FLEET, Refusal::Malformed),
        (one, number, &vec![1; record::MAX_RECORD + 1], FLEET, Refusal::Malformed),
    ] {
        assert_eq!(ledger.take(by, number, blob, fleet), Err(why));
    }
    assert_eq!(ledger.take(one, number, &second, FLEET), Ok(true));
    assert_eq!(ledger.take(one, number, &second, FLEET), Ok(false), "twice");
    assert_eq!(ledger.take(one, number, &first, FLEET), Err(Refusal::Stale), "an older one");
    assert_eq!(ledger.heard(), 1);
    ledger.retain(&BTreeSet::new());
    assert_eq!(ledger.heard(), 0, "a host that was expelled no longer counts");
}

/// While the key is changed, some hosts have the old one, some both, some the new one.
#[test]
fn a_change_of_the_key_separates_nobody() {
    let history = 25 * MINUTE;
    for (first, others) in
        [(OLD.to_owned(), format!("{OLD}\n{NEW}")), (format!("{OLD}\n{NEW}"), NEW.to_owned())]
    {
        let mut fleet = Fleet::new(0, history - 5_000);
        fleet.hosts =
            (1..=6).map(|number| Host::new(number, if number < 4 { &first } else { &others })).collect();
        fleet.run(&mut traffic(history, 400, 1, 2));
        // The hashes of testing accounts are those of one key, so only routes and clients differ here.
        let found = fleet.found(history);
        assert!(found.iter().all(|found| found.is_some_and(|at| at < 90_000)), "{found:?}");
    }
}

#[test]
fn what_does_not_fit_the_inbox_is_counted_and_nobody_waits() {
    let mut host = Host::new(1, OLD);
    let names = Names::new();
    let attempts = Site::new(1).visits(0, 60 * MINUTE, 400);
    for attempt in attempts.iter().take(INBOX + 100) {
        let exchange = attempt.exchange(&names);
        host.detectors.observe(&Event::Exchange(&exchange)).for_each(drop);
    }
    assert_eq!(host.counter.state.counts().lost, 100);
    // A board that is being written is looked at again later.
    let (desk, counter) = desk();
    let held = counter.board.lock().unwrap();
    assert!(desk.outlook().is_none());
    drop(held);
}

/// Everything that leaves a host is a record whose only numbers are counts, times and keyed hashes.
#[test]
fn no_name_address_or_route_is_in_a_record() {
    let mut host = Host::new(1, OLD);
    let names = Names::new();
    for attempt in attack(1, 50, 1, 0, 1_000, |_| 0x1122_3344_5566_7788) {
        let exchange = attempt.exchange(&names);
        host.detectors.observe(&Event::Exchange(&exchange)).for_each(drop);
        let address = match attempt.client {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        host.count(millis(1_000));
        for (_, blob) in host.ledger.records(millis(1_000), FLEET, &key(1)) {
            for secret in
                [b"/login".to_vec(), 0x1122_3344_5566_7788_u64.to_be_bytes().to_vec(), address.clone()]
            {
                assert!(!blob.windows(secret.len()).any(|part| part == secret), "{secret:?}");
            }
        }
    }
}
