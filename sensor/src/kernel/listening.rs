//! TCP ports with a listener, in the calling thread's network namespace.
//!
//! They are queried over `sock_diag` with the state as a filter: the kernel then walks only its table of listening
//! sockets. `/proc/net/tcp` also walks the table of all connections, whose size depends on the machine and not on the
//! traffic.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's sets are open: what is not asked for is passed over"
)]

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla as _,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use procfs::net::TcpState;
use tracing::debug;

/// Maximum datagrams read of one answer: beyond that, it is not the kernel's list.
const MAX_DATAGRAMS: usize = 65_536;

/// The ports, for both families.
///
/// Needs no capability. If netlink is refused (a kernel without `tcp_diag`, a service without `AF_NETLINK`), `/proc` is
/// read; ports are missing only if that fails, too.
#[must_use]
pub fn listening_ports() -> BTreeSet<u16> {
    by_netlink().unwrap_or_else(|error| {
        debug!(%error, "sock_diag is refused; listening sockets are read from /proc");
        by_proc()
    })
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its address; none if it takes connections to any.
    pub address: Option<IpAddr>,
    /// Its inode, by which a process's descriptors identify it.
    pub inode: u32,
    /// The control group of the process that created it, if the kernel reports it: the ID by which programs in the
    /// kernel know it.
    pub group: Option<u64>,
}

/// All of them; none if netlink is refused.
#[must_use]
pub fn listeners() -> Vec<Listener> {
    by_netlink_all().unwrap_or_default()
}

fn by_proc() -> BTreeSet<u16> {
    // Via the process: a service may see no more of /proc than that.
    let Ok(own) = procfs::process::Process::myself() else { return BTreeSet::new() };
    let sockets = [own.tcp(), own.tcp6()].into_iter().flatten().flatten();
    sockets.filter(|entry| entry.state == TcpState::Listen).map(|entry| entry.local_address.port()).collect()
}

fn by_netlink() -> io::Result<BTreeSet<u16>> {
    Ok(by_netlink_all()?.into_iter().map(|listener| listener.port).collect())
}

fn by_netlink_all() -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    dump(StateFlags::LISTEN, ExtensionFlags::empty(), |socket| {
        found.push(Listener {
            port: socket.header.socket_id.source_port,
            address: Some(socket.header.socket_id.source_address.to_canonical())
                .filter(|own| !own.is_unspecified()),
            inode: socket.header.inode,
            group: socket.nlas.iter().find_map(group_of),
        });
    })?;
    Ok(found)
}

/// Lists every TCP socket in these states.
pub(super) fn dump(
    states: StateFlags,
    extensions: ExtensionFlags,
    mut visit: impl FnMut(&InetResponse),
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel prepares the next part of its list before it returns one, so nothing has to wait; if it does, an error
    // is better than a blocked thread.
    socket.set_non_blocking(true)?;
    for (family, any) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        socket.send(&request(family, any, states.clone(), extensions.clone()), 0)?;
        receive(&mut socket, &mut visit)?;
    }
    Ok(())
}

fn request(family: u8, socket_id: SocketId, states: StateFlags, extensions: ExtensionFlags) -> Vec<u8> {
    let request = SockDiagMessage::InetRequest(InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions,
        states,
        socket_id,
    });
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    buffer
}

/// Reads one answer to its end. A list that changed while it was read may lack a socket; it is queried again soon.
fn receive(socket: &mut Socket, visit: &mut impl FnMut(&InetResponse)) -> io::Result<()> {
    for _ in 0..MAX_DATAGRAMS {
        let (datagram, _) = socket.recv_from_full()?;
        if read_datagram(&datagram, visit)? {
            return Ok(());
        }
    }
    Err(invalid("an answer without an end"))
}

/// Reads the messages of a datagram; returns whether the last one of the answer was among them.
fn read_datagram(datagram: &[u8], visit: &mut impl FnMut(&InetResponse)) -> io::Result<bool> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(invalid)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) => visit(&socket),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::Done(done) if done.code != 0 => {
                return Err(io::Error::from_raw_os_error(done.code.saturating_neg()));
            }
            NetlinkPayload::Done(_) => return Ok(true),
            _ => {}
        }
        // Messages are aligned to four bytes (netlink(7)).
        let length = usize::try_from(message.header.length).map_err(invalid)?.next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(false)
}

/// `INET_DIAG_CGROUP_ID`, since Linux 5.9.
const CGROUP: u16 = 21;

fn group_of(attribute: &Nla) -> Option<u64> {
    match attribute {
        Nla::Other(other) if other.kind() == CGROUP => {
            let mut value = [0; 8];
            (other.value_len() == value.len()).then(|| {
                other.emit_value(&mut value);
                u64::from_ne_bytes(value)
            })
        }
        _ => None,
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Listeners of both families and one connection, and how they must appear.
    fn check(list: impl FnOnce() -> BTreeSet<u16>) {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0");
        let client = TcpStream::connect(v4.local_addr().unwrap()).unwrap();
        let ports = list();
        assert!(ports.contains(&v4.local_addr().unwrap().port()), "{ports:?}");
        assert!(
            !ports.contains(&client.local_addr().unwrap().port()),
            "a connection is no listener: {ports:?}"
        );
        if let Ok(v6) = v6 {
            assert!(ports.contains(&v6.local_addr().unwrap().port()), "{ports:?}");
        }
    }

    #[test]
    fn listeners_of_both_families_are_found() {
        check(|| by_netlink().unwrap());
        check(by_proc);
        check(listening_ports);
    }

    #[test]
    fn no_capability_is_needed() {
        let thread = std::thread::spawn(|| {
            caps::clear(None, caps::CapSet::Effective).unwrap();
            caps::clear(None, caps::CapSet::Permitted).unwrap();
            check(|| by_netlink().unwrap());
        });
        thread.join().unwrap();
    }

    #[test]
    fn many_listeners_take_many_datagrams() {
        let listeners: Vec<_> = (0..500).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = by_netlink().unwrap();
        for listener in listeners {
            assert!(ports.contains(&listener.local_addr().unwrap().port()));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_or_nothing() {
        let mut shown = 0;
        let mut visit = |_: &InetResponse| shown += 1;
        let whole = request(AF_INET, SocketId::new_v4(), StateFlags::LISTEN, ExtensionFlags::empty());
        for length in 1..whole.len() {
            assert!(read_datagram(&whole[..length], &mut visit).is_err(), "{length}");
        }
        assert!(read_datagram(&[], &mut visit).is_ok_and(|ended| !ended));
        assert_eq!(shown, 0);
    }
}
