//! wrk against nginx over veth: two servers side by side, of which a daemon sees every exchange of one.
//!
//! They are loaded in turns of a second. What a machine can do changes from minute to minute, and turns that are
//! neighbours see the same of it.

use std::net::SocketAddr;

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
/// Pairs of turns. Single ratios scatter by a tenth; the median of so many does by less than a hundredth.
const PAIRS: u32 = 40;

/// Requests a second with and without the daemon; the median of the pairs' ratios.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("wrk") || !command::exists("nginx") {
        report.note("wrk or nginx IS NOT INSTALLED: no server was measured");
        return Ok(());
    }
    let (seen, unseen) = (Net::new()?, Net::new()?);
    let _servers = (Nginx::start(&seen.server)?, Nginx::start(&unseen.server)?);
    let mut daemon = Daemon::prepare(&seen, "mode = \"monitor\"\n")?;
    daemon.hide_log();
    daemon.run()?;
    let is_watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "nginx's port is not watched: {}", daemon.log());
    for (size, path, target) in PATHS {
        let before = daemon.metrics()?.sum("sensor_http_exchanges_total", &[]);
        let mut pairs = Vec::new();
        for pair in 0..if effort.quick { 3 } else { PAIRS } {
            // Neither is always the first.
            pairs.push(if pair % 2 == 0 {
                (wrk(&seen, path)?, wrk(&unseen, path)?)
            } else {
                let without = wrk(&unseen, path)?;
                (wrk(&seen, path)?, without)
            });
        }
        let is_seen =
            || daemon.metrics().is_ok_and(|metrics| metrics.sum("sensor_http_exchanges_total", &[]) > before);
        ensure!(wait_until(PATIENCE, is_seen), "the daemon saw no exchange");
        let lost = daemon.metrics()?.sum("sensor_mirror_lost_total", &[]);
        ensure!(lost == 0, "{lost} segments were lost: something else was measured");
        tell(report, size, target, &pairs)?;
    }
    Ok(())
}

fn tell(report: &mut Report, size: &str, target: f64, pairs: &[(f64, f64)]) -> Result<()> {
    let ratios = sorted(pairs.iter().map(|(with, without)| with / without));
    let quartile = |part: usize| ratios.get(ratios.len() * part / 4).copied().context("no pair of turns");
    let without = sorted(pairs.iter().map(|(_, without)| *without));
    let without = without.get(without.len() / 2).copied().context("no pair of turns")?;
    let what = format!("wrk and nginx, {size}, every exchange seen");
    let with = (quartile(2)? * without, PER_SECOND);
    report.compare(&what, with, ("without the sensor", without), Some(Target::AtLeast(target)));
    report.note(format!(
        "{size}: median of the ratios of {} pairs of turns of a second; quartiles {:.3} and {:.3}",
        pairs.len(),
        quartile(1)?,
        quartile(3)?
    ));
    Ok(())
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Requests a second, over one second.
fn wrk(net: &Net, path: &str) -> Result<f64> {
    let url = format!("http://{}{path}", SocketAddr::from((SERVER_V4, Nginx::PORT)));
    let mut wrk = net.world.command("wrk");
    let output = wrk.args(["-t1", "-c16", "-d1s", &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.with_context(|| format!("wrk said {text}"))?.trim().parse().context("wrk's rate")
}
