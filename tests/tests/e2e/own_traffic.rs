//! This host's own traffic: packets to itself are never dropped, and answers that it requested are not limited.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::bulk;
use sensor_tests::peers::udp::{self, Sink};
use sensor_tests::scene::{UDP_PORT, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn what_this_host_sends_to_itself_is_never_held_up() -> Result<()> {
    if tools::skipped("what_this_host_sends_to_itself_is_never_held_up", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let sink = Sink::start(&net.server, UDP_PORT)?;
    // The configuration may block what a command must not.
    let text = format!("block = [\"10.9.0.0/24\"]\n{}", config("enforce", "1/min:10"));
    let mut daemon = Daemon::prepare(&net, &text)?;
    daemon.set_flags(&["-i", "lo"]);
    daemon.run()?;
    for address in [LOCALHOST, SERVER_V4] {
        let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let (target, every) = (SocketAddr::new(address, UDP_PORT), Duration::from_micros(200));
        net.server.enter(|| udp::stream(address, target, every, 300, &sent, &stop))?;
        let all = || sink.packets_from(address) >= 300;
        ensure!(wait_until(PATIENCE, all), "{address}: {} of 300 arrived", sink.packets_from(address));
        let refused = daemon.cli(&["block", "add", &address.to_string()])?;
        ensure!(refused.status.code() == Some(1), "{address} can be blocked");
        let explained = daemon.ok(&["explain", &address.to_string()])?;
        ensure!(explained.contains("except on lo: traffic from this host to itself is never"), "{explained}");
        ensure!(explained.contains("never blocked:"), "{explained}");
    }
    let metrics = daemon.metrics()?;
    ensure!(metrics.packets("drop") == 0, "{} packets were dropped", metrics.packets("drop"));
    ensure!(metrics.sum("sensor_packets_total", &[("reason", "own_host")]) >= 250, "not counted as such");
    Ok(())
}

fn counted(daemon: &Daemon, reason: &str) -> Result<u64> {
    Ok(daemon.metrics()?.sum("sensor_packets_total", &[("reason", reason)]))
}

/// With limits that the download is far beyond, none of its packets is dropped, and it takes no longer than without.
#[test]
fn what_this_host_downloads_is_not_limited() -> Result<()> {
    if tools::skipped("what_this_host_downloads_is_not_limited", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let text = config("monitor", "1000/s:1000").replace("bits = \"off\"", "bits = \"10M:10M\"");
    let daemon = Daemon::start(&net, &text)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        for (mode, times) in ["monitor", "enforce"].iter().zip(&mut times) {
            daemon.ok(&["mode", mode])?;
            times.push(bulk::download(&net)?);
        }
    }
    let answers = counted(&daemon, "answer")?;
    ensure!(answers > 1_000, "{answers} packets were counted as answers");
    for limit in ["bit_rate", "packet_rate"] {
        let over = counted(&daemon, limit)?;
        ensure!(over == 0, "{over} packets of downloads were over {limit}");
    }
    let [monitor, enforce] = times.map(|mut times| {
        times.sort();
        times.get(2).copied().unwrap_or_default()
    });
    let ratio = monitor.as_secs_f64() / enforce.as_secs_f64();
    // Tests share a loaded machine, and limits that bite leave a tenth or less; `cargo xtask bench daemon` measures.
    ensure!(ratio > 0.7, "{monitor:?} in monitor, {enforce:?} in enforce mode: {ratio:.3} of the rate");
    Ok(())
}

/// The same bytes over a connection that this host accepted are a client's.
#[test]
fn what_clients_upload_is_limited() -> Result<()> {
    if tools::skipped("what_clients_upload_is_limited", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let text = config("monitor", "off").replace("bits = \"off\"", "bits = \"10M:10M\"");
    let daemon = Daemon::start(&net, &text)?;
    bulk::upload(&net)?;
    ensure!(counted(&daemon, "answer")? == 0, "an upload is taken for an answer");
    ensure!(counted(&daemon, "bit_rate")? > 100, "an upload is not limited");
    Ok(())
}
