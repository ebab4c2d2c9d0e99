//! An application in a container, seen at the host's end of its veth pair.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{INTERFACE, Net, v4};
use sensor_tests::peers::login::LoginServer;
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::{Value, json};

use crate::inner::{INNOCENT, answer, records_of};

const CONTAINER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 8, 0, 2)), LoginServer::PORT);

/// Connects a container to the host by a veth pair.
fn connect_container(net: &Net, veth: &str) -> Result<()> {
    net.add_interface(veth)?;
    net.server.ip(&format!("addr add 10.8.0.1/24 dev {veth}\n"))?;
    net.world.ip(&format!("addr add 10.8.0.2/24 dev {veth}\n"))
}

/// A daemon that reads the container's port on some inner interfaces, and its record of exchanges.
fn beside_a_container(net: &Net, inner: &str) -> Result<(Daemon, PathBuf)> {
    let mut daemon = Daemon::prepare(net, "")?;
    let log = daemon.config_path().with_file_name("exchanges.jsonl");
    daemon.write_config(&format!(
        "{}[http]\nports = [\"{}\"]\ninner_interfaces = [\"{inner}\"]\nexchange_log = {log:?}\n\
         [identity]\ntrusted_proxies = [\"10.8.0.1/32\"]\n",
        config("enforce", "off"),
        LoginServer::PORT
    ))?;
    daemon.run()?;
    Ok((daemon, log))
}

/// Asks the container until a request is seen beyond those before; until its port is watched, none is.
fn ask_container(net: &Net, daemon: &Daemon, log: &Path) -> Result<()> {
    let before = records_of(log).len();
    let status = || net.server.enter(|| answer(TcpStream::connect(CONTAINER)?, "GET /items/1", ""));
    let is_seen =
        wait_until(PATIENCE, || status().is_ok_and(|status| status == 200) && records_of(log).len() > before);
    ensure!(is_seen, "nothing is seen: {}\n{}", daemon.ok(&["status"])?, daemon.log());
    Ok(())
}

/// Containers come while the daemon runs, under names that nobody knows before, and are forgotten once they are gone.
#[test]
fn containers_are_seen_as_they_come_and_go() -> Result<()> {
    if tools::skipped("containers_are_seen_as_they_come_and_go", &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _application = LoginServer::start(&net.world)?;
    // What is served is not inner, whatever it is called.
    let (mut daemon, log) = beside_a_container(&net, &format!("veth-*\", \"{INTERFACE}*"))?;
    let are_inner = |daemon: &Daemon, expected: &[&str]| {
        let expected: Value = expected.iter().map(|name| json!({"interface": name, "state": "up"})).collect();
        let is_so = || {
            let status = daemon.json(&["status"]).unwrap_or_default();
            // Left out where there are none.
            let told = status.get("inner_interfaces").cloned().unwrap_or_else(|| json!([]));
            status.is_object() && told == expected
        };
        ensure!(wait_until(PATIENCE, is_so), "not {expected:?}: {}", daemon.ok(&["status"])?);
        anyhow::Ok(())
    };
    are_inner(&daemon, &[])?;
    for veth in ["veth-5c1", "veth-9ea"] {
        connect_container(&net, veth)?;
        are_inner(&daemon, &[veth])?;
        ask_container(&net, &daemon, &log)?;
        net.server.ip(&format!("link del {veth}\n"))?;
        are_inner(&daemon, &[])?;
    }
    // Those that are there at start, too.
    connect_container(&net, "veth-d70")?;
    are_inner(&daemon, &["veth-d70"])?;
    daemon.kill9()?;
    daemon.run()?;
    are_inner(&daemon, &["veth-d70"])?;
    ask_container(&net, &daemon, &log)
}

/// The application is in a container: requests leave through the host's end of a veth pair, responses come in there.
#[test]
fn a_container_is_seen_at_the_hosts_end_of_its_veth() -> Result<()> {
    const VETH: &str = "veth-c";
    if tools::skipped("a_container_is_seen_at_the_hosts_end_of_its_veth", &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    connect_container(&net, VETH)?;
    let _application = LoginServer::start(&net.world)?;
    let (daemon, log) = beside_a_container(&net, VETH)?;
    ask_container(&net, &daemon, &log)?;
    for record in records_of(&log) {
        let (client, peer) = (v4(INNOCENT).to_string(), "10.8.0.1");
        ensure!(record["client"] == client && record["peer"] == peer && record["proven"] == true, "{record}");
        ensure!(record["status"] == 200 && record["gaps"] == false, "{record}");
    }
    Ok(())
}
