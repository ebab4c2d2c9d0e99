//! The client's address, behind any number of proxies.

use std::net::IpAddr;

use super::anomaly::{Anomalies, Anomaly};
use super::collect::{Collected, Role};
use super::config::{Config, ForwardedHeader};
use super::forwarded::{FromRight, parse_element};
use super::names::Names;
use super::node::{self, Node};
use super::trusted::Trusted;

/// Source of the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mechanism {
    /// The address on the wire.
    Peer,
    /// The PROXY protocol.
    Proxy,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `X-Real-IP`.
    XRealIp,
    /// A configured header of one address.
    Header,
}

impl Mechanism {
    /// All mechanisms.
    pub const ALL: [Self; 6] =
        [Self::Peer, Self::Proxy, Self::Forwarded, Self::XForwardedFor, Self::XRealIp, Self::Header];

    /// The mechanism's name in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Proxy => "proxy_protocol",
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x_forwarded_for",
            Self::XRealIp => "x_real_ip",
            Self::Header => "header",
        }
    }

    const fn of(header: &ForwardedHeader) -> Self {
        match header {
            ForwardedHeader::Forwarded => Self::Forwarded,
            ForwardedHeader::XForwardedFor => Self::XForwardedFor,
            ForwardedHeader::XRealIp => Self::XRealIp,
            ForwardedHeader::Single(_) | ForwardedHeader::WithPort(_) => Self::Header,
        }
    }

    const fn is_list(self) -> bool {
        matches!(self, Self::Forwarded | Self::XForwardedFor)
    }
}

/// Maximum field lines read of one forwarding header, from the last.
const MAX_LINES: usize = 8;

pub(super) struct Client {
    pub(super) address: IpAddr,
    pub(super) mechanism: Mechanism,
    /// Whether the peer itself named the address as its own peer's, with no other proxy's claim in between.
    pub(super) named_by_peer: bool,
    pub(super) anomalies: Anomalies,
    pub(super) forwarded_untrusted: bool,
    pub(super) proxy_untrusted: bool,
}

impl Client {
    fn on_the_wire(peer: IpAddr) -> Self {
        Self {
            address: peer,
            mechanism: Mechanism::Peer,
            named_by_peer: false,
            anomalies: Anomalies::default(),
            forwarded_untrusted: false,
            proxy_untrusted: false,
        }
    }
}

/// The configuration, prepared.
pub(super) struct Clients {
    trusted: Trusted,
    /// This host's own addresses besides loopback.
    own: Vec<IpAddr>,
    /// Peers on this host that are trusted because what they said was found true.
    proven: Vec<IpAddr>,
    /// All headers that are examined, by rank.
    mechanisms: Vec<Mechanism>,
    /// A bit for each of them whose addresses always have a port.
    with_port: u8,
    /// How many of them, from the first, are trusted; the others are only compared.
    believed: usize,
    max_elements: usize,
}

impl Clients {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            trusted: Trusted::new(&config.trusted_proxies),
            own: Vec::new(),
            proven: Vec::new(),
            mechanisms: config.looked_at().map(Mechanism::of).collect(),
            with_port: config.looked_at().zip(0_u32..).fold(0, |bits, (header, rank)| {
                let has_port = matches!(header, ForwardedHeader::WithPort(_));
                bits | u8::from(has_port).wrapping_shl(rank)
            }),
            believed: config.forwarded_headers.len(),
            max_elements: config.max_elements,
        }
    }

    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.contains(peer) || self.proven.contains(&peer.to_canonical())
    }

    pub(super) fn set_own(&mut self, own: Vec<IpAddr>) {
        self.own = own;
    }

    pub(super) fn set_proven(&mut self, proven: Vec<IpAddr>) {
        self.proven = proven;
    }

    pub(super) fn proves_itself(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        (peer.is_loopback() || self.own.contains(&peer)) && !self.trusted.contains(peer)
    }

    /// Whom the peer would name as its own peer if it were trusted.
    pub(super) fn claim<'a>(
        &self,
        peer: IpAddr,
        proxied: Option<IpAddr>,
        collected: &Collected<'a>,
        roles: &Names<Role>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Option<IpAddr> {
        if proxied.is_some() {
            return proxied.map(|source| source.to_canonical());
        }
        let mut client = Client::on_the_wire(peer.to_canonical());
        if collected.forwarded_present != 0 {
            self.forwarded(&mut client, true, collected, roles, headers);
        }
        client.named_by_peer.then_some(client.address)
    }

    #[inline]
    pub(super) fn find<'a>(
        &self,
        peer: IpAddr,
        proxied: Option<IpAddr>,
        collected: &Collected<'a>,
        roles: &Names<Role>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Client {
        let peer = peer.to_canonical();
        let mut client = Client::on_the_wire(peer);
        let mut trusts = self.trusts(peer);
        if let Some(source) = proxied {
            if trusts {
                client.address = source.to_canonical();
                client.mechanism = Mechanism::Proxy;
                client.named_by_peer = true;
                trusts = self.trusted.contains(client.address);
            } else {
                client.proxy_untrusted = true;
            }
        }
        if collected.forwarded_present != 0 {
            client.forwarded_untrusted = !trusts;
            self.forwarded(&mut client, trusts, collected, roles, headers);
        }
        client
    }

    /// The first header with an address wins: one without was sent by the client through a proxy that does not support
    /// it, or by a proxy that hides its clients. The others are only compared, as are unlisted ones: errors in them are
    /// their sender's business.
    fn forwarded<'a>(
        &self,
        client: &mut Client,
        trusts: bool,
        collected: &Collected<'a>,
        roles: &Names<Role>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) {
        let mut told: Option<IpAddr> = None;
        for (rank, mechanism) in self.mechanisms.iter().enumerate() {
            let bit = 1_u8.wrapping_shl(u32::try_from(rank).unwrap_or(u32::MAX));
            if collected.forwarded_present & bit == 0 {
                continue;
            }
            let is_believed = rank < self.believed;
            let mut lines = Lines::default();
            if collected.forwarded_many & bit == 0 {
                lines.push(collected.forwarded.get(rank).copied().unwrap_or_default());
            } else {
                let same = |role| matches!(role, Some(Role::Forwarded(other)) if usize::from(other) == rank);
                let values = headers.clone().filter(|(name, _)| same(roles.find(name)));
                values.for_each(|(_, value)| lines.push(value));
                if !mechanism.is_list() && trusts && is_believed {
                    client.anomalies.add(Anomaly::ForwardedDuplicate);
                }
            }
            let mut anomalies = Anomalies::default();
            let mut walk = Walk {
                clients: self,
                mechanism: *mechanism,
                has_port: self.with_port & bit != 0,
                trusts,
                anomalies: &mut anomalies,
                hops: 0,
            };
            let address = walk.run(&lines);
            let is_next = walk.hops == 1 && client.mechanism == Mechanism::Peer;
            if is_believed {
                client.anomalies.extend(anomalies);
            } else if anomalies.has(Anomaly::ForwardedSpoof) {
                client.anomalies.add(Anomaly::ForwardedSpoof);
            }
            let Some(address) = address else { continue };
            match told {
                None if !is_believed => {}
                None => {
                    told = Some(address);
                    client.named_by_peer = is_next;
                    client.mechanism = *mechanism;
                }
                Some(one) if one != address && self.are_outside(one, address) => {
                    client.anomalies.add(Anomaly::ForwardedConflict);
                }
                Some(_) => {}
            }
        }
        client.address = told.unwrap_or(client.address);
    }

    /// A header that names another of the proxies contradicts nobody.
    fn are_outside(&self, one: IpAddr, other: IpAddr) -> bool {
        !self.trusted.contains(one) && !self.trusted.contains(other)
    }

    /// Whether only an internal host may have the address. Private addresses are not included: other organisations'
    /// proxies report those of their own clients.
    fn is_inside(&self, address: IpAddr) -> bool {
        let (special, private) = match address {
            IpAddr::V4(v4) => {
                (v4.is_loopback() || v4.is_unspecified() || v4.is_link_local(), v4.is_private())
            }
            IpAddr::V6(v6) => {
                let special = v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local();
                (special, v6.is_unique_local())
            }
        };
        special || (!private && self.trusted.contains(address))
    }
}

/// The last lines of a header.
#[derive(Default)]
struct Lines<'a> {
    ring: [&'a [u8]; MAX_LINES],
    count: usize,
}

impl<'a> Lines<'a> {
    fn push(&mut self, line: &'a [u8]) {
        if let Some(slot) = self.ring.get_mut(self.count & (MAX_LINES - 1)) {
            *slot = line;
        }
        self.count = self.count.saturating_add(1);
    }

    fn rev_iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let kept = self.count.min(MAX_LINES);
        (0..kept).filter_map(move |back| {
            let index = self.count.wrapping_sub(back).wrapping_sub(1);
            self.ring.get(index & (MAX_LINES - 1)).copied()
        })
    }
}

/// The walk through one header, from the right: trusted addresses are skipped, and the first other one is the client;
/// what is left of it is only its claim.
struct Walk<'c> {
    clients: &'c Clients,
    mechanism: Mechanism,
    /// Whether its addresses always have a port.
    has_port: bool,
    /// Whether the sender of the header is trusted.
    trusts: bool,
    anomalies: &'c mut Anomalies,
    /// Addresses accepted so far.
    hops: usize,
}

impl Walk<'_> {
    fn run(&mut self, lines: &Lines<'_>) -> Option<IpAddr> {
        let mut told = None;
        let mut walking = self.trusts;
        let mut examined = 0_usize;
        let quotes = self.mechanism == Mechanism::Forwarded;
        for element in lines.rev_iter().flat_map(|line| FromRight::new(line, quotes)) {
            if examined >= self.clients.max_elements {
                self.truncated(walking);
                return told;
            }
            examined = examined.saturating_add(1);
            if element.is_empty() {
                continue;
            }
            let node = match (quotes, self.has_port) {
                (true, _) => parse_element(element),
                (false, true) => node::parse_with_port(element),
                (false, false) => node::parse(element),
            };
            if walking {
                walking = self.step(node, &mut told);
            } else {
                self.judge(node);
            }
        }
        if lines.count > MAX_LINES {
            self.truncated(walking);
        }
        told
    }

    /// Accepts an element; returns whether to trust the one left of it.
    fn step(&mut self, node: Node, told: &mut Option<IpAddr>) -> bool {
        match node {
            Node::Address(address) => {
                *told = Some(address);
                self.hops = self.hops.saturating_add(1);
                // A list in a single-address header: its last element counts.
                self.mechanism.is_list() && self.clients.trusted.contains(address)
            }
            Node::Hidden => {
                self.anomalies.add(Anomaly::ForwardedHidden);
                false
            }
            Node::Malformed => {
                self.anomalies.add(Anomaly::ForwardedMalformed);
                false
            }
        }
    }

    /// Examines an element that no proxy vouches for.
    fn judge(&mut self, node: Node) {
        if !self.mechanism.is_list() && self.trusts {
            self.anomalies.add(Anomaly::ForwardedDuplicate);
        }
        if let Node::Address(address) = node
            && self.clients.is_inside(address)
        {
            self.anomalies.add(Anomaly::ForwardedSpoof);
        }
    }

    const fn truncated(&mut self, walking: bool) {
        if walking {
            self.anomalies.add(Anomaly::ForwardedTruncated);
        }
    }
}
