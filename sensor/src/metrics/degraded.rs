//! The family about what does not work as it should, and its words for status and readiness.

use std::fmt;

use prometheus::proto::{MetricFamily, MetricType};
use serde::{Deserialize, Serialize};

use super::families::{Family, families};

/// A part of the daemon that may be degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// HTTP is not seen.
    Http,
    /// What commands said could not be read whole, or is not kept.
    Commands,
    /// The event store could not be read whole, or is not kept.
    Events,
    /// What was learned is learned anew.
    Learned,
    /// Enforcement ends with the process.
    Pins,
    /// The deny file is not written.
    DenyFile,
    /// On an interface nothing is limited or blocked.
    Interfaces,
    /// Decisions are not shared with other hosts.
    Fleet,
    /// The networks of a group cannot be read, or are not those of its database.
    Groups,
    /// Decisions of CrowdSec do not come.
    Crowdsec,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Http,
        Self::Commands,
        Self::Events,
        Self::Learned,
        Self::Pins,
        Self::DenyFile,
        Self::Interfaces,
        Self::Fleet,
        Self::Groups,
        Self::Crowdsec,
    ];

    /// The value of the label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Commands => "commands",
            Self::Events => "events",
            Self::Learned => "learned",
            Self::Pins => "pins",
            Self::DenyFile => "deny_file",
            Self::Interfaces => "interfaces",
            Self::Fleet => "fleet",
            Self::Groups => "groups",
            Self::Crowdsec => "crowdsec",
        }
    }
}

/// Something that does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Which part.
    pub part: Part,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl fmt::Display for Degraded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.part.label(), self.what)
    }
}

families! {
    /// Parts of the daemon that are degraded; `sensor status` says why.
    DEGRADED: GAUGE "sensor_degraded";
}

/// Every part from the start, so that an alert on it can be tested.
pub(super) fn gather(degraded: &[Degraded]) -> MetricFamily {
    let is = |part| u64::from(degraded.iter().any(|found| found.part == part));
    DEGRADED.with(Part::ALL.map(|part| DEGRADED.metric(&[("part", part.label())], is(part))).to_vec())
}
