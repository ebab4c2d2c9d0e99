//! Clients connected to this host's servers, by its TCP sockets.
//!
//! A socket with a completed handshake proves that its peer's address is not forged. A silent one says nothing about
//! who sends requests now.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::Nla as _;
use netlink_packet_sock_diag::constants::TCP_ESTABLISHED;
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetResponse, StateFlags};

use super::listening::{dump, listening_ports};

/// Remote addresses of connections from elsewhere to listening ports of this host that received data within `recent`,
/// or that this end closed within the last minute. Needs no capability.
///
/// # Errors
/// If netlink is refused.
pub fn connected_clients(recent: Duration) -> io::Result<BTreeSet<IpAddr>> {
    let recent = u32::try_from(recent.as_millis()).unwrap_or(u32::MAX);
    let served = listening_ports();
    let states = StateFlags::ESTABLISHED
        | StateFlags::FIN_WAIT1
        | StateFlags::FIN_WAIT2
        | StateFlags::TIME_WAIT
        | StateFlags::CLOSE_WAIT
        | StateFlags::LAST_ACK
        | StateFlags::CLOSING;
    let mut clients = BTreeSet::new();
    dump(states, ExtensionFlags::INFO, |socket| {
        let id = &socket.header.socket_id;
        let (own, client) = (id.source_address.to_canonical(), id.destination_address.to_canonical());
        let is_from_elsewhere = !own.is_loopback() && !client.is_loopback() && own != client;
        if is_from_elsewhere && served.contains(&id.source_port) && is_recent(socket, recent) {
            clients.insert(client);
        }
    })?;
    Ok(clients)
}

/// `INET_DIAG_INFO`.
const INFO: u16 = 2;
/// Offset of `tcpi_last_data_recv` in `struct tcp_info`: milliseconds since data last arrived.
const LAST_DATA_RECEIVED: std::ops::Range<usize> = 52..56;

fn is_recent(socket: &InetResponse, most: u32) -> bool {
    match socket.nlas.iter().find_map(last_data_received) {
        Some(ago) => ago <= most,
        // Sockets in TIME_WAIT have only addresses; they go after a minute.
        None => socket.header.state != TCP_ESTABLISHED,
    }
}

fn last_data_received(attribute: &Nla) -> Option<u32> {
    if attribute.kind() != INFO {
        return None;
    }
    let mut info = vec![0; attribute.value_len()];
    attribute.emit_value(&mut info);
    let field = info.get(LAST_DATA_RECEIVED)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use nix::ifaddrs::getifaddrs;

    use super::*;

    /// A non-loopback address of this host that connects to itself: not a client from elsewhere.
    fn own_address() -> Option<IpAddr> {
        let addresses = getifaddrs().ok()?.filter_map(|interface| interface.address);
        let addresses = addresses.filter_map(|address| Some(IpAddr::V4(address.as_sockaddr_in()?.ip())));
        addresses.into_iter().find(|address| !address.is_loopback())
    }

    #[test]
    fn this_host_is_no_client_from_elsewhere() {
        for address in std::iter::once(IpAddr::from([127, 0, 0, 1])).chain(own_address()) {
            let listener = TcpListener::bind((address, 0)).unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(b"x").unwrap();
            server.read_exact(&mut [0]).unwrap();
            assert!(!connected_clients(Duration::from_secs(10)).unwrap().contains(&address), "{address}");
        }
    }

    #[test]
    fn data_is_as_old_as_the_kernel_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut found = Vec::new();
        dump(StateFlags::ESTABLISHED, ExtensionFlags::INFO, |socket| {
            if socket.header.socket_id.source_port == port {
                found.extend(socket.nlas.iter().find_map(last_data_received));
                assert!(is_recent(socket, 60_000));
            }
        })
        .unwrap();
        assert!(matches!(&*found, [ago] if *ago < 60_000), "{found:?}");
    }
}
