//! Which side is the client, if the handshake was missed.

use super::config::Config;
use crate::capture::{Direction, Segment};

/// What a client's first bytes can be: methods of HTTP (RFC 9110, section 9; RFC 5789), the preface of HTTP/2
/// (RFC 9113, section 3.4), and the PROXY protocol in both versions.
const CLIENT_STARTS: [&[u8]; 12] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"HEAD ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI * HTTP/2",
    b"PROXY ",
    b"\r\n\r\n\0\r\nQUIT\n",
];

/// Whether a segment's source is the client, as far as can be told: because the server is on this host; by configured
/// ports; by the payload; because servers usually have the lower port.
pub(super) fn from_client(segment: &Segment<'_>, config: &Config) -> bool {
    if let Some(direction) = segment.direction {
        return direction == Direction::Ingress;
    }
    let (source, destination) = (segment.source.port(), segment.destination.port());
    let serves = |port: u16| config.server_ports.binary_search(&port).is_ok();
    match (serves(source), serves(destination)) {
        (true, false) => return false,
        (false, true) => return true,
        _ => {}
    }
    if segment.payload.starts_with(b"HTTP/") {
        return false;
    }
    CLIENT_STARTS.iter().any(|start| segment.payload.starts_with(start)) || source > destination
}
