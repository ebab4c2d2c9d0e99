//! Full handshakes: nginx's CPU time for each, with and without the sensor, in alternating turns as in `http/live`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::tls::TlsNginx;
use sensor_tests::process::used_by_family;

use crate::command;
use crate::contest::Effort;
use crate::http::live::{median, watcher};
use crate::report::{Report, Target, US};

/// Pairs of servers; the daemon sits at each of the two in turn.
const SERVERS: u32 = 6;
/// Pairs of turns of a sitting.
const PAIRS: u32 = 3;
const TARGET: f64 = 1.08;

/// The median of all pairs' ratios.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("wrk") || !command::exists("nginx") {
        report.note("wrk or nginx IS NOT INSTALLED: no handshake was measured");
        return Ok(());
    }
    let (servers, pairs) = if effort.quick { (1, 2) } else { (SERVERS, PAIRS) };
    let mut all = Vec::new();
    for _ in 0..servers {
        let (one, other) = (Net::new()?, Net::new()?);
        let (its, others) = (TlsNginx::start(&one.server)?, TlsNginx::start(&other.server)?);
        for (seen, unseen) in [((&one, &its), (&other, &others)), ((&other, &others), (&one, &its))] {
            let daemon = watcher(seen.0, TlsNginx::PORT)?;
            for pair in 0..pairs {
                // Neither is always the first.
                let (with, without) = if pair % 2 == 0 {
                    let with = turn(seen)?;
                    (with, turn(unseen)?)
                } else {
                    let without = turn(unseen)?;
                    (turn(seen)?, without)
                };
                all.push((with, without));
            }
            let metrics = daemon.metrics()?;
            let dark = metrics.sum("sensor_tls_connections_total", &[("outcome", "dark_secret")]);
            let lost = metrics.sum("sensor_mirror_lost_total", &[]);
            let read = metrics.sum("sensor_tls_connections_total", &[("outcome", "decrypted")]);
            ensure!(dark == 0 && lost == 0 && read > 0, "{dark} dark, {lost} lost, {read} decrypted");
        }
    }
    let kept = median(all.iter().map(|(with, without)| with / without))?;
    let without = median(all.iter().map(|(_, without)| *without))?;
    let what = "nginx's CPU for a full TLS 1.3 handshake and one response";
    report.compare(what, (kept * without, US), ("without the sensor", without), Some(Target::AtMost(TARGET)));
    report.note(format!("handshakes: {kept:.3}, the median of {} pairs of turns", all.len()));
    Ok(())
}

/// Microseconds of CPU for a connection, over two seconds.
fn turn((net, nginx): (&Net, &TlsNginx)) -> Result<f64> {
    let url = format!("https://{}/files/1k.txt", SocketAddr::from((SERVER_V4, TlsNginx::PORT)));
    let before = used_by_family(nginx.pid())?;
    let mut wrk = net.world.command("wrk");
    let output = wrk.args(["-t1", "-c16", "-d2s", "-H", "Connection: close", &url]).output()?;
    let used: Duration = used_by_family(nginx.pid())?.saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once(" requests in "));
    let count: f64 = line.with_context(|| format!("wrk said {text}"))?.0.trim().parse()?;
    ensure!(count > 100.0, "{count} requests: {text}");
    Ok(used.as_secs_f64() * 1e6 / count)
}
