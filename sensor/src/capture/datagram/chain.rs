//! IPv6 extension headers as Linux's receiver follows them (`net/ipv6/exthdrs.c`): any number of destination options and
//! routing headers, hop-by-hop options only in front, one fragment header.

use sensor_common::packet::extension::{extension_len, next_header};

use super::Refusal;
use super::header::TCP;

/// Where a chain of headers leads.
pub(super) enum Chain<'a> {
    /// A TCP header starts at this offset.
    Tcp(usize),
    /// A fragment header at this offset; the datagram has more fragments.
    Fragment { at: usize, header: &'a [u8; 8] },
}

/// The kind of datagram that is parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// After an IPv6 header, or one that has no counterpart in IPv4.
    Outside,
    /// In a reassembled datagram: after its fragment header.
    Inside,
}

/// Follows the headers from `start` to `end`, which may lie beyond the captured bytes.
pub(super) fn follow(
    packet: &[u8],
    first: u8,
    start: usize,
    end: usize,
    place: Place,
) -> Result<Chain<'_>, Refusal> {
    let (mut protocol, mut at) = (first, start);
    let (mut is_first, mut was_fragment) = (place == Place::Outside, place == Place::Inside);
    // Each round advances by at least eight bytes.
    loop {
        match protocol {
            TCP if at <= end => return Ok(Chain::Tcp(at)),
            next_header::HOP_BY_HOP if is_first => {}
            next_header::DESTINATION | next_header::ROUTING => {}
            next_header::FRAGMENT if !was_fragment => {
                let header = fixed(packet, at, end)?;
                // Reserved bits are ignored (RFC 8200, section 4.5); one without others is none (RFC 6946).
                if u16::from_be_bytes([header[2], header[3]]) & 0xfff9 != 0 {
                    return is_taken(packet, at, end).map(|()| Chain::Fragment { at, header });
                }
                was_fragment = true;
            }
            next_header::HOP_BY_HOP | next_header::FRAGMENT | TCP => return Err(Refusal::Extension),
            _ => return Err(Refusal::NotTcp),
        }
        let header = fixed(packet, at, end)?;
        let length = extension_len(protocol, header[1]);
        let behind = at.saturating_add(length);
        if behind > end {
            return Err(Refusal::Extension);
        }
        let bytes = packet.get(at..behind).ok_or(Refusal::Cut)?;
        let is_passed = match protocol {
            next_header::ROUTING => is_routed_here(header),
            next_header::FRAGMENT => true,
            _ => are_options_passed(bytes, at, protocol == next_header::HOP_BY_HOP),
        };
        if !is_passed {
            return Err(Refusal::Extension);
        }
        (protocol, at, is_first) = (header[0], behind, false);
    }
}

/// The eight bytes common to every extension header.
fn fixed(packet: &[u8], at: usize, end: usize) -> Result<&[u8; 8], Refusal> {
    if at.saturating_add(8) > end {
        return Err(Refusal::Extension);
    }
    packet.get(at..).and_then(<[u8]>::first_chunk).ok_or(Refusal::Cut)
}

/// Routing headers with no segments left are skipped, except those that must be enabled: RPL (3) and segment routing
/// (4).
const fn is_routed_here(header: &[u8; 8]) -> bool {
    !matches!(header[2], 3 | 4) && header[3] == 0
}

/// Maximum options counted in one header (`net.ipv6.max_dst_opts_number`, `max_hbh_opts_number`).
const MAX_OPTIONS: usize = 8;
/// Padding between two options.
const MAX_PADDING: usize = 7;

const PAD1: u8 = 0;
const PADN: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const CALIPSO: u8 = 7;
const IOAM: u8 = 0x31;
const JUMBO: u8 = 0xc2;

/// `ip6_parse_tlv`. Unknown options stop the receiver unless their two highest bits are 0 (RFC 8200, section 4.2).
fn are_options_passed(header: &[u8], at: usize, is_hop_by_hop: bool) -> bool {
    let mut rest = header.get(2..).unwrap_or_default();
    let (mut options, mut padding) = (0_usize, 0_usize);
    loop {
        let place = at.saturating_add(header.len()).saturating_sub(rest.len());
        let length = match rest {
            [] => return true,
            [PAD1, ..] => 1,
            [_, length, ..] => usize::from(*length).saturating_add(2),
            [_] => return false,
        };
        let Some((option, behind)) = rest.split_at_checked(length) else { return false };
        rest = behind;
        let [kind, content @ ..] = option else { return false };
        if matches!(*kind, PAD1 | PADN) {
            padding = padding.saturating_add(length);
            let zeros = content.get(1..).unwrap_or_default();
            if padding > MAX_PADDING || zeros.iter().any(|byte| *byte != 0) {
                return false;
            }
            continue;
        }
        (options, padding) = (options.saturating_add(1), 0);
        let is_passed = match *kind {
            ROUTER_ALERT if is_hop_by_hop => length == 4,
            IOAM if is_hop_by_hop => place.is_multiple_of(4),
            // Only aggregates beyond 64 KiB carry the first one legitimately, and they are not parsed here; the other
            // is for labelled networks.
            JUMBO | CALIPSO if is_hop_by_hop => false,
            unknown => unknown >> 6 == 0,
        };
        if !is_passed || options > MAX_OPTIONS {
            return false;
        }
    }
}

/// Whether a fragment is accepted: the first one must contain all headers up to the transport header (RFC 7112;
/// `ipv6frag_thdr_truncated`).
fn is_taken(packet: &[u8], at: usize, end: usize) -> Result<(), Refusal> {
    let (mut protocol, mut at) = (next_header::FRAGMENT, at);
    loop {
        let is_skipped = matches!(
            protocol,
            next_header::HOP_BY_HOP
                | next_header::ROUTING
                | next_header::FRAGMENT
                | next_header::AUTHENTICATION
                | next_header::DESTINATION
        );
        if !is_skipped {
            break;
        }
        let header: &[u8; 2] = match packet.get(at..).and_then(<[u8]>::first_chunk) {
            Some(header) if at.saturating_add(2) <= end => header,
            // Linux cannot tell either, and continues.
            _ => return Ok(()),
        };
        if protocol == next_header::FRAGMENT {
            let field = packet.get(at.saturating_add(2)..).and_then(<[u8]>::first_chunk).copied();
            if field.is_none_or(|field| u16::from_be_bytes(field) & 0xfff8 != 0) {
                return Ok(());
            }
        }
        let length = extension_len(protocol, header[1]);
        (protocol, at) = (header[0], at.saturating_add(length));
    }
    let needed = match protocol {
        TCP => 20,
        17 | 58 => 8,
        _ => 1,
    };
    if at.saturating_add(needed) > end { Err(Refusal::Ignored) } else { Ok(()) }
}
