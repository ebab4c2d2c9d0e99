//! TCP connections written into a capture in memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::flags::{ACK, FIN, PSH, SYN};
use crate::sim::random::Random;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Its name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    fn client(self, number: u32) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits(0x0a00_0001 + number % 0x00ff_ff00).into(),
            // A prefix of its own for each.
            Self::V6 => {
                let prefix = u128::from(0x2001_0db8_0000_0000_u64 + u64::from(number));
                Ipv6Addr::from_bits(prefix << 64 | 1).into()
            }
        }
    }

    /// The server's address.
    #[must_use]
    pub const fn server(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1)),
        }
    }
}

/// Largest payload of a segment over Ethernet, with a timestamp option.
const MSS: usize = 1_448;
const HTTP: u16 = 80;
/// Between two packets, in microseconds: 100,000 a second.
const STEP: u64 = 10;
/// Nanosecond captures of Ethernet frames.
const HEADER: [u8; 24] = [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

/// A capture in the making.
pub struct Wire {
    file: Vec<u8>,
    family: Family,
    /// Microseconds since 1970.
    now: u64,
    /// Chance, the same in each capture.
    pub random: Random,
}

/// A client's connection, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    client: IpAddr,
    port: u16,
    /// The client's next sequence number.
    pub sent: u32,
    /// The server's.
    pub received: u32,
}

/// Who sends a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Wire {
    /// A capture without packets.
    #[must_use]
    pub fn new(family: Family) -> Self {
        let now = 1_764_000_000_000_000;
        Self { file: HEADER.to_vec(), family, now, random: Random::new(7) }
    }

    pub(super) const fn len(&self) -> usize {
        self.file.len()
    }

    /// The capture as a file.
    #[must_use]
    pub fn into_file(self) -> Vec<u8> {
        self.file
    }

    /// Lets time pass.
    pub const fn wait(&mut self, microseconds: u64) {
        self.now += microseconds;
    }

    /// The `number`th connection, without its handshake.
    pub fn peer(&mut self, number: u32) -> Peer {
        let client = self.family.client(number / 8);
        self.peer_at(client, 1_024 + (number % 60_000) as u16)
    }

    /// A connection of a client, without its handshake.
    pub const fn peer_at(&mut self, client: IpAddr, port: u16) -> Peer {
        Peer { client, port, sent: self.random.bits() as u32, received: self.random.bits() as u32 }
    }

    /// The `number`th connection, with its handshake.
    pub fn open(&mut self, number: u32) -> Peer {
        let peer = self.peer(number);
        self.shake(peer)
    }

    /// The handshake of a connection; where it stands then.
    pub fn shake(&mut self, mut peer: Peer) -> Peer {
        self.put(&Peer { received: 0, ..peer }, Side::Client, SYN, b"");
        peer.sent = peer.sent.wrapping_add(1);
        self.put(&peer, Side::Server, SYN | ACK, b"");
        peer.received = peer.received.wrapping_add(1);
        self.put(&peer, Side::Client, ACK, b"");
        peer
    }

    /// What the client sends, in segments of the usual size.
    pub fn up(&mut self, peer: &mut Peer, data: impl AsRef<[u8]>) {
        self.send(peer, Side::Client, data.as_ref(), MSS);
    }

    /// What the server sends, in segments of the usual size.
    pub fn down(&mut self, peer: &mut Peer, data: impl AsRef<[u8]>) {
        self.send(peer, Side::Server, data.as_ref(), MSS);
    }

    /// What somebody sends, in segments of at most so many bytes.
    pub fn send(&mut self, peer: &mut Peer, from: Side, data: &[u8], most: usize) {
        for part in data.chunks(most) {
            self.put(peer, from, PSH | ACK, part);
            let next = match from {
                Side::Client => &mut peer.sent,
                Side::Server => &mut peer.received,
            };
            *next = next.wrapping_add(part.len() as u32);
        }
    }

    /// Both ends close.
    pub fn close(&mut self, peer: &mut Peer) {
        self.put(peer, Side::Client, FIN | ACK, b"");
        peer.sent = peer.sent.wrapping_add(1);
        self.put(peer, Side::Server, FIN | ACK, b"");
        peer.received = peer.received.wrapping_add(1);
        self.put(peer, Side::Client, ACK, b"");
    }

    /// A segment of the client's so many bytes ahead of what it has sent, or behind.
    pub fn ahead(&mut self, peer: &Peer, offset: i32, data: &[u8]) {
        let sent = peer.sent.wrapping_add_signed(offset);
        self.put(&Peer { sent, ..*peer }, Side::Client, PSH | ACK, data);
    }

    /// One segment, at the place where its sender stands.
    pub fn put(&mut self, peer: &Peer, from: Side, flags: u8, data: &[u8]) {
        let client = (peer.client, peer.port, peer.sent);
        let server = (self.family.server(), HTTP, peer.received);
        let (source, destination) = match from {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let mut tcp = Vec::with_capacity(20 + data.len());
        tcp.extend(source.1.to_be_bytes());
        tcp.extend(destination.1.to_be_bytes());
        tcp.extend(source.2.to_be_bytes());
        tcp.extend(if flags & ACK == 0 { 0 } else { destination.2 }.to_be_bytes());
        tcp.extend([5 << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        tcp.extend(data);
        let sum = pseudo(source.0, destination.0, tcp.len()) + sum(&tcp);
        tcp[16..18].copy_from_slice(&fold(sum).to_be_bytes());
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        network(&mut frame, source.0, destination.0, tcp.len());
        frame.extend(tcp);
        self.record(&frame);
    }

    fn record(&mut self, frame: &[u8]) {
        self.now += STEP;
        let length = frame.len() as u32;
        let seconds = (self.now / 1_000_000) as u32;
        let nanoseconds = (self.now % 1_000_000 * 1_000) as u32;
        for field in [seconds, nanoseconds, length, length] {
            self.file.extend(field.to_le_bytes());
        }
        self.file.extend(frame);
    }
}

/// The type of the frame, and the IP header.
fn network(frame: &mut Vec<u8>, source: IpAddr, destination: IpAddr, length: usize) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = ((length + 20) as u16).to_be_bytes();
            let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = fold(sum(&header)).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            frame.extend([8, 0]);
            frame.extend(header);
        }
        (source, destination) => {
            let payload = (length as u16).to_be_bytes();
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, payload[0], payload[1], 6, 64]);
            frame.extend(mapped(source));
            frame.extend(mapped(destination));
        }
    }
}

const fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The sum over the pseudo-header of TCP (RFC 9293, section 3.1; RFC 8200, section 8.1).
fn pseudo(source: IpAddr, destination: IpAddr, length: usize) -> u64 {
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum(&source.octets()) + sum(&destination.octets()),
        (source, destination) => sum(&mapped(source)) + sum(&mapped(destination)),
    };
    addresses + 6 + length as u64
}

/// The sum of 16-bit words (RFC 1071), to be folded.
fn sum(bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |last| u64::from(*last) << 8);
    pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + last
}

const fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
