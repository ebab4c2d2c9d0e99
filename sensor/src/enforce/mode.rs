//! Whether verdicts are carried out, and where rules come from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is computed and counted, nothing dropped.
    #[default]
    Monitor,
    /// Packets over a limit, or from a blocked client, are dropped.
    Enforce,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Monitor, Self::Enforce];

    /// The word that operators see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.label())
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "monitor" => Ok(Self::Monitor),
            "enforce" => Ok(Self::Enforce),
            _ => Err("expected `monitor` or `enforce`"),
        }
    }
}

/// The origin of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A configuration file.
    Configuration,
    /// A command.
    Command,
    /// A detector.
    Detector,
    /// The sensor itself, to keep a block away from a protected address.
    Protection,
    /// Another host of the fleet.
    Fleet,
    /// CrowdSec.
    Crowdsec,
}

impl Origin {
    /// A word for tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Command => "command",
            Self::Detector => "detector",
            Self::Protection => "protection",
            Self::Fleet => "fleet",
            Self::Crowdsec => "crowdsec",
        }
    }
}
