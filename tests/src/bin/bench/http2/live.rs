//! h2load against nginx over TLS: two servers side by side, and a daemon that sees every exchange of one of them. The
//! method is that of HTTP/1's part.

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::http2::Http2Nginx;
use sensor_tests::wait::wait_until;

use crate::command;
use crate::contest::Effort;
use crate::http::median;
use crate::report::{PER_SECOND, Report, Target};

/// What must be left of the throughput.
const TARGET: f64 = 0.95;
/// Pairs of servers; the daemon sits at each of the two in turn.
const SERVERS: u32 = 6;
/// Pairs of turns of a sitting.
const PAIRS: u32 = 3;
/// Requests of a turn: about a second.
const REQUESTS: u32 = 40_000;

/// Requests a second with and without the daemon.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("h2load") || !command::exists("nginx") {
        report.note("h2load or nginx IS NOT INSTALLED: no server was measured");
        return Ok(());
    }
    let (servers, pairs) = if effort.quick { (1, 1) } else { (SERVERS, PAIRS) };
    let mut turns: Vec<(f64, f64)> = Vec::new();
    for _ in 0..servers {
        let (one, other) = (Net::new()?, Net::new()?);
        let _servers = (Http2Nginx::start(&one.server)?, Http2Nginx::start(&other.server)?);
        for (seen, unseen) in [(&one, &other), (&other, &one)] {
            turns.extend(sit(seen, unseen, pairs)?);
        }
    }
    let kept = median(turns.iter().map(|(with, without)| with / without))?;
    let without = median(turns.iter().map(|(_, without)| *without))?;
    report.compare(
        "h2load and nginx over TLS, 1 KB, every exchange seen",
        (kept * without, PER_SECOND),
        ("without the sensor", without),
        Some(Target::AtLeast(TARGET)),
    );
    report.note(format!("h2load: {kept:.3}, the median of {} pairs of turns", turns.len()));
    Ok(())
}

/// Pairs of turns with a daemon at one of two servers, which must see every exchange.
fn sit(seen: &Net, unseen: &Net, pairs: u32) -> Result<Vec<(f64, f64)>> {
    let mut daemon = Daemon::prepare(seen, "mode = \"monitor\"\n")?;
    daemon.hide_log();
    daemon.run()?;
    let is_watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| ports.contains(&Http2Nginx::TLS_PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "nginx's port is not watched: {}", daemon.log());
    let mut turns = Vec::new();
    for pair in 0..pairs {
        // Neither is always the first.
        turns.push(if pair % 2 == 0 {
            (h2load(seen)?, h2load(unseen)?)
        } else {
            let without = h2load(unseen)?;
            (h2load(seen)?, without)
        });
    }
    let exchanges = || {
        let metrics = daemon.metrics();
        metrics.map_or(0, |metrics| metrics.sum("sensor_http_exchanges_total", &[("version", "2")]))
    };
    let expected = u64::from(pairs) * u64::from(REQUESTS);
    let all = wait_until(PATIENCE, || exchanges() >= expected);
    ensure!(all, "the daemon saw {} exchanges of {expected}: something else was measured", exchanges());
    daemon.terminate()?;
    daemon.unload()?;
    Ok(turns)
}

/// Requests a second.
fn h2load(net: &Net) -> Result<f64> {
    let url = format!("https://{SERVER_V4}:{}/1k.txt", Http2Nginx::TLS_PORT);
    let mut h2load = net.world.command("h2load");
    let output = h2load.args(["-n", &REQUESTS.to_string(), "-c", "16", "-m", "10", &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // finished in 1.02s, 39215.68 req/s, 43.21MB/s
    let line = text.lines().find(|line| line.starts_with("finished in "));
    let rate = line.and_then(|line| line.split(", ").find_map(|part| part.strip_suffix(" req/s")));
    rate.with_context(|| format!("h2load said {text}"))?.parse().context("h2load's rate")
}
