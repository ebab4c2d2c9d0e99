//! One route netlink request and its answer.
#![expect(clippy::wildcard_enum_match_arm, reason = "netlink's set of messages is open")]

use std::io;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Queries the kernel in this thread's network namespace; returns its answer, or nothing if it only acknowledges.
/// `flags` are added to `NLM_F_REQUEST`; without `NLM_F_ACK`, a request that is not a query gets no answer.
///
/// # Errors
/// If the kernel refuses, or its answer cannot be read.
pub fn ask_route(request: RouteNetlinkMessage, flags: u16) -> io::Result<Option<RouteNetlinkMessage>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    socket.send(&buffer, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::deserialize(&answer).map_err(|error| invalid(error.to_string()))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        // An acknowledgement is an error without a code.
        NetlinkPayload::Error(error) if error.code.is_none() => Ok(None),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(invalid("an unexpected netlink answer".to_owned())),
    }
}
