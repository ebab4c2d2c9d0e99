//! Access logs that are followed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// An access log that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLogReport {
    /// Its path, as configured.
    pub path: String,
    /// Its format, as configured.
    pub format: String,
    /// Lines since the start, empty ones left out.
    pub lines: u64,
    /// Of these, lines that could not be read.
    pub refused: u64,
    /// Of these, lines whose time is too far from the present to be judged.
    pub untimely: u64,
    /// Of these, exchanges that were also read on the network, and counted there.
    pub seen_twice: u64,
    /// How often its name got another file.
    pub rotations: u64,
    /// How often a file became shorter.
    pub truncations: u64,
    /// How often lines may have been lost: the file was replaced or truncated before all of it was read.
    pub gaps: u64,
    /// Bytes that were written and not read yet.
    pub unread_bytes: u64,
    /// The time of the last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Whether the file can be read now.
    pub is_readable: bool,
    /// Why it, or all of its lines so far, cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
