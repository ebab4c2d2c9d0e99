//! Questions about incidents, and what can be done about one as a whole.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{BlockAdded, ClientRow};
use crate::decide::{Incident, RecordId};
use crate::detect::Severity;
use crate::groups::Group;

/// The name of an account, as a person typed it. It is hashed and forgotten, and never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Typed(pub String);

impl fmt::Debug for Typed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Typed(..)")
    }
}

/// An open incident that a client takes part in: the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub id: RecordId,
    /// How bad it is.
    pub severity: Severity,
}

/// `sensor account`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountReport {
    /// The name's keyed hash on this host, as alerts, incidents and records of exchanges have it.
    pub user: String,
    /// The same as the user of basic authentication, a principal.
    pub basic: String,
    /// Incidents about the account, oldest first.
    pub incidents: Vec<Incident>,
}

/// What would be, or was, left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftAlone {
    /// Whom.
    pub prefix: IpNet,
    /// Why.
    pub why: String,
}

/// `sensor block add --incident`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IncidentBlocks {
    /// The incident.
    pub incident: RecordId,
    /// What is blocked now.
    pub blocked: Vec<BlockAdded>,
    /// What is not.
    pub left_alone: Vec<LeftAlone>,
}

/// `sensor block add --dry-run`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Preview {
    /// Prefixes that would be blocked.
    pub prefixes: Vec<IpNet>,
    /// The group that would be blocked, with the number of its networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<(Group, u64)>,
    /// Those that would not.
    pub left_alone: Vec<LeftAlone>,
    /// Whether blocks are carried out: the mode is to enforce.
    pub enforced: bool,
    /// Tracked clients that it would hit.
    pub hit: u64,
    /// Of these, clients that are allowed, which no block reaches.
    pub allowed: u64,
    /// Of these, clients that no open incident has a part for.
    pub innocent: u64,
    /// All tracked clients.
    pub tracked: u64,
    /// Packets of the last second from those that it would hit, and from all.
    pub packets: u64,
    /// See above.
    pub packets_of_all: u64,
    /// The busiest of those that it would hit.
    pub clients: Vec<ClientRow>,
}

/// What became of a test alert on one way out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WayReport {
    /// `output`, `webhook` or `syslog`.
    pub way: String,
    /// Whether it was taken.
    pub sent: bool,
    /// Why not, in the receiver's words where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a preview is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A prefix.
    Prefix(IpNet),
    /// The networks of a group.
    Group(Group),
    /// Everybody whom an incident accuses.
    Incident(RecordId),
}
