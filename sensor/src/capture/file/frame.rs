//! From a captured frame to its TCP segment.
//!
//! Three ends are distinguished: of the captured bytes (the snap length), of the frame on the wire, and of the IP
//! datagram (Ethernet pads short ones).

use std::net::IpAddr;
use std::ops::Range;

use super::counters::Passed;
use super::ip;
use super::link::{self, LinkType};
use crate::capture::{Direction, Endpoint, Flags, Integrity};

const TCP_MIN: usize = 20;

/// A frame as it was captured.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    bytes: &'a [u8],
    /// Bytes on the wire; at least as many as were captured.
    wire: usize,
}

impl<'a> Frame<'a> {
    pub(super) fn new(bytes: &'a [u8], original: u32) -> Self {
        Self { bytes, wire: usize::try_from(original).unwrap_or(usize::MAX).max(bytes.len()) }
    }

    /// The header of `N` bytes at `at`. If it was missing on the wire, it is `malformed`; if only the capture lacks it,
    /// truncated.
    #[inline]
    pub(super) fn read<const N: usize>(&self, at: usize, malformed: Passed) -> Result<&'a [u8; N], Passed> {
        match self.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            Some(header) => Ok(header),
            None if at.saturating_add(N) <= self.wire => Err(Passed::Truncated),
            None => Err(malformed),
        }
    }

    /// Bytes of the frame on the wire from `at` on.
    #[inline]
    pub(super) fn wire_from(&self, at: usize) -> usize {
        self.wire.saturating_sub(at)
    }

    /// The captured part of a range.
    pub(super) fn captured(&self, range: Range<usize>) -> &'a [u8] {
        let end = range.end.min(self.bytes.len());
        self.bytes.get(range.start.min(end)..end).unwrap_or_default()
    }
}

/// A TCP header, and the location of its payload in the frame.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    pub(super) direction: Option<Direction>,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: Flags,
    pub(super) urgent: u16,
    pub(super) data_offset: u8,
    pub(super) window: u16,
    pub(super) checksum: u16,
    pub(super) length: u32,
    /// The captured part of the options.
    pub(super) options: Range<usize>,
    pub(super) payload: Range<usize>,
    /// What is known about both headers' checksums.
    pub(super) integrity: Integrity,
}

/// Parses a frame.
#[inline]
pub(super) fn parse(link: LinkType, frame: &Frame<'_>) -> Result<Tcp, Passed> {
    let (network, direction) = link::parse(link, frame)?;
    let datagram = match network {
        link::Network::Ipv4(at) => ip::parse_v4(frame, at)?,
        link::Network::Ipv6(at) => ip::parse_v6(frame, at)?,
    };
    match datagram.protocol {
        6 => parse_tcp(frame, &datagram, direction),
        // IPv4, IPv6, GRE, EtherIP and MPLS in IP.
        4 | 41 | 47 | 97 | 137 => Err(Passed::Tunnel),
        17 => Err(parse_udp(frame, &datagram)),
        _ => Err(Passed::NotTcp),
    }
}

/// The bytes of a frame from its IP header on, and their number on the wire.
pub(super) fn network<'a>(link: LinkType, frame: &Frame<'a>) -> Option<(&'a [u8], usize)> {
    let (link::Network::Ipv4(at) | link::Network::Ipv6(at)) = link::parse(link, frame).ok()?.0;
    Some((frame.bytes.get(at..)?, frame.wire_from(at)))
}

/// The fields of an IP header.
pub(super) struct Datagram {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Of the transport layer.
    pub(super) protocol: u8,
    /// Where the transport header starts.
    pub(super) start: usize,
    /// Where the datagram ends; never beyond the frame on the wire.
    pub(super) end: usize,
    /// Whether its header checksum is correct, if it has one.
    pub(super) holds: bool,
}

#[inline]
fn parse_tcp(frame: &Frame<'_>, datagram: &Datagram, direction: Option<Direction>) -> Result<Tcp, Passed> {
    let start = datagram.start;
    if start.saturating_add(TCP_MIN) > datagram.end {
        return Err(Passed::TcpHeader);
    }
    let header: &[u8; TCP_MIN] = frame.read(start, Passed::TcpHeader)?;
    let header_len = usize::from(header[12] >> 4).wrapping_mul(4);
    let payload = start.saturating_add(header_len);
    if header_len < TCP_MIN || payload > datagram.end {
        return Err(Passed::TcpHeader);
    }
    let length = datagram.end.saturating_sub(payload);
    let captured = frame.captured(payload..datagram.end).len();
    let options = start.saturating_add(TCP_MIN);
    let options_captured = frame.captured(options..payload).len();
    Ok(Tcp {
        source: Endpoint::new(datagram.source, u16::from_be_bytes([header[0], header[1]])),
        destination: Endpoint::new(datagram.destination, u16::from_be_bytes([header[2], header[3]])),
        direction,
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: Flags(header[13]),
        urgent: u16::from_be_bytes([header[18], header[19]]),
        data_offset: header[12],
        window: u16::from_be_bytes([header[14], header[15]]),
        checksum: u16::from_be_bytes([header[16], header[17]]),
        options: options..options.saturating_add(options_captured),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        payload: payload..payload.saturating_add(captured),
        // Its receiver drops it; or its sender also left the header to the card, and was captured on its own host.
        integrity: if datagram.holds { Integrity::UnverifiedOrPartial } else { Integrity::Unverifiable },
    })
}

/// Recognises tunnels over UDP by their registered destination port: VXLAN (and Linux's port from before registration),
/// Geneve, GTP-U.
fn parse_udp(frame: &Frame<'_>, datagram: &Datagram) -> Passed {
    match frame.read::<4>(datagram.start, Passed::NotTcp) {
        Ok(ports) => match u16::from_be_bytes([ports[2], ports[3]]) {
            4789 | 8472 | 6081 | 2152 => Passed::Tunnel,
            _ => Passed::NotTcp,
        },
        Err(_) => Passed::NotTcp,
    }
}
