//! What all detectors share of their configuration.

use std::collections::BTreeMap;

use super::threat::Threat;
use crate::config::Section;

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
    fn named(text: &str) -> Result<Self, &'static str> {
        match text {
            "relaxed" => Ok(Self::Relaxed),
            "balanced" => Ok(Self::Balanced),
            "strict" => Ok(Self::Strict),
            _ => Err("expected `relaxed`, `balanced` or `strict`"),
        }
    }

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

impl Response {
    fn named(text: &str) -> Result<Self, &'static str> {
        match text {
            "off" => Ok(Self::Off),
            "monitor" => Ok(Self::Monitor),
            "enforce" => Ok(Self::Enforce),
            _ => Err("expected `off`, `monitor` or `enforce`"),
        }
    }
}

/// Of all detectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Strictness of the defaults.
    pub preset: Preset,
    /// Responses that differ from the default, which leaves it to the daemon's mode.
    pub responses: BTreeMap<Threat, Response>,
}

impl Config {
    /// Reads `[detect]`: the preset, and a table for each detector.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let mut config = Self::default();
        let detect = root.section("detect");
        if let Some(preset) = detect.parsed("preset", Preset::named) {
            config.preset = preset;
        }
        for threat in Threat::ALL {
            let section = detect.section(threat.slug());
            if let Some(response) = section.parsed("response", Response::named) {
                config.responses.insert(threat, response);
            }
            section.finish();
        }
        detect.finish();
        config
    }

    /// Whether two differ in nothing but responses.
    #[must_use]
    pub fn same_but_responses(&self, other: &Self) -> bool {
        *self == Self { responses: self.responses.clone(), ..other.clone() }
    }

    /// What a threat may lead to.
    #[must_use]
    pub fn response(&self, threat: Threat) -> Response {
        self.responses.get(&threat).copied().unwrap_or_default()
    }
}
