//! How a frame must be parsed, from how it was built.

use std::net::IpAddr;

use sensor_common::packet::Problem;

use crate::packet::{Encoded, Frame, Ipv4, Ipv6, Network, Part, Tcp, Transport, flags};

/// Bytes of a multi-buffer frame that `BPF_PROG_TEST_RUN` puts into its first part: a page less the room
/// before a frame (`XDP_PACKET_HEADROOM`) and behind it (`struct skb_shared_info`); Linux `net/bpf/test_run.c`.
const LINEAR: usize = 4_096 - 256 - 320;

/// Methods that count as an HTTP request (RFC 9110, section 9, and RFC 5789).
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// Bytes of payload that must be there for a request; no whole request is shorter.
const REQUEST: usize = 8;

/// IPv6 extension headers that are followed.
const EXTENSIONS: usize = 64;

/// VLAN tags that are followed.
const TAGS: usize = 64;

/// How a frame is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// There is no source address.
    Unparsed(Problem),
    /// A packet of a source.
    Packet {
        /// Its address.
        source: IpAddr,
        /// What of it.
        content: Content,
    },
}

/// What limits tell apart in a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// It opens a TCP connection.
    pub opens: bool,
    /// It starts an HTTP request.
    pub request: bool,
    /// A header that could not be read.
    pub problem: Option<Problem>,
}

impl Content {
    const fn unreadable(problem: Problem) -> Self {
        Self { opens: false, request: false, problem: Some(problem) }
    }
}

/// A frame's description beside what arrives of it.
struct Reader<'a> {
    encoded: &'a Encoded,
    /// Bytes that the program can see.
    visible: usize,
}

/// How a frame must be read.
#[must_use]
pub fn read(frame: &Frame) -> Reading {
    let encoded = frame.encode();
    let reader = Reader { visible: encoded.bytes.len().min(LINEAR), encoded: &encoded };
    if (0..frame.tags.len().min(TAGS)).any(|tag| !reader.sees(Part::Tag, tag)) {
        return Reading::Unparsed(reader.located(Problem::LinkTruncated));
    }
    if frame.tags.len() > TAGS {
        return Reading::Unparsed(Problem::VlanDepth);
    }
    // Without a link header, the first 20 bytes are asked for the version.
    if !reader.sees(Part::Pppoe, 0) || frame.layer3 && reader.visible < 20 {
        return Reading::Unparsed(reader.located(Problem::LinkTruncated));
    }
    match &frame.network {
        Network::Other(..) => Reading::NotIp,
        Network::V4(ip) => reader.read_v4(ip, &frame.trailer),
        Network::V6(ip) => reader.read_v6(ip, &frame.trailer),
    }
}

impl Reader<'_> {
    fn range(&self, part: Part, number: usize) -> Option<std::ops::Range<usize>> {
        let mut same = self.encoded.parts.iter().filter(|(found, _)| *found == part);
        same.nth(number).map(|(_, range)| range.clone())
    }

    /// Whether a header arrives whole and within sight. One that the frame was made without does.
    fn sees(&self, part: Part, number: usize) -> bool {
        self.range(part, number).is_none_or(|range| range.end <= self.visible)
    }

    /// What is missing from a frame that has more than the program can see may just be out of sight.
    fn located(&self, problem: Problem) -> Problem {
        if self.encoded.bytes.len() > self.visible { Problem::NonLinear } else { problem }
    }

    fn read_v4(&self, ip: &Ipv4, trailer: &[u8]) -> Reading {
        if !self.sees(Part::Ipv4, 0) {
            return Reading::Unparsed(self.located(Problem::Ipv4Truncated));
        }
        let header_len = 20 + ip.options.len();
        let length = ip.wrong.length.map(usize::from);
        let is_wrong_version = ip.wrong.version.is_some_and(|version| version != 4);
        let is_short = ip.header_words.is_some_and(|words| words < 5);
        if is_wrong_version || is_short || length.is_some_and(|length| length < header_len) {
            return Reading::Unparsed(Problem::Ipv4Header);
        }
        if !self.sees(Part::Options, 0) {
            return Reading::Unparsed(self.located(Problem::Ipv4Truncated));
        }
        let start = self.range(Part::Ipv4, 0).map_or(0, |range| range.start);
        let content = if ip.fragment_offset == 0 {
            self.read_transport(&ip.transport, length.map(|length| start + length), trailer)
        } else {
            Content::default()
        };
        Reading::Packet { source: ip.source.into(), content }
    }

    fn read_v6(&self, ip: &Ipv6, trailer: &[u8]) -> Reading {
        if !self.sees(Part::Ipv6, 0) {
            return Reading::Unparsed(self.located(Problem::Ipv6Truncated));
        }
        let is_wrong_version = ip.wrong.version.is_some_and(|version| version != 6);
        if is_wrong_version || ip.source.to_ipv4_mapped().is_some() {
            return Reading::Unparsed(Problem::Ipv6Header);
        }
        let end = self.range(Part::Ipv6, 0).map_or(0, |range| range.end);
        let datagram_end = ip.wrong.length.map(|length| end + usize::from(length));
        let content = self
            .stopped_by_extension(ip)
            .unwrap_or_else(|| self.read_transport(&ip.transport, datagram_end, trailer));
        Reading::Packet { source: ip.source.into(), content }
    }

    /// What the extension headers make of a packet whose transport header is not reached.
    fn stopped_by_extension(&self, ip: &Ipv6) -> Option<Content> {
        for (number, extension) in ip.extensions.iter().enumerate() {
            if number == EXTENSIONS {
                return Some(Content::unreadable(Problem::ExtensionDepth));
            }
            if !self.sees(Part::Extension, number) {
                return Some(Content::unreadable(self.located(Problem::ExtensionTruncated)));
            }
            if extension.is_later_fragment() {
                return Some(Content::default());
            }
        }
        None
    }

    /// `datagram_end` is where a length that lies says that the datagram ends.
    fn read_transport(&self, transport: &Transport, datagram_end: Option<usize>, trailer: &[u8]) -> Content {
        let Some(header) = self.range(Part::Transport, 0) else { return Content::default() };
        let true_end = self.encoded.parts.last().map_or(0, |(_, range)| range.end);
        let end = datagram_end.unwrap_or(true_end);
        if header.end > end.min(self.visible) {
            // A header that its datagram has no room for is missing as well as one that did not arrive.
            return Content::unreadable(self.located(Problem::TransportTruncated));
        }
        match transport {
            Transport::Tcp(tcp) => self.read_tcp(tcp, header.start, end, trailer),
            Transport::Udp(udp) if udp.length.is_some_and(|length| length < 8) => {
                Content::unreadable(Problem::TransportHeader)
            }
            Transport::Udp(_) | Transport::Echo(_) | Transport::Other(..) => Content::default(),
        }
    }

    fn read_tcp(&self, tcp: &Tcp, start: usize, end: usize, trailer: &[u8]) -> Content {
        let header_len = tcp.data_offset.map_or(20 + tcp.options.len(), |words| usize::from(words) * 4);
        if header_len < 20 || start + header_len > end {
            return Content::unreadable(Problem::TransportHeader);
        }
        let behind = [&tcp.options, &tcp.data, trailer].concat();
        let room = end.min(self.visible).saturating_sub(start + header_len);
        let payload = behind.get(header_len - 20..).unwrap_or_default();
        let request = is_request(&payload[..payload.len().min(room)]);
        let opens = tcp.flags & flags::SYN != 0 && tcp.flags & flags::ACK == 0;
        Content { opens, request, problem: None }
    }
}

fn is_request(payload: &[u8]) -> bool {
    let Some(start) = payload.get(..REQUEST) else { return false };
    let mut words = start.split(|byte| *byte == b' ');
    let first = words.next().unwrap_or_default();
    words.next().is_some() && METHODS.contains(&first)
}
