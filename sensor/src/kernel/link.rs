//! Facts about an interface, over route netlink.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's sets are open: what is not asked for is passed over"
)]

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoKind, InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
    XdpAttached,
};
use serde::{Deserialize, Serialize};

use super::attach::XdpMode;
use super::error::KernelError;
use super::route::ask_route;

/// How the frames of an interface start: what the programs need to know to find the IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkLayer {
    /// With an Ethernet header.
    #[default]
    Ethernet,
    /// With an Ethernet header, and sent by this host itself.
    Loopback,
    /// With the IP header: tunnels, WireGuard, PPP.
    Ip,
    /// With something else, which no program here can parse.
    Unreadable,
}

impl LinkLayer {
    const fn of(kind: LinkLayerType) -> Self {
        match kind {
            LinkLayerType::Ether => Self::Ethernet,
            LinkLayerType::Loopback => Self::Loopback,
            // tun, WireGuard and xfrm interfaces have `ARPHRD_NONE`.
            LinkLayerType::None
            | LinkLayerType::Ppp
            | LinkLayerType::Rawip
            | LinkLayerType::Tunnel
            | LinkLayerType::Tunnel6
            | LinkLayerType::Sit
            | LinkLayerType::Ipgre
            | LinkLayerType::Ip6gre => Self::Ip,
            _ => Self::Unreadable,
        }
    }
}

/// What the kernel says about one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Whether an administrator has set it up (`IFF_UP`).
    pub is_up: bool,
    /// How its frames start.
    pub layer: LinkLayer,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// How an XDP program is attached, if one is.
    pub xdp: Option<XdpMode>,
    /// The kernel's ID of that program.
    pub program_id: Option<u32>,
    /// The interface below, if this is a VLAN.
    pub vlan_on: Option<u32>,
    /// The bond or bridge of which this is a port.
    pub port_of: Option<u32>,
    /// What it is a port of, by the kernel's name: `bond`, `bridge`.
    pub port_kind: Option<PortKind>,
}

/// The kind of master of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// A bond, which passes packets on as its own.
    Bond,
    /// A bridge, as above.
    Bridge,
    /// Anything else with ports: a team, a VRF.
    Other,
}

/// Queries one interface.
///
/// # Errors
/// If the interface does not exist or netlink fails.
pub fn link_facts(ifindex: u32) -> Result<LinkFacts, KernelError> {
    let link = request(ifindex).map_err(KernelError::system(format!("asking about interface {ifindex}")))?;
    let mut facts = LinkFacts {
        is_up: link.header.flags.contains(LinkFlags::Up),
        layer: LinkLayer::of(link.header.link_layer_type),
        ..LinkFacts::default()
    };
    let mut below = None;
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::Link(index) => below = Some(index),
            LinkAttribute::Controller(index) => facts.port_of = Some(index),
            LinkAttribute::LinkInfo(info) => {
                let is_vlan = info.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Vlan)));
                facts.vlan_on = is_vlan.then_some(0);
                facts.port_kind = info.iter().find_map(port_kind);
            }
            LinkAttribute::Mtu(mtu) => facts.mtu = mtu,
            LinkAttribute::Xdp(values) => note_xdp(&values, &mut facts),
            _ => {}
        }
    }
    facts.vlan_on = facts.vlan_on.and(below);
    Ok(facts)
}

fn port_kind(info: &LinkInfo) -> Option<PortKind> {
    match info {
        LinkInfo::PortKind(InfoPortKind::Bond) => Some(PortKind::Bond),
        LinkInfo::PortKind(InfoPortKind::Bridge) => Some(PortKind::Bridge),
        LinkInfo::PortKind(_) => Some(PortKind::Other),
        _ => None,
    }
}

fn note_xdp(values: &[LinkXdp], facts: &mut LinkFacts) {
    for value in values {
        match value {
            LinkXdp::Attached(XdpAttached::Driver | XdpAttached::Hardware) => {
                facts.xdp = Some(XdpMode::Native)
            }
            LinkXdp::Attached(XdpAttached::SocketBuffer) => facts.xdp = Some(XdpMode::Generic),
            LinkXdp::ProgId(id) => facts.program_id = Some(*id),
            _ => {}
        }
    }
}

fn request(ifindex: u32) -> io::Result<LinkMessage> {
    let mut link = LinkMessage::default();
    link.header.index = ifindex;
    match ask_route(RouteNetlinkMessage::GetLink(link), 0)? {
        Some(RouteNetlinkMessage::NewLink(link)) => Ok(link),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an unexpected netlink answer")),
    }
}
