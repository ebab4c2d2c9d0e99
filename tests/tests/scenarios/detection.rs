//! Attacks in simulated traffic are detected, and the legitimate behaviour that resembles them most is not.
//!
//! A subset of what `cargo xtask evaluate` measures: some hours each, with a fixed seed and one that varies; a failure
//! prints its seed.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::time::Duration;

use sensor::clock;
use sensor::detect::Severity;
use sensor_tests::sim::Simulation;
use sensor_tests::sim::attack::{Class, SCENARIOS, Scenario};
use sensor_tests::sim::judge;
use sensor_tests::sim::plan::{DAY, HOUR, MINUTE, MONDAY, Plan};
use sensor_tests::sim::record::Behaviour;

/// One attempt an hour each from homes, with the most common browser's fingerprint: some five a minute among fifty
/// logins, which share nothing. It is found with most seeds and not with all, as `cargo xtask evaluate` tells.
const HARDEST: &str = "stuffing, 300 homes, 1/h each, as browser";

/// Seeds that vary from run to run: a failure that one in eight runs shows is found within a day. Any other is for
/// `SENSOR_TEST_SEED`, and for `cargo xtask evaluate --seed`.
const VARIED: u64 = 8;

/// A fixed seed, and another one.
fn seeds() -> [u64; 2] {
    let given = std::env::var("SENSOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    [11, given.unwrap_or_else(|| clock::now().unix_nanos() % VARIED)]
}

/// Every attack of a class is found within a time, and no legitimate client would be blocked for it.
fn all_are_found(class: Class, hours_before: u32, within: Duration) {
    let asserted = SCENARIOS.iter().filter(|s| s.class == class && s.name != HARDEST);
    for (scenario, seed) in asserted.zip(seeds().into_iter().cycle()) {
        let start = MONDAY.plus(DAY + HOUR * 10);
        let before = HOUR * hours_before;
        let begins = MONDAY.plus(start.since(MONDAY) - before);
        let mut plan = Plan::busy(seed, begins, before + scenario.lasts + MINUTE * 15);
        plan.behaviours = vec![Behaviour::Carrier, Behaviour::ForgottenPassword, Behaviour::HealthChecker];
        let record = judge::watch(Simulation::with_attack(&plan, scenario.begin(start)), &judge::config());
        let verdict = record.verdict(scenario, start);
        let is_found = verdict.found.is_some_and(|found| found.after <= within);
        assert!(is_found, "{} with seed {seed}: {verdict:?}", scenario.name);
        assert_eq!(verdict.strangers_blocked, 0, "{} with seed {seed}: {verdict:?}", scenario.name);
    }
}

#[test]
fn attacks_from_one_address_are_found() {
    all_are_found(Class::SingleSource, 1, HOUR * 8);
}

#[test]
fn attacks_from_several_addresses_are_found() {
    all_are_found(Class::SeveralSources, 1, HOUR * 2);
}

/// The target: within a minute.
#[test]
fn attacks_from_thousands_of_addresses_are_found() {
    all_are_found(Class::Distributed, 3, MINUTE);
}

#[test]
fn attacks_with_an_attempt_an_hour_are_found() {
    all_are_found(Class::LowAndSlow, 3, HOUR * 8);
}

#[test]
fn walks_and_probes_are_found() {
    all_are_found(Class::Probing, 1, HOUR * 2);
}

#[test]
fn exposures_are_found() {
    all_are_found(Class::Exposure, 1, MINUTE * 15);
}

#[test]
fn too_much_and_too_slow_is_found() {
    all_are_found(Class::Load, 1, MINUTE * 10);
}

#[test]
fn trouble_is_found() {
    all_are_found(Class::Anomaly, 3, MINUTE * 15);
}

/// A behaviour, alone among users at home, for some hours from an hour of a Monday: nothing grave is said, and nobody
/// would be blocked.
fn is_left_alone(behaviour: Behaviour, hour: u32, hours: u32) {
    for seed in seeds() {
        let plan = Plan::busy(seed, MONDAY.plus(HOUR * hour), HOUR * hours).only(behaviour);
        let record = judge::watch(Simulation::new(&plan), &judge::config());
        let alarms = record.alarms(&plan);
        let grave: Vec<_> = alarms.iter().filter(|alarm| alarm.severity >= Severity::High).collect();
        assert!(grave.is_empty(), "{} with seed {seed}: {grave:#?}", behaviour.label());
        assert!(record.events > 10_000, "{} events", record.events);
    }
}

macro_rules! left_alone {
    ($($test:ident: $behaviour:ident, $hour:literal, $hours:literal;)*) => {
        $(#[test]
        fn $test() {
            is_left_alone(Behaviour::$behaviour, $hour, $hours);
        })*
    };
}

left_alone! {
    users_at_home_are_left_alone: Resident, 9, 6;
    a_carriers_nat_is_left_alone: Carrier, 12, 6;
    an_office_on_monday_is_left_alone: Office, 7, 4;
    a_forgotten_password_is_left_alone: ForgottenPassword, 12, 6;
    an_old_password_is_left_alone: OldPassword, 10, 12;
    a_page_with_many_requests_is_left_alone: PageBurst, 12, 4;
    a_health_checker_is_left_alone: HealthChecker, 10, 4;
    a_crawler_is_left_alone: Crawler, 10, 5;
    a_price_comparison_is_left_alone: Bot, 8, 5;
    a_batch_job_is_left_alone: BatchJob, 0, 4;
    an_expired_key_is_left_alone: ExpiredKey, 10, 6;
    a_marketing_spike_is_left_alone: Marketing, 10, 6;
    a_failing_deployment_is_left_alone: Deployment, 10, 4;
}

#[test]
fn scenarios_are_named_and_of_all_classes() {
    let classes = [Class::SingleSource, Class::SeveralSources, Class::Distributed, Class::LowAndSlow];
    for class in classes.into_iter().chain([Class::Probing, Class::Exposure, Class::Load, Class::Anomaly]) {
        assert!(SCENARIOS.iter().any(|scenario| scenario.class == class), "{class:?}");
    }
    for scenario in SCENARIOS {
        let same = Scenario::named(scenario.name).map(|found| found.lasts);
        assert_eq!(same, Some(scenario.lasts), "two are called {}", scenario.name);
    }
}
