//! Another parser reads the same frames.

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::frames::{cooked, ethernet, tagged, v4, v6};
use super::property::tcp;
use super::writer::{Order, Packet, pcap};
use super::{Seen, read};
use crate::capture::Endpoint;

/// What etherparse makes of a frame; `None` if it sees no TCP segment, or one of a fragment.
fn oracle(sliced: &LaxSlicedPacket<'_>) -> Option<Seen> {
    let (source, destination, payload) = match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { return None };
    let ports = [tcp.source_port(), tcp.destination_port()];
    if payload.fragmented || sliced.stop_err.is_some() {
        return None;
    }
    let bit = |set: bool, place: u32| u8::from(set) << place;
    let flags = bit(tcp.fin(), 0)
        | bit(tcp.syn(), 1)
        | bit(tcp.rst(), 2)
        | bit(tcp.psh(), 3)
        | bit(tcp.ack(), 4)
        | bit(tcp.urg(), 5)
        | bit(tcp.ece(), 6)
        | bit(tcp.cwr(), 7);
    Some(Seen {
        nanos: 1,
        source: Endpoint::new(source, ports[0]),
        destination: Endpoint::new(destination, ports[1]),
        direction: None,
        sequence: tcp.sequence_number(),
        acknowledgement: tcp.acknowledgment_number(),
        flags,
        urgent: tcp.urgent_pointer(),
        length: u32::try_from(tcp.payload().len()).unwrap(),
        payload: tcp.payload().to_vec(),
    })
}

fn ours(link: u16, frame: &[u8]) -> Option<Seen> {
    let outcome = read(pcap(Order::Little, true, link, &[Packet::new(1, frame)])).whole();
    outcome.seen.into_iter().next().map(|seen| Seen { direction: None, ..seen })
}

fn ethernet_oracle(frame: &[u8]) -> Option<Seen> {
    oracle(&LaxSlicedPacket::from_ethernet(frame).ok()?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn etherparse_reads_valid_frames_alike(tcp in tcp(), padding in 0..20_usize) {
        let datagram = tcp.datagram();
        let ethertype = super::frames::ethertype(&datagram);
        for mut frame in [
            ethernet(&datagram),
            tagged(&[0x8100], ethertype, &datagram),
            tagged(&[0x88a8, 0x8100], ethertype, &datagram),
        ] {
            frame.resize(frame.len() + padding, 0);
            let seen = ours(1, &frame);
            prop_assert!(seen.is_some());
            prop_assert_eq!(seen, ethernet_oracle(&frame));
        }
        let sliced = LaxSlicedPacket::from_ip(&datagram).unwrap();
        prop_assert_eq!(ours(101, &datagram), oracle(&sliced));
        let frame = cooked(3, &datagram);
        let behind = LaxSlicedPacket::from_ether_type(etherparse::EtherType(ethertype), &frame[16..]);
        prop_assert_eq!(ours(113, &frame), oracle(&behind));
    }

    /// Where both see a segment in a damaged frame, it is the same one, and we see none that is not there.
    #[test]
    fn etherparse_reads_damaged_frames_alike(
        six in any::<bool>(),
        changes in prop::collection::vec((0..80_usize, any::<u8>()), 1..4),
    ) {
        let mut frame = ethernet(&if six { v6() } else { v4() }.datagram());
        for (at, byte) in changes {
            frame[at % 80] = byte;
        }
        if let Some(seen) = ours(1, &frame) {
            prop_assert_eq!(Some(seen), ethernet_oracle(&frame));
        }
    }
}
