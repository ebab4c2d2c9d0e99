//! Outcome of the packets of a file.

/// Why a packet yielded no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passed {
    /// From an interface with an unsupported link type, while others are supported.
    LinkType,
    /// Neither IPv4 nor IPv6; also IP in 802.3 frames with an LLC and SNAP header.
    NotIp,
    /// IP, but neither TCP nor a tunnel.
    NotTcp,
    /// IP-in-IP, GRE, MPLS, `PPPoE`, or UDP to a port of VXLAN, Geneve or GTP-U: the inner packet is not parsed.
    Tunnel,
    /// A fragment that did not complete a datagram: the one that does counts as a segment. Incomplete datagrams are
    /// missing from their streams.
    Fragment,
    /// The snap length cut the packet within its headers.
    Truncated,
    /// On the wire, the frame ended within its link header or VLAN tags.
    LinkHeader,
    /// More VLAN tags than the parser follows.
    VlanDepth,
    /// An IPv4 header that is truncated on the wire, has another version, or an impossible length.
    Ipv4Header,
    /// An IPv6 header that is truncated on the wire, has another version, or an IPv4-mapped address (RFC 4942, section
    /// 2.2).
    Ipv6Header,
    /// An IP length beyond the end of the frame on the wire; receivers drop such a packet.
    IpLength,
    /// IPv4 options that stop a Linux receiver, or IPv6 extension headers that no receiver follows.
    ExtensionHeader,
    /// A TCP header beyond the end of the packet, or with an offset below 20 bytes.
    TcpHeader,
}

impl Passed {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::LinkType,
        Self::NotIp,
        Self::NotTcp,
        Self::Tunnel,
        Self::Fragment,
        Self::Truncated,
        Self::LinkHeader,
        Self::VlanDepth,
        Self::Ipv4Header,
        Self::Ipv6Header,
        Self::IpLength,
        Self::ExtensionHeader,
        Self::TcpHeader,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LinkType => "link_type",
            Self::NotIp => "not_ip",
            Self::NotTcp => "not_tcp",
            Self::Tunnel => "tunnel",
            Self::Fragment => "fragment",
            Self::Truncated => "truncated",
            Self::LinkHeader => "link_header",
            Self::VlanDepth => "vlan_depth",
            Self::Ipv4Header => "ipv4_header",
            Self::Ipv6Header => "ipv6_header",
            Self::IpLength => "ip_length",
            Self::ExtensionHeader => "extension_header",
            Self::TcpHeader => "tcp_header",
        }
    }

    /// Whether the packet breaks a rule, rather than being irrelevant or truncated by the capture.
    #[must_use]
    pub const fn is_malformed(self) -> bool {
        match self {
            Self::LinkType | Self::NotIp | Self::NotTcp | Self::Tunnel | Self::Fragment | Self::Truncated => {
                false
            }
            Self::LinkHeader
            | Self::VlanDepth
            | Self::Ipv4Header
            | Self::Ipv6Header
            | Self::IpLength
            | Self::ExtensionHeader
            | Self::TcpHeader => true,
        }
    }
}

/// Counts of one file so far. `packets` is `segments` and all of [`FileCounters::passed`] together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCounters {
    /// Packets read, without the one that caused an error.
    pub packets: u64,
    /// Packets that yielded a segment.
    pub segments: u64,
    /// Segments whose payload was truncated by the snap length.
    pub cut: u64,
    /// Packets without a timestamp (pcapng simple packets); they take the previous packet's.
    pub untimed: u64,
    /// Interfaces, over all sections.
    pub interfaces: u64,
    /// pcapng blocks without a packet or needed information.
    pub skipped_blocks: u64,
    /// Packets that the capturing program reported as lost (pcapng interface statistics).
    pub lost_before: u64,
    passed: [u64; Passed::ALL.len()],
}

impl FileCounters {
    /// Packets that yielded no segment for this reason.
    #[must_use]
    pub fn passed(&self, kind: Passed) -> u64 {
        self.passed.get(kind as usize).copied().unwrap_or_default()
    }

    /// Packets that broke a rule, of all kinds.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        Passed::ALL
            .into_iter()
            .filter(|kind| kind.is_malformed())
            .fold(0, |sum, kind| sum.saturating_add(self.passed(kind)))
    }

    pub(super) fn pass(&mut self, kind: Passed) {
        if let Some(count) = self.passed.get_mut(kind as usize) {
            *count = count.saturating_add(1);
        }
    }
}
