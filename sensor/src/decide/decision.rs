//! A decision of a detector that outlives a restart.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::id::RecordId;
use crate::clock::Timestamp;
use crate::detect::Threat;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// A tighter limit in the kernel.
    Limit,
    /// A block in the kernel.
    Block,
    /// An entry of the deny file, for a client behind a proxy.
    Deny,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Limit, Self::Block, Self::Deny];

    /// The word in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Block => "block",
            Self::Deny => "deny",
        }
    }
}

/// One decision. Prefix, measure and start identify it: a decision with the same three replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whom it applies to.
    pub prefix: IpNet,
    /// What was decided.
    pub measure: Measure,
    /// When it started.
    pub since: Timestamp,
    /// When it expires; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub threat: Threat,
    /// The alert that led to it.
    pub alert_id: RecordId,
    /// How often this prefix had been decided about before, for escalation.
    pub repetition: u32,
    /// Whether somebody lifted it early.
    pub lifted: bool,
}

impl Decision {
    /// Whether it is in force at a moment.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.lifted && self.until.is_none_or(|until| until > now)
    }
}
