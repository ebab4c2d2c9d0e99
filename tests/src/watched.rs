//! A daemon that logs every exchange that it sees, beside any server that logs its requests.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{Daemon, PATIENCE};
use crate::netns::Net;
use crate::seen::{difference, tally};
use crate::wait::wait_until;

/// The daemon; dropping it ends it.
#[derive(Debug)]
pub struct Watched {
    /// The daemon.
    pub daemon: Daemon,
    /// The namespaces.
    pub net: Net,
    directory: TempDir,
}

impl Watched {
    /// Starts it with more configuration, and waits until it watches these ports, on which servers listen already.
    ///
    /// # Errors
    /// If it does not start, or a port is not watched in time.
    pub fn start(net: Net, config: &str, ports: &[u16]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-watched-").tempdir()?;
        let log = directory.path().join("exchanges.jsonl");
        // Room for what a slow build on a busy machine has not read yet: what is compared is not its speed.
        let text = format!("{config}[http]\nring_mib = 64\nexchange_log = \"{}\"\n", log.display());
        let watched = Self { daemon: Daemon::start(&net, &text)?, net, directory };
        let is_watched = || {
            let status = watched.daemon.json(&["status"]).unwrap_or_default();
            let found = status.pointer("/http/ports").and_then(Value::as_array).cloned().unwrap_or_default();
            ports.iter().all(|port| found.contains(&(*port).into()))
        };
        ensure!(wait_until(PATIENCE, is_watched), "{ports:?} are not watched: {}", watched.daemon.log());
        Ok(watched)
    }

    /// A place for files that go with it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The exchanges so far, of servers on a port.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn records(&self, port: u16) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.file("exchanges.jsonl"))?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let records = whole.lines().map(|line| Ok(serde_json::from_str::<Value>(line)?));
        let records = records.collect::<Result<Vec<_>>>()?;
        Ok(records.into_iter().filter(|record| record.get("server_port") == Some(&port.into())).collect())
    }

    /// Waits until the exchanges on a port, in the form of `line`, are those that the server has logged, at least so
    /// many; returns them.
    ///
    /// # Errors
    /// If they never are: then with the first differences and what the daemon says of itself.
    pub fn equals(
        &self,
        port: u16,
        least: usize,
        line: impl Fn(&Value) -> String,
        logged: impl Fn() -> Result<Vec<String>>,
    ) -> Result<Vec<Value>> {
        let both = || -> Result<_> {
            let expected = logged()?;
            ensure!(expected.len() >= least, "the server logged {} requests of {least}", expected.len());
            let records = self.records(port)?;
            let seen = tally(records.iter().map(&line));
            Ok((seen, tally(expected.into_iter()), records))
        };
        let _same = wait_until(PATIENCE, || both().is_ok_and(|(seen, expected, _)| seen == expected));
        let (seen, expected, records) = both()?;
        let told = self.daemon.json(&["status"]).context("the daemon's status")?;
        ensure!(
            seen == expected,
            "{} exchanges of {}, differs: {:?}\n{}\n{}",
            records.len(),
            expected.values().sum::<u64>(),
            difference(&seen, &expected),
            told["http"],
            self.losses()?
        );
        Ok(records)
    }

    /// What the metrics say of what was not seen.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn losses(&self) -> Result<String> {
        let metrics = self.daemon.metrics()?;
        let families = [
            "sensor_mirror_lost_total",
            "sensor_mirror_truncated_total",
            "sensor_stream_gaps_total",
            "sensor_http_parse_errors_total",
        ];
        let counts = families.map(|family| format!("{family} {}", metrics.sum(family, &[])));
        Ok(counts.join(", "))
    }
}
