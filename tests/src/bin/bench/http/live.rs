//! wrk against nginx over veth: two servers side by side, and a daemon that sees every exchange of one of them.
//!
//! They are loaded in alternating turns of a second. A machine's speed changes from minute to minute, and adjacent
//! turns see the same of it. A server's placement in memory determines its speed by a few percent for its lifetime: so
//! the daemon watches one, then the other, for several pairs of servers.

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
/// Pairs of servers; the daemon sits at each of the two in turn.
const SERVERS: u32 = 10;
/// Pairs of turns of a sitting.
const PAIRS: u32 = 3;

/// Pairs of turns with the daemon at the same server: requests a second with and without it.
type Sitting = Vec<(f64, f64)>;

/// Requests a second with and without the daemon.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("wrk") || !command::exists("nginx") {
        report.note("wrk or nginx IS NOT INSTALLED: no server was measured");
        return Ok(());
    }
    let (servers, pairs) = if effort.quick { (1, 1) } else { (SERVERS, PAIRS) };
    let mut sittings = PATHS.map(|_| Vec::new());
    for _ in 0..servers {
        let (one, other) = (Net::new()?, Net::new()?);
        let _servers = (Nginx::start(&one.server)?, Nginx::start(&other.server)?);
        for (seen, unseen) in [(&one, &other), (&other, &one)] {
            let daemon = watcher(seen)?;
            for ((_, path, _), sittings) in PATHS.iter().zip(&mut sittings) {
                sittings.push(sit(&daemon, (seen, unseen), path, pairs)?);
            }
        }
    }
    for ((size, _, target), sittings) in PATHS.iter().zip(&sittings) {
        tell(report, size, *target, sittings)?;
    }
    Ok(())
}

/// A daemon that sees what nginx serves there.
fn watcher(net: &Net) -> Result<Daemon> {
    let mut daemon = Daemon::prepare(net, "mode = \"monitor\"\n")?;
    daemon.hide_log();
    daemon.run()?;
    let is_watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "nginx's port is not watched: {}", daemon.log());
    Ok(daemon)
}

fn sit(daemon: &Daemon, (seen, unseen): (&Net, &Net), path: &str, pairs: u32) -> Result<Sitting> {
    let before = daemon.metrics()?.sum("sensor_http_exchanges_total", &[]);
    let mut sitting = Sitting::new();
    for pair in 0..pairs {
        // Neither is always the first.
        sitting.push(if pair % 2 == 0 {
            (wrk(seen, path)?, wrk(unseen, path)?)
        } else {
            let without = wrk(unseen, path)?;
            (wrk(seen, path)?, without)
        });
    }
    let is_seen =
        || daemon.metrics().is_ok_and(|metrics| metrics.sum("sensor_http_exchanges_total", &[]) > before);
    ensure!(wait_until(PATIENCE, is_seen), "the daemon saw no exchange");
    let lost = daemon.metrics()?.sum("sensor_mirror_lost_total", &[]);
    ensure!(lost == 0, "{lost} segments were lost: something else was measured");
    Ok(sitting)
}

/// The median of all pairs' ratios: a server's placement raises it in one sitting and lowers it in the next.
fn tell(report: &mut Report, size: &str, target: f64, sittings: &[Sitting]) -> Result<()> {
    let ratio = |pairs: &Sitting| median(pairs.iter().map(|(with, without)| with / without));
    let all = sittings.concat();
    let without = median(all.iter().map(|(_, without)| *without))?;
    let what = format!("wrk and nginx, {size}, every exchange seen");
    let kept = ratio(&all)?;
    let with = (kept * without, PER_SECOND);
    report.compare(&what, with, ("without the sensor", without), Some(Target::AtLeast(target)));
    let medians = sittings.iter().map(ratio).collect::<Result<Vec<_>>>()?;
    let (least, most) = medians
        .iter()
        .fold((f64::MAX, 0_f64), |(least, most), median| (least.min(*median), most.max(*median)));
    report.note(format!(
        "{size}: {kept:.3}, the median of {} pairs of turns of a second; in single sittings {least:.3} to {most:.3}",
        all.len(),
    ));
    Ok(())
}

/// The mean of the two in the middle where there is no one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Result<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().context("no pair of turns")?;
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(upper);
    Ok(f64::midpoint(lower, upper))
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
