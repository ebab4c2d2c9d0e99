//! Bounds of this room.

use std::time::Duration;

use documented::DocumentedFields;

/// What is read, and bounds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Whether there is a source of secrets. Without one nothing waits for any.
    pub has_source: bool,
    /// How long encrypted bytes wait for the secret of their connection.
    pub wait: Duration,
    /// How long a secret is kept that belongs to no connection seen so far.
    pub secret_lifetime: Duration,
    /// Whether secrets stay after their lifetime and after use: in replays, where connections come as the files have them.
    pub keeps_secrets: bool,
    /// Most secrets kept.
    pub secrets: usize,
    /// Most bytes that wait, of records in pieces and of connections without a secret, over all connections.
    pub waiting_bytes: usize,
    /// Most of these of one connection.
    pub connection_bytes: usize,
    /// Most expanded keys kept, of about 550 bytes each.
    pub expanded_keys: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            has_source: false,
            wait: Duration::from_secs(2),
            secret_lifetime: Duration::from_secs(10),
            keeps_secrets: false,
            secrets: 65_536,
            waiting_bytes: 16 << 20,
            connection_bytes: 256 << 10,
            expanded_keys: 4_096,
        }
    }
}
