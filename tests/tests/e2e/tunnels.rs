//! Interfaces without Ethernet headers: what comes through a tunnel is limited, blocked and seen as anything else; and
//! where nothing can be, everything says so.
#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::Net;
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::peers::tunnel::{self, AMBIGUOUS_END, SERVER_END, TUNNEL, Tunnel, WORLD_END};
use sensor_tests::peers::udp::{self, Sink};
use sensor_tests::scene::{UDP_PORT, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// Sends datagrams through the tunnel; returns how many the daemon dropped, once it has judged all.
fn dropped_of(daemon: &Daemon, net: &Net, source: IpAddr, count: u64) -> Result<u64> {
    let judged = || daemon.totals(source).map(|totals| (totals.passed, totals.dropped)).unwrap_or_default();
    let (passed, dropped) = judged();
    let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (target, every) = (SocketAddr::new(SERVER_END, UDP_PORT), Duration::from_micros(500));
    net.world.enter(|| udp::stream(source, target, every, count, &sent, &stop))?;
    let all = || judged().0 + judged().1 >= passed + dropped + count;
    ensure!(wait_until(PATIENCE, all), "{source}: {:?} before, {:?} now", (passed, dropped), judged());
    Ok(judged().1 - dropped)
}

#[test]
fn what_comes_through_a_tunnel_is_limited_blocked_and_seen() -> Result<()> {
    if tools::skipped("what_comes_through_a_tunnel_is_limited_blocked_and_seen", &["python3", "nginx"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _tunnel = Tunnel::new(&net)?;
    let sink = Sink::start(&net.server, UDP_PORT)?;
    let nginx = Nginx::start(&net.server)?;
    let mut daemon = Daemon::prepare(&net, &config("enforce", "off"))?;
    daemon.set_flags(&["-i", TUNNEL]);
    daemon.run()?;
    for source in [WORLD_END, AMBIGUOUS_END] {
        // The first makes it known.
        let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let target = SocketAddr::new(SERVER_END, UDP_PORT);
        net.world.enter(|| udp::stream(source, target, Duration::from_millis(1), 10, &sent, &stop))?;
        ensure!(wait_until(PATIENCE, || daemon.totals(source).is_ok()), "{source} is no client");
        ensure!(dropped_of(&daemon, &net, source, 100)? == 0, "{source}: dropped without a limit");
        let scope = source.to_string();
        daemon.ok(&["limit", "set", &scope, "--packets", "1/min:10"])?;
        let dropped = dropped_of(&daemon, &net, source, 100)?;
        ensure!((85..=95).contains(&dropped), "{source}: {dropped} of 100 dropped at 1/min:10");
        daemon.ok(&["limit", "unset", &format!("{source}/32")])?;
        daemon.ok(&["block", "add", &scope])?;
        ensure!(dropped_of(&daemon, &net, source, 50)? == 50, "{source}: a block has no effect");
        daemon.ok(&["block", "remove", &scope])?;
        let arrived = sink.packets_from(source);
        ensure!((100..=130).contains(&arrived), "{source}: {arrived} datagrams arrived");
    }
    ensure!(
        daemon.metrics()?.sum("sensor_packets_total", &[("reason", "not_ip")]) == 0,
        "frames are not read"
    );
    let client = Client::new(WORLD_END, SocketAddr::new(SERVER_END, Nginx::PORT));
    let is_seen = || {
        let asked = net.world.enter(|| client.get("/through-the-tunnel"));
        let shown = daemon.ok(&["exchanges"]).unwrap_or_default();
        asked.is_ok() && shown.contains("/through-the-tunnel")
    };
    ensure!(wait_until(PATIENCE, is_seen), "HTTP in the tunnel is not seen: {}", daemon.ok(&["status"])?);
    drop(nginx);
    Ok(())
}

#[test]
fn where_nothing_can_be_enforced_everything_says_so() -> Result<()> {
    if tools::skipped("where_nothing_can_be_enforced_everything_says_so", &["python3"]) {
        return Ok(());
    }
    let net = Net::new()?;
    tunnel::unreadable(&net.server, "odd0")?;
    let mut daemon = Daemon::prepare(&net, &config("enforce", "off"))?;
    daemon.set_flags(&["-i", "eth0", "-i", "odd0"]);
    daemon.run()?;
    let status = daemon.ok(&["status"])?;
    ensure!(
        status.contains("DEGRADED     interfaces: odd0: nothing is limited or blocked there"),
        "{status}"
    );
    ensure!(status.contains("unreadable"), "{status}");
    let explained = daemon.ok(&["explain", "10.9.0.66"])?;
    ensure!(explained.contains("except on odd0: nothing is limited or blocked"), "{explained}");
    ensure!(net.xdp_on("odd0")?.is_empty(), "a program that cannot read its frames is attached");
    ensure!(!net.xdp_on("eth0")?.is_empty(), "the other interface is not served");
    let mut doctor = net.server.command(sensor_tests::daemon::binary()?);
    let found = doctor.args(["doctor", "-i", "odd0"]).output()?;
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    ensure!(found.contains("PROBLEM  odd0: its frames begin with neither"), "{found}");
    Ok(())
}
