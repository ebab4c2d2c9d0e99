//! How soon a client that opens streams and resets them is blocked: from the frame that makes it too many, as seen by the
//! kernel, until the block is in the kernel's map, by the daemon's own histogram.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::peers::http2_raw::{Abuser, Kind};
use sensor_tests::sim::live::{self, Pace};
use sensor_tests::wait::wait_until;

use crate::command;
use crate::contest::Effort;
use crate::http::{Histogram, NO_LIMITS_NO_SWITCHES};
use crate::report::{CLIENTS, MS, Report, Target};

/// Quantiles, and milliseconds that they should be.
const TARGETS: [(&str, f64, f64); 2] = [("p50", 0.5, 5.0), ("p99", 0.99, 10.0)];

/// Quantiles of the histogram after some hundred blocks.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("nginx") {
        report.note("nginx IS NOT INSTALLED: blocks were not timed");
        return Ok(());
    }
    let attackers: u16 = if effort.quick { 30 } else { 200 };
    let net = Net::new()?;
    live::prepare(&net, &Pace { faster: 0, residents: 1, attackers, logins_only: true })?;
    let _nginx = Http2Nginx::start(&net.server)?;
    let mut daemon = Daemon::prepare(&net, NO_LIMITS_NO_SWITCHES)?;
    daemon.hide_log();
    daemon.run()?;
    let watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| ports.contains(&Http2Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, watched), "nginx's port is not watched: {}", daemon.log());
    for number in 0..attackers {
        let server = SocketAddr::new(SERVER_V4, Http2Nginx::PORT);
        let client = Client::new(live::attacker(number), server);
        net.world.enter(|| Abuser::new(client, Kind::RapidReset).until_cut_off())?;
    }
    let metrics = daemon.metrics()?;
    let blocked = metrics.sum("sensor_blocks_active", &[]);
    ensure!(blocked == u64::from(attackers), "{blocked} blocks of {attackers} attackers");
    let histogram = Histogram::of(&metrics, "sensor_enforcement_latency_seconds_bucket")?;
    for (name, quantile, target) in TARGETS {
        let what = format!("rapid reset: deciding frame to block in the kernel, {name}");
        let milliseconds = histogram.quantile(quantile).context("nothing was timed")? * 1_000.0;
        report.compare(&what, (milliseconds, MS), ("target", target), Some(Target::AtMost(1.0)));
    }
    report.value("blocks of rapid reset that were timed", f64::from(attackers), CLIENTS);
    report.note(format!("rapid reset: {histogram}"));
    daemon.terminate()?;
    daemon.unload()
}
