//! Clients, as the kernel counts them.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ClientSort, Mark, Standing};

/// Rates over the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Frames, whatever became of them.
    pub packets: u64,
    /// Bits of those frames.
    pub bits: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Frames dropped, or that would have been.
    pub drops: u64,
    /// HTTP requests that were answered with a status of 400 or more.
    #[serde(default)]
    pub failures: u64,
}

impl Rates {
    /// What clients are sorted by.
    #[must_use]
    pub const fn by(self, sort: ClientSort) -> u64 {
        match sort {
            ClientSort::Packets => self.packets,
            ClientSort::Bits => self.bits,
            ClientSort::Requests => self.requests,
            ClientSort::Drops => self.drops,
            ClientSort::Failures => self.failures,
        }
    }
}

/// One client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientRow {
    /// Its network.
    pub client: IpNet,
    /// Per second, now.
    pub rates: Rates,
    /// Since it was admitted.
    pub packets: u64,
    /// Since it was admitted.
    pub bytes: u64,
    /// Since it was admitted.
    pub requests: u64,
    /// Since it was admitted.
    pub drops: u64,
    /// Whether it has proven its address by a TCP handshake.
    #[serde(default)]
    pub proven: bool,
    /// Since the daemon started.
    #[serde(default)]
    pub failures: u64,
    /// What the policy says about it besides the limits of all.
    #[serde(default)]
    pub standing: Standing,
    /// The open incident that it takes part in, the worst of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Mark>,
}
