//! A daemon that logs every exchange that it sees, and nginx that logs every request.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::daemon::PATIENCE;
use crate::process::unique;
use crate::scene::{Scene, config};
use crate::wait::wait_until;

/// A scene whose daemon logs every exchange.
pub struct Seen {
    /// The scene.
    pub scene: Scene,
    /// The daemon's log of exchanges, in a directory that ends with this.
    pub log: PathBuf,
}

impl Seen {
    /// Starts it with more lines of `[http]`.
    ///
    /// # Errors
    /// If something does not start.
    pub fn new(more: &str) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-http-{}", unique()));
        fs::create_dir_all(&directory)?;
        let log = directory.join("exchanges.jsonl");
        let text =
            format!("{}[http]\nexchange_log = \"{}\"\n{more}", config("monitor", "off"), log.display());
        let scene = Scene::with_nginx(&text)?;
        let seen = Self { scene, log };
        seen.wait_for_port(8_080)?;
        Ok(seen)
    }

    /// Ports are found by looking at listening sockets, as they are by default.
    ///
    /// # Errors
    /// If the port is not watched in time.
    pub fn wait_for_port(&self, port: u16) -> Result<()> {
        let watched = || {
            let status = self.scene.daemon.json(&["status"]).unwrap_or_default();
            let ports = status.pointer("/http/ports").and_then(Value::as_array);
            ports.is_some_and(|ports| ports.contains(&port.into()))
        };
        ensure!(wait_until(PATIENCE, watched), "port {port} is not watched: {}", self.scene.daemon.log());
        Ok(())
    }

    fn nginx_lines(&self) -> Result<Vec<String>> {
        self.scene.nginx.as_ref().context("no nginx")?.access_log()
    }

    /// The daemon's records, once there are as many.
    ///
    /// # Errors
    /// If there never are.
    pub fn records(&self, count: usize) -> Result<Vec<Value>> {
        let read = || -> Result<Vec<Value>> {
            let text = fs::read_to_string(&self.log)?;
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
        };
        let is_there = || fs::read_to_string(&self.log).is_ok_and(|text| text.matches('\n').count() >= count);
        let there = wait_until(PATIENCE, is_there);
        let records = read()?;
        ensure!(there, "{} exchanges of {count}: {}", records.len(), self.scene.daemon.ok(&["status"])?);
        Ok(records)
    }

    /// Exchanges equal the server's own log, request by request, and nothing was lost.
    ///
    /// # Errors
    /// If they differ, or something was lost.
    pub fn equals_the_access_log(&self) -> Result<Vec<Value>> {
        // nginx writes its line once the answer was taken, which may be after the exchange was seen.
        let both = || -> Result<_> {
            let logged = self.nginx_lines()?;
            let records = self.records(logged.len())?;
            Ok((tally(records.iter().map(line)), tally(logged.into_iter()), records))
        };
        let _same = wait_until(PATIENCE, || both().is_ok_and(|(seen, expected, _)| seen == expected));
        let (seen, expected, records) = both()?;
        ensure!(seen == expected, "differs: {:?}", difference(&seen, &expected));
        let metrics = self.scene.daemon.metrics()?;
        for family in
            ["sensor_mirror_lost_total", "sensor_stream_gaps_total", "sensor_http_parse_errors_total"]
        {
            ensure!(metrics.sum(family, &[]) == 0, "{family} is {}", metrics.sum(family, &[]));
        }
        ensure!(metrics.sum("sensor_http_exchanges_total", &[]) == records.len() as u64);
        Ok(records)
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        drop(self.log.parent().map(fs::remove_dir_all));
    }
}

/// A record in the form of the access log.
#[must_use]
pub fn line(record: &Value) -> String {
    let text = |key: &str| {
        let value = record.get(key).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let keys = ["client", "client_port", "method", "path", "status", "response_bytes"];
    keys.map(text).join(" ")
}

/// How often each line occurs.
pub fn tally(lines: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    lines.fold(BTreeMap::new(), |mut tally, line| {
        *tally.entry(line).or_default() += 1;
        tally
    })
}

/// The first lines that are in one and not in the other as often.
#[must_use]
pub fn difference(one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> Vec<(String, u64, u64)> {
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    let of = |tally: &BTreeMap<String, u64>, key: &String| tally.get(key).copied().unwrap_or(0);
    let differing = keys.filter(|key| of(one, key) != of(other, key));
    differing.map(|key| (key.clone(), of(one, key), of(other, key))).take(10).collect()
}
