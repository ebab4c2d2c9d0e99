//! A million spoofed sources, and fifty clients that the daemon knew before.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{INTERFACE, SERVER_V4, join, many};
use sensor_tests::peers::{spoof, udp};
use sensor_tests::scene::{Scene, UDP_PORT, config, udp_target};
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};

const KNOWN: u8 = 50;
const SPOOFED: u32 = 1_000_000;
/// Packets per second and burst that all unknown sources share in this test.
const NEWCOMERS: u64 = 10_000;

fn spoofed_flood(scene: &Scene) -> Result<u64> {
    let mac = scene.net.server.enter(|| spoof::mac_of(INTERFACE))?;
    let IpAddr::V4(server) = SERVER_V4 else { anyhow::bail!("the server has no IPv4 address") };
    // The benchmarking network of RFC 2544 and what follows it.
    let first = Ipv4Addr::new(198, 18, 0, 0);
    let target = (server, UDP_PORT);
    scene.net.world.enter(|| spoof::flood(INTERFACE, mac, target, first, SPOOFED)).context("the flood")
}

fn known_clients(scene: &Scene) -> Result<BTreeSet<String>> {
    let rows = scene.daemon.json(&["clients", "--top", "100000"])?;
    let rows = rows.as_array().context("no list of clients")?;
    let ours = |name: &&str| name.starts_with("10.9.1.");
    Ok(rows.iter().filter_map(|row| row["client"].as_str()).filter(ours).map(str::to_owned).collect())
}

#[test]
fn known_clients_survive_a_million_spoofed_sources() -> Result<()> {
    if tools::skipped("known_clients_survive_a_million_spoofed_sources", &[]) {
        return Ok(());
    }
    let config = config("enforce", "off");
    let scene =
        Scene::new(&config.replace("[limits", &format!("[limits]\nnewcomers = \"{NEWCOMERS}/s\"\n[limits")))?;
    scene.net.add_many(KNOWN)?;
    for n in 1..=KNOWN {
        scene.all_arrive(many(n), 5)?;
    }
    ensure!(
        known_clients(&scene)?.len() == usize::from(KNOWN),
        "not all are known: {:?}",
        known_clients(&scene)?
    );
    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let stream = scene.net.world.spawn({
        let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        move || udp::stream(many(1), udp_target(many(1)), Duration::from_millis(1), 600_000, &sent, &stop)
    });
    let start = now();
    let spoofed = spoofed_flood(&scene);
    let lasted = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    join(stream)?;
    let spoofed = spoofed?;
    ensure!(spoofed > u64::from(SPOOFED) / 2, "the machine sent only {spoofed} frames");
    // Only the newcomers' rate was asked, and it let no more through than it says.
    let least = spoofed.saturating_sub(NEWCOMERS * (lasted.as_secs() + 2));
    let dropped =
        || scene.daemon.metrics().map_or(0, |metrics| metrics.packets_because("drop", "newcomer_rate"));
    ensure!(wait_until(PATIENCE, || dropped() >= least), "{} dropped of {spoofed}, not {least}", dropped());
    ensure!(known_clients(&scene)?.len() == usize::from(KNOWN), "forgotten: {:?}", known_clients(&scene)?);
    let streamed = sent.load(Ordering::Relaxed);
    ensure!(
        scene.totals(many(1))?.dropped == 0,
        "of the {streamed} packets of a known client some were dropped"
    );
    for n in 1..=KNOWN {
        scene.all_arrive(many(n), 5)?;
        let totals = scene.totals(many(n))?;
        // Five before, of which the first was a newcomer's, and five after.
        ensure!(totals.passed >= 9 && totals.dropped == 0, "{} lost its state: {totals:?}", many(n));
    }
    let metrics = scene.daemon.metrics()?;
    ensure!(metrics.sum("sensor_clients_evicted_total", &[]) == 0, "clients were evicted");
    ensure!(metrics.sum("sensor_clients_tracked", &[]) < 2_000, "spoofed sources fill the table");
    Ok(())
}
