//! Requests that do not finish.

use std::net::IpAddr;

use crate::clock::Timestamp;

/// How a connection is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldBy {
    /// A head that never ends, or never starts.
    SlowHeaders,
    /// A body that does not end.
    SlowBody,
    /// A response that the client does not read.
    SlowRead,
}

impl HeldBy {
    /// The name in evidence.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SlowHeaders => "slow headers",
            Self::SlowBody => "slow body",
            Self::SlowRead => "slow read",
        }
    }
}

/// A message that has been in progress for long; reported repeatedly while that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Time of this report.
    pub ts: Timestamp,
    /// The connection's client, as far as the wire shows.
    pub client: IpAddr,
    /// The client's port, which distinguishes its connections.
    pub client_port: u16,
    /// The server's port.
    pub server_port: u16,
    /// Whether `client` is a trusted proxy.
    pub proxied: bool,
    /// As for an exchange: see [`super::Exchange::proven`].
    pub proven: bool,
    /// How the connection is held.
    pub by: HeldBy,
    /// Since when.
    pub since: Timestamp,
    /// Bytes of the message received since then.
    pub bytes: u64,
}
