//! Ethernet II with up to two VLAN tags (802.1Q, 802.1ad and the older QinQ type).

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
const MAX_TAGS: usize = 2;

/// The network protocol, and the offset at which its header starts.
#[inline(always)]
pub(super) fn parse<F: Frame + ?Sized>(frame: &F) -> Result<(Network, usize), Problem> {
    let header: &[u8; ETHERNET] = frame.bytes(0).ok_or(Problem::LinkTruncated)?;
    let mut ethertype = u16::from_be_bytes([header[12], header[13]]);
    let mut offset = ETHERNET;
    for _ in 0..MAX_TAGS {
        if !is_tag(ethertype) {
            break;
        }
        let tag: &[u8; TAG] = frame.bytes(offset).ok_or(Problem::LinkTruncated)?;
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        offset = offset.wrapping_add(TAG);
    }
    if is_tag(ethertype) {
        return Err(Problem::VlanDepth);
    }
    let network = match ethertype {
        0x0800 => Network::Ipv4,
        0x86dd => Network::Ipv6,
        _ => Network::Other,
    };
    Ok((network, offset))
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}
