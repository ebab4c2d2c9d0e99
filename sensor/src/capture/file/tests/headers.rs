use super::frames::{Tcp, ethernet, v4, v6};
use super::writer::{Order, Packet, pcap};
use super::{Outcome, Passed, Seen, read};

fn raw(datagram: impl Into<Vec<u8>>) -> Outcome {
    one(101, Packet::new(1, datagram))
}

fn one(link: u16, packet: Packet) -> Outcome {
    read(pcap(Order::Little, true, link, &[packet])).whole()
}

#[track_caller]
fn is_segment(outcome: &Outcome, tcp: &Tcp) {
    assert_eq!(outcome.passed(), []);
    assert_eq!(outcome.seen, [tcp.seen(1, None)]);
}

#[track_caller]
fn is_passed(outcome: &Outcome, kind: Passed) {
    assert_eq!((outcome.passed(), &outcome.seen[..]), (vec![(kind, 1)], &[][..]));
}

/// A change of one byte.
fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    bytes[at] = byte;
    bytes
}

#[test]
fn ethernet_padding_is_no_payload() {
    for tcp in [v4(), v6()] {
        let tcp = Tcp { payload: vec![], options: vec![], ..tcp };
        let mut frame = ethernet(&tcp.datagram());
        frame.resize(frame.len().max(60) + 4, 0xaa);
        is_segment(&one(1, Packet::new(1, frame)), &tcp);
    }
}

#[test]
fn options_of_ipv4_and_tcp_are_passed_over() {
    for words in 0..=10 {
        let tcp = Tcp { options: vec![1; words * 4], ..v4() };
        for words in 0..=10 {
            is_segment(&raw(tcp.datagram_of(6, &vec![1; words * 4], &tcp.segment())), &tcp);
        }
    }
}

#[test]
fn a_length_of_zero_means_the_rest_of_the_frame() {
    // What offloaded segmentation leaves in the header; above 64 KiB nothing else can stand there.
    for (tcp, size) in [(v4(), 3_000), (v4(), 120_000), (v6(), 3_000), (v6(), 120_000)] {
        let tcp = Tcp { payload: vec![b'x'; size], ..tcp };
        let at = if tcp.source.is_ipv4() { 2 } else { 4 };
        let mut frame = ethernet(&tcp.datagram());
        frame[14 + at..16 + at].fill(0);
        is_segment(&one(1, Packet::new(1, frame.clone())), &tcp);
        let outcome = one(1, Packet::new(1, frame).cut(200));
        assert_eq!(outcome.seen[0].length, u32::try_from(size).unwrap());
        assert!(outcome.seen[0].payload.len() < 200);
        assert_eq!(outcome.counters.cut, 1);
    }
}

#[test]
fn a_length_of_zero_is_not_believed_without_end() {
    let mut packet = Packet::new(1, with(with(v4().datagram(), 2, 0), 3, 0));
    packet.original = u32::MAX;
    is_passed(&one(101, packet), Passed::IpLength);
}

#[test]
fn a_jumbo_payload_option_is_the_length() {
    // RFC 2675; here with padding options in front, and bytes behind the datagram.
    let tcp = Tcp { payload: vec![b'x'; 70_000], ..v6() };
    for (padding, units) in [(&[][..], 0), (&[1, 2, 0, 0, 1, 0][..], 1), (&[0, 0, 0, 1, 1, 0][..], 1)] {
        let length = u32::try_from(padding.len() + 8 + tcp.segment().len() + if units == 1 { 2 } else { 0 });
        let mut header = [&[6, units][..], padding, &[0xc2, 4], &length.unwrap().to_be_bytes()].concat();
        header.resize((usize::from(units) + 1) * 8, 0);
        let mut datagram = tcp.datagram_of(0, &header, &tcp.segment());
        datagram.extend_from_slice(b"trailer");
        is_segment(&raw(datagram), &tcp);
    }
    // Without one, all that is left.
    let datagram = tcp.datagram_of(0, &[6, 0, 1, 4, 0, 0, 0, 0], &tcp.segment());
    is_segment(&raw(datagram), &tcp);
    let lie = tcp.datagram_of(0, &[6, 0, 0xc2, 4, 0, 9, 0, 0], &tcp.segment());
    is_passed(&raw(lie), Passed::IpLength);
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let tcp = v6();
    let empty = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    let long = [6, 1, 0x1e, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let routing = |next| [next, 0, 0, 0, 0, 0, 0, 0];
    let atomic = [6, 0, 0, 0, 1, 2, 3, 4];
    for (first, headers) in [
        (0, empty(6).to_vec()),
        (43, routing(6).to_vec()),
        (60, long.to_vec()),
        (44, atomic.to_vec()),
        (0, [&empty(43)[..], &routing(44), &[60, 0, 0, 0, 1, 2, 3, 4], &empty(6)].concat()),
    ] {
        is_segment(&raw(tcp.datagram_of(first, &headers, &tcp.segment())), &tcp);
    }
    let chain = |number: usize| [vec![empty(60); number - 1].concat(), empty(6).to_vec()].concat();
    for number in [8, 9, 170, 5_000] {
        is_segment(&raw(tcp.datagram_of(60, &chain(number), &tcp.segment())), &tcp);
    }
    // What Linux does not know, it does not pass over.
    for unknown in [51, 135, 139, 140] {
        is_passed(&raw(tcp.datagram_of(unknown, &empty(6), &tcp.segment())), Passed::NotTcp);
    }
    is_passed(&raw(tcp.datagram_of(60, &[6, 200], &[0; 6])), Passed::ExtensionHeader);
    is_passed(&raw(tcp.datagram_of(60, &[6, 0], &[0; 5])), Passed::ExtensionHeader);
    is_passed(&raw(tcp.datagram_of(59, &[], &tcp.segment())), Passed::NotTcp);
}

#[test]
fn fragments_are_counted_the_first_one_too() {
    let datagram = v4().datagram();
    for (high, low) in [(0x20, 0), (0x20, 1), (0, 1), (0x1f, 0xff)] {
        is_passed(&raw(with(with(datagram.clone(), 6, high), 7, low)), Passed::Fragment);
    }
    for fragment in [[0, 1], [0, 8], [0, 9], [0xff, 0xf8]] {
        let header = [6, 0, fragment[0], fragment[1], 0, 0, 0, 1];
        is_passed(&raw(v6().datagram_of(44, &header, &v6().segment())), Passed::Fragment);
    }
}

#[test]
fn tunnels_and_other_protocols_are_counted() {
    for tcp in [v4(), v6()] {
        for protocol in [4, 41, 47, 97, 137] {
            is_passed(&raw(tcp.datagram_of(protocol, &[], &v4().datagram())), Passed::Tunnel);
        }
        for (port, kind) in [
            (4_789_u16, Passed::Tunnel),
            (8_472, Passed::Tunnel),
            (6_081, Passed::Tunnel),
            (2_152, Passed::Tunnel),
            (53, Passed::NotTcp),
        ] {
            let [high, low] = port.to_be_bytes();
            is_passed(&raw(tcp.datagram_of(17, &[], &[48, 57, high, low, 0, 8, 0, 0])), kind);
        }
        for protocol in [1, 2, 50, 58, 132, 255] {
            is_passed(&raw(tcp.datagram_of(protocol, &[], &[8; 20])), Passed::NotTcp);
        }
        is_passed(&raw(tcp.datagram_of(17, &[], &[1])), Passed::NotTcp);
    }
}

#[test]
fn headers_that_cannot_be_are_malformed() {
    let (four, six) = (v4().datagram(), v6().datagram());
    for (datagram, kind) in [
        (with(four.clone(), 0, 0x44), Passed::Ipv4Header),
        (with(with(four.clone(), 2, 0), 3, 19), Passed::Ipv4Header),
        (with(four.clone(), 3, 255), Passed::IpLength),
        (four[..19].to_vec(), Passed::Ipv4Header),
        (with(six.clone(), 5, 255), Passed::IpLength),
        (six[..39].to_vec(), Passed::Ipv6Header),
        (four[..four.len() - 1].to_vec(), Passed::IpLength),
        (six[..six.len() - 1].to_vec(), Passed::IpLength),
        (with(with(four.clone(), 2, 0), 3, 39), Passed::TcpHeader),
        (with(four.clone(), 32, 0x40), Passed::TcpHeader),
        (with(four.clone(), 32, 0xf0), Passed::TcpHeader),
        (with(with(six.clone(), 4, 0), 5, 19), Passed::TcpHeader),
    ] {
        let outcome = raw(datagram);
        assert_eq!(outcome.counters.malformed(), 1);
        is_passed(&outcome, kind);
    }
}

#[test]
fn a_mapped_address_in_an_ipv6_header_does_not_pass_for_the_ipv4_one() {
    let mapped = |octets: [u8; 4]| std::net::Ipv4Addr::from(octets).to_ipv6_mapped().into();
    let (source, destination) = (v6().source, v6().destination);
    is_passed(&raw(Tcp { source: mapped([10, 0, 0, 1]), ..v6() }.datagram()), Passed::Ipv6Header);
    is_passed(&raw(Tcp { destination: mapped([10, 0, 0, 1]), ..v6() }.datagram()), Passed::Ipv6Header);
    is_segment(&raw(Tcp { source, destination, ..v6() }.datagram()), &v6());
}

#[test]
fn a_snap_length_cuts_the_payload_but_not_its_length() {
    for tcp in [v4(), v6()] {
        let frame = ethernet(&tcp.datagram());
        let headers = frame.len() - tcp.payload.len();
        let needed = headers - tcp.options.len();
        for snap in 0..=frame.len() {
            let outcome = one(1, Packet::new(1, frame.clone()).cut(snap));
            if snap < needed {
                is_passed(&outcome, Passed::Truncated);
                continue;
            }
            let payload = tcp.payload[..snap.saturating_sub(headers)].to_vec();
            assert_eq!(outcome.counters.cut, u64::from(snap < frame.len()), "snap length {snap}");
            assert_eq!(outcome.seen, [Seen { payload, ..tcp.seen(1, None) }], "snap length {snap}");
        }
    }
}

#[test]
fn a_frame_is_at_least_as_long_as_what_was_captured_of_it() {
    let mut packet = Packet::new(1, v4().datagram());
    packet.original = 0;
    is_segment(&one(101, packet), &v4());
}
