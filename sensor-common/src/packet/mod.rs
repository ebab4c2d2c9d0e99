//! Parses a frame as far as the limiter needs: its source, and what it requests.
//!
//! The same code runs in the kernel, where [`Frame`] checks each access against the end of the packet in a form that
//! the verifier can follow, and in user space over byte slices.
//!
//! Architecture invariant: no access to a frame outside [`Frame::bytes`].

mod datagram;
pub mod extension;
mod ip;
mod link;
mod quic;
mod segment;
mod transport;
pub mod walk;

pub use datagram::{Datagram, datagram};
pub use quic::{QuicInitial, quic_initial};
pub use segment::{NoSegment, SegmentHeader, segment, segment_behind_extensions};
pub use walk::{MAX_EXTENSIONS, MAX_TAGS, Walk};

use crate::abi::{ClientKey, Family};

/// The linear part of a frame.
pub trait Frame {
    /// Whether the frame starts with its IP header, as on tunnels, PPP and WireGuard. The caller knows; the bytes do
    /// not show it, since an IPv4 source in 8.0.0.0/16 looks like the `EtherType` of IPv4.
    const LAYER3: bool = false;

    /// The `N` bytes at `offset`, or `None` if the linear part ends before them.
    fn bytes<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// Follows VLAN tags from the one at `offset` on, after `before` earlier ones; see [`walk::tags`].
    #[inline(always)]
    fn tags(&self, offset: usize, before: usize) -> Walk {
        walk::tags(self, offset, before)
    }

    /// Follows extension headers; see [`walk::extensions`].
    #[inline(always)]
    fn extensions(&self, first: u8, offset: usize) -> Walk {
        walk::extensions(self, first, offset)
    }

    /// The same number, opaque to the verifier, so that all rounds of a loop look alike to it; `unknown` is another
    /// number that the verifier knows nothing about.
    #[inline(always)]
    #[must_use]
    fn forget(number: usize, unknown: u16) -> usize {
        let _only_the_kernel_needs_it = unknown;
        number
    }
}

/// A frame that starts with its IP header.
#[derive(Clone, Copy, Debug)]
pub struct Layer3<'a>(pub &'a [u8]);

impl Frame for Layer3<'_> {
    const LAYER3: bool = true;

    fn bytes<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.0.bytes(offset)
    }
}

impl Frame for [u8] {
    fn bytes<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}

/// Why a frame could not be read further, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Problem {
    /// The frame ends within its Ethernet or VLAN headers.
    LinkTruncated = 0,
    /// More than [`MAX_TAGS`] VLAN tags.
    VlanDepth = 1,
    /// The frame ends within its IPv4 header or options.
    Ipv4Truncated = 2,
    /// An IPv4 header with another version, a header length below 20, or a total length below that.
    Ipv4Header = 3,
    /// The frame ends within its IPv6 header.
    Ipv6Truncated = 4,
    /// An IPv6 header with another version or an IPv4-mapped source (RFC 4942, section 2.2).
    Ipv6Header = 5,
    /// The frame ends within an IPv6 extension header.
    ExtensionTruncated = 6,
    /// More than [`MAX_EXTENSIONS`] IPv6 extension headers.
    ExtensionDepth = 7,
    /// The frame or datagram ends within its TCP, UDP or ICMP header.
    TransportTruncated = 8,
    /// A TCP data offset below 20 bytes or beyond the datagram, or a UDP length below 8.
    TransportHeader = 9,
    /// The headers continue in a later fragment of a multi-buffer frame, which the program cannot see.
    NonLinear = 10,
}

impl Problem {
    /// Every kind, in the order of its wire value.
    pub const ALL: [Self; 11] = [
        Self::LinkTruncated,
        Self::VlanDepth,
        Self::Ipv4Truncated,
        Self::Ipv4Header,
        Self::Ipv6Truncated,
        Self::Ipv6Header,
        Self::ExtensionTruncated,
        Self::ExtensionDepth,
        Self::TransportTruncated,
        Self::TransportHeader,
        Self::NonLinear,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LinkTruncated => "link_truncated",
            Self::VlanDepth => "vlan_depth",
            Self::Ipv4Truncated => "ipv4_truncated",
            Self::Ipv4Header => "ipv4_header",
            Self::Ipv6Truncated => "ipv6_truncated",
            Self::Ipv6Header => "ipv6_header",
            Self::ExtensionTruncated => "extension_truncated",
            Self::ExtensionDepth => "extension_depth",
            Self::TransportTruncated => "transport_truncated",
            Self::TransportHeader => "transport_header",
            Self::NonLinear => "non_linear",
        }
    }

    /// Whether there are more headers than the parser follows; no honest sender uses that many.
    #[inline(always)]
    #[must_use]
    pub const fn is_depth(self) -> bool {
        matches!(self, Self::VlanDepth | Self::ExtensionDepth)
    }

    /// Whether more bytes would have helped.
    #[inline(always)]
    #[must_use]
    pub const fn is_truncation(self) -> bool {
        matches!(
            self,
            Self::LinkTruncated
                | Self::Ipv4Truncated
                | Self::Ipv6Truncated
                | Self::ExtensionTruncated
                | Self::TransportTruncated
        )
    }
}

/// What the frame carries, as far as limits distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment.
    Tcp {
        /// SYN without ACK: a new connection.
        opens: bool,
        /// The payload starts with an HTTP/1 method and a space.
        request: bool,
    },
    /// A UDP datagram.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// A fragment other than the first; its transport header is elsewhere.
    Fragment,
    /// Any other protocol.
    Other,
    /// A transport header that could not be read.
    Unreadable(Problem),
}

/// A packet whose source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The source address, whole.
    pub source: ClientKey,
    /// What it carries.
    pub transport: Transport,
}

/// Result of parsing a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The source is known.
    Ip(Packet),
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// The source could not be read.
    Unparsed(Problem),
}

/// Reads a frame.
#[inline(always)]
pub fn parse<F: Frame + ?Sized>(frame: &F) -> Parsed {
    let link = if F::LAYER3 { link::parse_layer3(frame) } else { link::parse(frame) };
    let (protocol, offset) = match link {
        Ok(found) => found,
        Err(problem) => return Parsed::Unparsed(problem),
    };
    let packet = match protocol {
        link::Network::Ipv4 => ip::parse_v4(frame, offset),
        link::Network::Ipv6 => ip::parse_v6(frame, offset),
        link::Network::Other => return Parsed::NotIp,
    };
    match packet {
        Ok(packet) => Parsed::Ip(packet),
        Err(problem) => Parsed::Unparsed(problem),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    /// An IPv4 datagram with an empty UDP datagram in it.
    fn datagram(source: [u8; 4]) -> Vec<u8> {
        let mut bytes = std::vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
        bytes.extend(source);
        bytes.extend([10, 0, 0, 1, 0, 9, 0, 9, 0, 8, 0, 0]);
        bytes
    }

    fn source_of(parsed: &Parsed) -> Option<u32> {
        if let Parsed::Ip(packet) = parsed { packet.source.to_v4() } else { None }
    }

    #[test]
    fn without_a_link_header_no_source_is_taken_for_an_ether_type() {
        // The first looks like the EtherType of IPv4, the others like those of IPv6, VLAN tags and PPPoE.
        for source in
            [[8, 0, 0x45, 0], [0x86, 0xdd, 0x60, 0], [0x81, 0, 8, 0], [0x88, 0x64, 0x11, 0], [10, 0, 0, 2]]
        {
            let bytes = datagram(source);
            let parsed = parse(&Layer3(&bytes));
            assert_eq!(source_of(&parsed), Some(u32::from_be_bytes(source)), "{source:?}");
        }
    }

    #[test]
    fn without_a_link_header_other_versions_are_not_ip() {
        let mut bytes = datagram([10, 0, 0, 2]);
        bytes[0] = 0x15;
        assert_eq!(parse(&Layer3(&bytes)), Parsed::NotIp);
        assert_eq!(parse(&Layer3(&bytes[..19])), Parsed::Unparsed(Problem::LinkTruncated));
        assert_eq!(segment(&Layer3(&bytes)), Err(NoSegment::Other));
        assert_eq!(segment(&Layer3(&bytes[..19])), Err(NoSegment::Unread));
    }

    #[test]
    fn pppoe_sessions_are_read() {
        let framed = |pppoe: &[u8]| {
            let mut frame = std::vec![2; 12];
            frame.extend([0x88, 0x64]);
            frame.extend(pppoe);
            frame.extend(datagram([10, 0, 0, 2]));
            frame
        };
        let session = [0x11, 0, 0, 1, 0, 30];
        for (what, protocol, found) in [
            ("IPv4", &[0, 0x21][..], true),
            ("IPv4, compressed", &[0x21], true),
            ("link control", &[0xc0, 0x21], false),
            ("IPv6, which this is not", &[0, 0x57], false),
        ] {
            let parsed = parse(&*framed(&[&session[..], protocol].concat()));
            assert_eq!(source_of(&parsed), found.then_some(0x0a00_0002), "{what}: {parsed:?}");
        }
        let discovery = [0x11, 9, 0, 1, 0, 30, 0, 0x21];
        assert_eq!(parse(&*framed(&discovery)), Parsed::NotIp);
        let whole = framed(&[&session[..], &[0, 0x21]].concat());
        for length in 14..22 {
            assert_eq!(parse(&whole[..length]), Parsed::Unparsed(Problem::LinkTruncated), "{length}");
        }
    }
}
