//! A decision: whom CrowdSec wants held off, until when, and why.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A ban of an address or a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its number in the server's database.
    pub id: i64,
    /// Whom it is about.
    pub prefix: IpNet,
    /// When it ends, by this host's clock.
    pub until: Timestamp,
    /// Who decided it: `crowdsec`, `cscli`, `CAPI`, `lists`, another sensor.
    pub origin: String,
    /// For what.
    pub scenario: String,
}

impl Decision {
    /// Origin and scenario, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("{}: {}", self.origin, self.scenario)
    }
}
