//! A TCP segment's place in its connection: what reassembly needs, read from the same headers.

use super::{Frame, ip, link};
use crate::abi::ClientKey;

/// The headers of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Source address.
    pub source: ClientKey,
    /// Destination address.
    pub destination: ClientKey,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: u8,
    /// Urgent pointer.
    pub urgent: u16,
    /// Offset of the payload in the frame.
    pub payload: usize,
    /// Offset of the datagram's end by its IP header, at most 65,535 behind that header; where it says 0, as in
    /// an aggregate beyond 64 KiB, the end of the frame counts.
    pub end: Option<usize>,
}

const TCP_MIN: usize = 20;
const TCP: u8 = 6;

/// Reads a frame; `None` where it is no first fragment of a TCP segment that can be read.
///
/// The frame may begin with its IP header: packets of tunnels have no other, and Linux takes the loopback
/// interface's away behind a generic XDP program. One with a link header is tried first.
#[inline(always)]
pub fn segment<F: Frame + ?Sized>(frame: &F) -> Option<SegmentHeader> {
    let (offset, is_v6) = locate(frame)?;
    if is_v6 { segment_v6(frame, offset) } else { segment_v4(frame, offset) }
}

/// Where the IP header starts, and whether it is IPv6.
#[inline(always)]
fn locate<F: Frame + ?Sized>(frame: &F) -> Option<(usize, bool)> {
    match link::parse(frame) {
        Ok((link::Network::Ipv4, offset)) => return Some((offset, false)),
        Ok((link::Network::Ipv6, offset)) => return Some((offset, true)),
        Ok((link::Network::Other, _)) | Err(_) => {}
    }
    // Of one byte, the compiler makes a comparison that the verifier does not follow.
    let header: &[u8; 20] = frame.bytes(0)?;
    match header[0] >> 4 {
        4 => Some((0, false)),
        6 => Some((0, true)),
        _ => None,
    }
}

#[inline(always)]
fn segment_v4<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<SegmentHeader> {
    let header: &[u8; 20] = frame.bytes(offset)?;
    let header_len = usize::from(header[0] & 0x0f).wrapping_mul(4);
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // A fragment, whichever: its bytes are not all here.
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] >> 4 != 4 || header_len < 20 || header[9] != TCP || is_fragment {
        return None;
    }
    let address = |at: [u8; 4]| ClientKey::from_v4(u32::from_be_bytes(at));
    let source = address([header[12], header[13], header[14], header[15]]);
    let destination = address([header[16], header[17], header[18], header[19]]);
    let end = if total_len == 0 { None } else { Some(offset.wrapping_add(total_len)) };
    tcp(frame, offset.wrapping_add(header_len), (source, destination), end)
}

#[inline(always)]
fn segment_v6<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<SegmentHeader> {
    let header: &[u8; 40] = frame.bytes(offset)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (protocol, start) = ip::skip_extensions(frame, header[6], offset.wrapping_add(40)).ok()?;
    if protocol != TCP {
        return None;
    }
    let end = if payload_len == 0 { None } else { Some(offset.wrapping_add(40).wrapping_add(payload_len)) };
    tcp(
        frame,
        start,
        (address(frame, offset.wrapping_add(8))?, address(frame, offset.wrapping_add(24))?),
        end,
    )
}

#[inline(always)]
fn address<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<ClientKey> {
    let hi: &[u8; 8] = frame.bytes(offset)?;
    let lo: &[u8; 8] = frame.bytes(offset.wrapping_add(8))?;
    Some(ClientKey { hi: u64::from_be_bytes(*hi), lo: u64::from_be_bytes(*lo) })
}

#[inline(always)]
fn tcp<F: Frame + ?Sized>(
    frame: &F,
    start: usize,
    (source, destination): (ClientKey, ClientKey),
    end: Option<usize>,
) -> Option<SegmentHeader> {
    let header: &[u8; TCP_MIN] = frame.bytes(start)?;
    let header_len = usize::from(header[12] >> 4).wrapping_mul(4);
    let payload = start.wrapping_add(header_len);
    if header_len < TCP_MIN || matches!(end, Some(end) if payload > end) {
        return None;
    }
    Some(SegmentHeader {
        source,
        destination,
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: header[13],
        urgent: u16::from_be_bytes([header[18], header[19]]),
        payload,
        end,
    })
}
