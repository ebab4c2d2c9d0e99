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

/// One decision. Prefix, measure and beginning name it: the same three again replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whom it is about.
    pub prefix: IpNet,
    /// What was decided.
    pub measure: Measure,
    /// When it began.
    pub since: Timestamp,
    /// When it ends; absent where it does not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub threat: Threat,
    /// The alert that led to it.
    pub alert_id: RecordId,
    /// How often this prefix had been decided about before; what escalation goes by.
    pub repetition: u32,
    /// Whether somebody lifted it before its time.
    pub lifted: bool,
}

impl Decision {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.lifted && self.until.is_none_or(|until| until > now)
    }
}
