use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::fuzz;
use super::frames::{Tcp, every_link, v4, v6};
use super::writer::{Ng, Order, Packet, gzip, pcap};
use super::{Seen, read};

pub(super) fn tcp() -> impl Strategy<Value = Tcp> {
    // A 6to4 prefix, lest an address be a mapped one.
    let six = |low: u64| IpAddr::V6(Ipv6Addr::from_bits(0x2002 << 112 | u128::from(low)));
    let four = |address: u32| IpAddr::V4(Ipv4Addr::from_bits(address));
    let addresses = prop_oneof![
        any::<[u32; 2]>().prop_map(move |pair| pair.map(four)),
        any::<[u64; 2]>().prop_map(move |pair| pair.map(six)),
    ];
    let words = (0..=10_usize).prop_flat_map(|words| vec(Just(1_u8), words * 4));
    let payload = vec(any::<u8>(), 0..60);
    (addresses, any::<([u16; 2], u32, u32, u8, u16)>(), words, payload).prop_map(
        |([source, destination], (ports, sequence, acknowledgement, flags, urgent), options, payload)| Tcp {
            source,
            destination,
            ports,
            sequence,
            acknowledgement,
            flags,
            urgent,
            options,
            payload,
        },
    )
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Little), Just(Order::Big)]
}

/// A file of one link type and what is in it.
fn file() -> impl Strategy<Value = (Vec<u8>, Vec<Seen>)> {
    let seconds = 0..4_000_000_000_u64;
    let packet = (tcp(), seconds, 0..1_000_000_000_u64, 0..200_usize);
    (vec(packet, 0..12), any::<prop::sample::Index>(), order(), 0..4).prop_map(
        |(packets, link, order, format)| {
            let mut files: Vec<(u16, Packet, Seen)> = Vec::new();
            for (tcp, seconds, nanos, snap) in packets {
                let nanos = seconds * 1_000_000_000 + nanos;
                let datagram = tcp.datagram();
                let mut links = every_link(&datagram);
                // The last one differs by family.
                links.pop();
                let (number, frame) = links.swap_remove(link.index(links.len()));
                let headers = frame.len() - tcp.payload.len();
                let packet = Packet::new(nanos, frame).cut(headers + snap);
                let mut seen = tcp.seen(nanos, None);
                seen.payload.truncate(snap);
                files.push((number, packet, seen));
            }
            let number = files.first().map_or(1, |file| file.0);
            let packets: Vec<Packet> = files.iter().map(|file| file.1.clone()).collect();
            let seen = files.into_iter().map(|file| file.2).collect();
            let bytes = match format {
                0 => pcap(order, true, number, &packets),
                1 => gzip(&pcap(order, true, number, &packets)),
                _ => {
                    let file = Ng::new(order).interface(number, 0, &[(9, &[9])]);
                    packets
                        .iter()
                        .fold(file, |file, packet| match format {
                            2 => file.enhanced(0, packet.nanos, packet, &[]),
                            _ => file.old(0, packet.nanos, packet, &[(1, b"comment")]),
                        })
                        .bytes
                }
            };
            (bytes, seen)
        },
    )
}

/// A file with bytes changed, cut out and repeated.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let index = any::<prop::sample::Index>;
    let change = (index(), prop_oneof![any::<u8>(), Just(0), Just(0xff)]);
    (file(), vec(change, 0..6), index(), index(), 0..4).prop_map(
        |((mut bytes, _), changes, from, to, kind)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let range = from.min(to)..from.max(to);
            match kind {
                0 => bytes.truncate(range.start),
                1 => drop(bytes.drain(range)),
                2 => bytes.extend_from_within(range),
                _ => {}
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read((bytes, written) in file()) {
        let outcome = read(bytes);
        prop_assert!(outcome.error.is_none(), "{}", outcome.message());
        prop_assert_eq!(outcome.seen.len(), written.len());
        for (read, written) in outcome.seen.into_iter().zip(written) {
            prop_assert_eq!(Seen { direction: None, ..read }, written);
        }
    }

    #[test]
    fn the_fuzz_entry_holds_over_mutated_files(bytes in mutated()) {
        fuzz::next_segment(&bytes);
    }

    #[test]
    fn the_fuzz_entry_holds_over_mutated_files_once_compressed(bytes in mutated()) {
        fuzz::next_segment(&gzip(&bytes));
    }

    #[test]
    fn the_fuzz_entry_holds_over_random_bytes(bytes in vec(any::<u8>(), 0..2_000), kind in 0..6_usize) {
        let beginnings = [
            vec![],
            pcap(Order::Little, false, 1, &[]),
            pcap(Order::Big, true, 101, &[]),
            pcap(Order::Little, true, 276, &[]),
            Ng::new(Order::Little).interface(1, 0, &[]).bytes,
            Ng::new(Order::Big).interface(0, 0, &[]).bytes,
        ];
        fuzz::next_segment(&[&beginnings[kind][..], &bytes].concat());
    }

    /// Most random bytes are stopped by the first length; this hands whole random frames to the parsers.
    #[test]
    fn the_fuzz_entry_holds_over_random_frames(frames in vec((any::<bool>(), vec(any::<(u8, u8)>(), 0..8)), 1..20)) {
        let packets: Vec<(u16, Packet)> = frames
            .into_iter()
            .enumerate()
            .flat_map(|(number, (six, changes))| {
                let mut links = every_link(&if six { v6() } else { v4() }.datagram());
                let (link, mut frame) = links.swap_remove(number % links.len());
                for (at, byte) in changes {
                    if let Some(place) = frame.get_mut(usize::from(at)) {
                        *place = byte;
                    }
                }
                [(link, Packet::new(1, frame))]
            })
            .collect();
        for (link, packet) in packets {
            fuzz::next_segment(&pcap(Order::Little, true, link, &[packet]));
        }
    }
}
