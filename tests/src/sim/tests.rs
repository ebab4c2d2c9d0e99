use std::collections::BTreeMap;

use sensor::detect::Config;
use sensor::event::LoginOutcome;

use super::attack::{SCENARIOS, Scenario};
use super::judge;
use super::plan::{DAY, HOUR, MONDAY};
use super::record::Origin;
use super::*;

fn plan(seed: u64) -> Plan {
    Plan::busy(seed, MONDAY.plus(HOUR * 8), HOUR * 3)
}

/// What is compared of two simulations.
fn shown(simulation: Simulation) -> Vec<String> {
    simulation.filter(|event| event.source().2 != Origin::Attack).map(|event| format!("{event:?}")).collect()
}

#[test]
fn the_same_seed_is_the_same_traffic_and_another_is_not() {
    let first = shown(Simulation::new(&plan(1)));
    assert!(first.len() > 50_000, "{}", first.len());
    assert!(first == shown(Simulation::new(&plan(1))));
    assert!(first != shown(Simulation::new(&plan(2))));
}

#[test]
fn an_attack_changes_nothing_about_the_others() {
    let attack = SCENARIOS[0].begin(MONDAY.plus(HOUR * 9));
    let attacked = shown(Simulation::with_attack(&plan(1), attack));
    assert!(attacked == shown(Simulation::new(&plan(1))));
}

#[test]
fn events_come_in_order() {
    let known: Vec<Timestamp> = Simulation::new(&plan(3)).map(|event| event.known()).collect();
    assert!(known.is_sorted());
}

#[test]
fn a_day_has_the_rates_it_should_have() {
    let plan = Plan::busy(4, MONDAY.plus(DAY), DAY);
    let (mut counts, mut logins, mut failures) = (BTreeMap::<Behaviour, u64>::new(), 0, 0);
    for event in Simulation::new(&plan) {
        let SimEvent::Exchange(exchange) = event else { continue };
        let Origin::Benign(behaviour) = exchange.origin else { panic!("no attack was asked for") };
        *counts.entry(behaviour).or_default() += 1;
        // Programs with old passwords, and a first school day, have rates of their own.
        let is_usual = !matches!(
            behaviour,
            Behaviour::SyncPrograms | Behaviour::OldSecret | Behaviour::SchoolDay | Behaviour::Throttled
        );
        let login = exchange.login.filter(|login| is_usual && login.outcome != LoginOutcome::Unknown);
        if let Some(login) = login {
            logins += 1;
            failures += u64::from(login.outcome == LoginOutcome::Failure);
        }
    }
    let per_minute = logins as f64 / 1_440.0;
    assert!((50.0..68.0).contains(&per_minute), "{per_minute} logins a minute on a working day");
    let ratio = failures as f64 / logins as f64;
    assert!((0.05..0.12).contains(&ratio), "{ratio} of logins fail");
    assert_eq!(counts[&Behaviour::HealthChecker], 17_280);
    assert_eq!(counts[&Behaviour::BatchJob], 20_000);
    assert!((10_700..10_900).contains(&counts[&Behaviour::ExpiredKey]), "{counts:?}");
    // A failing deployment is nobody's requests: it makes everybody's fail.
    assert_eq!(counts.len(), Behaviour::ALL.len() - 1, "{counts:?}");
}

#[test]
fn attacks_are_as_large_as_they_say() {
    let start = MONDAY.plus(DAY + HOUR * 9);
    for scenario in SCENARIOS {
        let plan = Plan {
            logins_per_minute: 1.0,
            behaviours: Vec::new(),
            ..Plan::busy(5, start, scenario.lasts + HOUR)
        };
        let record = judge::watch(Simulation::with_attack(&plan, scenario.begin(start)), &Config::default());
        let verdict = record.verdict(scenario, start);
        let last = record.truth.attempts.last().map(|last| last.since(start));
        let is_attack = scenario.begin(start).trouble.is_none();
        assert_eq!(verdict.attackers > 0, is_attack, "{}", scenario.name);
        if let Some(lasted) = last {
            let ratio = lasted.as_secs_f64() / scenario.lasts.as_secs_f64();
            assert!((0.9..1.1).contains(&ratio), "{} lasted {lasted:?}", scenario.name);
        }
    }
}

/// What the targets of distributed attacks say of it.
#[test]
fn the_baseline_finds_what_comes_from_one_address_quickly_and_nothing_else() {
    let start = MONDAY.plus(DAY + HOUR * 9);
    let banned = |name: &str| {
        let scenario = Scenario::named(name).expect("a scenario of that name");
        let plan = Plan::busy(6, start, scenario.lasts + HOUR);
        let record = judge::watch(Simulation::with_attack(&plan, scenario.begin(start)), &Config::default());
        record.verdict(scenario, start)
    };
    let loud = banned("stuffing, 1 address, 10/s");
    assert!(loud.baseline.is_some_and(|found| found.before < 0.01), "{loud:?}");
    assert!(banned("stuffing, 2,000 homes x 2, as browser").baseline.is_none());
    assert!(banned("stuffing, 1 address, 18/h").baseline.is_none());
    // The office is what it bans besides.
    assert!(loud.baseline_strangers > 0, "{loud:?}");
}
