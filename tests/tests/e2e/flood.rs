//! A flood beside a legitimate client: in both modes, over both families, with a real HTTP server.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_tests::daemon::{PATIENCE, Scrape};
use sensor_tests::netns::{FLOODER, LEGITIMATE, join, v4, v6};
use sensor_tests::peers::http::Tally;
use sensor_tests::peers::udp;
use sensor_tests::scene::{Scene, config, udp_target};
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};

/// Packets per second and burst of every client in these tests: a flooder sends more, 40 requests need less.
const RATE: u64 = 500;
/// More than a test lasts at any speed.
const FLOOD_BOUND: u64 = 20_000_000;

/// What came of it.
struct Outcome {
    legitimate: Tally,
    flood_sent: u64,
    flood_arrived: u64,
    flood_lasted: Duration,
    metrics: Scrape,
    scene: Scene,
}

/// 40 HTTP requests of one client while another floods.
fn flood(mode: &str, legitimate: IpAddr, flooder: IpAddr) -> Result<Outcome> {
    let scene = Scene::with_nginx(&config(mode, &format!("{RATE}/s:{RATE}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let start = now();
    let flood = scene.net.world.spawn({
        let stop = Arc::clone(&stop);
        move || udp::flood(flooder, udp_target(flooder), 64, FLOOD_BOUND, &stop)
    });
    let verdict = if mode == "enforce" { "drop" } else { "would_drop" };
    let is_limited = || scene.daemon.metrics().is_ok_and(|m| m.packets_because(verdict, "packet_rate") > 0);
    let was_limited = wait_until(PATIENCE, is_limited);
    let client = scene.http_client(legitimate);
    let tally = scene.net.world.enter(|| client.get_many("/", 40, Duration::from_millis(10)));
    // Until far more than the limit admits has arrived, where nothing is to be dropped.
    let is_enough = || mode == "enforce" || scene.sink.packets_from(flooder) > 10 * RATE;
    let was_enough = wait_until(PATIENCE, is_enough);
    stop.store(true, Ordering::Relaxed);
    let flood_sent = join(flood)?;
    let flood_lasted = start.elapsed();
    ensure!(was_limited, "no packet became {verdict} because of packet_rate");
    ensure!(was_enough, "of the flood {} arrived in {mode} mode", scene.sink.packets_from(flooder));
    Ok(Outcome {
        legitimate: tally,
        flood_sent,
        flood_arrived: scene.sink.packets_from(flooder),
        flood_lasted,
        metrics: scene.daemon.metrics()?,
        scene,
    })
}

fn nothing_is_dropped_in_monitor_mode(legitimate: IpAddr, flooder: IpAddr) -> Result<()> {
    let outcome = flood("monitor", legitimate, flooder)?;
    ensure!(outcome.legitimate.ok == 40, "{:?}", outcome.legitimate);
    ensure!(outcome.metrics.packets("drop") == 0, "dropped in monitor mode");
    ensure!(outcome.scene.totals(legitimate)?.dropped == 0, "the legitimate client was over a limit");
    ensure!(outcome.scene.totals(flooder)?.dropped > 0, "the flood is not counted as the flooder's");
    Ok(())
}

fn only_the_flooder_is_limited_in_enforce_mode(legitimate: IpAddr, flooder: IpAddr) -> Result<()> {
    let outcome = flood("enforce", legitimate, flooder)?;
    ensure!(outcome.legitimate.ok == 40, "{:?}", outcome.legitimate);
    ensure!(outcome.metrics.packets("would_drop") == 0, "not dropped in enforce mode");
    ensure!(outcome.scene.totals(legitimate)?.dropped == 0, "the legitimate client was limited");
    ensure!(outcome.scene.totals(legitimate)?.requests == 40, "requests are not counted");
    let dropped = outcome.metrics.packets_because("drop", "packet_rate");
    ensure!(dropped > 0 && dropped <= outcome.flood_sent, "{dropped} of {} dropped", outcome.flood_sent);
    // GCRA admits the burst and then the rate; one second more covers the steps of the kernel's clock and the
    // packets before admission.
    let admitted = RATE + RATE * (outcome.flood_lasted.as_secs() + 2);
    ensure!(outcome.flood_arrived <= admitted, "{} arrived, {admitted} admitted", outcome.flood_arrived);
    ensure!(outcome.flood_arrived >= RATE, "less than the burst arrived: {}", outcome.flood_arrived);
    Ok(())
}

#[test]
fn monitor_mode_drops_nothing_over_ipv4() -> Result<()> {
    if tools::skipped("monitor_mode_drops_nothing_over_ipv4", &["nginx"]) {
        return Ok(());
    }
    nothing_is_dropped_in_monitor_mode(v4(LEGITIMATE), v4(FLOODER))
}

#[test]
fn monitor_mode_drops_nothing_over_ipv6() -> Result<()> {
    if tools::skipped("monitor_mode_drops_nothing_over_ipv6", &["nginx"]) {
        return Ok(());
    }
    nothing_is_dropped_in_monitor_mode(v6(LEGITIMATE), v6(FLOODER))
}

#[test]
fn enforce_mode_limits_the_flooder_over_ipv4() -> Result<()> {
    if tools::skipped("enforce_mode_limits_the_flooder_over_ipv4", &["nginx"]) {
        return Ok(());
    }
    only_the_flooder_is_limited_in_enforce_mode(v4(LEGITIMATE), v4(FLOODER))
}

#[test]
fn enforce_mode_limits_the_flooder_over_ipv6() -> Result<()> {
    if tools::skipped("enforce_mode_limits_the_flooder_over_ipv6", &["nginx"]) {
        return Ok(());
    }
    only_the_flooder_is_limited_in_enforce_mode(v6(LEGITIMATE), v6(FLOODER))
}

/// A client over its rate of HTTP requests loses requests, and one beside it, with curl, none.
#[test]
fn requests_are_limited_by_themselves() -> Result<()> {
    if tools::skipped("requests_are_limited_by_themselves", &["nginx", "curl"]) {
        return Ok(());
    }
    let config = config("enforce", "off").replace("requests = \"off\"", "requests = \"1/min:20\"");
    let scene = Scene::with_nginx(&config)?;
    let mut greedy = scene.http_client(v4(FLOODER));
    // A dropped request is retransmitted for longer than this.
    greedy.timeout = Duration::from_secs(1);
    let tally = scene.net.world.enter(|| greedy.get_many("/", 24, Duration::ZERO));
    // The 20 of the burst; the kernel's clock may round it up, and another may pass as a newcomer.
    ensure!((20..=22).contains(&tally.ok), "{tally:?}");
    ensure!(scene.daemon.metrics()?.packets_because("drop", "request_rate") > 0, "no request was dropped");
    let mut curl = scene.net.world.command("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "20", "--interface"]);
    curl.arg(v4(LEGITIMATE).to_string())
        .arg(format!("http://{}/[1-15]", scene.http_client(v4(LEGITIMATE)).server));
    let output = curl.output()?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(
        String::from_utf8_lossy(&output.stdout).matches("ok").count() == 15,
        "curl got less than 15 answers"
    );
    Ok(())
}

/// `sensor mode` changes what happens to packets at once, in both directions.
#[test]
fn the_mode_changes_live() -> Result<()> {
    if tools::skipped("the_mode_changes_live", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "1/min:5"))?;
    let client = v4(FLOODER);
    scene.all_arrive(client, 50)?;
    ensure!(scene.daemon.json(&["mode"])?["mode"] == "monitor");
    ensure!(scene.daemon.json(&["mode", "enforce"])?["mode"] == "enforce");
    let start = now();
    let dropped = scene.dropped_of(client, 50)?;
    let refilled = start.elapsed().as_secs() / 60 + 1;
    ensure!(dropped >= 50 - refilled, "{dropped} of 50 dropped after the change to enforce");
    scene.daemon.ok(&["mode", "monitor"])?;
    scene.all_arrive(client, 50)
}
