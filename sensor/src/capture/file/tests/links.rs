use super::frames::{cooked, cooked2, ethernet, ethertype, every_link, loopback, tagged, v4, v6};
use super::writer::{Order, Packet, pcap};
use super::{Outcome, Passed, read};
use crate::capture::Direction;

fn one(link: u16, frame: Vec<u8>) -> Outcome {
    read(pcap(Order::Little, true, link, &[Packet::new(1, frame)]))
}

#[test]
fn every_link_type_carries_both_families() {
    for tcp in [v4(), v6()] {
        for (link, frame) in every_link(&tcp.datagram()) {
            let outcome = one(link, frame.clone()).whole();
            let direction = outcome.seen.first().and_then(|seen| seen.direction);
            assert_eq!(outcome.seen, [tcp.seen(1, direction)], "link type {link}: {frame:02x?}");
        }
    }
}

#[test]
fn cooked_captures_know_the_direction() {
    let datagram = v4().datagram();
    for (packet_type, direction) in
        [(0, Some(Direction::Ingress)), (1, None), (2, None), (3, None), (4, Some(Direction::Egress))]
    {
        assert_eq!(one(113, cooked(packet_type.into(), &datagram)).seen[0].direction, direction);
        assert_eq!(one(276, cooked2(packet_type, &datagram)).seen[0].direction, direction);
    }
    assert_eq!(one(1, ethernet(&datagram)).seen[0].direction, None);
}

#[test]
fn tags_are_followed_as_far_as_in_the_kernel() {
    let datagram = v6().datagram();
    for depth in 0..=sensor_common::packet::MAX_TAGS {
        let outcome = one(1, tagged(&vec![0x9100; depth], ethertype(&datagram), &datagram));
        assert_eq!(outcome.seen.len(), 1, "{depth} tags");
    }
    let outcome =
        one(1, tagged(&[0x8100; sensor_common::packet::MAX_TAGS + 1], ethertype(&datagram), &datagram));
    assert_eq!(outcome.passed(), [(Passed::VlanDepth, 1)]);
    assert_eq!(outcome.counters.malformed(), 1);
}

#[test]
fn tags_are_followed_in_cooked_captures() {
    let datagram = v4().datagram();
    let mut frame = cooked(0, &datagram);
    frame.splice(14..16, [0x81, 0, 0, 5, 8, 0]);
    assert_eq!(one(113, frame).seen, [v4().seen(1, Some(Direction::Ingress))]);
}

#[test]
fn address_families_of_all_systems_are_known_in_both_byte_orders() {
    for family in [10_u32, 24, 28, 30] {
        for bytes in [family.to_le_bytes(), family.to_be_bytes()] {
            for link in [0, 108] {
                assert_eq!(one(link, loopback(bytes, &v6().datagram())).seen.len(), 1, "{bytes:?}");
            }
        }
    }
    for other in [[0, 0, 0, 0], [0, 0, 0, 7], [7, 0, 0, 0], [2, 0, 0, 2], [255; 4]] {
        let outcome = one(0, loopback(other, &v4().datagram()));
        assert_eq!(outcome.passed(), [(Passed::NotIp, 1)], "{other:?}");
    }
}

#[test]
fn what_is_not_ip_is_counted_by_kind() {
    let datagram = v4().datagram();
    for (link, frame, kind) in [
        (1, tagged(&[], 0x0806, &[0; 28]), Passed::NotIp),
        (1, tagged(&[], 0x002e, &[0xaa; 46]), Passed::NotIp),
        (1, tagged(&[0x8100], 0x88cc, &[0; 46]), Passed::NotIp),
        (1, tagged(&[], 0x8847, &datagram), Passed::Tunnel),
        (1, tagged(&[], 0x8864, &datagram), Passed::Tunnel),
        (101, vec![0x50; 40], Passed::NotIp),
        (228, v6().datagram(), Passed::Ipv4Header),
        (229, v4().datagram(), Passed::Ipv6Header),
        (1, vec![0; 13], Passed::LinkHeader),
        (1, tagged(&[0x8100], 0x0800, &[])[..17].to_vec(), Passed::LinkHeader),
        (113, vec![0; 15], Passed::LinkHeader),
        (276, vec![0; 19], Passed::LinkHeader),
        (0, vec![0; 3], Passed::LinkHeader),
        (101, vec![], Passed::LinkHeader),
    ] {
        let outcome = one(link, frame.clone()).whole();
        assert_eq!(outcome.passed(), [(kind, 1)], "link type {link}: {frame:02x?}");
        assert!(outcome.seen.is_empty());
    }
}

#[test]
fn an_unsupported_link_type_is_named_with_its_packet() {
    for (link, message) in [
        (127, "a.pcap: packet 1: link type 127 (IEEE 802.11 with radiotap header) is not supported"),
        (147, "a.pcap: packet 1: link type 147 (reserved for private use) is not supported"),
        (239, "a.pcap: packet 1: link type 239 (Linux NFLOG) is not supported"),
        (9_999, "a.pcap: packet 1: link type 9999 (unknown here) is not supported"),
    ] {
        let outcome = one(link, vec![0; 60]);
        assert_eq!(outcome.message(), message);
        assert_eq!(outcome.counters.packets, 0);
    }
    // Nothing is missed where it has no packets.
    assert!(read(pcap(Order::Little, true, 127, &[])).error.is_none());
}
