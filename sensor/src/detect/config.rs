//! What all detectors share of their configuration.

use std::collections::BTreeMap;

use super::threat::Threat;
use super::{brute_force, credential_stuffing, distributed, password_spraying};

/// How strict the defaults are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Thresholds twice as high: for hosts whose users share addresses or whose clients misbehave.
    Relaxed,
    /// The documented defaults.
    #[default]
    Balanced,
    /// Thresholds half as high.
    Strict,
}

impl Preset {
    /// A count of the balanced preset as this one has it, at least 1.
    #[must_use]
    pub fn scaled(self, count: u32) -> u32 {
        match self {
            Self::Relaxed => count.saturating_mul(2),
            Self::Balanced => count,
            Self::Strict => count.div_ceil(2).max(1),
        }
    }
}

/// What a detector may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// It does not run.
    Off,
    /// Alerts.
    Monitor,
    /// Alerts, and limits or blocks where the daemon's mode is to enforce.
    #[default]
    Enforce,
}

/// Of all detectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Strictness of the defaults.
    pub preset: Preset,
    /// Responses that differ from the default, which leaves it to the daemon's mode.
    pub responses: BTreeMap<Threat, Response>,
    /// Guessing of passwords.
    pub brute_force: brute_force::Config,
    /// One password on many accounts.
    pub password_spraying: password_spraying::Config,
    /// Stolen credentials, from one client.
    pub credential_stuffing: credential_stuffing::Config,
    /// The same, from many.
    pub distributed: distributed::Config,
}

impl Config {
    /// What a threat may lead to.
    #[must_use]
    pub fn response(&self, threat: Threat) -> Response {
        self.responses.get(&threat).copied().unwrap_or_default()
    }
}

/// A share such as `80%` or `80`, in percent, from 1 to 100.
pub(super) fn percent(text: &str) -> Result<u32, &'static str> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse();
    number.ok().filter(|number| (1..=100).contains(number)).ok_or("expected a share from 1% to 100%")
}
