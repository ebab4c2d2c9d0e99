//! UDP: floods as fast as a thread can send, paced streams with sequence numbers, and the sink that counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;

use crate::netns::Namespace;
use crate::wait;

/// Sends up to `bound` datagrams of `size` bytes as fast as this thread can, until told to stop. Returns how
/// many the kernel took: a datagram that a full queue refused was never sent.
///
/// # Errors
/// If the socket cannot be opened.
pub fn flood(
    source: IpAddr,
    target: SocketAddr,
    size: usize,
    bound: u64,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let socket = UdpSocket::bind((source, 0))?;
    let payload = vec![0xa5_u8; size];
    let mut sent = 0;
    for _ in 0..bound {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        sent += u64::from(socket.send_to(&payload, target).is_ok());
    }
    Ok(sent)
}

/// Sends sequence numbers at an even rate, up to `bound` of them, until told to stop; `sent` says how many.
///
/// # Errors
/// If the socket cannot be opened, or a datagram cannot be sent.
pub fn stream(
    source: IpAddr,
    target: SocketAddr,
    every: Duration,
    bound: u64,
    sent: &AtomicU64,
    stop: &AtomicBool,
) -> io::Result<()> {
    let socket = UdpSocket::bind((source, 0))?;
    let mut next = wait::now();
    for sequence in 0..bound {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        wait::pace_until(next);
        next += every;
        socket.send_to(&sequence.to_be_bytes(), target)?;
        sent.store(sequence + 1, Ordering::Relaxed);
    }
    Ok(())
}

/// What arrived, by source address.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    /// Datagrams.
    pub packets: u64,
    /// Different sequence numbers among those of eight bytes.
    pub sequences: BTreeSet<u64>,
}

/// A UDP server that reads and counts; it stops when dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens, for both families.
    pub port: u16,
    arrived: Arc<Mutex<BTreeMap<IpAddr, Arrived>>>,
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<()>>,
}

impl Sink {
    /// Listens in a namespace on both families.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(namespace: &Arc<Namespace>, port: u16) -> io::Result<Self> {
        let arrived = Arc::<Mutex<BTreeMap<IpAddr, Arrived>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        for address in ["0.0.0.0", "::"] {
            let socket = namespace.enter(|| open(address, port))?;
            let (arrived, stop) = (Arc::clone(&arrived), Arc::clone(&stop));
            readers.push(std::thread::spawn(move || read(&socket, &arrived, &stop)));
        }
        Ok(Self { port, arrived, stop, readers })
    }

    /// What arrived from a source until now.
    #[must_use]
    pub fn from(&self, source: IpAddr) -> Arrived {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned().unwrap_or_default()
    }

    /// Datagrams that arrived from a source until now.
    #[must_use]
    pub fn packets_from(&self, source: IpAddr) -> u64 {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.get(&source).map_or(0, |arrived| arrived.packets)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            // A reader that panicked has already said so.
            let _ended = reader.join();
        }
    }
}

fn open(address: &str, port: u16) -> io::Result<UdpSocket> {
    let address: IpAddr = address.parse().map_err(io::Error::other)?;
    let socket = match address {
        IpAddr::V4(_) => UdpSocket::bind((address, port))?,
        IpAddr::V6(_) => bind_v6_only(port)?,
    };
    // A burst shall be counted and not overflow the queue between two turns of the reader.
    setsockopt(&socket, RcvBufForce, &(64 << 20))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

fn bind_v6_only(port: u16) -> io::Result<UdpSocket> {
    use nix::sys::socket::sockopt::Ipv6V6Only;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, socket};
    use std::os::fd::AsRawFd as _;

    let socket = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, Ipv6V6Only, &true)?;
    let any = std::net::SocketAddrV6::new(std::net::Ipv6Addr::UNSPECIFIED, port, 0, 0);
    bind(socket.as_raw_fd(), &SockaddrIn6::from(any))?;
    Ok(UdpSocket::from(socket))
}

fn read(socket: &UdpSocket, arrived: &Mutex<BTreeMap<IpAddr, Arrived>>, stop: &AtomicBool) {
    let mut datagram = [0_u8; 2048];
    while !stop.load(Ordering::Relaxed) {
        // A timeout: time to look at `stop`.
        let Ok((length, source)) = socket.recv_from(&mut datagram) else { continue };
        let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = arrived.entry(source.ip()).or_default();
        entry.packets += 1;
        if let Some(sequence) = datagram[..length].first_chunk::<8>().filter(|_| length == 8) {
            entry.sequences.insert(u64::from_be_bytes(*sequence));
        }
    }
}
