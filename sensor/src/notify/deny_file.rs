//! A file of clients for a proxy in front of this host to deny.
//!
//! A client behind a proxy cannot be blocked here by its address: its packets carry the proxy's. The proxy can deny it.
//! It reads the file on reload, which is left to its operator, or to a systemd path unit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use ipnet::IpNet;
use tracing::warn;

use super::config::{DenyConfig, DenyFormat, Include};
use crate::clock::Timestamp;
use crate::store::replace;

/// Totals since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenyStats {
    /// Clients in the file.
    pub entries: usize,
    /// Clients removed early to make room.
    pub evicted: u64,
    /// Failed writes of the file; they are retried.
    pub write_errors: u64,
}

/// The expiry of an entry that does not expire.
const NEVER: Timestamp = Timestamp::from_unix_nanos(u64::MAX);

/// Clients to deny, and their file.
#[derive(Debug)]
pub struct DenyFile {
    config: DenyConfig,
    ends: BTreeMap<IpNet, Timestamp>,
    by_end: BTreeSet<(Timestamp, IpNet)>,
    /// Whether the file differs from this state.
    is_stale: bool,
    is_failing: bool,
    evicted: u64,
    write_errors: u64,
}

impl DenyFile {
    /// A file without clients. The first [`Self::sync`] overwrites earlier content, so decisions that survived a
    /// restart must be added before.
    #[must_use]
    pub const fn new(config: DenyConfig) -> Self {
        Self {
            config,
            ends: BTreeMap::new(),
            by_end: BTreeSet::new(),
            is_stale: true,
            is_failing: false,
            evicted: 0,
            write_errors: 0,
        }
    }

    /// Adds a client until a moment, if the configuration wants such clients; returns whether it does. The caller
    /// checks for protected addresses.
    pub fn deny(&mut self, client: IpNet, proxied: bool, until: Option<Timestamp>) -> bool {
        if !proxied && self.config.include == Include::Proxied {
            return false;
        }
        let (client, end) = (client.trunc(), until.unwrap_or(NEVER));
        if self.ends.get(&client) == Some(&end) {
            return true;
        }
        // Its line does not change if only its expiry does.
        let is_new = !self.remove(&client);
        self.ends.insert(client, end);
        self.by_end.insert((end, client));
        if self.ends.len() > self.config.max_entries
            && let Some((_, first)) = self.by_end.first().copied()
        {
            self.remove(&first);
            self.evicted = self.evicted.saturating_add(1);
        }
        self.is_stale |= is_new;
        true
    }

    /// Removes a client; returns whether it was present.
    pub fn lift(&mut self, client: &IpNet) -> bool {
        let was_in = self.remove(&client.trunc());
        self.is_stale |= was_in;
        was_in
    }

    fn remove(&mut self, client: &IpNet) -> bool {
        let end = self.ends.remove(client);
        end.is_some_and(|end| self.by_end.remove(&(end, *client)))
    }

    /// Removes expired clients, and writes the file if it has to change; to be called once or twice a second. Returns
    /// the expired ones.
    pub fn sync(&mut self, now: Timestamp) -> Vec<IpNet> {
        let ended = self.by_end.iter().take_while(|(end, _)| *end <= now && *end != NEVER);
        let ended: Vec<IpNet> = ended.map(|(_, client)| *client).collect();
        for client in &ended {
            self.lift(client);
        }
        if self.is_stale {
            let written = self.write();
            if let Err(error) = &written {
                self.write_errors = self.write_errors.saturating_add(1);
                if !self.is_failing {
                    warn!(%error, path = %self.config.path.display(), "the deny file cannot be written");
                }
            }
            self.is_failing = written.is_err();
            self.is_stale = written.is_err();
        }
        ended
    }

    /// Replaced atomically: a proxy reads the old or the new file. The proxy runs as another user.
    fn write(&self) -> io::Result<()> {
        replace(&self.config.path, self.text().as_bytes(), 0o644)
    }

    /// Whether the last write failed.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if self.config.format != DenyFormat::Plain {
            text.push_str("# Written by sensor; changes are overwritten.\n");
        }
        let (before, behind) =
            if self.config.format == DenyFormat::Nginx { ("deny ", ";") } else { ("", "") };
        for client in self.ends.keys() {
            let line = if client.prefix_len() == client.max_prefix_len() {
                writeln!(text, "{before}{}{behind}", client.addr())
            } else {
                writeln!(text, "{before}{client}{behind}")
            };
            // Writing to a string does not fail.
            debug_assert!(line.is_ok());
        }
        text
    }

    /// The content of the file, and what went wrong.
    #[must_use]
    pub fn stats(&self) -> DenyStats {
        DenyStats { entries: self.ends.len(), evicted: self.evicted, write_errors: self.write_errors }
    }
}
