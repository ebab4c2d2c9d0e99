//! What clients do to HTTP/2 itself.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::http::Abuse;

/// Frames of a client that conforming clients have no reason to send often; told in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Abuse {
    /// When this is told.
    pub ts: Timestamp,
    /// Whose connection it is, as far as the wire tells.
    pub client: IpAddr,
    /// Whether `client` is a trusted proxy.
    pub proxied: bool,
    /// As of an exchange: see [`super::Exchange::proven`].
    pub proven: bool,
    /// What was done, and how often.
    pub abuse: Abuse,
}
