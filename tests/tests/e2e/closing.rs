//! Slow connections at a real server, and what becomes of them once their client is blocked.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, Nginx::PORT);
const SLOW: usize = 60;

/// The address of [`FLOODER`] in `/proc/net/tcp`, and at the end of an IPv4-mapped one in `tcp6`.
const FLOODER_IN_HEX: &str = "4200090A:";
/// `TCP_ESTABLISHED` there.
const ESTABLISHED: &str = "01";

/// The server's established connections with the flooder.
fn established(net: &Net) -> usize {
    net.server.enter(|| {
        let tables = ["tcp", "tcp6"]
            .map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default());
        let lines = tables.iter().flat_map(|table| table.lines().skip(1));
        lines
            .filter(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let peer = fields.get(2).is_some_and(|peer| peer.contains(FLOODER_IN_HEX));
                peer && fields.get(3) == Some(&ESTABLISHED)
            })
            .count()
    })
}

/// Requests whose heads do not end.
fn slow_requests(net: &Net) -> Result<Vec<TcpStream>> {
    let client = Client::new(v4(FLOODER), SERVER);
    let streams = net.world.enter(|| (0..SLOW).map(|_| client.connect()).collect::<Result<Vec<_>, _>>())?;
    for mut stream in &streams {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: example.net\r\nX-Slow: ")?;
    }
    Ok(streams)
}

/// Whether the flooder is blocked; its connections send another byte each time.
fn is_blocked(daemon: &Daemon, streams: &[TcpStream]) -> bool {
    for mut stream in streams {
        // Blocked, or ended already.
        let _sent = stream.set_nonblocking(true).and_then(|()| stream.write(b"x"));
    }
    daemon.json(&["block", "list"]).is_ok_and(|blocks| blocks.to_string().contains(&v4(FLOODER).to_string()))
}

/// More than a port may carry that cannot be read.
const BYTES: usize = 300;

#[test]
fn a_port_on_which_requests_only_take_their_time_stays_watched() -> Result<()> {
    if tools::skipped("a_port_on_which_requests_only_take_their_time_stays_watched", &["nginx"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _nginx = Nginx::start(&net.server)?;
    let daemon = Daemon::start(&net, &format!("{SMALL_TABLES}{NO_LIMITS}"))?;
    let watched =
        || daemon.json(&["status"]).map(|status| status["http"]["ports"].to_string()).unwrap_or_default();
    ensure!(wait_until(PATIENCE, || watched().contains("8080")), "{}", watched());
    let streams = slow_requests(&net)?;
    for at in 0..BYTES {
        let mut stream = streams.get(at % SLOW).context("a stream")?;
        stream.write_all(b"x")?;
    }
    let copied =
        || daemon.metrics().is_ok_and(|now| now.sum("sensor_mirror_segments_total", &[]) > BYTES as u64);
    ensure!(wait_until(PATIENCE, copied), "the bytes are not seen: {}", daemon.log());
    // Once another port is watched, ports were chosen after those bytes.
    let _other = net.server.enter(|| TcpListener::bind((SERVER_V4, 8_081)))?;
    ensure!(wait_until(PATIENCE, || watched().contains("8081")), "{}", watched());
    ensure!(watched().contains("8080"), "given up: {}\n{}", watched(), daemon.log());
    Ok(())
}

fn attacked(decide: &str) -> Result<(Net, Daemon, Nginx, Vec<TcpStream>)> {
    let net = Net::new()?;
    let nginx = Nginx::start(&net.server)?;
    let daemon = Daemon::start(
        &net,
        &format!(
            "mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}[detect.slow-attack]\nafter = \"1s\"\n[decide]\n{decide}"
        ),
    )?;
    let streams = slow_requests(&net)?;
    ensure!(wait_until(PATIENCE, || established(&net) == SLOW), "{} connections", established(&net));
    ensure!(
        wait_until(PATIENCE * 2, || is_blocked(&daemon, &streams)),
        "no block: {}",
        daemon.ok(&["alerts"])?
    );
    Ok((net, daemon, nginx, streams))
}

#[test]
fn slow_connections_are_gone_after_the_block() -> Result<()> {
    if tools::skipped("slow_connections_are_gone_after_the_block", &["nginx"]) {
        return Ok(());
    }
    let (net, daemon, _nginx, _streams) = attacked("")?;
    if daemon.ok(&["doctor"]).is_ok_and(|found| found.contains("do not end open connections")) {
        tools::say_skipped(
            "slow_connections_are_gone_after_the_block",
            "this kernel has no bpf_sock_destroy",
        );
        return Ok(());
    }
    // nginx itself gives up after 60 seconds (`client_header_timeout`).
    ensure!(wait_until(Duration::from_secs(5), || established(&net) == 0), "{} are left", established(&net));
    let closed = daemon.metrics()?.sum("sensor_connections_closed_total", &[]);
    ensure!(closed >= SLOW as u64, "{closed} were ended");
    let status = daemon.ok(&["status"])?;
    ensure!(status.contains("open connections of blocked clients"), "{status}");
    net.world.enter(|| Client::new(v4(LEGITIMATE), SERVER).get("/")).context("another client")?;
    Ok(())
}

#[test]
fn they_stay_if_the_configuration_says_so() -> Result<()> {
    if tools::skipped("they_stay_if_the_configuration_says_so", &["nginx"]) {
        return Ok(());
    }
    let (net, daemon, _nginx, _streams) = attacked("close_connections = []\n")?;
    ensure!(
        !wait_until(Duration::from_secs(2), || established(&net) < SLOW),
        "{} are left",
        established(&net)
    );
    ensure!(daemon.metrics()?.sum("sensor_connections_closed_total", &[]) == 0, "some were ended");
    Ok(())
}
