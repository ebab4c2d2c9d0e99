//! Access logs that are followed: nginx's own, where its port is not read on the network, and where it is.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// nginx and a daemon that follows its log.
struct Logged {
    daemon: Daemon,
    nginx: Nginx,
    net: Net,
}

impl Logged {
    fn start(more: &str) -> Result<Self> {
        let net = Net::new()?;
        let nginx = Nginx::start(&net.server)?;
        let log = nginx.combined_log();
        let text = format!(
            "mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}{more}[access_logs]\n\"{}\" = \"combined\"\n",
            log.display()
        );
        Ok(Self { daemon: Daemon::start(&net, &text)?, nginx, net })
    }

    fn browse(&self, count: u32) -> Result<()> {
        let client = Client::new(v4(LEGITIMATE), SocketAddr::new(SERVER_V4, Nginx::PORT));
        let tally = self.net.world.enter(|| client.get_many("/files/1k.txt", count, Duration::ZERO));
        ensure!(tally.all() == u64::from(count), "{tally:?}");
        Ok(())
    }

    /// All lines that nginx wrote.
    fn written(&self) -> Result<u64> {
        let log = self.nginx.combined_log();
        let directory = log.parent().context("a directory")?;
        let mut lines = 0;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("combined.log")) {
                lines += fs::read_to_string(path)?.lines().count() as u64;
            }
        }
        Ok(lines)
    }

    fn report(&self) -> Result<Value> {
        let status = self.daemon.json(&["status"])?;
        Ok(status.pointer("/http/access_logs/0").context("no log in the status")?.clone())
    }

    fn lines(&self) -> u64 {
        self.report().ok().and_then(|report| count(&report, "lines")).unwrap_or_default()
    }

    /// Waits until the daemon has read so many lines, and all that there are.
    fn reads(&self, lines: u64) -> Result<()> {
        let all = wait_until(PATIENCE, || self.lines() >= lines);
        let report = self.report()?;
        ensure!(
            all && count(&report, "lines") == Some(lines),
            "expected {lines}: {report}\n{}",
            self.daemon.log()
        );
        let is_well = ["refused", "untimely", "gaps"].iter().all(|key| count(&report, key) == Some(0));
        ensure!(is_well, "{report}");
        Ok(())
    }
}

fn count(report: &Value, key: &str) -> Option<u64> {
    report.get(key)?.as_u64()
}

/// Another port is read, so that only the log tells of this one.
const NOT_READ: &str = "[http]\nports = [9999]\n";

#[test]
fn every_line_is_read_once_through_rotation_and_restarts() -> Result<()> {
    if tools::skipped("every_line_is_read_once_through_rotation_and_restarts", &["ip", "nginx"]) {
        return Ok(());
    }
    let mut logged = Logged::start(NOT_READ)?;
    // What was there before is not read.
    let before = logged.written()? - logged.lines();
    for round in 0..3 {
        logged.browse(30)?;
        logged.nginx.rotate(&format!("combined.log.{round}"), || logged.browse(20))?;
        logged.browse(10)?;
    }
    logged.reads(logged.written()? - before)?;
    ensure!(logged.report()?["rotations"] == 3, "{}", logged.report()?);
    let exchanges = logged.daemon.json_lines(&["exchanges"])?;
    ensure!(!exchanges.is_empty() && exchanges.iter().all(|record| record["source"] == "log"));
    // Stopped, with two rotations meanwhile.
    let stopped = logged.written()?;
    logged.daemon.terminate()?;
    logged.browse(5)?;
    logged.nginx.rotate("combined.log.10", || logged.browse(5))?;
    logged.browse(5)?;
    logged.nginx.rotate("combined.log.11", || Ok(()))?;
    logged.browse(5)?;
    logged.daemon.run()?;
    logged.browse(5)?;
    logged.reads(logged.written()? - stopped)?;
    // Killed: nothing is lost, and at most what came since the last storing is read again.
    let killed = logged.written()?;
    logged.daemon.kill9()?;
    logged.browse(7)?;
    logged.daemon.run()?;
    let new = logged.written()? - killed;
    ensure!(wait_until(PATIENCE, || logged.lines() >= new), "{}", logged.report()?);
    let all_read = || logged.report().is_ok_and(|report| report["unread_bytes"] == 0);
    ensure!(wait_until(PATIENCE, all_read), "{}", logged.report()?);
    ensure!(logged.lines() <= killed - stopped + new, "{}", logged.report()?);
    Ok(())
}

/// One attempt at logging in; false if it was not answered.
fn attempt(net: &Net, source: IpAddr) -> bool {
    let server = SocketAddr::new(SERVER_V4, Nginx::PORT);
    let client = Client { timeout: Duration::from_secs(1), ..Client::new(source, server) };
    let ask = || {
        let mut stream = client.connect()?;
        let head =
            "POST /login HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        stream.read_to_end(&mut Vec::new())
    };
    net.world.enter(|| ask().is_ok_and(|length| length > 0))
}

#[test]
fn an_attacker_in_a_log_is_blocked_in_the_kernel() -> Result<()> {
    if tools::skipped("an_attacker_in_a_log_is_blocked_in_the_kernel", &["ip", "nginx"]) {
        return Ok(());
    }
    let logged = Logged::start(NOT_READ)?;
    let attacker = v4(FLOODER);
    let is_cut_off = wait_until(PATIENCE, || !attempt(&logged.net, attacker));
    let alerts = logged.daemon.json_lines(&["alerts"])?;
    ensure!(is_cut_off, "{}\n{alerts:?}", logged.report()?);
    let blocks = logged.daemon.json(&["block", "list"])?.to_string();
    ensure!(blocks.contains(&attacker.to_string()), "{blocks}");
    let is_it = |alert: &Value| {
        alert["detector"] == "credential-stuffing" && alert["client"] == attacker.to_string().as_str()
    };
    ensure!(alerts.iter().any(is_it), "{alerts:?}");
    logged.browse(5)
}

#[test]
fn what_is_read_on_the_network_and_logged_counts_once() -> Result<()> {
    if tools::skipped("what_is_read_on_the_network_and_logged_counts_once", &["ip", "nginx"]) {
        return Ok(());
    }
    let logged = Logged::start("")?;
    let watched = || {
        let status = logged.daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(Value::as_array);
        ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, watched), "{}", logged.daemon.log());
    let before = logged.written()? - logged.lines();
    logged.browse(50)?;
    logged.reads(logged.written()? - before)?;
    let counted = || logged.daemon.json(&["status"]).is_ok_and(|status| status["http"]["exchanges"] == 50);
    ensure!(wait_until(PATIENCE, counted), "{}", logged.daemon.json(&["status"])?["http"]);
    ensure!(logged.report()?["seen_twice"] == 50, "{}", logged.report()?);
    Ok(())
}
