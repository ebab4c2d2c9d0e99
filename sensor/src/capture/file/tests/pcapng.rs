use super::frames::{cooked, ethernet, every_link, v4, v6};
use super::writer::{Ng, ORDERS, Order, Packet, gzip, pcap};
use super::{FileConfig, Passed, Seen, read, read_from};
use crate::capture::Direction;

const MICROS: u64 = 1_700_000_000_123_456;

fn four() -> Packet {
    Packet::new(0, ethernet(&v4().datagram()))
}

#[test]
fn every_kind_of_packet_block_in_both_byte_orders() {
    for order in ORDERS {
        let file = Ng::new(order)
            .interface(1, 262_144, &[])
            .enhanced(0, MICROS, &four(), &[])
            .simple(&four())
            .old(0, MICROS + 1, &four(), &[]);
        let outcome = read(&file.bytes).whole();
        // The simple one has no time of its own.
        let times = [MICROS, MICROS, MICROS + 1].map(|micros| v4().seen(micros * 1_000, None));
        assert_eq!(outcome.seen, times, "{order:?}");
        assert_eq!(outcome.counters.untimed, 1);
        assert_eq!(read(gzip(&file.bytes)).whole().seen, times);
    }
}

#[test]
fn every_link_type_reads_as_in_pcap() {
    for order in ORDERS {
        for (link, frame) in every_link(&v6().datagram()) {
            let packet = Packet::new(5, frame);
            let file = Ng::new(order).interface(link, 0, &[(9, &[9])]).enhanced(0, 5, &packet, &[]);
            let old = read(pcap(order, true, link, &[packet])).whole();
            assert_eq!(read(file.bytes).whole().seen, old.seen, "link type {link}");
        }
    }
}

#[test]
fn each_section_has_its_own_byte_order_and_interfaces() {
    let mut file = Ng::new(Order::Little);
    for (number, order) in [Order::Big, Order::Little, Order::Big].into_iter().enumerate() {
        file = file
            .section(order)
            .interface(101, 0, &[])
            .interface(1, 0, &[])
            .enhanced(1, number as u64, &four(), &[])
            .enhanced(0, number as u64, &Packet::new(0, v6().datagram()), &[]);
    }
    let outcome = read(&file.bytes).whole();
    let expected: Vec<Seen> = (0..3)
        .flat_map(|number| [v4().seen(number * 1_000, None), v6().seen(number * 1_000, None)])
        .collect();
    assert_eq!(outcome.seen, expected);
    assert_eq!(outcome.counters.interfaces, 6);

    let outcome = read(file.section(Order::Little).enhanced(0, 0, &four(), &[]).bytes);
    assert_eq!(outcome.seen, expected);
    assert_eq!(
        outcome.message(),
        "a.pcap: packet 7: the packet is of interface 0, but the section describes none"
    );
}

#[test]
fn each_interface_has_its_own_resolution_and_offset() {
    for order in ORDERS {
        let offset = |seconds: i64| order.u64(seconds.cast_unsigned());
        let file = Ng::new(order)
            .interface(1, 0, &[(9, &[3])])
            .interface(1, 0, &[(2, b"eth0"), (9, &[0x80 | 20]), (14, &offset(1_700_000_000))])
            .interface(1, 0, &[(14, &offset(-1)), (9, &[9])])
            // Options of a wrong length are as good as absent; nothing counts behind the end.
            .interface(1, 0, &[(9, &[9, 9]), (14, &[1; 4]), (0, &[]), (9, &[0])])
            .enhanced(0, 1_234, &four(), &[])
            .enhanced(1, 3 << 19, &four(), &[])
            .enhanced(2, 1_000_000_001, &four(), &[])
            .enhanced(3, 7, &four(), &[])
            .enhanced(0, u64::MAX, &four(), &[]);
        let times: Vec<u64> = read(file.bytes).whole().seen.iter().map(|seen| seen.nanos).collect();
        assert_eq!(times, [1_234_000_000, 1_700_000_001_500_000_000, 1, 7_000, u64::MAX], "{order:?}");
    }
}

#[test]
fn packet_flags_tell_the_direction() {
    for order in ORDERS {
        for (flags, direction) in
            [(0, None), (1, Some(Direction::Ingress)), (2, Some(Direction::Egress)), (3, None)]
        {
            let flags = order.u32(0x1230_0000 | flags);
            let options: &[(u16, &[u8])] = &[(1, b"comment"), (2, &flags), (4, &[0; 8])];
            let file = Ng::new(order)
                .interface(1, 0, &[])
                .enhanced(0, 0, &four(), options)
                .old(0, 0, &four(), options)
                .enhanced(0, 0, &four(), &[(0, &[]), (2, &flags)]);
            let seen: Vec<_> = read(file.bytes).whole().seen.iter().map(|seen| seen.direction).collect();
            assert_eq!(seen, [direction, direction, None], "{order:?} {flags:?}");
        }
    }
    // They win over what the link layer says.
    let packet = Packet::new(0, cooked(4, &v4().datagram()));
    let file = Ng::new(Order::Little).interface(113, 0, &[]).enhanced(0, 0, &packet, &[(2, &[1, 0, 0, 0])]);
    assert_eq!(read(file.bytes).whole().seen[0].direction, Some(Direction::Ingress));
}

#[test]
fn options_that_overrun_their_block_are_no_options() {
    let packet = four();
    for option in
        [&[2, 0, 255, 255][..], &[1, 0, 8, 0, 0, 0, 0, 0], &[1, 0, 255, 127, 2, 0, 4, 0, 1, 0, 0, 0]]
    {
        let mut body = vec![0; 12];
        body.extend_from_slice(&packet.original.to_le_bytes());
        body.extend_from_slice(&packet.original.to_le_bytes());
        body.extend_from_slice(&packet.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(option);
        let file = Ng::new(Order::Little).interface(1, 0, &[]).block(6, &body);
        assert_eq!(read(file.bytes).whole().seen, [v4().seen(0, None)], "{option:?}");
    }
}

#[test]
fn blocks_without_packets_are_passed_over_at_any_length() {
    let config = FileConfig { window_bytes: 64, max_packet_bytes: 4_096, ..FileConfig::default() };
    for order in ORDERS {
        let mut file = Ng::new(order).interface(1, 0, &[]);
        for kind in [4, 9, 10, 0xbad, 0x4000_0bad, 0x8000_0001, 0xffff_ffff, 0] {
            file = file.block(kind, &[]).block(kind, &[7; 200_000]).enhanced(0, 0, &four(), &[]);
        }
        let outcome = read_from(std::io::Cursor::new(file.bytes), &config).whole();
        assert_eq!(outcome.counters.segments, 8);
        assert_eq!(outcome.counters.skipped_blocks, 16);
    }
}

#[test]
fn a_simple_packet_is_as_long_as_the_snap_length_lets_it() {
    let whole = four();
    let snap = whole.original - 5;
    let cut = whole.cut(snap as usize);
    let file = Ng::new(Order::Big).interface(1, snap, &[]).simple(&cut);
    let outcome = read(file.bytes).whole();
    let expected = v4().seen(0, None);
    let payload = expected.payload[..expected.payload.len() - 5].to_vec();
    assert_eq!(outcome.seen, [Seen { payload, ..expected }]);
}

#[test]
fn what_the_capturing_program_lost_is_counted_once() {
    for order in ORDERS {
        let count = |number: u64| order.u64(number);
        let file = Ng::new(order)
            .interface(1, 0, &[])
            .interface(1, 0, &[])
            .statistics(0, &[(4, &count(100)), (5, &count(3)), (7, &count(2))])
            .statistics(1, &[(5, &count(10))])
            .statistics(0, &[(5, &count(4)), (7, &count(2))])
            .statistics(0, &[(5, &count(1))])
            .statistics(2, &[(5, &count(1_000))])
            .statistics(1, &[]);
        assert_eq!(read(file.bytes).whole().counters.lost_before, 16);
    }
}

#[test]
fn the_number_of_interfaces_is_bounded() {
    let config = FileConfig { max_interfaces: 2, ..FileConfig::default() };
    let mut file = Ng::new(Order::Little);
    for _ in 0..3 {
        file = file.section(Order::Little).interface(1, 0, &[]).interface(1, 0, &[]);
    }
    let file = file.enhanced(1, 0, &four(), &[]);
    let within = read_from(std::io::Cursor::new(file.bytes.clone()), &config).whole();
    assert_eq!((within.counters.interfaces, within.counters.segments), (6, 1));
    let beyond = read_from(std::io::Cursor::new(file.interface(1, 0, &[]).bytes), &config);
    assert_eq!(beyond.seen.len(), 1);
    assert_eq!(beyond.message(), "a.pcap: after packet 1: the section describes more than 2 interfaces");
}

/// Interfaces of other kinds stand beside those of a host: a USB port, a Bluetooth adapter, a log.
#[test]
fn packets_of_an_interface_that_is_not_read_are_passed_over_and_counted() {
    for order in ORDERS {
        let file = Ng::new(order)
            .interface(147, 0, &[])
            .interface(1, 0, &[])
            .interface(239, 0, &[])
            .enhanced(0, MICROS, &Packet::new(0, vec![7; 50]), &[])
            .enhanced(1, MICROS, &four(), &[])
            .simple(&four())
            .enhanced(2, MICROS, &four(), &[])
            .enhanced(1, MICROS + 1, &four(), &[]);
        let outcome = read(&file.bytes).whole();
        assert_eq!(outcome.seen, [MICROS, MICROS + 1].map(|micros| v4().seen(micros * 1_000, None)));
        assert_eq!(outcome.passed(), [(Passed::LinkType, 3)]);
        assert_eq!(outcome.counters.packets, 5);
    }
    // Where nothing can be read, that is an error.
    let file = Ng::new(Order::Little).interface(147, 0, &[]).enhanced(0, MICROS, &four(), &[]);
    let outcome = read(&file.bytes);
    assert_eq!(
        outcome.message(),
        "a.pcap: after packet 1: link type 147 (reserved for private use) is not supported"
    );
}
