//! A TCP segment's position in its connection: what reassembly needs, parsed from the same headers.

use super::extension::is_extension;
use super::walk::Ended;
use super::{Frame, Problem, link};
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
    /// Data offset and reserved bits: the header's byte 12.
    pub data_offset: u8,
    /// Window, not scaled.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Offset of the options in the frame; they end where the payload starts.
    pub options: usize,
    /// Offset of the payload in the frame.
    pub payload: usize,
    /// Sum of the 16-bit words of an IPv4 header (RFC 1071): 0xffff, folded, if the checksum is correct. Always that
    /// for IPv6, which has no checksum.
    pub network_sum: u32,
    /// Offset of the datagram's end by its IP header, at most 65,535 after that header. If the header says 0, as in an
    /// aggregate beyond 64 KiB, the end of the frame.
    pub end: Option<usize>,
}

/// Why a frame contains no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSegment {
    /// It is not TCP over IP, or not a valid packet.
    Other,
    /// Its headers continue beyond the readable bytes.
    Unread,
    /// It is an IPv4 fragment of a TCP segment: not all its bytes are here.
    Fragment,
    /// It is IPv4 with options, or IPv6 with extension headers: [`segment_behind_extensions`] may find the segment.
    Extended,
    /// More VLAN tags than the parser follows.
    TagDepth,
    /// More extension headers than the parser follows.
    ExtensionDepth,
}

const TCP_MIN: usize = 20;
const TCP: u8 = 6;

/// Parses a frame.
///
/// Even a frame of an interface with link headers may start with its IP header: on the loopback interface, Linux
/// removes the link header behind a generic XDP program. The form with a link header is tried first. See
/// [`Frame::LAYER3`] for tunnels.
///
/// # Errors
/// If it is no TCP segment, or cannot be read.
#[inline(always)]
pub fn segment<F: Frame + ?Sized>(frame: &F) -> Result<SegmentHeader, NoSegment> {
    let (offset, is_v6) = locate(frame)?;
    if is_v6 { segment_v6(frame, offset) } else { segment_v4(frame, offset) }
}

/// Where the IP header starts, and whether it is IPv6.
#[inline(always)]
pub(super) fn locate<F: Frame + ?Sized>(frame: &F) -> Result<(usize, bool), NoSegment> {
    if F::LAYER3 {
        return match link::parse_layer3(frame) {
            Ok((link::Network::Ipv4, offset)) => Ok((offset, false)),
            Ok((link::Network::Ipv6, offset)) => Ok((offset, true)),
            Ok((link::Network::Other, _)) => Err(NoSegment::Other),
            Err(_) => Err(NoSegment::Unread),
        };
    }
    let otherwise = match link::parse(frame) {
        Ok((link::Network::Ipv4, offset)) => return Ok((offset, false)),
        Ok((link::Network::Ipv6, offset)) => return Ok((offset, true)),
        Ok((link::Network::Other, _)) => NoSegment::Other,
        Err(Problem::VlanDepth) => return Err(NoSegment::TagDepth),
        // There may be more tags where they cannot be read.
        Err(_) => NoSegment::Unread,
    };
    // For a one-byte read, the compiler emits a comparison that the verifier cannot follow.
    let header: &[u8; 20] = frame.bytes(0).ok_or(NoSegment::Unread)?;
    match header[0] >> 4 {
        4 => Ok((0, false)),
        6 => Ok((0, true)),
        _ => Err(otherwise),
    }
}

#[inline(always)]
fn segment_v4<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<SegmentHeader, NoSegment> {
    let header: &[u8; 20] = frame.bytes(offset).ok_or(NoSegment::Unread)?;
    let header_len = usize::from(header[0] & 0x0f).wrapping_mul(4);
    if header[0] >> 4 != 4 || header_len < 20 || header[9] != TCP {
        return Err(NoSegment::Other);
    }
    // Any fragment.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(NoSegment::Fragment);
    }
    if header_len > 20 {
        return Err(NoSegment::Extended);
    }
    without_options(frame, header, offset)
}

/// The segment of an IPv4 packet at `offset` with a 20-byte header, or treated as such: a server's options do not
/// matter.
#[inline(always)]
fn without_options<F: Frame + ?Sized>(
    frame: &F,
    header: &[u8; 20],
    offset: usize,
) -> Result<SegmentHeader, NoSegment> {
    let header_len = usize::from(header[0] & 0x0f).wrapping_mul(4);
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let address = |at: [u8; 4]| ClientKey::from_v4(u32::from_be_bytes(at));
    let source = address([header[12], header[13], header[14], header[15]]);
    let destination = address([header[16], header[17], header[18], header[19]]);
    let end = if total_len == 0 { None } else { Some(offset.wrapping_add(total_len)) };
    let mut segment = tcp(frame, offset.wrapping_add(header_len), (source, destination), end)?;
    segment.network_sum = sum_of(header);
    Ok(segment)
}

/// Sum of the 16-bit words (RFC 1071) of an IPv4 header, unrolled: the verifier cannot follow what the compiler makes
/// of a loop.
#[inline(always)]
fn sum_of(header: &[u8; 20]) -> u32 {
    let word = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
    word(header[0], header[1])
        .wrapping_add(word(header[2], header[3]))
        .wrapping_add(word(header[4], header[5]))
        .wrapping_add(word(header[6], header[7]))
        .wrapping_add(word(header[8], header[9]))
        .wrapping_add(word(header[10], header[11]))
        .wrapping_add(word(header[12], header[13]))
        .wrapping_add(word(header[14], header[15]))
        .wrapping_add(word(header[16], header[17]))
        .wrapping_add(word(header[18], header[19]))
}

#[inline(always)]
fn segment_v6<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<SegmentHeader, NoSegment> {
    let header: &[u8; 40] = frame.bytes(offset).ok_or(NoSegment::Unread)?;
    if header[0] >> 4 != 6 {
        return Err(NoSegment::Other);
    }
    if is_extension(header[6]) {
        return Err(NoSegment::Extended);
    }
    behind(frame, header, offset, (header[6], offset.wrapping_add(40)))
}

/// Parses a frame for which [`segment`] returns [`NoSegment::Extended`], whatever its options; the aggregates beyond 64
/// KiB that Linux creates are such frames.
///
/// # Errors
/// As for [`segment`].
#[inline(always)]
pub fn segment_behind_extensions<F: Frame + ?Sized>(frame: &F) -> Result<SegmentHeader, NoSegment> {
    let (offset, is_v6) = locate(frame)?;
    if !is_v6 {
        let header: &[u8; 20] = frame.bytes(offset).ok_or(NoSegment::Unread)?;
        return without_options(frame, header, offset);
    }
    let header: &[u8; 40] = frame.bytes(offset).ok_or(NoSegment::Unread)?;
    match frame.extensions(header[6], offset.wrapping_add(40)).ended() {
        Ended::At(protocol, start) => behind(frame, header, offset, (protocol.to_be_bytes()[1], start)),
        Ended::Truncated => Err(NoSegment::Unread),
        Ended::TooDeep => Err(NoSegment::ExtensionDepth),
        Ended::Fragment => Err(NoSegment::Fragment),
    }
}

/// The segment of an IPv6 packet at `offset`, with its transport header at `start`.
#[inline(always)]
fn behind<F: Frame + ?Sized>(
    frame: &F,
    header: &[u8; 40],
    offset: usize,
    (protocol, start): (u8, usize),
) -> Result<SegmentHeader, NoSegment> {
    let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if protocol != TCP {
        return Err(NoSegment::Other);
    }
    let end = if payload_len == 0 { None } else { Some(offset.wrapping_add(40).wrapping_add(payload_len)) };
    let source = ClientKey {
        hi: u64::from_be_bytes([
            header[8], header[9], header[10], header[11], header[12], header[13], header[14], header[15],
        ]),
        lo: u64::from_be_bytes([
            header[16], header[17], header[18], header[19], header[20], header[21], header[22], header[23],
        ]),
    };
    let destination = ClientKey {
        hi: u64::from_be_bytes([
            header[24], header[25], header[26], header[27], header[28], header[29], header[30], header[31],
        ]),
        lo: u64::from_be_bytes([
            header[32], header[33], header[34], header[35], header[36], header[37], header[38], header[39],
        ]),
    };
    tcp(frame, start, (source, destination), end)
}

#[inline(always)]
fn tcp<F: Frame + ?Sized>(
    frame: &F,
    start: usize,
    (source, destination): (ClientKey, ClientKey),
    end: Option<usize>,
) -> Result<SegmentHeader, NoSegment> {
    let header: &[u8; TCP_MIN] = frame.bytes(start).ok_or(NoSegment::Unread)?;
    let header_len = usize::from(header[12] >> 4).wrapping_mul(4);
    let payload = start.wrapping_add(header_len);
    if header_len < TCP_MIN || matches!(end, Some(end) if payload > end) {
        return Err(NoSegment::Other);
    }
    Ok(SegmentHeader {
        source,
        destination,
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: header[13],
        data_offset: header[12],
        window: u16::from_be_bytes([header[14], header[15]]),
        checksum: u16::from_be_bytes([header[16], header[17]]),
        urgent: u16::from_be_bytes([header[18], header[19]]),
        options: start.wrapping_add(TCP_MIN),
        payload,
        network_sum: 0xffff,
        end,
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::super::extension::next_header;
    use super::super::{Datagram, datagram};
    use super::*;

    /// Ethernet, IPv4 with its flags and offset, TCP.
    fn v4(protocol: u8, fragment: u16) -> std::vec::Vec<u8> {
        let mut frame = std::vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0]);
        frame.extend(fragment.to_be_bytes());
        frame.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0x1f, 0x90, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        frame
    }

    /// Ethernet, IPv6, a fragment header, what follows it.
    fn v6(protocol: u8, fragment: u16) -> std::vec::Vec<u8> {
        let mut frame = std::vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 28, next_header::FRAGMENT, 64]);
        frame.extend([0x20; 32]);
        frame.extend([protocol, 0]);
        frame.extend(fragment.to_be_bytes());
        frame.extend([0, 0, 0, 9]);
        frame.extend(v4(TCP, 0).split_off(34));
        frame
    }

    #[test]
    fn fragments_are_told_from_what_is_no_tcp() {
        const UDP: u8 = 17;
        let seen = |frame: &[u8]| segment(frame).map(|segment| segment.source_port);
        for (frame, expected) in [
            (v4(TCP, 0), Ok(8_080)),
            (v4(TCP, 0x4000), Ok(8_080)),
            (v4(TCP, 0x2000), Err(NoSegment::Fragment)),
            (v4(TCP, 185), Err(NoSegment::Fragment)),
            (v4(UDP, 185), Err(NoSegment::Other)),
            (v6(TCP, 0), Err(NoSegment::Extended)),
            (v6(TCP, 1_448 << 3), Err(NoSegment::Extended)),
        ] {
            assert_eq!(seen(&frame), expected, "{frame:x?}");
        }
    }

    #[test]
    fn extension_headers_are_read_on_request() {
        let seen = |frame: &[u8]| segment_behind_extensions(frame).map(|segment| segment.source_port);
        assert_eq!(seen(&v6(TCP, 0)), Ok(8_080));
        assert_eq!(seen(&v6(TCP, 1_448 << 3)), Err(NoSegment::Fragment));
        assert_eq!(seen(&v6(17, 0)), Err(NoSegment::Other));
    }

    #[test]
    fn what_may_be_tcp_is_told_from_what_cannot_be() {
        let found = Ok(Datagram { start: 14, length: Some(68) });
        let (mobility, hops) = (135, next_header::HOP_BY_HOP);
        for (frame, expected) in [
            (v4(TCP, 0x2000), Ok(Datagram { start: 14, length: Some(40) })),
            (v4(17, 0x2000), Err(NoSegment::Other)),
            (v6(TCP, 0), found),
            (v6(TCP, 1), found),
            (v6(17, 1), Err(NoSegment::Other)),
            // Only the first fragment tells what the datagram is.
            (v6(17, 8), found),
            (v6(hops, 0), found),
            (v6(next_header::DESTINATION, 1), found),
            (v6(mobility, 1), Err(NoSegment::Other)),
        ] {
            assert_eq!(datagram(&*frame), expected, "{frame:x?}");
        }
    }

    #[test]
    fn tags_are_followed_as_far_as_the_bound_and_told_beyond() {
        for (tags, expected) in [
            (0, Ok(8_080)),
            (3, Ok(8_080)),
            (super::super::MAX_TAGS, Ok(8_080)),
            (super::super::MAX_TAGS + 1, Err(NoSegment::TagDepth)),
        ] {
            let mut frame = v4(TCP, 0);
            let tag = [0x81, 0, 0, 0].repeat(tags);
            frame.splice(12..12, tag);
            assert_eq!(segment(&*frame).map(|segment| segment.source_port), expected, "{tags} tags");
        }
    }

    #[test]
    fn headers_that_go_on_elsewhere_are_told() {
        let mut tagged = v4(TCP, 0);
        tagged.splice(12..12, [0x81, 0, 0, 0].repeat(5));
        for frame in [v4(TCP, 0), tagged] {
            for length in 0..frame.len() {
                assert_eq!(segment(&frame[..length]), Err(NoSegment::Unread), "{length} bytes of {frame:x?}");
            }
        }
        let frame = v6(TCP, 0);
        for length in 0..frame.len() {
            assert_eq!(segment_behind_extensions(&frame[..length]), Err(NoSegment::Unread), "{length}");
        }
    }
}
