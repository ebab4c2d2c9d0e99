//! Hosts that share decisions through a real Redis server, each in a network of its own.
#![expect(clippy::float_arithmetic, reason = "seconds of a day")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::redis::Redis;
use crate::daemon::{Daemon, PATIENCE};
use crate::netns::Net;
use crate::scene::config;
use crate::wait::wait_until;

/// How long all hosts may take to agree after the server or a host is back.
pub const AGREEMENT: Duration = Duration::from_secs(10);

/// Hosts with a server; dropped in this order.
#[derive(Debug)]
pub struct Fleet {
    /// The daemons.
    pub hosts: Vec<Daemon>,
    /// The server.
    pub redis: Redis,
    /// A network for each host.
    pub nets: Vec<Net>,
    directory: TempDir,
}

impl Fleet {
    /// A server without hosts.
    ///
    /// # Errors
    /// If there can be no directory for its keys.
    pub fn of(redis: Redis) -> Result<Self> {
        Ok(Self { hosts: Vec::new(), redis, nets: Vec::new(), directory: tempfile::tempdir()? })
    }

    /// So many enrolled hosts, connected to a server.
    ///
    /// # Errors
    /// If one does not come up, or they do not know each other.
    pub fn new(count: u8, url: &str, more: &str) -> Result<Self> {
        let mut fleet = Self::of(Redis::start()?)?;
        for number in 0..count {
            fleet.add(number, url, more)?;
        }
        for host in &fleet.hosts {
            ensure!(wait_until(PATIENCE, || fleet.is_connected(host)), "not connected: {}", host.log());
        }
        let know = |host: &Daemon| {
            status(host)["hosts"].as_array().is_some_and(|all| all.len() == usize::from(count))
        };
        ensure!(wait_until(AGREEMENT, || fleet.hosts.iter().all(know)), "hosts do not know each other");
        Ok(fleet)
    }

    /// Where the authority's key is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.key")
    }

    /// One more host, with a network of its own; enrolled, and perhaps not connected yet.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn add(&mut self, number: u8, url: &str, more: &str) -> Result<()> {
        let net = Net::new()?;
        self.redis.link(&net, number)?;
        let mut host = Daemon::prepare(&net, "")?;
        let authority = self.authority();
        if number == 0 {
            let made =
                host.program(&["fleet", "init", &authority.display().to_string(), "--json"]).output()?;
            ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            std::fs::write(self.directory.path().join("public"), made.stdout)?;
        }
        let public: Value = serde_json::from_slice(&std::fs::read(self.directory.path().join("public"))?)?;
        host.write_config(&format!(
            "{}\n[fleet]\nurl = \"{url}\"\nauthority = {}\nhost = \"web{number}\"\nname = \"test\"\n{more}\n",
            config("enforce", "off"),
            public["authority"]
        ))?;
        host.run()?;
        host.ok(&["fleet", "join", "--authority", &authority.display().to_string()])?;
        self.hosts.push(host);
        self.nets.push(net);
        Ok(())
    }

    /// Whether a host speaks with the server.
    #[must_use]
    pub fn is_connected(&self, host: &Daemon) -> bool {
        status(host)["connected"] == true
    }

    /// A command that needs the authority's key, on a host.
    ///
    /// # Errors
    /// If it fails.
    pub fn authorized(&self, by: usize, what: &str, host: &str) -> Result<String> {
        self.hosts[by].ok(&["fleet", what, host, "--authority", &self.authority().display().to_string()])
    }

    /// Whether a prefix is blocked on all of these hosts.
    pub fn blocked_on(&self, hosts: impl IntoIterator<Item = usize>, prefix: &str) -> bool {
        hosts.into_iter().all(|host| is_blocked(&self.hosts[host], prefix))
    }

    /// What the daemons logged.
    #[must_use]
    pub fn logs(&self) -> String {
        self.hosts.iter().map(Daemon::log).collect::<Vec<_>>().join("\n----\n")
    }
}

/// What `sensor fleet status` says; nothing if it fails.
#[must_use]
pub fn status(host: &Daemon) -> Value {
    host.json(&["fleet", "status"]).unwrap_or_default()
}

/// Whether a prefix is among a host's blocks.
#[must_use]
pub fn is_blocked(host: &Daemon, prefix: &str) -> bool {
    let list = host.json(&["block", "list"]).unwrap_or_default();
    list.as_array().is_some_and(|rows| rows.iter().any(|row| row["prefix"] == prefix))
}

/// The server without TLS.
#[must_use]
pub fn plain() -> String {
    format!("redis://{}:{}", Redis::ADDRESS, Redis::PORT)
}

/// When each prefix was blocked on a host, in seconds since midnight (UTC), by this cause.
///
/// # Errors
/// If the audit trail cannot be read.
pub fn blocked_at(host: &Daemon, by: &str) -> Result<BTreeMap<String, f64>> {
    let audit = host.json_lines(&["audit"])?;
    let of_cause = audit.iter().filter(|entry| entry["what"] == "block_added" && entry["cause"]["by"] == by);
    of_cause
        .map(|entry| {
            let at = entry["ts"].as_str().context("no time")?;
            let (_, seconds) = at.trim_end_matches('Z').rsplit_once('T').context("no time")?;
            let parts: Vec<f64> = seconds.split(':').map(str::parse).collect::<Result<_, _>>()?;
            let [hours, minutes, seconds] = parts[..] else { anyhow::bail!("{at}") };
            let prefix = entry["subject"].as_str().unwrap_or_default().to_owned();
            Ok((prefix, hours * 3_600.0 + minutes * 60.0 + seconds))
        })
        .collect()
}
