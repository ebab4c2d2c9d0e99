//! Connections that begin in TLS, whose requests nobody reads here.

use std::collections::BTreeMap;

/// Ports that are counted; a host has few servers. Connections on others are among [`super::Counters::not_http`] only.
const MAX_PORTS: usize = 256;

/// How many connections to each port of a server began with a ClientHello.
#[derive(Clone, Debug, Default)]
pub struct TlsPorts {
    connections: BTreeMap<u16, u64>,
}

impl TlsPorts {
    /// Counts a connection that is no HTTP, by its first bytes.
    pub(super) fn note(&mut self, port: u16, first: &[u8]) {
        if !is_client_hello(first) {
            return;
        }
        if self.connections.len() < MAX_PORTS || self.connections.contains_key(&port) {
            let count = self.connections.entry(port).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Connections by port.
    #[must_use]
    pub const fn connections(&self) -> &BTreeMap<u16, u64> {
        &self.connections
    }
}

/// Whether these are the first bytes of a TLS client: a record of type handshake (22) and version 3.x (RFC 8446,
/// section 5.1) that begins with a ClientHello (type 1, section 4).
fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [22, 3, 0..=4, _, _, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_is_told_from_other_things() {
        for (bytes, expected) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], true),
            (b"\x16\x03\x03\x00\xf4\x01", true),
            (b"\x16\x03\x03\x00\xf4\x02", false),
            (b"\x17\x03\x03\x00\xf4\x01", false),
            (b"\x16\x03\x03\x00\xf4", false),
            (b"\x16\xfe\xfd\x00\x00\x01", false),
            (b"GET / HTTP/1.1\r\n", false),
            (b"", false),
        ] {
            assert_eq!(is_client_hello(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn ports_are_bounded() {
        let mut ports = TlsPorts::default();
        for round in 1..=2 {
            (0..1_000).for_each(|port| ports.note(port, b"\x16\x03\x01\x02\x00\x01"));
            assert_eq!((ports.connections().len(), ports.connections()[&0]), (MAX_PORTS, round));
        }
    }
}
