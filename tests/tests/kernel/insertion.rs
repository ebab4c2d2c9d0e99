//! Segments that the kernel drops, before segments that it accepts: the daemon sees what the server logs.
//!
//! Each row opens a connection to a real nginx, has it answer a request, sends a decoy that is wrong in one way, and
//! then the real request at the same sequence number. nginx's log shows whether the kernel accepted the decoy, and the
//! daemon must report the same. Without such checks it would record the decoy and miss the request that the server
//! answers.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, v4, v6};
use sensor_tests::packet::flags::{ACK, FIN, PSH, RST};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::peers::raw_tcp::{Out, RawTcp, Wrong};
use sensor_tests::peers::spoof::mac_of;
use sensor_tests::scene::{PROBES, Scene, config, server_for};
use sensor_tests::seen::{Seen, difference, line, tally};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// A host that nobody is.
const NOBODY: u8 = 77;

/// What the decoy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Fin,
    Rst,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Nothing,
    Checksum,
    IpChecksum,
    IpLength,
    OtherHost,
    AckUnsentByOne,
    AckUnsent,
    AckLongAgo,
    NoAck,
    OldTimestamp,
    NoTimestamp,
    AckHalfTheSpaceAway,
    Md5,
    Ao,
    MisfitOption,
    LateMisfitOption,
    IpOptions(&'static str),
    BeforeTheWindow,
    BehindTheWindow,
}

/// Options of IPv4, those that the kernel passes over and those that it stops at.
const IP_OPTIONS: [(&str, &[u8]); 11] = [
    ("noop", &[1, 1, 1, 1]),
    ("unknown", &[200, 4, 1, 2]),
    ("record", &[7, 7, 4, 0, 0, 0, 0, 0]),
    ("times", &[68, 8, 5, 0, 0, 0, 0, 0]),
    ("lsrr", &[131, 7, 4, 10, 9, 0, 1, 0]),
    ("ssrr", &[137, 7, 4, 10, 9, 0, 1, 0]),
    ("lsrr-finished", &[131, 7, 8, 10, 9, 0, 1, 0]),
    ("cipso", &[134, 8, 0, 0, 0, 1, 1, 2]),
    ("length-0", &[200, 0, 1, 2]),
    ("too-long", &[200, 9, 1, 2]),
    ("bad-pointer", &[7, 7, 5, 0, 0, 0, 0, 0]),
];

const REASONS: [Reason; 18] = [
    Reason::Nothing,
    Reason::Checksum,
    Reason::IpChecksum,
    Reason::IpLength,
    Reason::OtherHost,
    Reason::AckUnsentByOne,
    Reason::AckUnsent,
    Reason::AckLongAgo,
    Reason::NoAck,
    Reason::OldTimestamp,
    Reason::NoTimestamp,
    Reason::AckHalfTheSpaceAway,
    Reason::Md5,
    Reason::Ao,
    Reason::MisfitOption,
    Reason::LateMisfitOption,
    Reason::BeforeTheWindow,
    Reason::BehindTheWindow,
];

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// The decoy of a row; none if the row makes no sense.
fn decoy(raw: &mut RawTcp, kind: Kind, reason: Reason, path: &str) -> Result<Option<Out>> {
    let (flags, payload) = match kind {
        Kind::Data => (ACK | PSH, request(path)),
        Kind::Fin => (ACK | FIN, Vec::new()),
        Kind::Rst => (RST, Vec::new()),
    };
    if reason == Reason::OldTimestamp {
        // What raises the timestamp that others are held against is an acknowledgement without data.
        let Some(stamp) = raw.stamp else { return Ok(None) };
        raw.stamp = Some(stamp.wrapping_add(5_000));
        raw.send(&raw.next(ACK, b""))?;
    }
    let mut out = raw.next(flags, &payload);
    match reason {
        Reason::Nothing => {}
        Reason::Checksum => out.wrong = Wrong { checksum: true, ..Wrong::default() },
        Reason::IpChecksum => out.wrong = Wrong { ip_checksum: true, ..Wrong::default() },
        Reason::IpLength => out.wrong = Wrong { ip_length: true, ..Wrong::default() },
        Reason::OtherHost => out.wrong = Wrong { other_host: true, ..Wrong::default() },
        Reason::AckUnsentByOne => out.acknowledgement = out.acknowledgement.wrapping_add(1),
        Reason::AckUnsent => out.acknowledgement = out.acknowledgement.wrapping_add(200_000),
        Reason::AckLongAgo => out.acknowledgement = out.acknowledgement.wrapping_sub(1 << 30),
        Reason::NoAck => out.flags &= !ACK,
        Reason::OldTimestamp => out.options = raw.stamps(raw.stamp.unwrap_or_default().wrapping_sub(4_000)),
        Reason::NoTimestamp if raw.stamp.is_none() => return Ok(None),
        Reason::NoTimestamp => out.options.clear(),
        Reason::Md5 => out.options.extend([1, 1, 19, 18, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
        Reason::AckHalfTheSpaceAway => out.acknowledgement = out.acknowledgement.wrapping_add(1 << 31),
        Reason::Ao => out.options.extend([29, 16, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
        Reason::MisfitOption => {
            out.options.extend([99, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
        }
        // With so few bytes left, the kernel does not look for a signature any more.
        Reason::LateMisfitOption => out.options.extend([99, 0, 9, 9]),
        Reason::IpOptions(name) => {
            let found = IP_OPTIONS.iter().find(|(other, _)| *other == name);
            out.wrong.ip_options = found.map_or(&[], |(_, options)| options);
        }
        Reason::BeforeTheWindow => out.sequence = out.sequence.wrapping_sub(1_000_000),
        Reason::BehindTheWindow => out.sequence = out.sequence.wrapping_add(64 << 20),
    }
    if kind == Kind::Rst
        && matches!(reason, Reason::AckUnsent | Reason::AckLongAgo | Reason::AckHalfTheSpaceAway)
    {
        out.flags |= ACK;
    }
    Ok(Some(out))
}

struct Rows {
    seen: Seen,
    server_mac: [u8; 6],
    port: u16,
    /// Rows whose real request the server did not answer.
    refused: Vec<String>,
}

impl Rows {
    fn new() -> Result<Self> {
        // Rows have names that look like tokens.
        let seen = Seen::new("paths = \"raw\"\n")?;
        let net = &seen.scene.net;
        let world_mac = net.world.enter(|| mac_of(INTERFACE))?;
        let server_mac = net.server.enter(|| mac_of(INTERFACE))?;
        let mac = world_mac.map(|byte| format!("{byte:02x}")).join(":");
        for address in [v4(NOBODY), v6(NOBODY)] {
            net.server.ip(&format!("neigh add {address} lladdr {mac} dev {INTERFACE} nud permanent\n"))?;
        }
        Ok(Self { seen, server_mac, port: 20_000, refused: Vec::new() })
    }

    fn connect(&mut self, source: IpAddr, stamps: bool) -> Result<RawTcp> {
        self.port = self.port.wrapping_add(1);
        let (source, server) = ((source, self.port), (server_for(source), Nginx::PORT));
        let mac = self.server_mac;
        let world = &self.seen.scene.net.world;
        let mut raw = world.enter(|| RawTcp::connect(INTERFACE, mac, source, server, stamps))?;
        raw.data(&request("/warm"))?;
        raw.wait("the first answer", |raw| raw.received.ends_with(b"ok\n"))?;
        raw.received.clear();
        Ok(raw)
    }

    fn of_all_kinds(&mut self, source: IpAddr, stamps: bool) -> Result<()> {
        for kind in [Kind::Data, Kind::Fin, Kind::Rst] {
            let of_ip = IP_OPTIONS.iter().map(|(name, _)| Reason::IpOptions(name));
            for reason in REASONS.into_iter().chain(of_ip.filter(|_| source.is_ipv4())) {
                let row = || format!("{kind:?} {reason:?} {source} {stamps}");
                self.row(kind, reason, source, stamps).with_context(row)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, kind: Kind, reason: Reason, source: IpAddr, stamps: bool) -> Result<()> {
        let reason_name =
            if let Reason::IpOptions(name) = reason { format!("ip-{name}") } else { format!("{reason:?}") };
        let name = format!("{kind:?}-{reason_name}-{}-{stamps}", if source.is_ipv4() { "v4" } else { "v6" });
        let mut raw = self.connect(source, stamps)?;
        let Some(out) = decoy(&mut raw, kind, reason, &format!("/fake/{name}"))? else { return Ok(()) };
        raw.send(&out)?;
        raw.data(&request(&format!("/real/{name}")))?;
        // What the kernel took of the two is what its application answers, if it answers at all.
        let is_answered = raw.is_answered(|raw| raw.received.ends_with(b"ok\n"))?;
        if !is_answered {
            self.refused.push(name);
        }
        Ok(())
    }
}

#[test]
fn what_the_kernel_drops_is_not_read() -> Result<()> {
    if tools::skipped("what_the_kernel_drops_is_not_read", &["ip", "nginx"]) {
        return Ok(());
    }
    let mut rows = Rows::new()?;
    for (source, stamps) in [(v4(NOBODY), true), (v4(NOBODY), false), (v6(NOBODY), true), (v6(NOBODY), false)]
    {
        rows.of_all_kinds(source, stamps)?;
    }
    let daemon = &rows.seen.scene.daemon;
    let nginx = rows.seen.scene.nginx.as_ref().context("no nginx")?;
    // What the daemon read that the server did not has no response.
    let both = || -> Result<_> {
        let expected = tally(nginx.access_log()?.into_iter());
        let records = rows.seen.records(expected.len())?;
        Ok((tally(records.iter().map(line)), expected))
    };
    let same = wait_until(PATIENCE, || both().is_ok_and(|(seen, expected)| seen == expected));
    let (seen, expected) = both()?;
    ensure!(same, "differs: {:?}; {}", difference(&seen, &expected), daemon.log());
    let real = expected.keys().filter(|line| line.contains("/real/")).count();
    ensure!(real >= 100, "the kernel took {real} of the real requests only, not those of {:?}", rows.refused);
    let metrics = daemon.metrics()?;
    for reason in ["checksum", "signature", "timestamp", "ack_unsent", "ack_old", "ip_header", "other_host"] {
        let refused = metrics.sum("sensor_segments_refused_total", &[("reason", reason)]);
        ensure!(refused > 0, "no segment was refused for {reason}");
    }
    Ok(())
}

/// A client that does such things is told of, though nothing that it hides is missed.
#[test]
fn decoys_raise_an_alert_about_their_sender() -> Result<()> {
    if tools::skipped("decoys_raise_an_alert_about_their_sender", &["ip", "nginx"]) {
        return Ok(());
    }
    let mut rows = Rows::new()?;
    for _ in 0..4 {
        rows.row(Kind::Data, Reason::Md5, v4(NOBODY), true)?;
    }
    // A segment that was damaged on its way and is sent again accuses nobody.
    for _ in 0..4 {
        rows.row(Kind::Data, Reason::Checksum, v6(NOBODY), true)?;
    }
    let daemon = &rows.seen.scene.daemon;
    let alerts = || daemon.json_lines(&["alerts", "--since", "1h"]).unwrap_or_default();
    let told = wait_until(PATIENCE, || alerts().iter().any(|alert| alert["detector"] == "stream-evasion"));
    ensure!(told, "no alert: {:?}; {}", alerts(), daemon.log());
    let named: Vec<String> = alerts().iter().map(|alert| alert["client"].to_string()).collect();
    ensure!(named == [format!("\"{}\"", v4(NOBODY))], "{named:?}");
    Ok(())
}

/// Requests in somebody else's name, without a handshake.
fn forge(scene: &Scene, victim: IpAddr, mac: [u8; 6]) -> Result<()> {
    let server = (server_for(victim), Nginx::PORT);
    for (port, path) in (30_000..).zip(PROBES.into_iter().cycle().take(40)) {
        scene.net.world.enter(|| -> Result<()> {
            let mut raw = RawTcp::unconnected(INTERFACE, mac, (victim, port), server)?;
            raw.acknowledgement = 0x1234_5678;
            // With a SYN before and without one.
            if port % 2 == 0 {
                raw.send(&raw.next(sensor_tests::packet::flags::SYN, b""))?;
                raw.sequence = raw.sequence.wrapping_add(1);
            }
            raw.data(&request(path))?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn forged_requests_accuse_nobody() -> Result<()> {
    if tools::skipped("forged_requests_accuse_nobody", &["ip", "nginx"]) {
        return Ok(());
    }
    let scene = Scene::with_nginx(&config("enforce", "off"))?;
    let mac = scene.net.server.enter(|| mac_of(INTERFACE))?;
    let is_watched = || {
        let status = scene.daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(Value::as_array);
        ports.is_some_and(|ports| ports.contains(&Nginx::PORT.into()))
    };
    ensure!(wait_until(PATIENCE, is_watched), "the port is not watched");
    let victims = [v4(LEGITIMATE), v6(LEGITIMATE)];
    for victim in victims {
        forge(&scene, victim, mac)?;
    }
    let unproven = || {
        scene.daemon.metrics().map_or(0, |metrics| metrics.sum("sensor_http_unproven_exchanges_total", &[]))
    };
    ensure!(wait_until(PATIENCE, || unproven() > 0), "forged requests are not even counted");
    // Who really scans is found beside them, which shows that detectors had their turn.
    let scanner = Client::new(v4(FLOODER), (server_for(v4(FLOODER)), Nginx::PORT).into());
    scene.net.world.enter(|| PROBES.into_iter().for_each(|path| drop(scanner.get(path))));
    let alerts = || scene.daemon.json_lines(&["alerts", "--since", "1h"]).unwrap_or_default();
    let found = wait_until(PATIENCE, || alerts().iter().any(|alert| alert["detector"] == "scanner"));
    ensure!(found, "the scanner was not found: {}", scene.daemon.log());
    let text = serde_json::to_string(&alerts())?;
    let blocks = scene.daemon.json(&["block", "list"])?.to_string();
    for victim in victims {
        ensure!(!text.contains(&victim.to_string()), "{victim} is named: {text}");
        ensure!(!blocks.contains(&victim.to_string()), "{victim} is blocked: {blocks}");
    }
    // And the victims are served.
    for victim in victims {
        let client = scene.http_client(victim);
        scene.net.world.enter(|| client.get("/"))?;
    }
    Ok(())
}
