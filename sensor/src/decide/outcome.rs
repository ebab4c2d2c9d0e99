//! Inputs and results of decisions.

use ipnet::IpNet;

use super::alert::Alert;
use super::decision::Decision;
use super::incident::Update;
use super::kill_switch::Tripped;
use crate::prefix::ClientNet;

/// Inputs of decisions besides the signal, as of now.
pub trait Surroundings {
    /// Whether decisions are carried out, or only recorded.
    fn enforces(&self) -> bool;
    /// Why they are only recorded.
    fn why_not(&self) -> &'static str {
        "mode is monitor"
    }
    /// Why no action may be taken against a prefix, if so.
    fn protection(&self, prefix: &IpNet) -> Option<String>;
    /// Whether a client whose exchanges came through a proxy is connected to this host, so that action against its
    /// address in the kernel affects it.
    fn reaches(&self, _client: ClientNet) -> bool {
        false
    }
    /// Clients tracked by the kernel: those that sent at least twice.
    fn clients(&self) -> u64;
}

/// Result of a signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The alert to raise, if an incident starts or gets worse; a worse one replaces the alert that started it.
    pub alert: Option<Alert>,
    /// The incident as it is now.
    pub incident: Option<Update>,
    /// What to carry out, in this order.
    pub decisions: Vec<Decision>,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeciderStats {
    /// Blocks reduced to limits by the kill switches, in the order of [`Tripped::ALL`].
    pub suppressed: [u64; Tripped::ALL.len()],
    /// Whether a kill switch is tripped.
    pub tripped: bool,
    /// Offenders that are protected.
    pub protected: u64,
    /// Incidents and decisions dropped for lack of room.
    pub evicted: u64,
}
