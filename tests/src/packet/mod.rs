//! Frames, described header by header and written byte by byte.
//!
//! A description knows where each of its headers starts and ends, and the tests compare the program's parsing with
//! that. Architecture invariant: nothing here parses a frame, and nothing is shared with the parser under test.

mod network;
mod transport;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

pub use network::{Extension, Ipv4, Ipv6, Lengths};
pub use transport::{Tcp, Transport, Udp};

/// 802.1Q.
pub const VLAN: u16 = 0x8100;
/// 802.1ad, the outer tag of QinQ.
pub const SERVICE_VLAN: u16 = 0x88a8;
/// The outer tag of QinQ before 802.1ad.
pub const OLD_QINQ: u16 = 0x9100;

/// TCP flags.
pub mod flags {
    /// Last segment.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Aborts it.
    pub const RST: u8 = 0x04;
    /// Data to be handed over at once.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN-Echo (RFC 3168); set with SYN it offers ECN.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}

/// What a frame's Ethernet header leads to.
#[derive(Clone, Debug)]
pub enum Network {
    /// IPv4.
    V4(Ipv4),
    /// IPv6.
    V6(Ipv6),
    /// Anything else: EtherType and content.
    Other(u16, Vec<u8>),
}

/// The headers of a frame, in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The Ethernet header.
    Ethernet,
    /// A VLAN tag.
    Tag,
    /// The header of a PPPoE session and the PPP protocol number.
    Pppoe,
    /// The 20 bytes that every IPv4 header has.
    Ipv4,
    /// IPv4 options.
    Options,
    /// The IPv6 header.
    Ipv6,
    /// The 8 bytes that every IPv6 extension header has at least.
    Extension,
    /// The rest of an extension header.
    ExtensionBody,
    /// The least of a TCP, UDP or ICMP header: 20, 8 or 4 bytes.
    Transport,
    /// TCP options, or the rest of an ICMP header.
    TransportBody,
    /// Everything behind.
    Data,
}

/// A frame on the wire, with the places of its headers before it was cut.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Each header and its bytes, which may lie beyond the end of a frame that was cut.
    pub parts: Vec<(Part, Range<usize>)>,
}

/// Where bytes and the places of headers are collected.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    parts: Vec<(Part, Range<usize>)>,
}

impl Writer {
    /// Adds a header; an empty one leaves no trace.
    fn part(&mut self, part: Part, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.parts.push((part, start..self.bytes.len()));
    }
}

/// The description of a frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// EtherTypes of the VLAN tags, outermost first.
    pub tags: Vec<u16>,
    /// Whether a PPPoE session's header follows them.
    pub pppoe: bool,
    /// Whether it is a frame of a tunnel, which begins with its IP header.
    pub layer3: bool,
    /// What follows.
    pub network: Network,
    /// Bytes after the datagram that belong to no header, as short Ethernet frames have.
    pub trailer: Vec<u8>,
    /// Bytes of the frame that arrive, where it is cut.
    pub cut: Option<usize>,
}

impl Frame {
    /// An IPv4 frame with an empty UDP datagram, to be changed by the methods below.
    #[must_use]
    pub fn v4(source: Ipv4Addr) -> Self {
        Self::of(Network::V4(Ipv4::new(source)))
    }

    /// An IPv6 frame with an empty UDP datagram, to be changed by the methods below.
    #[must_use]
    pub fn v6(source: Ipv6Addr) -> Self {
        Self::of(Network::V6(Ipv6::new(source)))
    }

    /// A frame that is not IP.
    #[must_use]
    pub fn other(ether_type: u16, content: &[u8]) -> Self {
        Self::of(Network::Other(ether_type, content.to_vec()))
    }

    /// An ARP request (RFC 826) for 192.0.2.1.
    #[must_use]
    pub fn arp() -> Self {
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 9];
        request.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        Self::other(0x0806, &request)
    }

    const fn of(network: Network) -> Self {
        Self { tags: Vec::new(), pppoe: false, layer3: false, network, trailer: Vec::new(), cut: None }
    }

    /// Adds a VLAN tag inside those that are there.
    #[must_use]
    pub fn tag(mut self, ether_type: u16) -> Self {
        self.tags.push(ether_type);
        self
    }

    /// Puts it into a PPPoE session.
    #[must_use]
    pub const fn pppoe(mut self) -> Self {
        self.pppoe = true;
        self
    }

    /// A TCP segment without data.
    #[must_use]
    pub fn tcp(self, flags: u8) -> Self {
        self.carry(Transport::Tcp(Tcp::new(flags)))
    }

    /// A TCP segment with PSH, ACK and data.
    #[must_use]
    pub fn request(self, data: impl AsRef<[u8]>) -> Self {
        self.tcp(flags::PSH | flags::ACK).data(data)
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(self, data: impl AsRef<[u8]>) -> Self {
        self.carry(Transport::Udp(Udp { data: data.as_ref().to_vec(), length: None }))
    }

    /// An ICMP or ICMPv6 echo request.
    #[must_use]
    pub fn echo(self) -> Self {
        self.carry(Transport::Echo(b"ping".to_vec()))
    }

    /// Another protocol, by its number.
    #[must_use]
    pub fn protocol(self, number: u8, content: impl AsRef<[u8]>) -> Self {
        self.carry(Transport::Other(number, content.as_ref().to_vec()))
    }

    /// Replaces what the datagram carries.
    #[must_use]
    pub fn carry(mut self, transport: Transport) -> Self {
        match &mut self.network {
            Network::V4(ip) => ip.transport = transport,
            Network::V6(ip) => ip.transport = transport,
            Network::Other(..) => panic!("not IP"),
        }
        self
    }

    /// Replaces the data of the TCP segment.
    #[must_use]
    pub fn data(self, data: impl AsRef<[u8]>) -> Self {
        self.change_tcp(|tcp| tcp.data = data.as_ref().to_vec())
    }

    /// Adds TCP options, NOPs in this number of 32-bit words.
    #[must_use]
    pub fn tcp_options(self, words: usize) -> Self {
        self.change_tcp(|tcp| tcp.options = vec![1; words * 4])
    }

    /// Writes another TCP data offset, in 32-bit words.
    #[must_use]
    pub fn data_offset(self, words: u8) -> Self {
        self.change_tcp(|tcp| tcp.data_offset = Some(words))
    }

    fn change_tcp(mut self, change: impl FnOnce(&mut Tcp)) -> Self {
        let transport = match &mut self.network {
            Network::V4(ip) => &mut ip.transport,
            Network::V6(ip) => &mut ip.transport,
            Network::Other(..) => panic!("not IP"),
        };
        match transport {
            Transport::Tcp(tcp) => change(tcp),
            Transport::Udp(_) | Transport::Echo(_) | Transport::Other(..) => panic!("not TCP"),
        }
        self
    }

    /// Adds IPv4 options, NOPs in this number of 32-bit words.
    #[must_use]
    pub fn ip_options(self, words: usize) -> Self {
        self.change_v4(|ip| ip.options = vec![1; words * 4])
    }

    /// Makes this an IPv4 fragment at an offset in units of eight bytes.
    #[must_use]
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        self.change_v4(|ip| {
            ip.fragment_offset = offset;
            ip.more_fragments = more;
        })
    }

    /// Writes another IPv4 header length, in 32-bit words.
    #[must_use]
    pub fn header_words(self, words: u8) -> Self {
        self.change_v4(|ip| ip.header_words = Some(words))
    }

    /// Changes the IPv4 header.
    #[must_use]
    pub fn change_v4(mut self, change: impl FnOnce(&mut Ipv4)) -> Self {
        match &mut self.network {
            Network::V4(ip) => change(ip),
            Network::V6(_) | Network::Other(..) => panic!("not IPv4"),
        }
        self
    }

    /// Adds an IPv6 extension header behind those that are there.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        match &mut self.network {
            Network::V6(ip) => ip.extensions.push(extension),
            Network::V4(_) | Network::Other(..) => panic!("not IPv6"),
        }
        self
    }

    /// Writes another version into the IP header.
    #[must_use]
    pub fn version(self, version: u8) -> Self {
        self.lengths(|lengths| lengths.version = Some(version))
    }

    /// Writes another IPv4 total length or IPv6 payload length.
    #[must_use]
    pub fn length(self, length: u16) -> Self {
        self.lengths(|lengths| lengths.length = Some(length))
    }

    fn lengths(mut self, change: impl FnOnce(&mut Lengths)) -> Self {
        match &mut self.network {
            Network::V4(ip) => change(&mut ip.wrong),
            Network::V6(ip) => change(&mut ip.wrong),
            Network::Other(..) => panic!("not IP"),
        }
        self
    }

    /// Adds bytes behind the datagram.
    #[must_use]
    pub fn trailer(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.trailer = bytes.as_ref().to_vec();
        self
    }

    /// Cuts the frame.
    #[must_use]
    pub const fn cut(mut self, length: usize) -> Self {
        self.cut = Some(length);
        self
    }

    /// Cuts the frame so that `missing` bytes of the last header of this kind do not arrive.
    #[must_use]
    pub fn cut_in(self, part: Part, missing: usize) -> Self {
        let parts = self.encode().parts;
        let end = parts.iter().rev().find(|(found, _)| *found == part).expect("no such header").1.end;
        self.cut(end - missing)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.encode().bytes
    }

    /// The bytes, and where the headers are.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let mut writer = Writer::default();
        if !self.layer3 {
            self.write_link(&mut writer);
        }
        match &self.network {
            Network::V4(ip) => ip.write(&mut writer),
            Network::V6(ip) => ip.write(&mut writer),
            Network::Other(_, content) => writer.part(Part::Data, content),
        }
        writer.bytes.extend(&self.trailer);
        if let Some(length) = self.cut {
            writer.bytes.truncate(length);
        }
        Encoded { bytes: writer.bytes, parts: writer.parts }
    }

    fn write_link(&self, writer: &mut Writer) {
        let mut ethernet = vec![0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01];
        let mut ether_types = self.tags.clone();
        ether_types.push(match &self.network {
            Network::V4(_) | Network::V6(_) if self.pppoe => 0x8864,
            Network::V4(_) => 0x0800,
            Network::V6(_) => 0x86dd,
            Network::Other(ether_type, _) => *ether_type,
        });
        ethernet.extend(ether_types[0].to_be_bytes());
        writer.part(Part::Ethernet, &ethernet);
        for (number, ether_type) in ether_types[1..].iter().enumerate() {
            let tag = [0, number as u8 + 1, (ether_type >> 8) as u8, *ether_type as u8];
            writer.part(Part::Tag, &tag);
        }
        // Its length counts for nobody here.
        let session = |protocol| [0x11, 0, 0, 1, 0, 2, 0, protocol];
        match &self.network {
            Network::V4(_) if self.pppoe => writer.part(Part::Pppoe, &session(0x21)),
            Network::V6(_) if self.pppoe => writer.part(Part::Pppoe, &session(0x57)),
            Network::V4(_) | Network::V6(_) | Network::Other(..) => {}
        }
    }
}
