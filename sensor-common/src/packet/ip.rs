//! IPv4 (RFC 791) and IPv6 with extension headers (RFC 8200), as far as the transport header.

use super::extension::is_extension;
use super::walk::Ended;
use super::{Frame, Packet, Problem, Transport, transport};
use crate::abi::{ClientKey, Family};

const IPV4_MIN: usize = 20;
const IPV6: usize = 40;

#[inline(always)]
pub(super) fn parse_v4<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Packet, Problem> {
    let header: &[u8; IPV4_MIN] = frame.bytes(offset).ok_or(Problem::Ipv4Truncated)?;
    let header_len = usize::from(header[0] & 0x0f).wrapping_mul(4);
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < IPV4_MIN || total_len < header_len {
        return Err(Problem::Ipv4Header);
    }
    if header_len > IPV4_MIN {
        // The last option byte; options are ignored here.
        let _option: &[u8; 1] =
            frame.bytes(offset.wrapping_add(header_len).wrapping_sub(1)).ok_or(Problem::Ipv4Truncated)?;
    }
    let fragment_offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    let transport = if fragment_offset == 0 {
        let segment = transport::Segment {
            protocol: header[9],
            start: offset.wrapping_add(header_len),
            end: offset.wrapping_add(total_len),
        };
        transport::parse(frame, segment)
    } else {
        Transport::Fragment
    };
    let source = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
    Ok(Packet { family: Family::V4, source: ClientKey::from_v4(source), transport })
}

#[inline(always)]
pub(super) fn parse_v6<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Packet, Problem> {
    let header: &[u8; IPV6] = frame.bytes(offset).ok_or(Problem::Ipv6Truncated)?;
    let source = ClientKey {
        hi: u64::from_be_bytes([
            header[8], header[9], header[10], header[11], header[12], header[13], header[14], header[15],
        ]),
        lo: u64::from_be_bytes([
            header[16], header[17], header[18], header[19], header[20], header[21], header[22], header[23],
        ]),
    };
    if header[0] >> 4 != 6 || source.is_v4() {
        return Err(Problem::Ipv6Header);
    }
    let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let start = offset.wrapping_add(IPV6);
    let transport = match skip_extensions(frame, header[6], start) {
        Ok((protocol, start)) => {
            let end = offset.wrapping_add(IPV6).wrapping_add(payload_len);
            transport::parse(frame, transport::Segment { protocol, start, end })
        }
        Err(stopped) => stopped,
    };
    Ok(Packet { family: Family::V6, source, transport })
}

/// The protocol after the extension headers and its offset, or why it cannot be determined.
#[inline(always)]
pub(super) fn skip_extensions<F: Frame + ?Sized>(
    frame: &F,
    first: u8,
    start: usize,
) -> Result<(u8, usize), Transport> {
    if !is_extension(first) {
        return Ok((first, start));
    }
    match frame.extensions(first, start).ended() {
        Ended::At(protocol, offset) => Ok((protocol.to_be_bytes()[1], offset)),
        Ended::Truncated => Err(Transport::Unreadable(Problem::ExtensionTruncated)),
        Ended::TooDeep => Err(Transport::Unreadable(Problem::ExtensionDepth)),
        Ended::Fragment => Err(Transport::Fragment),
    }
}
