//! Each attack with each seed: whether it was found, when, and at what price.

use std::time::Duration;

use comfy_table::Table;
use sensor_tests::sim::attack::{Class, SCENARIOS, Scenario};
use sensor_tests::sim::judge::{self, Found, Verdict};
use sensor_tests::sim::plan::{DAY, HOUR, MINUTE, MONDAY, Plan};
use sensor_tests::sim::random::Random;
use sensor_tests::sim::record::Behaviour;
use sensor_tests::sim::{Simulation, routes};
use serde::Serialize;

use crate::{Effort, in_parallel, new_table};

/// One attack with one seed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    #[serde(skip)]
    pub(crate) class: Class,
    pub(crate) seed: u64,
    pub(crate) found: Option<When>,
    pub(crate) severity: Option<&'static str>,
    pub(crate) attackers: usize,
    pub(crate) named: usize,
    pub(crate) strangers: usize,
    pub(crate) strangers_blocked: usize,
    pub(crate) taken: usize,
    pub(crate) taken_told: usize,
    pub(crate) baseline: Option<When>,
    pub(crate) baseline_named: usize,
    pub(crate) baseline_strangers: usize,
}

/// When an attack was found.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct When {
    pub(crate) seconds: f64,
    pub(crate) requests_before: f64,
}

impl From<Found> for When {
    fn from(found: Found) -> Self {
        Self { seconds: found.after.as_secs_f64(), requests_before: found.before }
    }
}

/// Runs all of them.
pub(crate) fn run(effort: &Effort, only: Option<&str>) -> Vec<Row> {
    let wanted = SCENARIOS.iter().filter(|scenario| only.is_none_or(|text| scenario.name.contains(text)));
    let jobs: Vec<(&Scenario, u64)> =
        wanted.flat_map(|scenario| effort.seeds.iter().map(move |seed| (scenario, *seed))).collect();
    in_parallel("attacks", &jobs, |(scenario, seed)| {
        Row::new(scenario, *seed, attack(scenario, *seed, effort.hours_before))
    })
}

/// Begins at any time of the day, from Tuesday to Sunday.
fn attack(scenario: &Scenario, seed: u64, hours_before: u32) -> Verdict {
    let mut random = Random::new(seed).fork(routes::PROBES.len() as u64);
    let start = MONDAY.plus(DAY + random.within(DAY * 5));
    let before = HOUR * hours_before;
    let begins = MONDAY.plus(start.since(MONDAY).saturating_sub(before));
    let mut plan = Plan::busy(seed, begins, before + scenario.lasts + MINUTE * 15);
    // Their effect on a route's numbers is evaluated separately.
    plan.behaviours.retain(|behaviour| !matches!(behaviour, Behaviour::Marketing | Behaviour::Deployment));
    let simulation = Simulation::with_attack(&plan, scenario.begin(start));
    judge::watch(simulation, &judge::config()).verdict(scenario, start)
}

impl Row {
    fn new(scenario: &Scenario, seed: u64, verdict: Verdict) -> Self {
        Self {
            name: scenario.name,
            class: scenario.class,
            seed,
            found: verdict.found.map(When::from),
            severity: verdict.severity.map(|severity| severity.label()),
            attackers: verdict.attackers,
            named: verdict.named,
            strangers: verdict.strangers,
            strangers_blocked: verdict.strangers_blocked,
            taken: verdict.taken,
            taken_told: verdict.taken_told,
            baseline: verdict.baseline.map(When::from),
            baseline_named: verdict.baseline_named,
            baseline_strangers: verdict.baseline_strangers,
        }
    }
}

/// One line per attack: the worst of its seeds.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = new_table(&[
        "simulated attack",
        "found",
        "after",
        "requests before",
        "offenders named",
        "legitimate named (blocked)",
        "takeovers told",
        "severity",
        "fail2ban's rule: found",
        "after",
        "banned",
        "legitimate banned",
    ]);
    for seeds in rows.chunk_by(|one, other| one.name == other.name) {
        let sum = |number: fn(&Row) -> usize| seeds.iter().map(number).sum::<usize>();
        let found = |when: fn(&Row) -> Option<When>| {
            let found: Vec<When> = seeds.iter().filter_map(when).collect();
            let worst = found.iter().map(|when| when.seconds).fold(0.0, f64::max);
            let share = found.iter().map(|when| when.requests_before).fold(0.0, f64::max);
            let shown = |text: String| if found.is_empty() { "-".to_owned() } else { text };
            let after = shown(span(worst));
            (format!("{}/{}", found.len(), seeds.len()), after, shown(format!("{:.1}%", share * 100.0)))
        };
        let ours = found(|row| row.found);
        let theirs = found(|row| row.baseline);
        let severity = seeds.iter().filter_map(|row| row.severity).next_back().unwrap_or("-");
        table.add_row([
            seeds.first().map_or("", |row| row.name).to_owned(),
            ours.0,
            ours.1,
            ours.2,
            of(sum(|row| row.named), sum(|row| row.attackers)),
            format!("{} ({})", sum(|row| row.strangers), sum(|row| row.strangers_blocked)),
            of(sum(|row| row.taken_told), sum(|row| row.taken)),
            severity.to_owned(),
            theirs.0,
            theirs.1,
            of(sum(|row| row.baseline_named), sum(|row| row.attackers)),
            sum(|row| row.baseline_strangers).to_string(),
        ]);
    }
    table
}

fn of(some: usize, all: usize) -> String {
    if all == 0 { "-".to_owned() } else { format!("{some}/{all}") }
}

/// Seconds, as people say them.
pub(crate) fn span(seconds: f64) -> String {
    let rounded = if seconds < 10.0 { (seconds * 10.0).round() / 10.0 } else { seconds.round() };
    let span = Duration::from_secs_f64(rounded);
    let (hours, minutes) = (span.as_secs() / 3_600, span.as_secs() / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rounded} s"),
        (0, _) => format!("{minutes} min {} s", span.as_secs() % 60),
        _ => format!("{hours} h {minutes} min"),
    }
}
