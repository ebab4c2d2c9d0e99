//! A flood of forged SYNs at ten times the newcomers' limit, a client table full of forged sources, and new clients that
//! are real.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::EbpfLoader;
use aya::programs::Xdp;
use aya::programs::xdp::XdpMode;
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{INTERFACE, Net, SERVER_V4, join, many};
use sensor_tests::peers::http::{Client, Tally};
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::peers::spoof;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::{self, wait_until};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/testplane"));

/// Packets that all newcomers may send a second.
const NEWCOMERS: u32 = 1_000;
const FLOOD: u32 = NEWCOMERS * 10;
/// Forged sources: each returns every two seconds, so the table stays full of them.
const FORGED: u32 = 20_000;
/// Clients that the table has room for.
const ROOM: u32 = 1_024;
/// Real clients that come anew.
const CLIENTS: u8 = 200;

/// The world's end of the pair needs a program of its own, or frames sent back by XDP stay in its queue
/// (`veth_xdp_flush` of Linux).
fn take_frames_sent_back(net: &Net) -> Result<aya::Ebpf> {
    let mut ebpf = EbpfLoader::new().load(OBJECT)?;
    let program: &mut Xdp = ebpf.program_mut("empty_pass").context("no such program")?.try_into()?;
    program.load()?;
    net.world.enter(|| program.attach(INTERFACE, XdpMode::Driver).map(drop))?;
    Ok(ebpf)
}

/// New clients, one every 20 ms, each with one request.
fn come(scene: &Scene) -> Tally {
    let server = SocketAddr::new(SERVER_V4, Nginx::PORT);
    let start = wait::now();
    let clients = (1..=CLIENTS).map(|n| {
        wait::pace_until(start + Duration::from_millis(20) * u32::from(n));
        let client = Client { source: many(n), server, timeout: Duration::from_secs(3) };
        scene.net.world.spawn(move || client.get("/"))
    });
    let mut tally = Tally::default();
    for client in clients.collect::<Vec<_>>() {
        tally.add(join(client));
    }
    tally
}

#[test]
fn new_clients_get_through_a_flood_of_forged_syns() -> Result<()> {
    if tools::skipped("new_clients_get_through_a_flood_of_forged_syns", &["nginx"]) {
        return Ok(());
    }
    let limits = format!("[limits]\nnewcomers = \"{NEWCOMERS}/s\"\nsyn_cookies = \"auto\"\n[limits");
    let config = config("enforce", "off").replacen("[limits", &limits, 1);
    let scene = Scene::with_nginx(&config.replace("max_tracked = 65536", &format!("max_tracked = {ROOM}")))?;
    let _passing = take_frames_sent_back(&scene.net)?;
    scene.net.server.enter(|| fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2"))?;
    scene.net.add_many(CLIENTS)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mac = scene.net.server.enter(|| spoof::mac_of(INTERFACE))?;
    let IpAddr::V4(server) = SERVER_V4 else { anyhow::bail!("the server has no IPv4 address") };
    let flood = scene.net.world.spawn({
        let stop = Arc::clone(&stop);
        let sources = (Ipv4Addr::new(198, 18, 0, 0), FORGED);
        move || spoof::syn_flood(INTERFACE, mac, (server, Nginx::PORT), sources, FLOOD, &stop)
    });
    let refused = || {
        let metrics = scene.daemon.metrics();
        metrics.map_or(0, |metrics| metrics.sum("sensor_clients_refused_total", &[("cause", "table_full")]))
    };
    let is_full = wait_until(PATIENCE, || refused() > 1_000);
    let tally = come(&scene);
    stop.store(true, Ordering::Relaxed);
    let sent = join(flood)?;
    ensure!(is_full, "the table did not fill");
    let in_time = tally.took.iter().filter(|took| **took <= Duration::from_secs(3)).count();
    ensure!(
        in_time * 100 >= usize::from(CLIENTS) * 99,
        "{in_time} of {CLIENTS} clients got through {sent} forged SYNs; {:?}",
        tally.why
    );
    let metrics = scene.daemon.metrics()?;
    let answered = metrics.packets_because("answer", "syn_cookie");
    ensure!(answered > sent / 2, "{answered} of {sent} SYNs were answered with a cookie");
    ensure!(metrics.sum("sensor_syn_cookies_accepted_total", &[]) > 0, "nobody was admitted by a cookie");
    ensure!(metrics.sum("sensor_clients_displaced_total", &[]) > 0, "no forged source made room");
    let proven = metrics.sum("sensor_clients_proven_total", &[]);
    ensure!(proven >= in_time as u64, "{proven} clients proved their addresses");
    let explained = scene.daemon.json(&["explain", &many(CLIENTS).to_string()])?;
    ensure!(explained["client"]["proven"] == true, "{explained}");
    let status = scene.daemon.ok(&["status"])?;
    ensure!(status.contains("syn cookies  on, "), "{status}");
    Ok(())
}
