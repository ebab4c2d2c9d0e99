//! Ethernet II with VLAN tags (802.1Q, 802.1ad and the older QinQ type).

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
/// Tags that are read on the ordinary path: as many as networks use. [`Frame::tags`] reads what follows.
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
        _ => Network::Other,
    };
    Ok((network, offset))
}
