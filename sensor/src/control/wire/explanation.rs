//! Answers to `sensor explain`.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{AllowRow, BlockRow, ClientRow, FleetSays, LimitRow};
use crate::clock::Timestamp;
use crate::decide::{Alert, AuditEntry, Incident};
use crate::enforce::Mode;

/// `sensor explain`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// Of whom.
    pub prefix: IpNet,
    /// What happens to its packets, in a sentence.
    pub verdict: String,
    /// The mode in force.
    pub mode: Mode,
    /// The scope whose limits apply, and the limits.
    pub scope: LimitRow,
    /// What all clients of its site may use together, where that is limited and it is not wider than a site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// The allow rule that covers it.
    pub allow: Option<AllowRow>,
    /// The block that covers it and ends last.
    pub block: Option<BlockRow>,
    /// Why it must never be blocked, if so.
    pub protected: Option<String>,
    /// Where the verdict does not hold, whatever it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Its totals, if it is in the table.
    pub client: Option<ClientRow>,
    /// What lies within it, where it is wider than one client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// Times at which it went over a limit lately, and which, the newest first.
    pub over_limit: Vec<(Timestamp, String)>,
    /// Commands that would change the verdict.
    pub undo: Vec<String>,
    /// What hosts of the fleet say about it, this one included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<FleetSays>,
    /// Incidents that it takes part in or that are about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// The last alerts about it, and those that led to decisions about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// The last changes of policy about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<AuditEntry>,
}

/// A site, an IPv4 /24 or an IPv6 /48, and the limit on all its clients together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its network.
    pub network: IpNet,
    /// How many times a client's limits these are.
    pub times: u32,
}

/// What lies within a prefix that is wider than one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// Tracked clients.
    pub clients: u64,
    /// Blocked prefixes.
    pub blocks: u64,
}

/// `sensor explain` of an alert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlertExplanation {
    /// The alert.
    pub alert: Alert,
    /// The incident that it began, with everybody who takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
    /// What was done because of it, oldest first.
    pub audit: Vec<AuditEntry>,
    /// Commands that would change what was done.
    pub undo: Vec<String>,
}
