//! TCP, UDP and ICMP headers. Checksums are zero: nothing under test looks at them.

use super::{Part, Writer};

/// What a datagram carries.
#[derive(Clone, Debug)]
pub enum Transport {
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram.
    Udp(Udp),
    /// An ICMP or ICMPv6 echo request with these data.
    Echo(Vec<u8>),
    /// Any other protocol.
    Other(u8, Vec<u8>),
}

/// A TCP segment.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Its flags.
    pub flags: u8,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// The data offset to write instead of the true one, in 32-bit words.
    pub data_offset: Option<u8>,
    /// Data.
    pub data: Vec<u8>,
}

/// A UDP datagram.
#[derive(Clone, Debug, Default)]
pub struct Udp {
    /// Data.
    pub data: Vec<u8>,
    /// The length to write instead of the true one.
    pub length: Option<u16>,
}

impl Tcp {
    /// A segment without options and data.
    #[must_use]
    pub const fn new(flags: u8) -> Self {
        Self { flags, options: Vec::new(), data_offset: None, data: Vec::new() }
    }

    fn header(&self) -> Vec<u8> {
        let words = self.data_offset.unwrap_or(5 + (self.options.len() / 4) as u8);
        let mut header = vec![0xc0, 0x00, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2];
        header.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        header
    }
}

impl Transport {
    /// The protocol number; ICMP has another in IPv6.
    #[must_use]
    pub const fn protocol(&self, in_ipv6: bool) -> u8 {
        match self {
            Self::Tcp(_) => 6,
            Self::Udp(_) => 17,
            Self::Echo(_) => {
                if in_ipv6 {
                    58
                } else {
                    1
                }
            }
            Self::Other(number, _) => *number,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Tcp(tcp) => 20 + tcp.options.len() + tcp.data.len(),
            Self::Udp(udp) => 8 + udp.data.len(),
            Self::Echo(data) => 8 + data.len(),
            Self::Other(_, content) => content.len(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.bytes
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Tcp(tcp) => {
                writer.part(Part::Transport, &tcp.header());
                writer.part(Part::TransportBody, &tcp.options);
                writer.part(Part::Data, &tcp.data);
            }
            Self::Udp(udp) => {
                let length = udp.length.unwrap_or_else(|| u16::try_from(self.len()).unwrap_or(u16::MAX));
                let [high, low] = length.to_be_bytes();
                writer.part(Part::Transport, &[0xc0, 0x00, 0x00, 0x35, high, low, 0, 0]);
                writer.part(Part::Data, &udp.data);
            }
            Self::Echo(data) => {
                writer.part(Part::Transport, &[8, 0, 0, 0]);
                writer.part(Part::TransportBody, &[0, 1, 0, 1]);
                writer.part(Part::Data, data);
            }
            Self::Other(_, content) => writer.part(Part::Data, content),
        }
    }
}
