//! What sharing costs, and how soon attacks of several kinds are found with it and without.
#![expect(clippy::print_stdout, reason = "it measures")]

use super::hosts::Fleet;
use super::*;
use crate::detect::Severity;
use crate::detect::testing::Attempt;

/// Programs of an attack's clients.
const SAME: fn(u64) -> u64 = |_| 77;
const OWN: fn(u64) -> u64 = |bot| 1_000 + bot;

/// Hosts that report it, and when the first and the median one does, in milliseconds.
fn summary(found: Vec<Option<u64>>) -> String {
    let hosts = found.len();
    let mut found: Vec<u64> = found.into_iter().flatten().collect();
    found.sort_unstable();
    format!("{}/{hosts} hosts, first {:?}, median {:?}", found.len(), found.first(), found.get(hosts / 2))
}

#[test]
#[ignore = "a measurement"]
fn measure_how_soon_attacks_are_found() {
    for history in [30 * MINUTE, 180 * MINUTE] {
        for (name, addresses, each, program, only_first) in [
            ("one program", 2_000, 2, SAME, false),
            ("one program", 400, 1, SAME, false),
            ("own programs", 2_000, 2, OWN, false),
            ("own programs", 400, 1, OWN, false),
            ("one program, first host only", 2_000, 2, SAME, true),
            ("own programs, first host only", 2_000, 2, OWN, true),
            ("one program, first host only", 400, 1, SAME, true),
            ("own programs, first host only", 400, 1, OWN, true),
        ] {
            for sharing in [true, false] {
                let said = found(history, (addresses, each, program), only_first, sharing);
                let minutes = history / MINUTE;
                println!("{minutes} min, {addresses} x {each}, {name}, sharing {sharing}: {said}");
            }
        }
    }
}

fn found(
    history: u64,
    (addresses, each, program): (u64, u64, fn(u64) -> u64),
    only_first: bool,
    sharing: bool,
) -> String {
    let mut attempts = Site::new(1).visits(0, history + 12 * MINUTE, 50);
    attempts.extend(attack(1, addresses, each, history, 10 * MINUTE, program));
    let mut fleet = Fleet::new(8, history - 5_000);
    fleet.away = if sharing { 0..0 } else { 0..u64::MAX };
    fleet.is_for_first = if only_first { is_bot } else { |_| false };
    fleet.run(&mut attempts);
    outcome(&fleet, history, &attempts)
}

fn outcome(fleet: &Fleet, history: u64, attempts: &[Attempt]) -> String {
    let bots = attempts.iter().filter(|attempt| is_bot(attempt));
    let bots: BTreeSet<IpAddr> = bots.map(|attempt| attempt.client).collect();
    let caught = fleet.offenders();
    format!(
        "reported by {}; alarm by {}; offenders {} of {}, others {}",
        summary(fleet.found(history)),
        summary(fleet.found_as(history, Severity::High)),
        caught.intersection(&bots).count(),
        bots.len(),
        caught.difference(&bots).count(),
    )
}

fn is_bot(attempt: &Attempt) -> bool {
    attempt.user >= 1_000_000
}

/// The bad days of the other tests, and a longer one.
#[test]
#[ignore = "a measurement"]
fn measure_alarms_on_bad_days() {
    for (seed, history, failing) in [(3, 60, 500), (4, 30, 300), (5, 30, 500), (6, 180, 500), (7, 180, 300)] {
        let mut site = Site::new(seed);
        let mut attempts = site.visits(0, history * MINUTE, 50);
        site.failing = failing;
        attempts.extend(site.visits(history * MINUTE, (history + 25) * MINUTE, 50));
        for sharing in [true, false] {
            let mut fleet = Fleet::new(4, history * MINUTE - 5_000);
            fleet.away = if sharing { 0..0 } else { 0..u64::MAX };
            fleet.run(&mut attempts);
            let warnings = fleet.hosts.iter().map(|host| host.said.len()).sum::<usize>() - fleet.alarms();
            println!(
                "{history} min, then {failing} per mille fail, sharing {sharing}: {} alarms, {warnings} warnings, {} offenders",
                fleet.alarms(),
                fleet.offenders().len()
            );
        }
    }
}

/// What a second's judgement costs on a host that hears as many as it may, in the midst of an attack.
#[test]
#[ignore = "a measurement"]
fn measure_a_judgement() {
    for (hosts, strangers) in [(8_u8, 100_u64), (65, 20), (65, 100)] {
        let mut fleet = Fleet::new(hosts, u64::MAX);
        fleet.away = 0..u64::MAX;
        let (until, all) = (10 * MINUTE, strangers * u64::from(hosts));
        // A fifth of visits are strangers'.
        let mut attempts = Site::new(1).visits(0, until, all * 5);
        attempts.extend(attack(1, all * 10, 1, 0, until, |bot| bot % 40));
        fleet.run(&mut attempts);
        let now = millis(until);
        let (own, others) = fleet.hosts.split_first_mut().unwrap();
        let ledger = &mut own.ledger;
        let (mut bytes, mut records) = (0, 0);
        for host in others {
            for (number, blob) in host.ledger.records(now, FLEET, &host.key) {
                (bytes, records) = (bytes + blob.len(), records + 1);
                ledger.take(host.key.public(), number, &blob, FLEET).unwrap();
            }
        }
        let started = crate::clock::monotonic();
        let outlook = ledger.outlook(now);
        println!(
            "{hosts} hosts, {strangers} strangers a slot on each: {} bytes a record, {:?}, {} routes, {} traits",
            bytes / records,
            crate::clock::monotonic().saturating_sub(started),
            outlook.routes.len(),
            outlook.routes.values().map(|attack| attack.traits.len()).sum::<usize>(),
        );
    }
}
