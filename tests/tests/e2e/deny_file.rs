//! Clients behind a real proxy: attackers are listed in the file that the proxy reads, and it refuses them; others are
//! not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::proxy::{Kind, Proxy};
use sensor_tests::scene::{PROBES, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Host number of a client that does nothing wrong.
const INNOCENT: u8 = 9;
/// The proxy's host.
const PROXY: u8 = LEGITIMATE;

/// The status of the proxy's answer to one request of a client.
fn ask(net: &Net, proxy: IpAddr, client: IpAddr, path: &str) -> Result<u16> {
    let proxy = SocketAddr::new(proxy, Proxy::PORT);
    let client = Client { timeout: Duration::from_secs(5), ..Client::new(client, proxy) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no answer")
    })
}

/// An attacker comes through the proxy at this address until the deny file names it, and nobody else.
fn is_denied(net: &Net, proxy: IpAddr, deny: &Path, daemon: &Daemon) -> Result<()> {
    let attacker = v4(FLOODER);
    for probe in PROBES {
        ensure!(ask(net, proxy, attacker, probe)? == 404, "the proxy does not pass {probe} on");
        ensure!(ask(net, proxy, v4(INNOCENT), "/")? == 200, "the proxy does not pass requests on");
    }
    let denied = || fs::read_to_string(deny).unwrap_or_default();
    let is_denied = wait_until(PATIENCE, || denied().contains(&attacker.to_string()));
    ensure!(
        is_denied,
        "not denied: {}\n{}\n{}",
        daemon.ok(&["alerts"])?,
        daemon.ok(&["exchanges"])?,
        daemon.log()
    );
    ensure!(!denied().contains(&v4(INNOCENT).to_string()), "{}", denied());
    Ok(())
}

/// Once it has read the file, the proxy at this address refuses the attacker, and nobody else.
fn is_refused(net: &Net, at: IpAddr, proxy: &Proxy) -> Result<()> {
    proxy.reload()?;
    let is_refused = || ask(net, at, v4(FLOODER), "/").is_ok_and(|status| status == 403);
    ensure!(wait_until(PATIENCE, is_refused), "the proxy does not refuse: {}", proxy.log());
    ensure!(ask(net, at, v4(INNOCENT), "/")? == 200, "the innocent are refused");
    Ok(())
}

fn who_is_denied_is_refused(kind: Kind, test: &str) -> Result<()> {
    if tools::skipped(test, &[kind.name()]) {
        return Ok(());
    }
    let net = Net::new()?;
    net.add_host(INNOCENT)?;
    let _server = LoginServer::start(&net.server)?;
    let directory = tempfile::tempdir()?;
    let deny = directory.path().join("deny.conf");
    let daemon = Daemon::start(
        &net,
        &format!(
            "{}[identity]\ntrusted_proxies = [\"{}\"]\n[alerts.deny_file]\npath = {deny:?}\nformat = \"{}\"\n",
            config("enforce", "off"),
            v4(PROXY),
            kind.name()
        ),
    )?;
    ensure!(wait_until(PATIENCE, || deny.exists()), "no deny file: {}", daemon.log());
    let server = SocketAddr::new(SERVER_V4, LoginServer::PORT);
    let proxy = Proxy::start(kind, &net.world, v4(PROXY), server, &deny)?;
    let is_watched = || {
        let port = |status: Value| status.pointer("/http/ports/0").and_then(Value::as_u64);
        daemon.json(&["status"]).is_ok_and(|status| port(status) == Some(LoginServer::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "the port is not watched: {}", daemon.log());

    is_denied(&net, v4(PROXY), &deny, &daemon)?;
    // The file alone changes nothing, and the kernel blocks nobody: the packets are the proxy's.
    ensure!(ask(&net, v4(PROXY), v4(FLOODER), "/")? == 200, "refused before the proxy was told");
    is_refused(&net, v4(PROXY), &proxy)
}

#[test]
fn nginx_refuses_who_is_denied() -> Result<()> {
    who_is_denied_is_refused(Kind::Nginx, "nginx_refuses_who_is_denied")
}

#[test]
fn haproxy_refuses_who_is_denied() -> Result<()> {
    who_is_denied_is_refused(Kind::Haproxy, "haproxy_refuses_who_is_denied")
}
