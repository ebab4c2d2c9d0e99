//! The results, for people and for programs.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

/// All checks, in order.
pub(super) const CHECKS: [&str; 9] = [
    "host",
    "namespaces",
    "daemon",
    "client",
    "burst",
    "client-during-burst",
    "login-attack",
    "block",
    "client-during-attack",
];

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// Something it depends on had failed.
    NotRun,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    pub(super) check: &'static str,
    pub(super) outcome: Outcome,
    /// What was observed.
    pub(super) what: String,
    /// The remedy; empty if it passed.
    pub(super) remedy: String,
    pub(super) figures: Value,
}

impl Check {
    pub(super) fn failed(check: &'static str, what: String, remedy: &str) -> Self {
        let (outcome, remedy) = (Outcome::Failed, remedy.to_owned());
        Self { check, outcome, what, remedy, figures: json!({}) }
    }

    /// For people, in one line or two.
    pub(super) fn text(&self) -> String {
        let mark = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::NotRun => "not run",
        };
        let line = format!("{mark:<8}{:<22}{}", self.check, self.what).trim_end().to_owned();
        if self.remedy.is_empty() { line } else { format!("{line}\n{:30}-> {}", "", self.remedy) }
    }
}

/// All results.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
    /// The end of the daemon's log, if something failed.
    pub(super) log: Vec<String>,
}

impl Report {
    /// Whether every check was run and passed.
    pub(super) fn passed(&self) -> bool {
        self.checks.len() == CHECKS.len() && self.checks.iter().all(|check| check.outcome == Outcome::Passed)
    }

    /// Records that the next check did not complete; returns it.
    pub(super) fn ended_early(&mut self, why: String) -> Check {
        let next = CHECKS.get(self.checks.len()).copied().unwrap_or("end");
        let check =
            Check::failed(next, why, "try again when this machine is less busy; `sensor doctor` says more");
        self.checks.push(check.clone());
        check
    }

    /// Adds the checks that were not run; returns them.
    pub(super) fn complete(&mut self) -> Vec<Check> {
        let is_missing = |name: &&'static str| self.checks.iter().all(|check| check.check != *name);
        let missing: Vec<&'static str> = CHECKS.into_iter().filter(is_missing).collect();
        let not_run = |check| Check {
            check,
            outcome: Outcome::NotRun,
            what: String::new(),
            remedy: String::new(),
            figures: json!({}),
        };
        let added: Vec<Check> = missing.into_iter().map(not_run).collect();
        self.checks.extend(added.iter().cloned());
        added
    }

    /// The JSON document.
    pub(super) fn document(&self, took: Duration) -> Value {
        json!({
            "passed": self.passed(),
            "seconds": took.as_secs_f64(),
            "checks": self.checks,
            "daemon_log": self.log,
        })
    }

    /// The last line for people.
    pub(super) fn verdict(&self, took: Duration) -> String {
        let failed = self.checks.iter().filter(|check| check.outcome == Outcome::Failed);
        let failed: Vec<&str> = failed.map(|check| check.check).collect();
        if self.passed() {
            format!("all {} checks passed in {took:.1?}; nothing is left behind", CHECKS.len())
        } else {
            format!("failed: {}; nothing is left behind", failed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(check: &'static str) -> Check {
        Check { outcome: Outcome::Passed, ..Check::failed(check, "seen".to_owned(), "") }
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut report = Report::default();
        report.checks.extend(CHECKS.into_iter().take(CHECKS.len() - 1).map(passed));
        assert!(!report.passed());
        let added = report.complete();
        assert_eq!((added.len(), added[0].check), (1, "client-during-attack"));
        assert!(!report.passed());
        let document = report.document(Duration::from_millis(1_500));
        assert_eq!(document["passed"], false);
        assert_eq!(document["seconds"], 1.5);
        assert_eq!(document["checks"][8]["outcome"], "not_run");
    }

    #[test]
    fn everything_passed_is_passed() {
        let mut report = Report { checks: CHECKS.map(passed).to_vec(), log: Vec::new() };
        assert!(report.complete().is_empty() && report.passed());
        assert!(report.verdict(Duration::from_secs(2)).starts_with("all 9 checks passed in 2.0s"));
        report.checks[4] = Check::failed("burst", "nothing was dropped".to_owned(), "see the log");
        assert!(!report.passed());
        assert_eq!(report.verdict(Duration::ZERO), "failed: burst; nothing is left behind");
        let text = report.checks[4].text();
        assert!(text.starts_with("FAILED  burst ") && text.ends_with("-> see the log"), "{text}");
    }
}
