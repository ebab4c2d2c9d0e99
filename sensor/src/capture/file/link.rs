//! Link layers: the headers before IP, by link type (the tcpdump group's registry).

use sensor_common::packet::MAX_TAGS;

use super::counters::Passed;
use super::frame::Frame;
use crate::capture::Direction;

/// A supported link type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkType {
    Ethernet,
    /// BSD loopback: an address family in the byte order of the capturing host, or, for OpenBSD, of the network.
    Loopback,
    /// Linux cooked capture, version 1.
    Cooked,
    /// Linux cooked capture, version 2.
    Cooked2,
    /// IPv4 or IPv6, by the version field.
    Raw,
    Ipv4,
    Ipv6,
}

impl LinkType {
    pub(super) const fn new(number: u16) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            // 12 and 14 are the values of DLT_RAW on BSDs.
            12 | 14 | 101 => Self::Raw,
            113 => Self::Cooked,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Cooked2,
            _ => return None,
        })
    }
}

/// The name of a link type, for messages.
pub(super) const fn name(number: u16) -> &'static str {
    match number {
        6 => "Token Ring",
        8 => "SLIP",
        9 => "PPP",
        10 => "FDDI",
        50 => "PPP in HDLC framing",
        51 => "PPPoE",
        104 => "Cisco HDLC",
        105 => "IEEE 802.11",
        107 => "Frame Relay",
        109 => "OpenBSD enc",
        117 => "OpenBSD pflog",
        119 => "IEEE 802.11 with Prism header",
        127 => "IEEE 802.11 with radiotap header",
        147..=162 => "reserved for private use",
        163 => "IEEE 802.11 with AVS header",
        187 | 201 => "Bluetooth HCI",
        189 | 220 => "Linux USB",
        192 => "PPI",
        195 | 230 | 283 => "IEEE 802.15.4",
        197 => "Endace ERF",
        219 => "MPLS",
        227 => "CAN",
        239 => "Linux NFLOG",
        242 => "IP over InfiniBand",
        249 => "USBPcap",
        251 | 256 => "Bluetooth low energy",
        252 => "Wireshark upper PDU",
        253 => "Linux netlink",
        258 => "Apple PKTAP",
        271 => "Linux vsock",
        274 => "Ethernet mPackets",
        _ => "unknown here",
    }
}

/// Where the IP header starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Ipv4(usize),
    Ipv6(usize),
}

#[inline]
pub(super) fn parse(link: LinkType, frame: &Frame<'_>) -> Result<(Network, Option<Direction>), Passed> {
    let network = match link {
        LinkType::Ethernet => {
            let header: &[u8; 14] = frame.read(0, Passed::LinkHeader)?;
            network(frame, u16::from_be_bytes([header[12], header[13]]), 14)?
        }
        LinkType::Cooked => {
            let header: &[u8; 16] = frame.read(0, Passed::LinkHeader)?;
            let direction = direction(u16::from_be_bytes([header[0], header[1]]));
            let network = network(frame, u16::from_be_bytes([header[14], header[15]]), 16)?;
            return Ok((network, direction));
        }
        LinkType::Cooked2 => {
            let header: &[u8; 20] = frame.read(0, Passed::LinkHeader)?;
            let direction = direction(u16::from(header[10]));
            let network = network(frame, u16::from_be_bytes([header[0], header[1]]), 20)?;
            return Ok((network, direction));
        }
        LinkType::Loopback => loopback(*frame.read(0, Passed::LinkHeader)?)?,
        LinkType::Ipv4 => Network::Ipv4(0),
        LinkType::Ipv6 => Network::Ipv6(0),
        LinkType::Raw => {
            let first: &[u8; 1] = frame.read(0, Passed::LinkHeader)?;
            match first[0] >> 4 {
                4 => Network::Ipv4(0),
                6 => Network::Ipv6(0),
                _ => return Err(Passed::NotIp),
            }
        }
    };
    Ok((network, None))
}

/// Follows VLAN tags (802.1Q, 802.1ad and the older QinQ type) to the network layer.
#[inline]
fn network(frame: &Frame<'_>, ethertype: u16, at: usize) -> Result<Network, Passed> {
    match ethertype {
        0x0800 => Ok(Network::Ipv4(at)),
        0x86dd => Ok(Network::Ipv6(at)),
        _ => tagged(frame, ethertype, at),
    }
}

fn tagged(frame: &Frame<'_>, mut ethertype: u16, mut at: usize) -> Result<Network, Passed> {
    let mut tags = 0_usize;
    loop {
        match ethertype {
            0x0800 => return Ok(Network::Ipv4(at)),
            0x86dd => return Ok(Network::Ipv6(at)),
            0x8100 | 0x88a8 | 0x9100 if tags == MAX_TAGS => return Err(Passed::VlanDepth),
            0x8100 | 0x88a8 | 0x9100 => {}
            // MPLS and PPPoE sessions carry IP, but behind headers that are not parsed.
            0x8847 | 0x8848 | 0x8864 => return Err(Passed::Tunnel),
            _ => return Err(Passed::NotIp),
        }
        let tag: &[u8; 4] = frame.read(at, Passed::LinkHeader)?;
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        at = at.wrapping_add(4);
        tags = tags.wrapping_add(1);
    }
}

/// The packet type of Linux cooked captures (`PACKET_HOST`, `PACKET_OUTGOING` of packet(7)).
const fn direction(packet_type: u16) -> Option<Direction> {
    match packet_type {
        0 => Some(Direction::Ingress),
        4 => Some(Direction::Egress),
        _ => None,
    }
}

/// The address family, in either byte order. `AF_INET` is 2 everywhere; `AF_INET6` differs: 10 on Linux, 24 on
/// NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
fn loopback(header: [u8; 4]) -> Result<Network, Passed> {
    let family = u32::from_be_bytes(header);
    let family = if family <= 0xffff { family } else { family.swap_bytes() };
    match family {
        2 => Ok(Network::Ipv4(4)),
        10 | 24 | 28 | 30 => Ok(Network::Ipv6(4)),
        _ => Err(Passed::NotIp),
    }
}
