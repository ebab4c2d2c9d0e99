//! wrk against nginx over veth: with the daemon seeing every exchange, and without it, in turn.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::wait::wait_until;

use crate::command;
use crate::contest::Effort;
use crate::report::{PER_SECOND, Report, Target};

/// Responses, and the throughput that must be left.
const PATHS: [(&str, &str, f64); 2] = [("1 KB", "/files/1k.txt", 0.95), ("100 KB", "/files/100k.txt", 0.97)];

/// Requests a second with and without the daemon; the median of the rounds' ratios.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("wrk") || !command::exists("nginx") {
        report.note("wrk or nginx IS NOT INSTALLED: no server was measured");
        return Ok(());
    }
    let net = Net::new()?;
    let _nginx = Nginx::start(&net.server)?;
    let mut daemon = Daemon::prepare(&net, "mode = \"monitor\"\n")?;
    daemon.hide_log();
    for (size, path, target) in PATHS {
        let mut ratios = Vec::new();
        let mut rates = Vec::new();
        for _ in 0..if effort.quick { 1 } else { 7 } {
            let without = wrk(&net, path, effort)?;
            let with = watched(&net, &mut daemon, path, effort)?;
            ratios.push(with / without);
            rates.push((with, without));
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().context("no round")?;
        let (_, without) = rates
            .iter()
            .copied()
            .min_by(|one, other| {
                (one.0 / one.1 - median).abs().total_cmp(&(other.0 / other.1 - median).abs())
            })
            .context("no round")?;
        let what = format!("wrk and nginx, {size}, every exchange seen");
        report.compare(
            &what,
            (median * without, PER_SECOND),
            ("without the sensor", without),
            Some(Target::AtLeast(target)),
        );
        report.note(format!("{size}: ratios of the rounds {ratios:.3?}"));
    }
    Ok(())
}

fn watched(net: &Net, daemon: &mut Daemon, path: &str, effort: Effort) -> Result<f64> {
    daemon.run()?;
    let is_watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "nginx's port is not watched: {}", daemon.log());
    let before = daemon.metrics()?.sum("sensor_http_exchanges_total", &[]);
    let rate = wrk(net, path, effort)?;
    let seen =
        || daemon.metrics().is_ok_and(|metrics| metrics.sum("sensor_http_exchanges_total", &[]) > before);
    ensure!(wait_until(PATIENCE, seen), "the daemon saw no exchange");
    let metrics = daemon.metrics()?;
    let lost = metrics.sum("sensor_mirror_lost_total", &[]);
    ensure!(lost == 0, "{lost} segments were lost: something else was measured");
    daemon.terminate()?;
    daemon.unload()?;
    Ok(rate)
}

/// Requests a second.
fn wrk(net: &Net, path: &str, effort: Effort) -> Result<f64> {
    let seconds = if effort.quick { Duration::from_secs(2) } else { Duration::from_secs(4) };
    let url = format!("http://{}{path}", SocketAddr::from((SERVER_V4, Nginx::PORT)));
    let mut wrk = net.world.command("wrk");
    let output = wrk.args(["-t1", "-c16", &format!("-d{}s", seconds.as_secs()), &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.with_context(|| format!("wrk said {text}"))?.trim().parse().context("wrk's rate")
}
