//! What is needed at the start of a connection with TLS 1.3 only: the server's extensions, and early data.

use super::keys::Keys;

/// Most early data that is held back until it is known whether the server takes it. OpenSSL's default is as much.
pub(super) const MAX_HELD: usize = 16_384;

/// What becomes of early data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not known yet.
    Open,
    /// The server reads it.
    Accepted,
    /// The server passes over it; the client sends it again.
    Rejected,
}

/// At the start.
#[derive(Debug)]
pub(super) struct Start {
    /// For the server's first record, which has its extensions.
    pub(super) server: Option<Keys>,
    /// For what the client sends before the handshake is over.
    pub(super) early: Option<Keys>,
    pub(super) sequence: u64,
    pub(super) fate: Fate,
    /// Early data whose fate is open.
    pub(super) held: Vec<u8>,
}

impl Start {
    pub(super) const fn new(server: Option<Keys>, early: Option<Keys>) -> Self {
        Self { server, early, sequence: 0, fate: Fate::Open, held: Vec::new() }
    }
}
