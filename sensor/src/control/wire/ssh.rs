//! The connection that an ssh session came by.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};

/// Both ends of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SshConnection {
    /// The operator's.
    pub client: SocketAddr,
    /// This host's.
    pub server: SocketAddr,
}

impl SshConnection {
    /// The operator's address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    /// Reads `SSH_CONNECTION` (sshd's manual): the addresses and ports of client and server.
    ///
    /// `zone` turns the name of an interface into its index, for link-local addresses.
    #[must_use]
    pub fn parse(text: &str, zone: impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut end = || {
            let (address, port) = (words.next()?, words.next()?.parse().ok()?);
            let Some((address, interface)) = address.split_once('%') else {
                return Some(SocketAddr::new(address.parse().ok()?, port));
            };
            Some(SocketAddr::V6(SocketAddrV6::new(address.parse().ok()?, port, 0, zone(interface)?)))
        };
        Some(Self { client: end()?, server: end()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_read() {
        let read = |text: &str| SshConnection::parse(text, |name| (name == "eth0").then_some(3));
        for (text, expected) in [
            ("192.0.2.9 50123 198.51.100.1 22", Some(("192.0.2.9:50123", "198.51.100.1:22"))),
            ("2001:db8::9 1 2001:db8::1 22", Some(("[2001:db8::9]:1", "[2001:db8::1]:22"))),
            ("fe80::9%eth0 1 fe80::1%eth0 22", Some(("[fe80::9%3]:1", "[fe80::1%3]:22"))),
            ("fe80::9%eth1 1 fe80::1%eth1 22", None),
            ("192.0.2.9 50123 198.51.100.1", None),
            ("192.0.2.9 x 198.51.100.1 22", None),
            ("192.0.2.9", None),
            ("", None),
        ] {
            let read = read(text).map(|found| (found.client.to_string(), found.server.to_string()));
            let expected = expected.map(|(client, server)| (client.to_owned(), server.to_owned()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn it_crosses_the_wire() {
        let connection = SshConnection::parse("fe80::9%x 1 fe80::1%x 22", |_| Some(7)).unwrap();
        let text = serde_json::to_string(&connection).unwrap();
        assert_eq!(serde_json::from_str::<SshConnection>(&text).unwrap(), connection);
    }
}
