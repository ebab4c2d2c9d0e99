//! Facts about an interface, over route netlink.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's sets are open: what is not asked for is passed over"
)]

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp, XdpAttached,
};

use super::attach::XdpMode;
use super::error::KernelError;
use super::route::ask_route;

/// What the kernel says about one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Whether it is up, as an administrator set it (`IFF_UP`).
    pub is_up: bool,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// How an XDP program is attached, if one is.
    pub xdp: Option<XdpMode>,
    /// The kernel's number of that program.
    pub program_id: Option<u32>,
    /// The interface below, where this is a VLAN on another.
    pub vlan_on: Option<u32>,
}

/// Asks for one interface.
///
/// # Errors
/// Where the interface does not exist or netlink fails.
pub fn link_facts(ifindex: u32) -> Result<LinkFacts, KernelError> {
    let link = request(ifindex).map_err(KernelError::system(format!("asking about interface {ifindex}")))?;
    let mut facts = LinkFacts { is_up: link.header.flags.contains(LinkFlags::Up), ..LinkFacts::default() };
    let mut below = None;
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::Link(index) => below = Some(index),
            LinkAttribute::LinkInfo(info) => {
                let is_vlan = info.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Vlan)));
                facts.vlan_on = is_vlan.then_some(0);
            }
            LinkAttribute::Mtu(mtu) => facts.mtu = mtu,
            LinkAttribute::Xdp(values) => note_xdp(&values, &mut facts),
            _ => {}
        }
    }
    facts.vlan_on = facts.vlan_on.and(below);
    Ok(facts)
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
