//! Many prefixes written and removed by batch: all of them, and how long it takes.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails; and it tells what it measured"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sensor::kernel::{Capacities, TrieKind};
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
