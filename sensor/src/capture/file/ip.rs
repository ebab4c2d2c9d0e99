//! IPv4 (RFC 791) and IPv6 with extension headers (RFC 8200), as far as the transport header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sensor_common::packet::extension::{extension_len, is_extension, next_header};

use super::counters::Passed;
use super::frame::{Datagram, Frame};
use crate::capture::datagram::header_holds;

const IPV4_MIN: usize = 20;
const IPV6: usize = 40;

/// The longest datagram whose length only the capture knows; Linux builds them of up to 512 KiB.
const MAX_UNSAID: usize = 16 * 1024 * 1024;

#[inline]
pub(super) fn parse_v4(frame: &Frame<'_>, at: usize) -> Result<Datagram, Passed> {
    let header: &[u8; IPV4_MIN] = frame.read(at, Passed::Ipv4Header)?;
    let header_len = usize::from(header[0] & 0x0f).wrapping_mul(4);
    let said = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < IPV4_MIN {
        return Err(Passed::Ipv4Header);
    }
    let length = datagram_length(frame, at, said)?;
    if length < header_len {
        return Err(Passed::Ipv4Header);
    }
    // More fragments, or an offset.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Passed::Fragment);
    }
    if header_len > IPV4_MIN {
        return Err(Passed::ExtensionHeader);
    }
    Ok(Datagram {
        source: IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15])),
        destination: IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19])),
        protocol: header[9],
        start: at.saturating_add(header_len),
        end: at.saturating_add(length),
        holds: header_holds(header),
    })
}

/// The length of the bytes at `at`. A sender that leaves segmentation to its interface writes 0 where 16 bits do
/// not hold it; then they are the rest of the frame.
#[inline]
fn datagram_length(frame: &Frame<'_>, at: usize, said: usize) -> Result<usize, Passed> {
    let wire = frame.wire_from(at);
    match said {
        0 if wire > MAX_UNSAID => Err(Passed::IpLength),
        0 => Ok(wire),
        _ if said > wire => Err(Passed::IpLength),
        _ => Ok(said),
    }
}

#[inline]
pub(super) fn parse_v6(frame: &Frame<'_>, at: usize) -> Result<Datagram, Passed> {
    let header: &[u8; IPV6] = frame.read(at, Passed::Ipv6Header)?;
    let [source, destination] = addresses(header);
    // A mapped address would pass for the IPv4 one.
    if header[0] >> 4 != 6 || source.to_ipv4_mapped().is_some() || destination.to_ipv4_mapped().is_some() {
        return Err(Passed::Ipv6Header);
    }
    let start = at.saturating_add(IPV6);
    let said = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[6] == next_header::HOP_BY_HOP && said == 0 {
        let jumbo = jumbo_length(frame, start)?;
        if jumbo > usize::from(u16::MAX) {
            return jumbogram(frame, start, jumbo, (source, destination));
        }
    }
    if is_extension(header[6]) {
        return Err(Passed::ExtensionHeader);
    }
    let end = start.saturating_add(datagram_length(frame, start, said)?);
    Ok(Datagram {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol: header[6],
        start,
        end,
        holds: true,
    })
}

/// An aggregate beyond 64 KiB, in front of whose transport header Linux puts one extension header.
fn jumbogram(
    frame: &Frame<'_>,
    start: usize,
    jumbo: usize,
    (source, destination): (Ipv6Addr, Ipv6Addr),
) -> Result<Datagram, Passed> {
    let end = start.saturating_add(datagram_length(frame, start, jumbo)?);
    let options: &[u8; 8] = frame.read(start, Passed::ExtensionHeader)?;
    Ok(Datagram {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol: options[0],
        start: start.saturating_add(extension_len(next_header::HOP_BY_HOP, options[1])),
        end,
        holds: true,
    })
}

fn addresses(header: &[u8; IPV6]) -> [Ipv6Addr; 2] {
    let address = |at: usize| {
        let bytes = header.get(at..).and_then(<[u8]>::first_chunk::<16>).copied().unwrap_or_default();
        Ipv6Addr::from_octets(bytes)
    };
    [address(8), address(24)]
}

/// The jumbo payload option (RFC 2675) of the hop-by-hop header at `at`, which Linux adds to aggregates above
/// 64 KiB; 0 if there is none.
fn jumbo_length(frame: &Frame<'_>, at: usize) -> Result<usize, Passed> {
    let header: &[u8; 2] = frame.read(at, Passed::ExtensionHeader)?;
    let length = extension_len(next_header::HOP_BY_HOP, header[1]);
    let mut options = frame.captured(at.saturating_add(2)..at.saturating_add(length));
    loop {
        options = match options {
            [0, rest @ ..] => rest,
            [0xc2, 4, a, b, c, d, ..] => {
                return Ok(usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX));
            }
            [_, length, rest @ ..] => rest.get(usize::from(*length)..).unwrap_or_default(),
            _ => return Ok(0),
        };
    }
}
