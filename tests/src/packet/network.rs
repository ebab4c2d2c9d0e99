//! IPv4 and IPv6 headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::transport::{Transport, Udp};
use super::{Part, Writer};

/// Fields of an IP header that are written other than they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lengths {
    /// The version.
    pub version: Option<u8>,
    /// IPv4's total length, IPv6's payload length.
    pub length: Option<u16>,
}

/// An IPv4 header and what it carries.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    /// Who sends.
    pub source: Ipv4Addr,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// In units of eight bytes.
    pub fragment_offset: u16,
    /// Whether fragments follow.
    pub more_fragments: bool,
    /// The header length to write instead of the true one.
    pub header_words: Option<u8>,
    /// Other fields to write instead of the true ones.
    pub wrong: Lengths,
    /// What it carries.
    pub transport: Transport,
}

impl Ipv4 {
    pub(super) fn new(source: Ipv4Addr) -> Self {
        Self {
            source,
            options: Vec::new(),
            fragment_offset: 0,
            more_fragments: false,
            header_words: None,
            wrong: Lengths::default(),
            transport: Transport::Udp(Udp::default()),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let header_len = 20 + self.options.len();
        let words = self.header_words.unwrap_or((header_len / 4) as u8);
        // Frames larger than the field can say are for tests of large frames; they say the most they can.
        let true_length = u16::try_from(header_len + self.transport.len()).unwrap_or(u16::MAX);
        let length = self.wrong.length.unwrap_or(true_length).to_be_bytes();
        let fragment = (u16::from(self.more_fragments) << 13 | self.fragment_offset).to_be_bytes();
        let mut header = vec![self.wrong.version.unwrap_or(4) << 4 | words, 0, length[0], length[1]];
        header.extend([0x12, 0x34, fragment[0], fragment[1]]);
        header.extend([64, self.transport.protocol(false), 0, 0]);
        header.extend(self.source.octets());
        header.extend([198, 51, 100, 1]);
        writer.part(Part::Ipv4, &header);
        writer.part(Part::Options, &self.options);
        if self.fragment_offset == 0 {
            self.transport.write(writer);
        } else {
            // The middle of a datagram; what looks like a header in it is none.
            writer.part(Part::Data, &self.transport.bytes());
        }
    }
}

/// An IPv6 extension header; lengths are those of the header's own field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Hop-by-hop options, with this many units of eight bytes after the first.
    HopByHop(u8),
    /// Routing.
    Routing(u8),
    /// Fragment: offset in units of eight bytes, and whether fragments follow.
    Fragment(u16, bool),
    /// Authentication (RFC 4302), with this many units of four bytes after the first two.
    Authentication(u8),
    /// Destination options.
    Destination(u8),
    /// Mobility (RFC 6275).
    Mobility(u8),
    /// Host Identity Protocol (RFC 7401).
    Hip(u8),
    /// Shim6 (RFC 5533).
    Shim6(u8),
}

impl Extension {
    /// The protocol number that announces it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::HopByHop(_) => 0,
            Self::Routing(_) => 43,
            Self::Fragment(..) => 44,
            Self::Authentication(_) => 51,
            Self::Destination(_) => 60,
            Self::Mobility(_) => 135,
            Self::Hip(_) => 139,
            Self::Shim6(_) => 140,
        }
    }

    /// Whether transport headers behind it are not in this frame.
    #[must_use]
    pub const fn is_later_fragment(self) -> bool {
        matches!(self, Self::Fragment(offset, _) if offset != 0)
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        let (field, length) = match self {
            Self::Fragment(..) => (0, 8),
            Self::Authentication(units) => (units, (usize::from(units) + 2) * 4),
            Self::HopByHop(units)
            | Self::Routing(units)
            | Self::Destination(units)
            | Self::Mobility(units)
            | Self::Hip(units)
            | Self::Shim6(units) => (units, (usize::from(units) + 1) * 8),
        };
        let mut header = vec![0; length];
        header[0] = next;
        header[1] = field;
        if let Self::Fragment(offset, more) = self {
            header[2..4].copy_from_slice(&(offset << 3 | u16::from(more)).to_be_bytes());
        }
        header
    }
}

/// An IPv6 header, its extension headers, and what it carries.
#[derive(Clone, Debug)]
pub struct Ipv6 {
    /// Who sends.
    pub source: Ipv6Addr,
    /// Extension headers in order.
    pub extensions: Vec<Extension>,
    /// Fields to write instead of the true ones.
    pub wrong: Lengths,
    /// What it carries.
    pub transport: Transport,
}

impl Ipv6 {
    pub(super) fn new(source: Ipv6Addr) -> Self {
        let transport = Transport::Udp(Udp::default());
        Self { source, extensions: Vec::new(), wrong: Lengths::default(), transport }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut next_headers: Vec<u8> = self.extensions.iter().map(|extension| extension.number()).collect();
        next_headers.push(self.transport.protocol(true));
        let extensions: Vec<Vec<u8>> = self
            .extensions
            .iter()
            .zip(&next_headers[1..])
            .map(|(extension, next)| extension.bytes(*next))
            .collect();
        let true_length = extensions.iter().map(Vec::len).sum::<usize>() + self.transport.len();
        let true_length = u16::try_from(true_length).unwrap_or(u16::MAX);
        let length = self.wrong.length.unwrap_or(true_length).to_be_bytes();
        let mut header = vec![self.wrong.version.unwrap_or(6) << 4, 0, 0, 0, length[0], length[1]];
        header.extend([next_headers[0], 64]);
        header.extend(self.source.octets());
        header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        writer.part(Part::Ipv6, &header);
        for bytes in &extensions {
            writer.part(Part::Extension, &bytes[..8]);
            writer.part(Part::ExtensionBody, &bytes[8..]);
        }
        if self.extensions.iter().any(|extension| extension.is_later_fragment()) {
            writer.part(Part::Data, &self.transport.bytes());
        } else {
            self.transport.write(writer);
        }
    }
}
