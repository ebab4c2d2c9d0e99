//! Totals: what was seen and read, and what was not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Maximum ports counted individually; a host has few servers.
const MAX_PORTS: usize = 256;

/// Outcome of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Everything received was read.
    Decrypted,
    /// Some of it could not be read.
    Partly,
    /// It was opened before it could be watched.
    DarkBefore,
    /// No source of secrets covers the server's library, or its suite is not supported.
    DarkLibrary,
    /// Its secret never arrived.
    DarkSecret,
    /// The handshake did not complete, or could not be followed.
    Incomplete,
    /// QUIC, which is not read. Counted when it begins.
    Quic,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Decrypted,
        Self::Partly,
        Self::DarkBefore,
        Self::DarkLibrary,
        Self::DarkSecret,
        Self::Incomplete,
        Self::Quic,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Decrypted => "decrypted",
            Self::Partly => "partly",
            Self::DarkBefore => "dark_before",
            Self::DarkLibrary => "dark_library",
            Self::DarkSecret => "dark_secret",
            Self::Incomplete => "incomplete",
            Self::Quic => "quic",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// Connections to one server port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounts {
    /// Connections that started in TLS, or were joined in the middle of it.
    pub connections: u64,
    /// Of these, those opened before they could be watched.
    pub dark_before: u64,
    /// Those for whose library there is no source of secrets.
    pub dark_library: u64,
    /// Those whose secret never arrived.
    pub dark_secret: u64,
    /// Those whose secret was found.
    pub decrypted: u64,
    /// Those that negotiated HTTP/2 by ALPN.
    pub http2: u64,
    /// Other connections, in clear.
    #[serde(default)]
    pub clear: u64,
    /// Connections of QUIC to the UDP port of the same number; they are not read.
    #[serde(default)]
    pub quic: u64,
}

impl PortCounts {
    /// Connections that were not read.
    #[must_use]
    pub const fn dark(&self) -> u64 {
        self.dark_before.saturating_add(self.dark_library).saturating_add(self.dark_secret)
    }
}

/// Totals since the start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    outcomes: [u64; Outcome::ALL.len()],
    /// By port of the server.
    ports: BTreeMap<u16, PortCounts>,
    /// What the source has counted of QUIC, by port; it may start again.
    quic: BTreeMap<u16, u64>,
    /// Connections whose secret was found and that are open.
    pub open: u64,
    /// Connections waiting for their secret.
    pub waiting: u64,
    /// Secrets taken in.
    pub secrets: u64,
    /// Secrets that expired unused.
    pub secrets_expired: u64,
    /// Secrets evicted because there were too many.
    pub secrets_evicted: u64,
    /// Records decrypted and authenticated.
    pub records: u64,
    /// Records of which only the first bytes were captured, decrypted without their tag.
    pub prefixes: u64,
    /// Records that could not be decrypted.
    pub unreadable: u64,
    /// Resynchronisations of records after a gap.
    pub resynchronised: u64,
    /// Bytes dropped for lack of room to wait.
    pub refused_bytes: u64,
}

impl Counters {
    /// Closed connections, by outcome.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }

    /// Connections by port.
    #[must_use]
    pub const fn ports(&self) -> &BTreeMap<u16, PortCounts> {
        &self.ports
    }

    pub(super) fn conclude(&mut self, outcome: Outcome) {
        if let Some(count) = self.outcomes.get_mut(outcome.index()) {
            bump(count);
        }
    }

    /// A source's count of QUIC connections to a port.
    pub(super) fn quic(&mut self, port: u16, count: u64) {
        if self.quic.len() >= MAX_PORTS && !self.quic.contains_key(&port) {
            return;
        }
        let before = self.quic.insert(port, count).unwrap_or_default();
        let more = count.checked_sub(before).unwrap_or(count);
        if more == 0 {
            return;
        }
        if let Some(total) = self.outcomes.get_mut(Outcome::Quic.index()) {
            *total = total.saturating_add(more);
        }
        self.port(port, |port| port.quic = port.quic.saturating_add(more));
    }

    pub(super) fn port(&mut self, port: u16, change: impl FnOnce(&mut PortCounts)) {
        if self.ports.len() < MAX_PORTS || self.ports.contains_key(&port) {
            change(self.ports.entry(port).or_default());
        }
    }
}

pub(super) const fn bump(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// Bytes waiting, over all connections.
#[derive(Debug)]
pub(super) struct Held {
    bytes: usize,
    most: usize,
    /// Records and bytes dropped for lack of room.
    pub(super) refused: u64,
}

impl Held {
    pub(super) const fn new(most: usize) -> Self {
        Self { bytes: 0, most, refused: 0 }
    }

    pub(super) const fn has_room(&self) -> bool {
        self.bytes < self.most
    }

    pub(super) const fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) const fn remove(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_bounded() {
        let mut counters = Counters::default();
        for round in 1..=2 {
            (0..1_000).for_each(|port| counters.port(port, |port| bump(&mut port.connections)));
            assert_eq!((counters.ports().len(), counters.ports()[&0].connections), (MAX_PORTS, round));
        }
    }

    #[test]
    fn connections_of_quic_add_up_though_their_source_starts_again() {
        let mut counters = Counters::default();
        for count in [3, 3, 5, 2, 2] {
            counters.quic(443, count);
        }
        let total = counters.outcomes().find(|(outcome, _)| *outcome == Outcome::Quic);
        assert_eq!((counters.ports()[&443].quic, total), (7, Some((Outcome::Quic, 7))));
        (0..1_000).for_each(|port| counters.quic(port, 1));
        assert_eq!(counters.quic.len(), MAX_PORTS);
    }

    #[test]
    fn outcomes_are_counted_where_they_are_told() {
        for outcome in Outcome::ALL {
            let mut counters = Counters::default();
            counters.conclude(outcome);
            assert_eq!(counters.outcomes().find(|(_, count)| *count == 1), Some((outcome, 1)));
        }
    }
}
