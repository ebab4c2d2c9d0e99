//! Weeks without an attack: every alarm in them is false.

use std::collections::BTreeMap;
use std::fmt;

use sensor::detect::{Severity, Threat};
use sensor_tests::sim::Simulation;
use sensor_tests::sim::judge::{self, Alarm};
use sensor_tests::sim::plan::{MONDAY, Plan, WEEK};
use sensor_tests::sim::record::Behaviour;
use serde::Serialize;

use crate::{Effort, in_parallel, new_table};

/// What was said of all weeks together.
#[derive(Serialize)]
pub(crate) struct Weeks {
    pub(crate) weeks: u32,
    pub(crate) events: u64,
    pub(crate) logins: u64,
    pub(crate) failures: u64,
    /// Alarms of severity high or above.
    pub(crate) grave: usize,
    /// Legitimate clients that they name.
    pub(crate) named: usize,
    alarms: Vec<Said>,
    baseline_bans: usize,
}

/// One alarm.
#[derive(Clone, Debug, Serialize)]
struct Said {
    seed: u64,
    first: String,
    last: String,
    threat: Threat,
    severity: Severity,
    subject: String,
    summary: String,
    behaviours: Vec<&'static str>,
    clients: usize,
}

/// Runs them.
pub(crate) fn run(effort: &Effort) -> Weeks {
    let of_seeds = in_parallel("weeks", &effort.seeds, |seed| {
        let plan = Plan::busy(*seed, MONDAY, WEEK * effort.weeks);
        let record = judge::watch(Simulation::new(&plan), &judge::config());
        let said: Vec<Said> = record.alarms(&plan).into_iter().map(|alarm| Said::new(*seed, alarm)).collect();
        (record.events, record.logins, record.baseline.bans.len(), said)
    });
    let mut weeks = Weeks {
        weeks: effort.weeks * u32::try_from(effort.seeds.len()).unwrap_or(u32::MAX),
        events: 0,
        logins: 0,
        failures: 0,
        grave: 0,
        named: 0,
        alarms: Vec::new(),
        baseline_bans: 0,
    };
    for (events, (logins, failures), bans, said) in of_seeds {
        weeks.events += events;
        weeks.logins += logins;
        weeks.failures += failures;
        weeks.baseline_bans += bans;
        weeks.alarms.extend(said);
    }
    let grave = weeks.alarms.iter().filter(|alarm| alarm.severity >= Severity::High);
    (weeks.grave, weeks.named) = grave.fold((0, 0), |sum, alarm| (sum.0 + 1, sum.1 + alarm.clients));
    weeks
}

impl Said {
    fn new(seed: u64, alarm: Alarm) -> Self {
        Self {
            seed,
            first: alarm.first.to_string(),
            last: alarm.last.to_string(),
            threat: alarm.threat,
            severity: alarm.severity,
            subject: alarm.subject,
            summary: alarm.summary,
            behaviours: alarm.behaviours.into_iter().map(Behaviour::label).collect(),
            clients: alarm.clients.len(),
        }
    }
}

impl fmt::Display for Weeks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} simulated weeks without an attack: {:.1} million exchanges, {} logins, {:.1}% of them failures; \
             fail2ban's rule bans {} times",
            self.weeks,
            self.events as f64 / 1e6,
            self.logins,
            self.failures as f64 * 100.0 / self.logins.max(1) as f64,
            self.baseline_bans
        )?;
        let mut table = new_table(&["legitimate behaviour", "alarms, by detector and severity"]);
        for behaviour in Behaviour::ALL {
            let label = behaviour.label();
            table.add_row([label.to_owned(), self.said_of(|alarm| alarm.behaviours.contains(&label))]);
        }
        let nobody = self.said_of(|alarm| alarm.behaviours.is_empty());
        table.add_row(["none of these: routes, the host, users at home".to_owned(), nobody]);
        writeln!(out, "{table}")?;
        for alarm in self.alarms.iter().filter(|alarm| alarm.severity >= Severity::High).take(20) {
            writeln!(
                out,
                "- false: {} {} {} on {} ({} clients): {}",
                alarm.first,
                alarm.severity.label(),
                alarm.threat.slug(),
                alarm.subject,
                alarm.clients,
                alarm.summary
            )?;
        }
        Ok(())
    }
}

impl Weeks {
    /// Whether nothing at all was said.
    pub(crate) const fn is_silent(&self) -> bool {
        self.alarms.is_empty()
    }

    fn said_of(&self, is_meant: impl Fn(&Said) -> bool) -> String {
        let mut counts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
        for alarm in self.alarms.iter().filter(|alarm| is_meant(alarm)) {
            *counts.entry((alarm.threat.slug(), alarm.severity)).or_default() += 1;
        }
        let shown = counts
            .iter()
            .map(|((threat, severity), count)| format!("{count} {threat} ({})", severity.label()));
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    }
}
