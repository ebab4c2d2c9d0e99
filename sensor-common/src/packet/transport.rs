//! TCP, UDP and ICMP headers, and whether a TCP payload starts like an HTTP/1 request.

use super::{Frame, Problem, Transport};

const TCP_MIN: usize = 20;
const UDP: usize = 8;
const ICMP: usize = 4;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Where a transport header starts, and where its datagram ends by the length in the IP header.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) protocol: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[inline(always)]
pub(super) fn parse<F: Frame + ?Sized>(frame: &F, segment: Segment) -> Transport {
    match segment.protocol {
        6 => parse_tcp(frame, segment),
        17 => parse_udp(frame, segment),
        1 | 58 => parse_icmp(frame, segment),
        _ => Transport::Other,
    }
}

#[inline(always)]
fn parse_tcp<F: Frame + ?Sized>(frame: &F, segment: Segment) -> Transport {
    if segment.start.wrapping_add(TCP_MIN) > segment.end {
        return Transport::Unreadable(Problem::TransportTruncated);
    }
    let Some(header) = frame.bytes::<TCP_MIN>(segment.start) else {
        return Transport::Unreadable(Problem::TransportTruncated);
    };
    let header_len = usize::from(header[12] >> 4).wrapping_mul(4);
    let payload = segment.start.wrapping_add(header_len);
    if header_len < TCP_MIN || payload > segment.end {
        return Transport::Unreadable(Problem::TransportHeader);
    }
    let opens = header[13] & (SYN | ACK) == SYN;
    let request = match frame.bytes::<METHOD>(payload) {
        Some(start) if payload.wrapping_add(METHOD) <= segment.end => starts_with_method(start),
        _ => false,
    };
    Transport::Tcp { opens, request }
}

#[inline(always)]
fn parse_udp<F: Frame + ?Sized>(frame: &F, segment: Segment) -> Transport {
    if segment.start.wrapping_add(UDP) > segment.end {
        return Transport::Unreadable(Problem::TransportTruncated);
    }
    match frame.bytes::<UDP>(segment.start) {
        None => Transport::Unreadable(Problem::TransportTruncated),
        Some(header) if u16::from_be_bytes([header[4], header[5]]) < 8 => {
            // A length of zero means a jumbogram (RFC 2675), which Ethernet cannot carry.
            Transport::Unreadable(Problem::TransportHeader)
        }
        Some(_) => Transport::Udp,
    }
}

#[inline(always)]
fn parse_icmp<F: Frame + ?Sized>(frame: &F, segment: Segment) -> Transport {
    if segment.start.wrapping_add(ICMP) > segment.end || frame.bytes::<ICMP>(segment.start).is_none() {
        return Transport::Unreadable(Problem::TransportTruncated);
    }
    Transport::Icmp
}

/// Bytes of payload compared; the shortest request, `GET / HTTP/1.0` and two line ends, has 18.
const METHOD: usize = 8;

/// Whether the payload starts with one of the methods of RFC 9110 section 9 or RFC 5789, and a space.
#[inline(always)]
const fn starts_with_method(start: &[u8; METHOD]) -> bool {
    let word = u64::from_be_bytes(*start);
    prefix(word, *b"GET \0\0\0\0", 4)
        || prefix(word, *b"POST \0\0\0", 5)
        || prefix(word, *b"PUT \0\0\0\0", 4)
        || prefix(word, *b"HEAD \0\0\0", 5)
        || prefix(word, *b"DELETE \0", 7)
        || prefix(word, *b"PATCH \0\0", 6)
        || prefix(word, *b"OPTIONS ", 8)
        || prefix(word, *b"CONNECT ", 8)
        || prefix(word, *b"TRACE \0\0", 6)
}

#[inline(always)]
const fn prefix(word: u64, token: [u8; METHOD], len: u32) -> bool {
    let unused = 64_u32.wrapping_sub(len.wrapping_mul(8));
    word >> unused == u64::from_be_bytes(token) >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_whole_tokens() {
        for yes in [
            b"GET / HT",
            b"HEAD / H",
            b"POST /a ",
            b"PUT /a H",
            b"DELETE /",
            b"PATCH /a",
            b"OPTIONS ",
            b"CONNECT ",
            b"TRACE / ",
        ] {
            assert!(starts_with_method(yes), "{}", yes.escape_ascii());
        }
        for no in [b"GETS / H", b"get / HT", b"GET\t/ HT", b"POSTING ", b"HTTP/1.1", b"\x16\x03\x01GET /"] {
            assert!(!starts_with_method(no), "{}", no.escape_ascii());
        }
    }
}
