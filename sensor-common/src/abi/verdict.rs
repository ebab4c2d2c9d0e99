//! What happens to a packet, and why.

use super::counter::{REASONS, VERDICTS};

/// What the program does with a packet.
#[must_use = "a verdict that is not acted on lets the packet through uncounted"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Verdict {
    /// Handed to the network stack.
    Pass = 0,
    /// Dropped.
    Drop = 1,
    /// Handed to the network stack, though `enforce` mode would have dropped it.
    WouldDrop = 2,
    /// Answered by the program itself, and not handed to the network stack.
    Answer = 3,
}

impl Verdict {
    /// Every verdict, in the order of its wire value.
    pub const ALL: [Self; VERDICTS as usize] = [Self::Pass, Self::Drop, Self::WouldDrop, Self::Answer];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::WouldDrop => "would_drop",
            Self::Answer => "answer",
        }
    }
}

/// The reason for a verdict: a closed set, so that it can be a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Reason {
    /// Within every limit.
    None = 0,
    /// An allow prefix matched; no limit was checked.
    Allowed = 1,
    /// A block prefix matched and has not expired.
    Blocked = 2,
    /// Over the client's packet rate.
    PacketRate = 3,
    /// Over the client's bit rate.
    BitRate = 4,
    /// Over the client's rate of new TCP connections.
    ConnectionRate = 5,
    /// Over the client's rate of HTTP requests.
    RequestRate = 6,
    /// From a source not yet in the client table, over the rate that all such sources share.
    NewcomerRate = 7,
    /// Neither IPv4 nor IPv6 (ARP, LLDP and the like).
    NotIp = 8,
    /// No source address could be read; [`super::Event`] counts the kinds.
    Unparsed = 9,
    /// More VLAN tags or IPv6 extension headers than the parser follows, or any honest sender uses: Linux would parse
    /// on and find what no limit was checked for.
    HeaderDepth = 10,
    /// It would have been dropped, but it arrived on the loopback interface: this host sent it.
    OwnHost = 11,
    /// It was over a limit, but it belongs to a TCP connection that this host opened.
    Answer = 12,
    /// A new TCP connection over the newcomers' limits, answered with a SYN cookie instead of dropped.
    SynCookie = 13,
    /// Within the client's limits, but over what all clients of its site (an IPv4 /24, an IPv6 /48) may use together.
    SiteRate = 14,
}

impl Reason {
    /// Every reason, in the order of its wire value.
    pub const ALL: [Self; REASONS as usize] = [
        Self::None,
        Self::Allowed,
        Self::Blocked,
        Self::PacketRate,
        Self::BitRate,
        Self::ConnectionRate,
        Self::RequestRate,
        Self::NewcomerRate,
        Self::NotIp,
        Self::Unparsed,
        Self::HeaderDepth,
        Self::OwnHost,
        Self::Answer,
        Self::SynCookie,
        Self::SiteRate,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::PacketRate => "packet_rate",
            Self::BitRate => "bit_rate",
            Self::ConnectionRate => "connection_rate",
            Self::RequestRate => "request_rate",
            Self::NewcomerRate => "newcomer_rate",
            Self::NotIp => "not_ip",
            Self::Unparsed => "unparsed",
            Self::HeaderDepth => "header_depth",
            Self::OwnHost => "own_host",
            Self::Answer => "answer",
            Self::SynCookie => "syn_cookie",
            Self::SiteRate => "site_rate",
        }
    }

    /// Whether it causes a drop in `enforce` mode.
    #[inline(always)]
    #[must_use]
    pub const fn refuses(self) -> bool {
        match self {
            Self::None | Self::Allowed | Self::NotIp | Self::Unparsed | Self::OwnHost | Self::Answer => false,
            Self::Blocked
            | Self::PacketRate
            | Self::BitRate
            | Self::ConnectionRate
            | Self::RequestRate
            | Self::NewcomerRate
            | Self::HeaderDepth
            | Self::SynCookie
            | Self::SiteRate => true,
        }
    }

    /// Decodes the wire value; `None` for a value outside the set.
    #[must_use]
    pub fn from_wire(value: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u32 == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_values_are_positions_and_decode_back() {
        for (position, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, position);
        }
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position);
            assert_eq!(Reason::from_wire(reason as u32), Some(reason));
        }
        assert_eq!(Reason::from_wire(REASONS), None);
    }
}
