//! Many prefixes written and removed by batch: all of them, how long it takes, and what known clients pay for them.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails; and it tells what it measured"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use sensor::kernel::{Capacities, TrieKind};
use sensor_common::abi::{prefixes, programs};
use sensor_tests::packet::Frame;
use sensor_tests::plane::{Plane, SMALL};
use sensor_tests::tools;
use sensor_tests::wait::now;

/// Addresses of both families, none next to another.
fn addresses(count: u32) -> Vec<IpNet> {
    let v4 = (0..count / 2).map(|number| IpAddr::V4(Ipv4Addr::from_bits(0x1000_0000 + number * 7)));
    let v6 = (0..count - count / 2)
        .map(|number| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 65)));
    v4.map(IpNet::from).chain(v6.map(|address| IpNet::new(address, 64).unwrap())).collect()
}

fn write_and_remove(count: u32) {
    let mut plane = Plane::load(Capacities { blocks: count, ..SMALL }).unwrap();
    let wanted: Vec<(IpNet, u64)> = addresses(count).into_iter().zip(1_u64..).collect();
    let start = now();
    plane.dataplane.tries.set_blocks(&wanted).unwrap();
    let written = start.elapsed();
    let mut held = plane.dataplane.tries.blocks().unwrap();
    held.sort_unstable();
    let mut sorted = wanted.clone();
    sorted.sort_unstable();
    assert!(held == sorted, "{} of {count} are there", held.len());
    // Every second one; and some that are missing already.
    let gone: Vec<IpNet> = sorted.iter().step_by(2).map(|(prefix, _)| *prefix).collect();
    plane.dataplane.tries.remove(TrieKind::Blocks, *gone.get(7).unwrap()).unwrap();
    plane.dataplane.tries.remove(TrieKind::Blocks, *gone.last().unwrap()).unwrap();
    let start = now();
    plane.dataplane.tries.remove_all(TrieKind::Blocks, &gone).unwrap();
    let removed = start.elapsed();
    let mut held = plane.dataplane.tries.blocks().unwrap();
    held.sort_unstable();
    let left: Vec<(IpNet, u64)> = sorted.iter().skip(1).step_by(2).copied().collect();
    assert!(held == left, "{} of {} are there", held.len(), left.len());
    println!("{count} written in {written:?}, {} removed in {removed:?}", gone.len());
}

#[test]
fn many_prefixes_are_written_and_removed_by_batch() {
    if !tools::skipped("many_prefixes_are_written_and_removed_by_batch", &[]) {
        write_and_remove(100_000);
    }
}

#[test]
#[ignore = "takes some hundred MB of kernel memory; for measuring"]
fn a_million_prefixes_are_written_and_removed_by_batch() {
    write_and_remove(1_000_000);
}

/// Networks as many and as long as a large country has in databases: seven of ten are IPv4, most of them a /24, with
/// gaps between them so that none are merged.
fn country(count: u32) -> Vec<IpNet> {
    let lengths = [24, 22, 24, 23, 24, 20, 24, 22, 24, 19];
    let mut next = 0x0b00_0000_u32;
    let v4 = (0..count / 10 * 7).map(|number| {
        let length = lengths[number as usize % lengths.len()];
        let size = 1 << (32 - length);
        let network = next.next_multiple_of(size);
        next = network + size + 256;
        IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(network)), length).unwrap()
    });
    let lengths = [48, 32, 44, 48, 40];
    let v6 = (0..count / 10 * 3).map(|number| {
        let network = (0x2a00 << 112) + (u128::from(number) << 96);
        let length = lengths[number as usize % lengths.len()];
        IpNet::new(IpAddr::V6(Ipv6Addr::from_bits(network)), length).unwrap().trunc()
    });
    let v4: Vec<IpNet> = v4.collect();
    let mut all: Vec<IpNet> = v4.into_iter().chain(v6).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What the tries of this process take, as the kernel accounts it (`memlock` in fdinfo; of type 11,
/// `BPF_MAP_TYPE_LPM_TRIE`).
fn memory_of_tries() -> u64 {
    let mut maps = std::collections::BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let value = |key: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        };
        if value("map_type:") == Some(11) {
            maps.insert(value("map_id:"), value("memlock:").unwrap_or(0));
        }
    }
    maps.into_values().sum()
}

/// The least mean time of a run of the program, in nanoseconds.
fn cost(plane: &Plane, frame: &[u8]) -> u64 {
    (0..40).map(|_| plane.dataplane.run(programs::XDP, frame, 20_000).unwrap().1).min().unwrap()
}

/// The country is cached with the client, however many networks it has.
#[test]
fn a_country_of_half_a_million_networks_costs_a_known_client_nothing() {
    if tools::skipped("a_country_of_half_a_million_networks_costs_a_known_client_nothing", &[]) {
        return;
    }
    let networks = country(500_000);
    let mut plane = Plane::load(Capacities { scopes: 1_000, ..SMALL }).unwrap();
    let IpAddr::V4(client) = networks[0].network() else { panic!("IPv4 comes first") };
    let frame = Frame::v4(client).udp(b"x").bytes();
    plane.run(&frame, 10).unwrap();
    let without = cost(&plane, &frame);
    let before = memory_of_tries();
    let entries: Vec<(IpNet, u32)> = networks.iter().map(|network| (*network, 1)).collect();
    let start = now();
    plane.dataplane.tries.set_scopes(&entries).unwrap();
    let written = start.elapsed();
    plane.dataplane.publish_policy(prefixes::SCOPES | prefixes::SCOPES << 1, 0);
    let memory = memory_of_tries() - before;
    plane.run(&frame, 10).unwrap();
    let with = cost(&plane, &frame);
    println!(
        "{} networks in {written:?}, {memory} bytes; a known client's packet: {without} ns without, {with} ns with",
        networks.len()
    );
    assert!(networks.len() > 450_000);
    assert!(written < Duration::from_secs(20), "{written:?}");
    assert!(memory / (networks.len() as u64) < 256, "{memory} bytes");
    // Another trie look-up takes as long as the rest; what else the machine does is not to fail this.
    assert!(with <= without + without / 4 + 5, "{without} ns without, {with} ns with");
}
