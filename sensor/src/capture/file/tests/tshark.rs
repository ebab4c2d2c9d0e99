//! The same files, read by tshark.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use super::frames::{Tcp, ethernet, every_link, v4, v6};
use super::writer::{Ng, ORDERS, Order, Packet, gzip, pcap};
use super::{CaptureFile, Seen};
use crate::capture::Endpoint;

const TIME: u64 = 1_700_000_000_123_456_000;

const FIELDS: [&str; 12] = [
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "tcp.urgent_pointer",
];

const ACK: u8 = 0x10;

/// Time (where the packet has one), endpoints, sequence and acknowledgement numbers, flags, length, urgent pointer.
type Line = (Option<u64>, Endpoint, Endpoint, u32, u32, u8, u32, u16);

#[test]
fn tshark_reads_every_format_and_link_type_alike() {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<_> = files()
        .into_iter()
        .enumerate()
        .map(|(number, (name, bytes))| {
            let path = directory.path().join(format!("{number}.cap"));
            std::fs::write(&path, bytes).unwrap();
            let ours = ours(&path);
            (name, path, ours)
        })
        .collect();
    assert_eq!(files.iter().map(|file| file.2.len()).sum::<usize>(), 902);
    if Command::new("tshark").arg("--version").output().is_err() {
        skip("tshark is not installed: reading alike is NOT checked");
        return;
    }
    for (name, path, ours) in files {
        let theirs = theirs(&path);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (mut ours, theirs) in ours.into_iter().zip(theirs) {
            // A packet without a time has none of its own here either.
            ours.0 = theirs.0.and(ours.0);
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn lines_of_tshark_are_understood() {
    let text = "1700000000.5;192.0.2.1;;40000;198.51.100.7;;80;7;9;0x0018;18;0";
    let tcp = Tcp { sequence: 7, acknowledgement: 9, ..v4() };
    let seen = tcp.seen(1_700_000_000_500_000_000, None);
    assert_eq!(line(text), (Some(seen.nanos), seen.source, seen.destination, 7, 9, 0x18, 18, 0));
    let text = ";;2001:db8::1;40000;;2001:db8::2;80;7;;0x0002;0;";
    let seen = v6().seen(0, None);
    assert_eq!(line(text), (None, seen.source, seen.destination, 7, 0, 2, 0, 0));
}

#[expect(clippy::print_stderr, reason = "whoever reads the log must see that nothing was compared")]
fn skip(message: &str) {
    eprintln!("{message}");
}

fn ours(path: &Path) -> Vec<Line> {
    let mut file = CaptureFile::open(path).unwrap();
    let mut lines = Vec::new();
    while let Some(segment) = file.next_segment().unwrap() {
        let seen = Seen::from(segment);
        lines.push((
            Some(seen.nanos),
            seen.source,
            seen.destination,
            seen.sequence,
            if seen.flags & ACK == 0 { 0 } else { seen.acknowledgement },
            seen.flags,
            seen.length,
            seen.urgent,
        ));
    }
    lines
}

fn theirs(path: &Path) -> Vec<Line> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-Y", "tcp", "-T", "fields", "-E", "separator=;", "-E", "occurrence=f"]);
    // Without reassembly, each packet is read by itself.
    command.args(["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:FALSE"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let output = command.arg("-r").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(line).collect()
}

fn line(line: &str) -> Line {
    let fields: Vec<&str> = line.split(';').collect();
    let endpoint = |four: usize, six: usize, port: usize| {
        let address: IpAddr = [fields[four], fields[six]].concat().parse().unwrap();
        Endpoint::new(address, fields[port].parse().unwrap())
    };
    let flags = u16::from_str_radix(fields[9].trim_start_matches("0x"), 16).unwrap();
    let flags = u8::try_from(flags & 0xff).unwrap();
    (
        nanos(fields[0]),
        endpoint(1, 2, 3),
        endpoint(4, 5, 6),
        fields[7].parse().unwrap(),
        // Whether it shows a number that means nothing depends on its version.
        if flags & ACK == 0 { 0 } else { fields[8].parse().unwrap() },
        flags,
        fields[10].parse().unwrap(),
        fields[11].parse().unwrap_or(0),
    )
}

/// Nanoseconds of a decimal number of seconds with any number of digits; `None` for nothing or zero.
fn nanos(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = seconds.parse().ok()?;
    let nanos: u64 = format!("{fraction:0<9}")[..9].parse().unwrap();
    Some(seconds * 1_000_000_000 + nanos).filter(|nanos| *nanos > 0)
}

fn segments() -> Vec<Tcp> {
    let mut segments = Vec::new();
    for base in [v4(), v6()] {
        for (index, flags) in [0x02, 0x12, 0x10, 0x18, 0x38, 0x11, 0x14, 0xc2].into_iter().enumerate() {
            let payload = if flags & 2 == 0 { vec![b'x'; index * 40] } else { vec![] };
            let urgent = if flags & 0x20 == 0 { 0 } else { 3 };
            let sequence = u32::MAX - u32::try_from(index).unwrap();
            segments.push(Tcp { flags, payload, urgent, sequence, ..base.clone() });
        }
    }
    segments
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let links = every_link(&v4().datagram()).len();
    for index in 0..links {
        let mut by_link = std::collections::BTreeMap::<u16, Vec<Packet>>::new();
        for (number, tcp) in segments().iter().enumerate() {
            let (link, frame) = every_link(&tcp.datagram()).swap_remove(index);
            let time = TIME + 1_000 * number as u64;
            by_link.entry(link).or_default().push(Packet::new(time, frame).cut(120));
        }
        for (link, packets) in by_link {
            for order in ORDERS {
                files.push((format!("pcap {link} {order:?}"), pcap(order, index % 2 == 0, link, &packets)));
                let mut file = Ng::new(order).interface(link, 0, &[(9, &[9])]);
                for packet in &packets {
                    file = file.enhanced(0, packet.nanos, packet, &[(2, &order.u32(1))]);
                }
                files.push((format!("pcapng {link} {order:?}"), file.bytes));
            }
        }
    }
    files.push(("gzip".into(), gzip(&pcap(Order::Little, true, 1, &[padded(), offloaded()]))));
    let file = Ng::new(Order::Big)
        .interface(1, 0, &[(9, &[0x80 | 30]), (14, &Order::Big.u64(1_700_000_000))])
        .enhanced(0, 5 << 28, &padded(), &[])
        .section(Order::Little)
        .interface(1, 0, &[(9, &[3]), (14, &Order::Little.u64((-5_i64).cast_unsigned()))])
        .block(77, b"unknown")
        .enhanced(0, 1_700_000_000_123, &offloaded(), &[])
        .old(0, 1_700_000_000_124, &padded(), &[])
        .simple(&padded());
    files.push(("sections".into(), file.bytes));
    files
}

/// A bare acknowledgement in the shortest Ethernet frame.
fn padded() -> Packet {
    let tcp = Tcp { payload: vec![], options: vec![], ..v4() };
    let mut frame = ethernet(&tcp.datagram());
    frame.resize(60, 0);
    Packet::new(TIME, frame)
}

/// An aggregate without a length of its own.
fn offloaded() -> Packet {
    let mut frame = ethernet(&Tcp { payload: vec![b'x'; 4_000], ..v4() }.datagram());
    frame[16..18].fill(0);
    Packet::new(TIME, frame)
}
