//! Clients by what they have in common.

use serde::{Deserialize, Serialize};

use super::Rates;

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
}

/// All tracked clients that have one thing in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsRow {
    /// The group as rules name it, such as `asn:64500`, or the network; absent for clients that the database does not
    /// know.
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
