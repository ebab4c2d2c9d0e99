//! Packets for fixtures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Seen;
use crate::capture::{Direction, Endpoint};

/// A TCP segment to be.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ports: [u16; 2],
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    pub(super) urgent: u16,
    /// A multiple of 4 bytes, at most 40.
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

pub(super) fn v4() -> Tcp {
    Tcp {
        source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        destination: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
        ports: [40_000, 80],
        sequence: 0xfeed_0001,
        acknowledgement: 0x1234_5678,
        flags: 0x18,
        urgent: 0,
        options: vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    }
}

pub(super) fn v6() -> Tcp {
    Tcp {
        source: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        destination: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
        ..v4()
    }
}

impl Tcp {
    pub(super) fn segment(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.ports[0].to_be_bytes());
        out.extend_from_slice(&self.ports[1].to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.acknowledgement.to_be_bytes());
        let words = u8::try_from(5 + self.options.len() / 4).unwrap();
        out.extend_from_slice(&[words << 4, self.flags, 0x10, 0, 0, 0]);
        out.extend_from_slice(&self.urgent.to_be_bytes());
        out.extend_from_slice(&self.options);
        out.extend_from_slice(&self.payload);
        out
    }

    /// As a datagram without options or extension headers.
    pub(super) fn datagram(&self) -> Vec<u8> {
        self.datagram_of(6, &[], &self.segment())
    }

    /// Another protocol, options (IPv4) or extension headers (IPv6, in front of `protocol`'s body), and body
    /// between the same addresses.
    pub(super) fn datagram_of(&self, protocol: u8, options: &[u8], body: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let words = u8::try_from(5 + options.len() / 4).unwrap();
                let length = u16::try_from(20 + options.len() + body.len()).unwrap_or(0);
                let mut out = vec![0x40 | words, 0];
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(&[0, 1, 0x40, 0, 64, protocol, 0, 0]);
                out.extend_from_slice(&source.octets());
                out.extend_from_slice(&destination.octets());
                out.extend_from_slice(options);
                let words = out.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
                let sum: u32 = words.sum();
                let folded = (sum & 0xffff) + (sum >> 16);
                let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
                out[10..12].copy_from_slice(&checksum.to_be_bytes());
                [&out[..], body].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let length = u16::try_from(options.len() + body.len()).unwrap_or(0);
                let mut out = vec![0x60, 0, 0, 0];
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(&[protocol, 64]);
                out.extend_from_slice(&source.octets());
                out.extend_from_slice(&destination.octets());
                [&out[..], options, body].concat()
            }
            _ => panic!("addresses of two families"),
        }
    }

    /// What a reader should make of it.
    pub(super) fn seen(&self, nanos: u64, direction: Option<Direction>) -> Seen {
        Seen {
            nanos,
            source: Endpoint::new(self.source, self.ports[0]),
            destination: Endpoint::new(self.destination, self.ports[1]),
            direction,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            flags: self.flags,
            urgent: self.urgent,
            length: u32::try_from(self.payload.len()).unwrap(),
            payload: self.payload.clone(),
        }
    }
}

pub(super) fn ethertype(datagram: &[u8]) -> u16 {
    if datagram[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

pub(super) fn ethernet(datagram: &[u8]) -> Vec<u8> {
    tagged(&[], ethertype(datagram), datagram)
}

/// Ethernet with tags of these types, outermost first.
pub(super) fn tagged(tags: &[u16], ethertype: u16, datagram: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        out.extend_from_slice(&tag.to_be_bytes());
        out.extend_from_slice(&[0, 7]);
    }
    out.extend_from_slice(&ethertype.to_be_bytes());
    out.extend_from_slice(datagram);
    out
}

pub(super) fn cooked(packet_type: u16, datagram: &[u8]) -> Vec<u8> {
    let mut out = packet_type.to_be_bytes().to_vec();
    out.extend_from_slice(&[0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    out.extend_from_slice(&ethertype(datagram).to_be_bytes());
    out.extend_from_slice(datagram);
    out
}

pub(super) fn cooked2(packet_type: u8, datagram: &[u8]) -> Vec<u8> {
    let mut out = ethertype(datagram).to_be_bytes().to_vec();
    out.extend_from_slice(&[0, 0, 0, 0, 0, 3, 0, 1, packet_type, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    out.extend_from_slice(datagram);
    out
}

pub(super) fn loopback(family: [u8; 4], datagram: &[u8]) -> Vec<u8> {
    [&family[..], datagram].concat()
}

/// A frame for each link type that carries this datagram.
pub(super) fn every_link(datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let six = datagram[0] >> 4 == 6;
    let family = if six { 24_u32 } else { 2 };
    let mut frames = vec![
        (1, ethernet(datagram)),
        (1, tagged(&[0x8100], ethertype(datagram), datagram)),
        (1, tagged(&[0x88a8, 0x8100], ethertype(datagram), datagram)),
        (113, cooked(0, datagram)),
        (113, cooked(4, datagram)),
        (276, cooked2(0, datagram)),
        (276, cooked2(4, datagram)),
        (0, loopback(family.to_le_bytes(), datagram)),
        (0, loopback(family.to_be_bytes(), datagram)),
        (108, loopback(family.to_be_bytes(), datagram)),
        (101, datagram.to_vec()),
        (12, datagram.to_vec()),
        (14, datagram.to_vec()),
    ];
    frames.push((if six { 229 } else { 228 }, datagram.to_vec()));
    frames
}
