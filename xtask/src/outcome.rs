//! Result of a step, where "not run" is neither success nor failure.

use std::fmt;

/// Something that was left out, and why. Never silent: its receiver prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    /// What was left out.
    pub(crate) what: String,
    /// Why.
    pub(crate) reason: String,
}

impl Skip {
    /// Records that `what` is left out because of `reason`.
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into() }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SKIPPED: {} because {}", self.what, self.reason)
    }
}

/// How a step ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran; these parts of it did not.
    Passed(Vec<Skip>),
    /// None of it ran.
    Skipped(Skip),
}
