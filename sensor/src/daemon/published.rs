//! What the thread that reads HTTP publishes for the rest of the daemon.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::capture::datagram::DatagramCounters;
use crate::control::wire::{AccessLogReport, SecretsReport};
use crate::detect::Usage;
use crate::pipeline::Snapshot;
use crate::prefix::ClientNet;

/// Its last results.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Totals.
    pub(super) snapshot: Snapshot,
    /// Watched ports.
    pub(super) ports: BTreeSet<u16>,
    /// Of these, those that answered in HTTP.
    pub(super) http_ports: BTreeSet<u16>,
    /// The last exchanges, oldest first, as JSON; under load only a sample.
    pub(super) recent: VecDeque<String>,
    /// Failed requests by client.
    pub(super) failures: HashMap<ClientNet, u64>,
    /// Exchanges of clients for which there was no room.
    pub(super) failures_uncounted: u64,
    /// Instructions refused by the kernel.
    pub(super) refused_instructions: u64,
    /// Records of exchanges that could not be written to the log of exchanges.
    pub(super) log_errors: u64,
    /// The detectors' table usage.
    pub(super) detectors: Usage,
    /// Signals lost on their way to the decider.
    pub(super) signals_lost: u64,
    /// Who serves the watched ports.
    pub(super) units: BTreeMap<u16, Vec<String>>,
    /// Sources of the secrets of TLS sessions.
    pub(super) secrets: SecretsReport,
    /// Access logs that are followed.
    pub(super) access_logs: Vec<AccessLogReport>,
    /// Datagrams that were copied unchanged.
    pub(super) datagrams: DatagramCounters,
}
