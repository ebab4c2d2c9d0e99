//! The peer of a connection, as the kernel knows it: the owner of a TCP socket in this network namespace, and the
//! groups of the process behind a Unix socket. That process can forge neither.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's sets are open: what is not asked for is passed over"
)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr as NetlinkAddress};
use nix::errno::Errno;
use nix::libc;

/// Queries the owners of connections, over one netlink socket.
#[derive(Debug)]
pub struct ConnectionOwners(Socket);

impl ConnectionOwners {
    /// Needs no capability.
    ///
    /// # Errors
    /// If netlink is refused.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&NetlinkAddress::new(0, 0))?;
        // The kernel answers before `send` returns; if it does not, an error is better than blocking.
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// The user who owns the socket at `local` that is connected to `remote`; `None` if this network namespace has no
    /// such connection, or it is not established.
    ///
    /// # Errors
    /// If netlink refuses, or answers something else.
    pub fn owner(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
        self.0.send(&request(local, remote), 0)?;
        let (datagram, _) = self.0.recv_from_full()?;
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(&datagram)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        match message.payload {
            // If nothing is connected, the kernel returns the listener.
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
                let is_it = found.header.state == TCP_ESTABLISHED
                    && found.header.socket_id.source_port == local.port()
                    && found.header.socket_id.destination_port == remote.port();
                Ok(is_it.then_some(found.header.uid))
            }
            NetlinkPayload::Error(error) => match error.to_io() {
                error if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
                error => Err(error),
            },
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn request(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let (source_address, destination_address) = (local.ip().to_canonical(), remote.ip().to_canonical());
    let scope = |address: SocketAddr| match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let request = SockDiagMessage::InetRequest(InetRequest {
        family: if matches!(source_address, IpAddr::V4(_)) { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::ESTABLISHED,
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: remote.port(),
            source_address,
            destination_address,
            interface_id: scope(local).max(scope(remote)),
            // Any socket with these addresses (`INET_DIAG_NOCOOKIE`).
            cookie: [0xFF; 8],
        },
    });
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    buffer
}

/// Number of groups in the first request; few processes have more.
const GROUPS: usize = 64;

/// The supplementary groups that the process behind a connected Unix socket had when it connected (`SO_PEERGROUPS`,
/// Linux 4.13).
///
/// # Errors
/// If the kernel refuses.
pub fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; GROUPS];
    for _ in 0..2 {
        let size = size_of::<libc::gid_t>();
        let mut length =
            libc::socklen_t::try_from(groups.len().saturating_mul(size)).unwrap_or(libc::socklen_t::MAX);
        #[expect(unsafe_code, reason = "neither std nor nix knows this option")]
        // SAFETY: the buffer is as long as `length` says, and holds numbers of 32 bits, whatever their value.
        let done = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        // If the buffer is too short, the kernel returns the required length.
        let count = usize::try_from(length).unwrap_or(0).checked_div(size).unwrap_or(0);
        match Errno::result(done) {
            Ok(_) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err(Errno::ERANGE) => groups.resize(count, 0),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use nix::unistd::{geteuid, getgroups};

    use super::*;

    #[test]
    fn both_ends_of_a_connection_are_found_and_nothing_else() {
        let owners = ConnectionOwners::open().unwrap();
        let own = Some(geteuid().as_raw());
        for (listen, connect) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")] {
            let Ok(listener) = TcpListener::bind(listen) else { continue };
            let to = SocketAddr::new(connect.parse().unwrap(), listener.local_addr().unwrap().port());
            let client = TcpStream::connect(to).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let from = client.local_addr().unwrap();
            assert_eq!(owners.owner(from, to).unwrap(), own, "{listen}");
            assert_eq!(owners.owner(to, from).unwrap(), own, "{listen}");
            // As the server sees both, including mapped addresses.
            assert_eq!(owners.owner(peer, server.local_addr().unwrap()).unwrap(), own, "{listen}");
            let other = SocketAddr::new(from.ip(), from.port().checked_add(1).unwrap_or(1_024));
            assert_eq!(owners.owner(to, other).unwrap(), None, "who listens is no connection");
            drop((client, server));
            assert_eq!(owners.owner(to, from).unwrap(), None, "{listen}: it has ended");
        }
    }

    #[test]
    fn groups_are_those_of_the_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut groups = peer_groups(&one).unwrap();
        let mut own: Vec<u32> = getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect();
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
    }
}
