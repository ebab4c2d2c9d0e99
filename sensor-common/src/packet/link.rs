//! Ethernet II with VLAN tags (802.1Q, 802.1ad and the older QinQ type) and PPPoE sessions; and frames without a link
//! header, such as those of tunnels.

use super::walk::{Ended, is_tag};
use super::{Frame, Problem};

/// What an Ethernet frame carries.
#[derive(Clone, Copy)]
pub(super) enum Network {
    Ipv4,
    Ipv6,
    Other,
}

const ETHERNET: usize = 14;
const TAG: usize = 4;
/// Tags read on the ordinary path: as many as networks use. [`Frame::tags`] follows further ones.
const ORDINARY_TAGS: usize = 2;

/// The network protocol, and the offset at which its header starts.
#[inline(always)]
pub(super) fn parse<F: Frame + ?Sized>(frame: &F) -> Result<(Network, usize), Problem> {
    let header: &[u8; ETHERNET] = frame.bytes(0).ok_or(Problem::LinkTruncated)?;
    let mut ethertype = u16::from_be_bytes([header[12], header[13]]);
    let mut offset = ETHERNET;
    for _ in 0..ORDINARY_TAGS {
        if !is_tag(ethertype) {
            break;
        }
        let tag: &[u8; TAG] = frame.bytes(offset).ok_or(Problem::LinkTruncated)?;
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        offset = offset.wrapping_add(TAG);
    }
    if is_tag(ethertype) {
        (ethertype, offset) = match frame.tags(offset, ORDINARY_TAGS).ended() {
            Ended::At(ethertype, offset) => (ethertype, offset),
            Ended::TooDeep => return Err(Problem::VlanDepth),
            Ended::Truncated | Ended::Fragment => return Err(Problem::LinkTruncated),
        };
    }
    let network = match ethertype {
        0x0800 => Network::Ipv4,
        0x86dd => Network::Ipv6,
        PPPOE_SESSION => return parse_pppoe(frame, offset),
        _ => Network::Other,
    };
    Ok((network, offset))
}

/// `EtherType` of a PPPoE session (RFC 2516, section 4).
const PPPOE_SESSION: u16 = 0x8864;
/// The PPPoE header; the PPP protocol number follows.
const PPPOE: usize = 6;

/// The network protocol of a PPPoE session's frame. The protocol number takes two bytes or, compressed, one (RFC 1661,
/// section 6.5), which Linux also accepts. PPP's own protocols are not IP.
#[inline(always)]
fn parse_pppoe<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<(Network, usize), Problem> {
    let header: &[u8; PPPOE + 2] = frame.bytes(offset).ok_or(Problem::LinkTruncated)?;
    // Version 1, type 1, code 0: session data.
    if header[0] != 0x11 || header[1] != 0 {
        return Ok((Network::Other, offset));
    }
    let is_compressed = header[PPPOE] & 1 != 0;
    let protocol = if is_compressed { header[PPPOE] } else { header[PPPOE + 1] };
    let network = match protocol {
        _ if !is_compressed && header[PPPOE] != 0 => Network::Other,
        0x21 => Network::Ipv4,
        0x57 => Network::Ipv6,
        _ => Network::Other,
    };
    Ok((network, offset.wrapping_add(if is_compressed { PPPOE + 1 } else { PPPOE + 2 })))
}

/// The network protocol of a frame that starts with its IP header, from the version: nothing else indicates it.
#[inline(always)]
pub(super) fn parse_layer3<F: Frame + ?Sized>(frame: &F) -> Result<(Network, usize), Problem> {
    // For a one-byte read, the compiler emits a comparison that the verifier cannot follow.
    let header: &[u8; 20] = frame.bytes(0).ok_or(Problem::LinkTruncated)?;
    let network = match header[0] >> 4 {
        4 => Network::Ipv4,
        6 => Network::Ipv6,
        _ => Network::Other,
    };
    Ok((network, 0))
}
