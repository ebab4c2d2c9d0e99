//! The frames that are measured: Ethernet, IPv4, TCP.

use std::net::Ipv4Addr;

/// What the TCP segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Data that does not start like an HTTP/1 request.
    Data,
    /// The start of an HTTP/1 request.
    Request,
    /// The start of a connection.
    Open,
}

/// Where frames go.
pub(crate) const DESTINATION: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Hardware address of the receiving interfaces.
pub(crate) const DESTINATION_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

const SYN: u8 = 0x02;
const PSH_ACK: u8 = 0x18;

/// A frame from `source`. Its checksums are zero: neither XDP programs nor nftables' ingress hook ask.
pub(crate) fn tcp(source: Ipv4Addr, segment: Segment) -> Vec<u8> {
    let (flags, payload): (u8, &[u8]) = match segment {
        Segment::Data => {
            (PSH_ACK, b"\x17\x03\x03\x00\x40 application data of some sixty bytes, as TLS has them")
        }
        Segment::Request => (PSH_ACK, b"GET /api/items/17 HTTP/1.1\r\nHost: api.example\r\n\r\n"),
        Segment::Open => (SYN, b""),
    };
    let total = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::new();
    frame.extend_from_slice(&DESTINATION_MAC);
    frame.extend_from_slice(&SOURCE_MAC);
    frame.extend_from_slice(&0x0800_u16.to_be_bytes());
    frame.extend_from_slice(&[0x45, 0]);
    frame.extend_from_slice(&total.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend_from_slice(&source.octets());
    frame.extend_from_slice(&DESTINATION.octets());
    frame.extend_from_slice(&40_000_u16.to_be_bytes());
    frame.extend_from_slice(&443_u16.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}
