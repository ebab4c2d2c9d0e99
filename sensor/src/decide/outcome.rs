//! What decisions depend on, and what comes of them.

use ipnet::IpNet;

use super::alert::Alert;
use super::decision::Decision;
use super::incident::Update;
use super::kill_switch::Tripped;
use crate::prefix::ClientNet;

/// What decisions depend on besides the signal, as it is now.
pub trait Surroundings {
    /// Whether decisions are carried out, or only recorded.
    fn enforces(&self) -> bool;
    /// Why they are only recorded.
    fn why_not(&self) -> &'static str {
        "mode is monitor"
    }
    /// Why nothing may be done about a prefix, if so.
    fn protection(&self, prefix: &IpNet) -> Option<String>;
    /// Whether a client whose exchanges came through a proxy is at the other end of connections to this host, so that what
    /// the kernel does about its address affects it.
    fn reaches(&self, _client: ClientNet) -> bool {
        false
    }
    /// Clients that the kernel tracks: those that sent at least twice.
    fn clients(&self) -> u64;
}

/// What comes of a signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What people are told, where an incident begins or gets worse; then it replaces the alert that began it.
    pub alert: Option<Alert>,
    /// The incident as it is now.
    pub incident: Option<Update>,
    /// What is to be carried out, in this order.
    pub decisions: Vec<Decision>,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeciderStats {
    /// Blocks that the kill switches made limits of, in the order of [`Tripped::ALL`].
    pub suppressed: [u64; Tripped::ALL.len()],
    /// Whether a kill switch stands tripped.
    pub tripped: bool,
    /// Offenders that are protected.
    pub protected: u64,
    /// Incidents and decisions that were forgotten for want of room.
    pub evicted: u64,
}
