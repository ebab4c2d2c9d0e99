//! Clients, and clients by what they have in common.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Mark, Standing};

/// Order of `sensor clients`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientSort {
    /// Packets per second.
    #[default]
    Packets,
    /// Bits per second.
    Bits,
    /// HTTP requests per second.
    Requests,
    /// Drops per second.
    Drops,
    /// Failed HTTP requests per second.
    Failures,
}

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
    /// The systemd units and containers that answered it, at most four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// The open incident that it takes part in, the worst of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Mark>,
}

impl ClientRow {
    /// What clients are sorted by if their rates are equal.
    #[must_use]
    pub const fn total(&self, sort: ClientSort) -> u64 {
        match sort {
            ClientSort::Packets => self.packets,
            ClientSort::Bits => self.bytes,
            ClientSort::Requests => self.requests,
            ClientSort::Drops => self.drops,
            ClientSort::Failures => self.failures,
        }
    }
}

/// What clients are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientsBy {
    /// Their autonomous system.
    Asn,
    /// Their country.
    Country,
    /// Their network: a /24 of IPv4, a /48 of IPv6.
    Prefix,
    /// The systemd unit or container that answered them; a client of several counts for each.
    Unit,
}

/// All tracked clients that have one thing in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsRow {
    /// The group as rules name it, such as `asn:64500`, the network, or the unit; absent for clients of which it is not
    /// known.
    pub group: Option<String>,
    /// Whose autonomous system that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// How many clients.
    pub clients: u64,
    /// Per second, now.
    pub rates: Rates,
    /// Since they were admitted.
    pub packets: u64,
    /// Since they were admitted.
    pub bytes: u64,
    /// Since they were admitted.
    pub requests: u64,
    /// Since they were admitted.
    pub drops: u64,
    /// Since the daemon started.
    pub failures: u64,
}
