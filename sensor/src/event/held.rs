//! Requests that do not come to their end.

use std::net::IpAddr;

use crate::clock::Timestamp;

/// What a connection is held open with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldBy {
    /// A head that does not end, or never begins.
    SlowHeaders,
    /// A body that does not end.
    SlowBody,
    /// A response that its client does not read.
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

/// A message that is under way for long; told again from time to time while that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When this is told.
    pub ts: Timestamp,
    /// Whose connection it is, as far as the wire tells.
    pub client: IpAddr,
    /// The client's port, which tells its connections apart.
    pub client_port: u16,
    /// The server's port.
    pub server_port: u16,
    /// Whether `client` is a trusted proxy.
    pub proxied: bool,
    /// As of an exchange: see [`super::Exchange::proven`].
    pub proven: bool,
    /// What is under way.
    pub by: HeldBy,
    /// Since when.
    pub since: Timestamp,
    /// Bytes of the message that came since then.
    pub bytes: u64,
}
