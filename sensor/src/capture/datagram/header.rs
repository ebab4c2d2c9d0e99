//! Parses an IP header: of a whole datagram, or of a fragment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sensor_common::packet::extension::next_header;

use super::chain::{self, Chain, Place};
use super::{Refusal, header_holds, options};

const IPV4_MIN: usize = 20;
const IPV6: usize = 40;
pub(super) const TCP: u8 = 6;
/// The longest payload of IPv6 without a jumbo option (`IPV6_MAXPLEN`).
pub(super) const MAX_PAYLOAD: usize = 65_535;

/// What a datagram is.
pub(super) enum Read<'a> {
    Whole(Whole<'a>),
    Part(Part<'a>),
}

/// A datagram with a TCP segment.
pub(super) struct Whole<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The captured bytes of the segment.
    pub(super) tcp: &'a [u8],
    /// Their number on the wire.
    pub(super) length: usize,
}

/// The key shared by the fragments of one datagram (`struct frag_v4_compare_key`, `frag_v6_compare_key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
}

/// A fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) key: Key,
    /// Offset of its first byte in the datagram.
    pub(super) offset: usize,
    /// Whether more fragments follow.
    pub(super) more: bool,
    /// The ECN field (RFC 3168).
    pub(super) ecn: u8,
    /// What the datagram carries, if this is the first.
    pub(super) protocol: u8,
    /// Bytes of extension headers before the fragment header, or of IPv4's header.
    pub(super) before: usize,
    pub(super) bytes: &'a [u8],
}

/// Parses a packet from its IP header on.
pub(super) fn read(packet: &[u8], wire: usize) -> Result<Read<'_>, Refusal> {
    match packet.first().map(|first| first >> 4) {
        Some(4) => read_v4(packet, wire),
        Some(6) => read_v6(packet, wire),
        _ => Err(Refusal::Header),
    }
}

/// The first bytes of a packet; bytes that were on the wire but not captured count as cut.
fn first<const N: usize>(packet: &[u8], wire: usize) -> Result<&[u8; N], Refusal> {
    packet.first_chunk().ok_or(if wire >= N { Refusal::Cut } else { Refusal::Header })
}

fn read_v4(packet: &[u8], wire: usize) -> Result<Read<'_>, Refusal> {
    let header: &[u8; IPV4_MIN] = first(packet, wire)?;
    let header_len = usize::from(header[0] & 0x0f).saturating_mul(4);
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_len < IPV4_MIN || total < header_len || total > wire {
        return Err(Refusal::Header);
    }
    let whole_header = packet.get(..header_len).ok_or(Refusal::Cut)?;
    if !header_holds(whole_header) {
        return Err(Refusal::Header);
    }
    if header[9] != TCP {
        return Err(Refusal::NotTcp);
    }
    // For every fragment: options are checked before reassembly.
    if !options::are_passed(whole_header.get(IPV4_MIN..).unwrap_or_default()) {
        return Err(Refusal::Extension);
    }
    let source = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    let destination = IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]));
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let offset = usize::from(fragment & 0x1fff).saturating_mul(8);
    let more = fragment & 0x2000 != 0;
    if offset == 0 && !more {
        let tcp = packet.get(header_len..total.min(packet.len())).ok_or(Refusal::Cut)?;
        return Ok(Read::Whole(Whole { source, destination, tcp, length: total.saturating_sub(header_len) }));
    }
    Ok(Read::Part(Part {
        key: Key {
            source,
            destination,
            identification: u32::from(u16::from_be_bytes([header[4], header[5]])),
        },
        offset,
        more,
        ecn: header[1] & 3,
        protocol: TCP,
        before: header_len,
        bytes: packet.get(header_len..total).ok_or(Refusal::Cut)?,
    }))
}

fn read_v6(packet: &[u8], wire: usize) -> Result<Read<'_>, Refusal> {
    let header: &[u8; IPV6] = first(packet, wire)?;
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // Before hop-by-hop options, 0 denotes a jumbogram; Linux then takes the actual length.
    let end = match payload {
        0 if header[6] == next_header::HOP_BY_HOP => wire,
        0 => return Err(Refusal::Header),
        _ => IPV6.saturating_add(payload),
    };
    let [source, destination] = addresses(header);
    let is_mapped = source.to_ipv4_mapped().is_some() || destination.to_ipv4_mapped().is_some();
    if end > wire || is_mapped {
        return Err(Refusal::Header);
    }
    let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
    match chain::follow(packet, header[6], IPV6, end, Place::Outside)? {
        Chain::Tcp(start) => {
            let tcp = packet.get(start..end.min(packet.len())).ok_or(Refusal::Cut)?;
            Ok(Read::Whole(Whole { source, destination, tcp, length: end.saturating_sub(start) }))
        }
        Chain::Fragment { at, header: fragment } => {
            if payload == 0 {
                return Err(Refusal::Extension);
            }
            let field = u16::from_be_bytes([fragment[2], fragment[3]]);
            let bytes = packet.get(at.saturating_add(8)..end).ok_or(Refusal::Cut)?;
            let [_, _, _, _, identification @ ..] = *fragment;
            Ok(Read::Part(Part {
                key: Key { source, destination, identification: u32::from_be_bytes(identification) },
                offset: usize::from(field & 0xfff8),
                more: field & 1 != 0,
                ecn: header[1] >> 4 & 3,
                protocol: fragment[0],
                before: at.saturating_sub(IPV6),
                bytes,
            }))
        }
    }
}

fn addresses(header: &[u8; IPV6]) -> [Ipv6Addr; 2] {
    [8, 24].map(|at| {
        let bytes = header.get(at..).and_then(<[u8]>::first_chunk::<16>).copied().unwrap_or_default();
        Ipv6Addr::from_octets(bytes)
    })
}
