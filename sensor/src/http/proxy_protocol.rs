//! The PROXY protocol, versions 1 and 2, as its specification of 2020/03/05 has it: a header before the first
//! byte of the connection, by which a load balancer tells for whom it connects.
//!
//! It is told from HTTP by its first bytes alone. Nothing here says whether the sender may be believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::capture::Endpoint;

/// What a PROXY protocol header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// 1 or 2.
    pub version: u8,
    /// Source and destination of the connection that is passed on; none where the header says that it is the
    /// sender's own (LOCAL), of an unknown family, or that of a socket in the file system.
    pub addresses: Option<(Endpoint, Endpoint)>,
}

/// Longest header of version 1, line end included (section 2.1).
const V1_BYTES: usize = 107;

/// Addresses of version 2 are within so many bytes (section 2.2); extensions after them are passed over.
const V2_BYTES: usize = 16 + 36;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Most bytes that [`parse`] may need.
pub(super) const MAX_BYTES: usize = V1_BYTES;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header. It ends after so many bytes, of which not all need be there yet.
    Header(ProxyHeader, usize),
    /// Too few to tell.
    Partial,
    /// No header.
    Other,
    /// They begin like a header and are none.
    Invalid,
}

/// Reads a header at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if begins(bytes, V1_START) {
        return if bytes.len() < V1_START.len() { Parsed::Partial } else { parse_v1(bytes) };
    }
    if begins(bytes, V2_START) {
        return if bytes.len() < V2_START.len() { Parsed::Partial } else { parse_v2(bytes) };
    }
    Parsed::Other
}

/// Whether one is the beginning of the other.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

fn parse_v1(bytes: &[u8]) -> Parsed {
    let window = bytes.get(..V1_BYTES).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if bytes.len() < V1_BYTES { Parsed::Partial } else { Parsed::Invalid };
    };
    let line = window.get(V1_START.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    match line.and_then(|line| std::str::from_utf8(line).ok()).and_then(v1_addresses) {
        Some(addresses) => Parsed::Header(ProxyHeader { version: 1, addresses }, end.saturating_add(1)),
        None => Parsed::Invalid,
    }
}

/// None where the line is invalid, none within where it says that nothing is known.
#[expect(clippy::option_option, reason = "invalid, unknown and known are three answers")]
fn v1_addresses(line: &str) -> Option<Option<(Endpoint, Endpoint)>> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (source, destination) = match family {
        "TCP4" => (IpAddr::V4(source.parse().ok()?), IpAddr::V4(destination.parse().ok()?)),
        "TCP6" => (IpAddr::V6(source.parse().ok()?), IpAddr::V6(destination.parse().ok()?)),
        _ => return None,
    };
    let (source_port, destination_port) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Some((Endpoint::new(source, source_port), Endpoint::new(destination, destination_port))))
}

/// Section 2.1: digits without leading zeroes.
fn v1_port(text: &str) -> Option<u16> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical { text.parse().ok() } else { None }
}

fn parse_v2(bytes: &[u8]) -> Parsed {
    let Some([version_command, family, high, low]) =
        bytes.get(12..16).and_then(|rest| rest.first_chunk::<4>())
    else {
        return Parsed::Partial;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let end = length.saturating_add(16);
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Parsed::Invalid,
    };
    let needed = match family {
        // Section 2.2: for LOCAL the family is to be ignored; other transports and families are not known.
        _ if is_local => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        0x00 => 0,
        _ => return Parsed::Invalid,
    };
    if length < needed {
        return Parsed::Invalid;
    }
    if bytes.len() < end.min(V2_BYTES) {
        return Parsed::Partial;
    }
    let block = bytes.get(16..).unwrap_or_default();
    let addresses = match family {
        _ if is_local => None,
        0x11 | 0x12 => v2_addresses::<4>(block, |octets| Ipv4Addr::from(octets).into()),
        0x21 | 0x22 => v2_addresses::<16>(block, |octets| Ipv6Addr::from(octets).into()),
        _ => None,
    };
    Parsed::Header(ProxyHeader { version: 2, addresses }, end)
}

fn v2_addresses<const N: usize>(
    block: &[u8],
    address: fn([u8; N]) -> IpAddr,
) -> Option<(Endpoint, Endpoint)> {
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let destination_port = rest.first_chunk::<2>()?;
    Some((
        Endpoint::new(address(*source), u16::from_be_bytes(*source_port)),
        Endpoint::new(address(*destination), u16::from_be_bytes(*destination_port)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = V2_START.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn shown(parsed: Parsed) -> String {
        match parsed {
            Parsed::Header(ProxyHeader { version, addresses: Some((source, destination)) }, end) => {
                format!("v{version} {source} {destination} {end}")
            }
            Parsed::Header(header, end) => format!("v{} - {end}", header.version),
            other @ (Parsed::Partial | Parsed::Other | Parsed::Invalid) => format!("{other:?}"),
        }
    }

    #[test]
    fn version_1() {
        let table = [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n", "v1 192.0.2.1:1234 198.51.100.2:80 43"),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\nGET", "v1 [2001:db8::1]:1 [2001:db8::2]:2 40"),
            ("PROXY UNKNOWN\r\n", "v1 - 15"),
            ("PROXY UNKNOWN ffff:: whatever 1 2 3\r\n", "v1 - 37"),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\n", "Invalid"),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 01234 80\r\n", "Invalid"),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 80\r\n", "Invalid"),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n", "Invalid"),
            ("PROXY TCP4 2001:db8::1 198.51.100.2 1 80\r\n", "Invalid"),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 80 \r\n", "Invalid"),
            ("PROXY TCP4  192.0.2.1 198.51.100.2 1 80\r\n", "Invalid"),
            ("PROXY UDP4 192.0.2.1 198.51.100.2 1 80\r\n", "Invalid"),
            ("PROXY \r\n", "Invalid"),
            ("PROXY TCP4 192.0.2.1", "Partial"),
            ("PRO", "Partial"),
            ("PROPFIND / HTTP/1.1", "Other"),
            ("PROXYX", "Other"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(parse(text.as_bytes())), expected, "{text:?}");
        }
        assert_eq!(parse(&[V1_START, &[b'x'; 200]].concat()), Parsed::Invalid);
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0x04, 0xd2, 0, 80];
        let mut v6 = [0_u8; 36];
        v6[15] = 1;
        v6[31] = 2;
        v6[33] = 9;
        let table = [
            (v2(0x21, 0x11, &v4), "v2 192.0.2.1:1234 198.51.100.2:80 28"),
            (v2(0x21, 0x11, &[&v4[..], &[1; 200]].concat()), "v2 192.0.2.1:1234 198.51.100.2:80 228"),
            (v2(0x21, 0x21, &v6), "v2 [::1]:9 [::2]:0 52"),
            (v2(0x20, 0x00, &[]), "v2 - 16"),
            (v2(0x20, 0x11, &v4), "v2 - 28"),
            (v2(0x21, 0x00, &[]), "v2 - 16"),
            (v2(0x21, 0x31, &[0; 216]), "v2 - 232"),
            (v2(0x21, 0x11, &v4[..11]), "Invalid"),
            (v2(0x22, 0x11, &v4), "Invalid"),
            (v2(0x11, 0x11, &v4), "Invalid"),
            (v2(0x21, 0x41, &v4), "Invalid"),
            (b"\r\n\r\nGET / HTTP/1.1".to_vec(), "Other"),
            (b"\r\n\r\n".to_vec(), "Partial"),
        ];
        for (bytes, expected) in table {
            assert_eq!(shown(parse(&bytes)), expected, "{bytes:?}");
        }
    }

    #[test]
    fn every_proper_beginning_is_partial() {
        let v4 = v2(0x21, 0x11, &[192, 0, 2, 1, 198, 51, 100, 2, 0, 1, 0, 80]);
        for whole in [&b"PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n"[..], &v4] {
            assert!(matches!(parse(whole), Parsed::Header(_, end) if end == whole.len()));
            for length in 1..whole.len() {
                assert_eq!(parse(&whole[..length]), Parsed::Partial, "{length}");
            }
        }
    }
}
