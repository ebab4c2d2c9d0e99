//! Access logs of web servers and proxies: a line is the record of a request and of its response.
//!
//! `layout` turns a format, as the server's own configuration writes it (`syntax`), into the order of fields; `field` reads
//! their values. A log holds neither bodies nor credentials nor, usually, most headers: what it lacks is absent from the
//! record, never guessed.

mod field;
pub mod follow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod json;
mod layout;
mod lines;
mod syntax;
#[cfg(test)]
mod tests;

pub use field::Unreadable;
pub use layout::{Layout, LayoutError, PRESETS};
pub use lines::{LogCounters, LogFile, MAX_LINE};

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Timestamp;

/// What one line records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The client, as the server saw it: its peer, or whom a proxy named, as the server is configured.
    pub client: Option<IpAddr>,
    /// The client's port; 0 if not logged.
    pub client_port: u16,
    /// The server's address.
    pub server: Option<IpAddr>,
    /// The server's port; 0 if not logged.
    pub server_port: u16,
    /// The logged time.
    pub(super) time: Option<Time>,
    /// Method and target, separated by a space. Sent bytes, with the log's escapes undone.
    pub line: Vec<u8>,
    /// The major and minor version of HTTP.
    pub version: Option<(u8, u8)>,
    /// Names and values of headers: `name: value`, CR LF. Contains no other control characters.
    pub headers: Vec<u8>,
    /// The status; none if the connection ended without one.
    pub status: Option<u16>,
    /// Bytes of the response's body.
    pub response_bytes: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// From the first byte of the request to the last of the response.
    pub duration: Option<Duration>,
    method: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    host: Vec<u8>,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// The request began.
    Began(Timestamp),
    /// The line was written, after the response.
    Ended(Timestamp),
}

impl Recorded {
    /// Forgets everything but the memory.
    fn clear(&mut self) {
        let Self { line, headers, method, path, query, host, .. } = std::mem::take(self);
        *self = Self { line, headers, method, path, query, host, ..Self::default() };
        for text in [
            &mut self.line,
            &mut self.headers,
            &mut self.method,
            &mut self.path,
            &mut self.query,
            &mut self.host,
        ] {
            text.clear();
        }
    }

    /// When the request began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        match self.time {
            Some(Time::Began(time)) => time,
            Some(Time::Ended(time)) => time.minus(self.duration.unwrap_or_default()),
            None => Timestamp::default(),
        }
    }

    /// When the response ended.
    #[must_use]
    pub fn ended(&self) -> Timestamp {
        match self.time {
            Some(Time::Began(time)) => time.plus(self.duration.unwrap_or_default()),
            Some(Time::Ended(time)) => time,
            None => Timestamp::default(),
        }
    }

    /// A server's clock may be ahead of this one: what was written is over.
    pub fn is_over_by(&mut self, now: Timestamp) {
        if self.ended() > now {
            self.time = Some(Time::Ended(now));
        }
    }

    /// Joins what came in parts, and checks that what every exchange needs is there.
    fn complete(&mut self) -> Result<(), Unreadable> {
        if self.line.is_empty() && !self.method.is_empty() {
            self.line.extend_from_slice(&self.method);
            self.line.push(b' ');
            self.line.extend_from_slice(&self.path);
            if !self.query.is_empty() && self.query.first() != Some(&b'?') {
                self.line.push(b'?');
            }
            self.line.extend_from_slice(&self.query);
        }
        if !self.host.is_empty() {
            let host = std::mem::take(&mut self.host);
            self.header(b"host", &host);
            self.host = host;
        }
        match (self.client, self.time) {
            (None, _) => Err(Unreadable::Missing("the client's address")),
            (_, None) => Err(Unreadable::Missing("the time")),
            _ => Ok(()),
        }
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        self.headers.extend_from_slice(name);
        self.headers.extend_from_slice(b": ");
        // Whoever wrote these into a header had them encoded; a server takes none as they are (RFC 9110, section 5.5).
        self.headers
            .extend(value.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }));
        self.headers.extend_from_slice(b"\r\n");
    }
}
