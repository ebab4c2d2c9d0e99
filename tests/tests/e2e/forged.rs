//! Requests with forged sources, live: they accuse nobody, and do not prevent detection of others.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;

use anyhow::{Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, v4, v6};
use sensor_tests::packet::flags::{ACK, SYN};
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::peers::raw_tcp::RawTcp;
use sensor_tests::peers::spoof::mac_of;
use sensor_tests::scene::{PROBES, Scene, config, server_for};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// The first of hosts that are nobody's.
const NOBODY: u8 = 100;
/// Sources of forged packets, of each family, and packets of each.
const SOURCES: u8 = 60;
const PACKETS: u16 = 5;

/// A scene in which packets can be sent in anybody's name.
struct Stage {
    scene: Scene,
    server_mac: [u8; 6],
    port: u16,
}

impl Stage {
    fn new(more: &str) -> Result<Self> {
        let scene = Scene::with_nginx(&(config("enforce", "off") + more))?;
        let server_mac = scene.net.server.enter(|| mac_of(INTERFACE))?;
        let world_mac = scene.net.world.enter(|| mac_of(INTERFACE))?;
        let mac = world_mac.map(|byte| format!("{byte:02x}")).join(":");
        for host in NOBODY..NOBODY + SOURCES {
            for address in [v4(host), v6(host)] {
                scene
                    .net
                    .server
                    .ip(&format!("neigh add {address} lladdr {mac} dev {INTERFACE} nud permanent\n"))?;
            }
        }
        let is_watched = || {
            let status = scene.daemon.json(&["status"]).unwrap_or_default();
            let ports = status.pointer("/http/ports").and_then(Value::as_array);
            ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
        };
        ensure!(wait_until(PATIENCE, is_watched), "the port is not watched");
        Ok(Self { scene, server_mac, port: 20_000 })
    }

    /// A request without a handshake; with a SYN and a guess at the server's number, every second time. It ends with a
    /// reset.
    fn forge(&mut self, source: IpAddr, request: &str) -> Result<()> {
        self.port += 1;
        let (port, mac) = (self.port, self.server_mac);
        let server = (server_for(source), Nginx::PORT);
        self.scene.net.world.enter(|| -> Result<()> {
            let mut raw = RawTcp::unconnected(INTERFACE, mac, (source, port), server)?;
            if port % 2 == 0 {
                raw.send(&raw.next(SYN, b""))?;
                raw.sequence = raw.sequence.wrapping_add(1);
                raw.acknowledgement = 0x1234_5678;
                raw.send(&raw.next(ACK, b""))?;
            }
            raw.acknowledgement = 0x1234_5678;
            raw.data(request.as_bytes())?;
            Ok(())
        })
    }

    /// A request of somebody who is there.
    fn ask(&self, source: IpAddr, request: &str) -> Result<()> {
        let client = self.scene.http_client(source);
        self.scene.net.world.enter(|| -> Result<()> {
            let mut stream = client.connect()?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut Vec::new())?;
            Ok(())
        })
    }

    fn alerts(&self) -> Vec<Value> {
        self.scene.daemon.json_lines(&["alerts", "--since", "1h"]).unwrap_or_default()
    }

    /// Waits until all that was forged was counted, or is known to be none of any connection.
    fn has_seen_forged(&self) -> Result<()> {
        let unproven = || {
            let metrics = self.scene.daemon.metrics();
            metrics.map_or(0, |metrics| metrics.sum("sensor_http_unproven_exchanges_total", &[]))
        };
        ensure!(wait_until(PATIENCE, || unproven() > 0), "forged requests are not even counted");
        Ok(())
    }

    fn is_blocked(&self, client: IpAddr) -> Result<bool> {
        Ok(self.scene.daemon.json(&["block", "list"])?.to_string().contains(&client.to_string()))
    }
}

fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

#[test]
fn forged_packets_of_many_sources_trip_no_kill_switch() -> Result<()> {
    if tools::skipped("forged_packets_of_many_sources_trip_no_kill_switch", &["ip", "nginx"]) {
        return Ok(());
    }
    let mut stage = Stage::new("")?;
    let sources: Vec<IpAddr> = (NOBODY..NOBODY + SOURCES).flat_map(|host| [v4(host), v6(host)]).collect();
    for number in 0..PACKETS {
        for source in &sources {
            let path = PROBES[usize::from(number) % PROBES.len()];
            stage.forge(*source, &request(path, ""))?;
        }
    }
    stage.has_seen_forged()?;
    // The kill switch would leave a real scanner alone.
    for probe in PROBES {
        // Its later requests meet the block.
        drop(stage.ask(v4(FLOODER), &request(probe, "")));
        if stage.is_blocked(v4(FLOODER))? {
            break;
        }
    }
    let blocked = wait_until(PATIENCE, || stage.is_blocked(v4(FLOODER)).unwrap_or(false));
    ensure!(blocked, "the scanner is not blocked: {:?}; {}", stage.alerts(), stage.scene.daemon.log());
    let alerts = stage.alerts();
    let only = alerts.iter().all(|alert| alert["client"] == v4(FLOODER).to_string().as_str());
    ensure!(only, "others are named: {alerts:?}");
    let blocks = stage.scene.daemon.json(&["block", "list"])?;
    ensure!(blocks.as_array().is_some_and(|blocks| blocks.len() == 1), "others are blocked: {blocks}");
    Ok(())
}

#[test]
fn forged_packets_of_a_trusted_proxy_accuse_no_client_of_it() -> Result<()> {
    if tools::skipped("forged_packets_of_a_trusted_proxy_accuse_no_client_of_it", &["ip", "nginx"]) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let deny = directory.path().join("deny.conf");
    let (proxies, victims) = ([v4(LEGITIMATE), v6(LEGITIMATE)], ["198.51.100.7", "2001:db8:7::7"]);
    let mut stage = Stage::new(&format!(
        "[identity]\ntrusted_proxies = [\"{}\", \"{}\"]\n[alerts.deny_file]\npath = {deny:?}\n",
        proxies[0], proxies[1]
    ))?;
    let by = |victim: &str| format!("X-Forwarded-For: {victim}\r\n");
    for (proxy, victim) in proxies.into_iter().zip(victims) {
        for probe in PROBES.into_iter().cycle().take(40) {
            stage.forge(proxy, &request(probe, &by(victim)))?;
        }
    }
    stage.has_seen_forged()?;
    // A scanner behind the proxy is found, and denied.
    let scanner = "203.0.113.9";
    for probe in PROBES {
        stage.ask(proxies[0], &request(probe, &by(scanner)))?;
    }
    let denied = || fs::read_to_string(&deny).unwrap_or_default();
    ensure!(wait_until(PATIENCE, || denied().contains(scanner)), "not denied: {}", stage.scene.daemon.log());
    let told = serde_json::to_string(&stage.alerts())?;
    let blocks = stage.scene.daemon.json(&["block", "list"])?.to_string();
    for name in ["198.51.100.7", "2001:db8:7"] {
        ensure!(!told.contains(name), "{name} is named: {told}");
        ensure!(!denied().contains(name) && !blocks.contains(name), "{name}: {}; {blocks}", denied());
    }
    Ok(())
}
