//! Facts about an interface, over route netlink.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's sets are open: what is not asked for is passed over"
)]

use std::io;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp, XdpAttached};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::attach::XdpMode;
use super::error::KernelError;

/// What the kernel says about one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// How an XDP program is attached, if one is.
    pub xdp: Option<XdpMode>,
    /// The kernel's number of that program.
    pub program_id: Option<u32>,
}

/// Asks for one interface.
///
/// # Errors
/// Where the interface does not exist or netlink fails.
pub fn link_facts(ifindex: u32) -> Result<LinkFacts, KernelError> {
    let attributes =
        request(ifindex).map_err(KernelError::system(format!("asking about interface {ifindex}")))?;
    let mut facts = LinkFacts::default();
    for attribute in attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => facts.mtu = mtu,
            LinkAttribute::Xdp(values) => note_xdp(&values, &mut facts),
            _ => {}
        }
    }
    Ok(facts)
}

/// The name of a loaded program, as its kernel number finds it.
#[must_use]
pub fn program_name(id: u32) -> Option<String> {
    let mut programs = aya::programs::loaded_programs().flatten();
    programs.find(|program| program.id() == id)?.name_as_str().map(str::to_owned)
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

fn request(ifindex: u32) -> io::Result<Vec<LinkAttribute>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut link = LinkMessage::default();
    link.header.index = ifindex;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(RouteNetlinkMessage::GetLink(link)));
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    socket.send(&buffer, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(link.attributes),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an unexpected netlink answer")),
    }
}
