//! A check and its result.

use serde::Serialize;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Good,
    Note,
    Problem,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) what: String,
    /// The remedy; empty if all is well.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn good(what: impl Into<String>) -> Self {
        Self { severity: Severity::Good, what: what.into(), remedy: String::new() }
    }

    pub(super) fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, what: what.into(), remedy: remedy.into() }
    }
}

/// What a test expects of a finding: its severity, and parts of what it says.
#[cfg(test)]
pub(super) fn check(finding: &Finding, severity: Severity, what: &str, remedy: &str) {
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert!(finding.what.contains(what), "no `{what}` in {finding:?}");
    assert!(finding.remedy.contains(remedy), "no `{remedy}` in {finding:?}");
    assert_eq!(
        finding.remedy.is_empty(),
        severity == Severity::Good,
        "a remedy, if and only if one is needed: {finding:?}"
    );
}
