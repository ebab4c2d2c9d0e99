//! What the program must do, implemented a second time, without its code.
//!
//! How a frame is parsed follows from how it was built ([`crate::packet`]), never from its bytes. Limits are the leaky
//! buckets of the definition (ITU-T I.371, annex A, continuous-state form), in 128-bit nanoseconds; clients, and
//! sources seen once, are in unbounded hash tables; prefixes are tried one by one. There are no generations, no
//! fingerprints and no state shared by CPUs.
//!
//! The model follows the program's documented choices, not necessities, in these points:
//!
//! * All limits are checked before any is charged, in the order packets, bits, connections, requests. A packet over one
//!   of them is charged to none.
//! * A client's debt is time. It stays unchanged when the limit changes, or when another scope applies; a debt beyond
//!   the depth of the current limit is reduced so far that the packet still fits.
//! * A source becomes a client with its second packet; the first is charged only to the newcomers' rate and to the part of
//!   it for its network, and to neither if one has no room.
//! * Whether a block is wider than a client depends on the longest matching block and on the width of the family's
//!   clients; whether a block is in force depends on all that match. A source under a wide block in force is not
//!   remembered.
//! * An allow overrides any block. Allowed or blocked packets are charged nothing.
//! * What a client's limits admit is charged to its site (IPv4 /24, IPv6 /48) after that, if clients are narrower: each
//!   cost divided by how many times a client's limits a site has, and rounded up to nanoseconds. The client has paid even
//!   if its site has no room. Clients under different scopes share nothing.
//! * Headers beyond the maximum depth cause a drop if nothing else decides.
//! * Only the first part of a multi-buffer frame is read.

mod bucket;
mod reading;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use sensor_common::abi::{Family, Reason, Verdict};
use sensor_common::limit::Rate;
use sensor_common::packet::Problem;

pub use bucket::admitted_at_once;
use bucket::{Bucket, Quota};
pub use reading::{Content, Reading, read};

use crate::packet::Frame;
use crate::plane::{Limits, Policy, Seen};

/// The model.
pub struct Model {
    policy: Policy,
    tick: u64,
    tick_ns: u64,
    clients: HashMap<IpNet, [Bucket; 4]>,
    seen: HashSet<IpNet>,
    newcomers: Bucket,
    networks: HashMap<IpNet, Bucket>,
    /// By network and scope.
    sites: HashMap<(IpNet, usize), [Bucket; 4]>,
}

impl Model {
    /// A model without clients, at a tick of this length.
    #[must_use]
    pub fn new(policy: Policy, tick: u64, tick_ns: u64) -> Self {
        let newcomers = Bucket { level: 0, at: u128::from(tick) * u128::from(tick_ns) };
        let (networks, sites) = (HashMap::new(), HashMap::new());
        Self {
            policy,
            tick,
            tick_ns,
            clients: HashMap::new(),
            seen: HashSet::new(),
            newcomers,
            networks,
            sites,
        }
    }

    /// Replaces the policy.
    pub fn apply(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Lets ticks pass.
    pub const fn pass_ticks(&mut self, ticks: u64) {
        self.tick += ticks;
    }

    /// What must become of a frame.
    pub fn judge(&mut self, frame: &Frame) -> Seen {
        let (family, reason, problem) = match read(frame) {
            Reading::NotIp => (Family::Other, Reason::NotIp, None),
            Reading::Unparsed(problem) => (Family::Other, Reason::Unparsed, Some(problem)),
            Reading::Packet { source, content } => {
                let family = if source.is_ipv4() { Family::V4 } else { Family::V6 };
                (family, self.reason(source, &content, frame.bytes().len() as u64), content.problem)
            }
        };
        let is_deep = matches!(problem, Some(Problem::VlanDepth | Problem::ExtensionDepth));
        let is_open = matches!(reason, Reason::None | Reason::Unparsed);
        let reason = if is_deep && is_open { Reason::HeaderDepth } else { reason };
        let passes = matches!(
            reason,
            Reason::None | Reason::Allowed | Reason::NotIp | Reason::Unparsed | Reason::OwnHost
        );
        let verdict = match (passes, self.policy.enforce) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::Drop,
            (false, false) => Verdict::WouldDrop,
        };
        Seen { family, verdict, reason, problem }
    }

    /// What holds a packet up, unless this host sent it.
    fn reason(&mut self, source: IpAddr, content: &Content, bytes: u64) -> Reason {
        let reason = self.hold_up(source, content, bytes);
        if self.policy.loopback && reason.refuses() { Reason::OwnHost } else { reason }
    }

    fn hold_up(&mut self, source: IpAddr, content: &Content, bytes: u64) -> Reason {
        let client = self.policy.client_of(source);
        if !self.clients.contains_key(&client) {
            if self.is_blocked_widely(source) {
                return Reason::Blocked;
            }
            if self.seen.insert(client) {
                return self.newcomer(source);
            }
            let now = self.now();
            self.clients.insert(client, [Bucket { level: 0, at: now }; 4]);
        }
        if self.is_allowed(source) {
            return Reason::Allowed;
        }
        if self.is_blocked(source) {
            return Reason::Blocked;
        }
        self.charge(&client, source, content, bytes)
    }

    fn newcomer(&mut self, source: IpAddr) -> Reason {
        if self.is_allowed(source) {
            return Reason::Allowed;
        }
        if self.is_blocked(source) {
            return Reason::Blocked;
        }
        let now = self.now();
        let network = network_of(source);
        let quota = |rate: Option<Rate>| rate.map(|rate| Quota::of_units(rate, self.tick_ns));
        let (of_all, of_network) = (quota(self.policy.newcomers), quota(self.policy.newcomers_per_network));
        let bucket = self.networks.entry(network).or_insert(Bucket { level: 0, at: now });
        let mut asked = [(&mut self.newcomers, of_all), (bucket, of_network)];
        for (bucket, quota) in &mut asked {
            bucket.leak(now);
            if quota.as_ref().is_some_and(|quota| bucket.is_over(quota, 1)) {
                return Reason::NewcomerRate;
            }
        }
        for (bucket, quota) in &mut asked {
            if let Some(quota) = quota {
                bucket.charge(quota, 1);
            }
        }
        Reason::None
    }

    fn charge(&mut self, client: &IpNet, source: IpAddr, content: &Content, bytes: u64) -> Reason {
        let now = self.now();
        let asked = self.asked(source, content, bytes);
        let buckets = self.clients.get_mut(client).expect("a client");
        for (bucket, (quota, units, reason)) in buckets.iter_mut().zip(&asked) {
            bucket.leak(now);
            if *units > 0 && quota.as_ref().is_some_and(|quota| bucket.is_over(quota, *units)) {
                return *reason;
            }
        }
        for (bucket, (quota, units, _)) in buckets.iter_mut().zip(&asked) {
            if let Some(quota) = quota.as_ref().filter(|_| *units > 0) {
                bucket.charge(quota, *units);
            }
        }
        self.charge_site(source, content, bytes)
    }

    /// What a frame needs of each limit of its client.
    fn asked(&self, source: IpAddr, content: &Content, bytes: u64) -> [(Option<Quota>, u64, Reason); 4] {
        let limits = self.limits(source);
        let units = |rate: Option<Rate>| rate.map(|rate| Quota::of_units(rate, self.tick_ns));
        [
            (units(limits.packets), 1, Reason::PacketRate),
            (limits.bits.map(|rate| Quota::of_bits(rate, self.tick_ns)), bytes * 8, Reason::BitRate),
            (units(limits.connections), u64::from(content.opens), Reason::ConnectionRate),
            (units(limits.requests), u64::from(content.request), Reason::RequestRate),
        ]
    }

    fn charge_site(&mut self, source: IpAddr, content: &Content, bytes: u64) -> Reason {
        let (bits, times) =
            if source.is_ipv4() { (24, self.policy.sites.0) } else { (48, self.policy.sites.1) };
        let is_narrower = self.policy.client_bits(&IpNet::from(source)) > bits;
        let is_link_local = matches!(source, IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfe80);
        if times == 0 || !is_narrower || is_link_local {
            return Reason::None;
        }
        let now = self.now();
        let asked = self.asked(source, content, bytes);
        let site = IpNet::new(source, bits).expect("a length of the family").trunc();
        let budget = (site, self.scope(source).0);
        let buckets = self.sites.entry(budget).or_insert([Bucket { level: 0, at: now }; 4]);
        let mut asked: Vec<(&mut Bucket, Quota)> = buckets
            .iter_mut()
            .zip(asked)
            .filter_map(|(bucket, (quota, units, _))| Some((bucket, quota.filter(|_| units > 0)?, units)))
            .map(|(bucket, quota, units)| (bucket, quota.shared_by(times, units)))
            .collect();
        for (bucket, quota) in &mut asked {
            bucket.leak(now);
            if bucket.is_over(quota, 1) {
                return Reason::SiteRate;
            }
        }
        for (bucket, quota) in &mut asked {
            bucket.charge(quota, 1);
        }
        Reason::None
    }

    fn now(&self) -> u128 {
        u128::from(self.tick) * u128::from(self.tick_ns)
    }

    fn is_allowed(&self, source: IpAddr) -> bool {
        self.policy.allows.iter().any(|prefix| prefix.contains(&source))
    }

    fn is_blocked(&self, source: IpAddr) -> bool {
        let stands = |end: &Option<u64>| end.is_none_or(|end| self.tick < end);
        self.policy.blocks.iter().any(|(prefix, end)| prefix.contains(&source) && stands(end))
    }

    fn is_blocked_widely(&self, source: IpAddr) -> bool {
        let width = self.policy.client_bits(&IpNet::from(source));
        let matching = self.policy.blocks.iter().filter(|(prefix, _)| prefix.contains(&source));
        let longest = matching.map(|(prefix, _)| prefix.prefix_len()).max();
        let is_wide = longest.is_some_and(|length| length < width);
        is_wide && self.is_blocked(source) && !self.is_allowed(source)
    }

    fn limits(&self, source: IpAddr) -> Limits {
        self.scope(source).1
    }

    /// The scope whose limits apply, counted from 1; 0 for the default.
    fn scope(&self, source: IpAddr) -> (usize, Limits) {
        let numbered = (1..).zip(&self.policy.scopes);
        let matching = numbered.filter(|(_, (prefix, _))| prefix.contains(&source));
        matching
            .max_by_key(|(_, (prefix, _))| prefix.prefix_len())
            .map_or((0, self.policy.default), |(number, (_, limits))| (number, *limits))
    }
}

/// The network that shares a part of the newcomers' rate.
fn network_of(source: IpAddr) -> IpNet {
    let bits = if source.is_ipv4() { 16 } else { 32 };
    IpNet::new(source, bits).expect("a length of the family").trunc()
}
