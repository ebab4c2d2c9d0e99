//! One TCP segment, wherever it was seen.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use super::tcp::{Integrity, TcpHeader};
use crate::clock::Timestamp;

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// IPv4 is IPv4-mapped (RFC 4291, section 2.5.5.2).
    address: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// The endpoint at an address and port.
    #[must_use]
    pub const fn new(address: IpAddr, port: u16) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        Self { address, port }
    }

    /// The address; an IPv4-mapped one as IPv4.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        Ipv6Addr::from_octets(self.address).to_canonical()
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let address = u128::from_ne_bytes(self.address);
        state.write_u128(address);
        state.write_u16(self.port);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            IpAddr::V4(address) => write!(out, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(out, "[{address}]:{}", self.port),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Which way a segment crossed the interface, if the source can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards this host.
    Ingress,
    /// Away from this host.
    Egress,
}

/// Control bits of the TCP header (RFC 9293, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One TCP segment, or an aggregate of several (GRO, GSO) of up to 64 KiB.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When it was seen.
    pub time: Timestamp,
    /// Its sender.
    pub source: Endpoint,
    /// Its receiver.
    pub destination: Endpoint,
    /// Index of the interface; 0 from files.
    pub interface: u32,
    /// Its direction, if known.
    pub direction: Option<Direction>,
    /// Whether it crossed its interface against `direction`: the server is behind the interface. See
    /// [`sensor_common::abi::CROSSED`].
    pub crossed: bool,
    /// Sequence number of the first byte, or of the SYN.
    pub sequence: u32,
    /// Acknowledgement number; meaningful with [`Flags::ACK`].
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: Flags,
    /// Urgent pointer; meaningful with [`Flags::URG`].
    pub urgent: u16,
    /// Payload bytes on the wire.
    pub length: u32,
    /// The captured part of the payload: at most `length` bytes.
    pub payload: &'a [u8],
    /// The rest of its header.
    pub header: TcpHeader<'a>,
    /// What is known about its checksum.
    pub integrity: Integrity,
    /// The sequence number after the last byte that its receiver was seen to send, if segments of that direction are
    /// left out.
    pub peer_sent: Option<u32>,
}

impl Default for Segment<'_> {
    /// Without addresses, flags or payload; with a checksum that counts as correct.
    fn default() -> Self {
        let nowhere = Endpoint::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        Self {
            time: Timestamp::default(),
            source: nowhere,
            destination: nowhere,
            interface: 0,
            direction: None,
            crossed: false,
            sequence: 0,
            acknowledgement: 0,
            flags: Flags::default(),
            urgent: 0,
            length: 0,
            payload: &[],
            header: TcpHeader::default(),
            integrity: Integrity::Holds,
            peer_sent: None,
        }
    }
}
