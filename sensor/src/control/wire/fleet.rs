//! Answers to `sensor fleet`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::Measure;
use crate::fleet::PublicKey;

/// `sensor fleet status` and `sensor fleet hosts`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FleetReport {
    /// The fleet's name.
    pub name: String,
    /// The server, without what may be secret.
    pub server: String,
    /// The authority's public key.
    pub authority: PublicKey,
    /// This host's name.
    pub host: String,
    /// This host's public key.
    pub key: PublicKey,
    /// Whether the others take what this host says, and why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_trusted: Option<String>,
    /// Whether the server answers and has everything.
    pub connected: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Milliseconds since the server last answered; absent before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// Connections made again.
    pub reconnects: u64,
    /// Records that the server has.
    pub sent: u64,
    /// Records of other hosts that were news.
    pub taken: u64,
    /// Records that did not fit the queue; they are sent after the next connection.
    pub lost: u64,
    /// Records refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Records remembered.
    pub records: u64,
    /// Blocks in force here because of other hosts.
    pub blocks: u64,
    /// What hosts count together.
    #[serde(default)]
    pub evidence: FleetEvidence,
    /// Limits that hold for all hosts together.
    #[serde(default)]
    pub limits: FleetLimits,
    /// Every host.
    pub hosts: Vec<FleetHost>,
}

/// What hosts of a fleet count together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FleetEvidence {
    /// Whether this host takes part.
    pub shared: bool,
    /// Why there are no sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Other hosts heard within the last ten minutes.
    pub hosts: u64,
    /// Age of the sums in milliseconds; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Login routes on which all hosts together see an attack.
    pub attacked: u64,
    /// Records that the server has.
    pub sent: u64,
    /// Records of other hosts that were news.
    pub taken: u64,
    /// Records of other hosts that were refused.
    pub refused: u64,
    /// Attempts that were not counted for the fleet: too many came at once.
    pub lost: u64,
    /// Attempts of which no other host heard: the server was away for ten minutes, or there was no room.
    pub unsaid: u64,
}

/// Limits of principals that hold for all hosts of a fleet together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FleetLimits {
    /// Whether this host takes part, and has such limits.
    pub shared: bool,
    /// Why they hold for this host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Requests that the server has charged.
    pub charged: u64,
    /// Calls of the server that took.
    pub calls: u64,
    /// Answers that a principal was over its limit.
    pub over: u64,
    /// Requests that were charged on this host only: too many at once, or the server was away.
    pub lost: u64,
}

/// One host of a fleet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FleetHost {
    /// Its name.
    pub host: String,
    /// Its public key.
    pub key: PublicKey,
    /// When it was enrolled.
    pub since: Timestamp,
    /// When it was expelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expelled: Option<Timestamp>,
    /// Its decisions until then are void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Timestamp>,
    /// Its records that are remembered.
    pub records: u64,
    /// Whether it is this one.
    pub own: bool,
}

/// What a host of the fleet says about a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FleetSays {
    /// Which host.
    pub host: String,
    /// What is to be done.
    pub measure: Measure,
    /// Since when, by its clock.
    pub since: Timestamp,
    /// Until when; absent: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}
