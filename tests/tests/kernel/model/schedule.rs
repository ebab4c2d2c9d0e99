//! Random schedules: who sends what, under which policies, with which pauses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use sensor_common::limit::{Period, Rate};
use sensor_tests::packet::flags::{ACK, FIN, PSH, SYN};
use sensor_tests::packet::{Extension, Frame, Network, Tcp, Transport, Udp};
use sensor_tests::plane::{Limits, Policy};

/// A schedule. Its addresses are a template: each case moves them to networks of its own.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// The policy at the start.
    pub(crate) policy: Policy,
    /// What happens.
    pub(crate) acts: Vec<Act>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A frame arrives.
    Send(Frame),
    /// Ticks pass.
    Pass(u64),
    /// User space changes the policy.
    Apply(Policy),
}

impl Schedule {
    /// The schedule with other addresses, and without prefixes that are there twice.
    pub(crate) fn moved(&self, address: &impl Fn(IpAddr) -> IpAddr) -> Self {
        let acts = self.acts.iter().map(|act| match act {
            Act::Send(frame) => Act::Send(moved_frame(frame, address)),
            Act::Pass(ticks) => Act::Pass(*ticks),
            Act::Apply(policy) => Act::Apply(moved_policy(policy, address)),
        });
        Self { policy: moved_policy(&self.policy, address), acts: acts.collect() }
    }

    /// The schedule without link headers, and without what only those tell.
    pub(crate) fn without_link_headers(mut self) -> Self {
        self.acts.retain(|act| !matches!(act, Act::Send(Frame { network: Network::Other(..), .. })));
        for act in &mut self.acts {
            if let Act::Send(frame) = act {
                frame.layer3 = true;
                (frame.pppoe, frame.tags) = (false, Vec::new());
                match &mut frame.network {
                    Network::V4(ip) => ip.wrong.version = None,
                    Network::V6(ip) => ip.wrong.version = None,
                    Network::Other(..) => {}
                }
            }
        }
        self
    }

    /// Who sends.
    pub(crate) fn sources(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.acts.iter().filter_map(|act| match act {
            Act::Send(frame) => super::source_of(frame),
            Act::Pass(_) | Act::Apply(_) => None,
        })
    }
}

fn moved_frame(frame: &Frame, address: &impl Fn(IpAddr) -> IpAddr) -> Frame {
    let mut frame = frame.clone();
    let moved = super::source_of(&frame).map(address);
    match (&mut frame.network, moved) {
        (Network::V4(ip), Some(IpAddr::V4(source))) => ip.source = source,
        (Network::V6(ip), Some(IpAddr::V6(source))) => ip.source = source,
        _ => {}
    }
    frame
}

fn moved_policy(policy: &Policy, address: &impl Fn(IpAddr) -> IpAddr) -> Policy {
    let moved = |prefix: &IpNet| IpNet::new(address(prefix.addr()), prefix.prefix_len()).unwrap().trunc();
    let mut policy = policy.clone();
    policy.scopes = once_each(policy.scopes.iter().map(|(prefix, limits)| (moved(prefix), *limits)));
    policy.blocks = once_each(policy.blocks.iter().map(|(prefix, end)| (moved(prefix), *end)));
    policy.allows = policy.allows.iter().map(moved).collect();
    policy
}

fn once_each<V>(entries: impl Iterator<Item = (IpNet, V)>) -> Vec<(IpNet, V)> {
    let mut kept: Vec<(IpNet, V)> = Vec::new();
    for (prefix, value) in entries {
        if kept.iter().all(|(known, _)| *known != prefix) {
            kept.push((prefix, value));
        }
    }
    kept
}

/// Schedules of up to thirty acts. The width of a client stays the same within one.
pub(crate) fn schedules() -> impl Strategy<Value = Schedule> {
    let widths = (select(vec![32, 32, 32, 31, 24]), select(vec![64, 64, 64, 48, 128]));
    (policies(), vec(acts(), 10..32), widths).prop_map(|(policy, acts, widths)| {
        let with_widths = |mut policy: Policy| {
            (policy.client_v4, policy.client_v6) = widths;
            policy
        };
        let acts = acts.into_iter().map(|act| match act {
            Act::Apply(policy) => Act::Apply(with_widths(policy)),
            Act::Send(_) | Act::Pass(_) => act,
        });
        Schedule { policy: with_widths(policy), acts: acts.collect() }
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        // Boxed: a tree of choices is as large as its largest branch, and is moved about a lot.
        12 => frames().prop_map(Act::Send).boxed(),
        2 => prop_oneof![1_u64..4, 4_u64..500, 500_u64..1_000_000].prop_map(Act::Pass).boxed(),
        1 => policies().prop_map(Act::Apply).boxed(),
    ]
}

/// Three hosts in each of two networks of either family, and link-local ones.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let first_words = select(vec![None, None, None, Some(0x2001), Some(0x2001), Some(0xfe80)]);
    (first_words, 0..2_u8, 1..4_u8).prop_map(|(first, network, host)| match first {
        Some(first) => Ipv6Addr::new(first, 0, 0, network.into(), 0, 0, 0, host.into()).into(),
        None => Ipv4Addr::new(16, 0, network, host).into(),
    })
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    let lengths = select(vec![(0, 0), (8, 16), (23, 48), (24, 63), (31, 64), (32, 64), (32, 128)]);
    (addresses(), lengths)
        .prop_map(|(address, (v4, v6))| IpNet::new(address, if address.is_ipv4() { v4 } else { v6 }).unwrap())
}

fn rates(counts: std::ops::Range<u64>, bursts: std::ops::Range<u64>) -> impl Strategy<Value = Rate> {
    let periods = select(vec![Period::Second, Period::Minute, Period::Hour]);
    (counts, periods, weighted(0.9, bursts))
        // A few of these bursts would take years to earn.
        .prop_map(|(count, period, burst)| {
            Rate::new(count, period, burst).or_else(|_| Rate::new(count, period, None)).unwrap()
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    let units = || weighted(0.4, rates(1..300, 1..6));
    let bits = weighted(0.4, rates(1..5_000_000, 1..2_000_000));
    (units(), bits, units(), units()).prop_map(|(packets, bits, connections, requests)| Limits {
        packets,
        bits,
        connections,
        requests,
    })
}

/// Most scopes besides the default.
pub(crate) const SCOPES: usize = 2;

fn policies() -> impl Strategy<Value = Policy> {
    let scopes = vec((prefixes(), limits()), 0..=SCOPES);
    let blocks = vec((prefixes(), weighted(0.7, 0_u64..2_000)), 0..2);
    let newcomers = (weighted(0.4, rates(1..300, 1..6)), weighted(0.3, rates(1..300, 1..6)));
    let sites = (weighted(0.3, 1..4_u32), weighted(0.3, 1..4_u32));
    let switches = (weighted(0.8, Just(())), weighted(0.05, Just(())), sites);
    (switches, limits(), scopes, vec(prefixes(), 0..2), blocks, newcomers).prop_map(
        |((enforce, loopback, (site_v4, site_v6)), default, scopes, allows, blocks, newcomers)| Policy {
            enforce: enforce.is_some(),
            loopback: loopback.is_some(),
            default,
            scopes,
            allows,
            blocks,
            newcomers: newcomers.0,
            newcomers_per_network: newcomers.1,
            sites: (site_v4.unwrap_or(0), site_v6.unwrap_or(0)),
            ..Policy::default()
        },
    )
}

fn frames() -> impl Strategy<Value = Frame> {
    let tags = prop_oneof![8 => Just(0_usize), 2 => 1..4_usize, 1 => 62..67_usize]
        .prop_flat_map(|count| vec(select(vec![0x8100_u16, 0x88a8, 0x9100]), count));
    let trailer = prop_oneof![6 => Just(Vec::new()), 1 => payloads()];
    let cut = weighted(0.15, any::<prop::sample::Index>());
    (networks(), tags, weighted(0.1, Just(())), trailer, cut).prop_map(
        |(mut frame, tags, pppoe, trailer, cut)| {
            frame.tags = tags;
            frame.pppoe = pppoe.is_some() && !matches!(frame.network, Network::Other(..));
            frame.trailer = trailer;
            let length = frame.bytes().len();
            // The kernel takes no frame without an Ethernet header.
            frame.cut = cut.map(|at| 14 + at.index(length - 13));
            frame
        },
    )
}

fn networks() -> impl Strategy<Value = Frame> {
    let other = (select(vec![0x0806, 0x88cc, 0x8847, 0x0026]), vec(any::<u8>(), 0..40));
    prop_oneof![
        10 => (addresses(), transports(), faults(), ipv4_fields(), extensions()).prop_map(ip_frame).boxed(),
        1 => other.prop_map(|(ether_type, content)| Frame::other(ether_type, &content)).boxed(),
    ]
}

/// A wrong version and a wrong length.
type Faults = (Option<u8>, Option<u16>);

/// Words of options, fragment offset and whether more follow, and a header length that is too short.
type Ipv4Fields = (usize, Option<(u16, bool)>, Option<u8>);

fn ip_frame(
    (source, transport, (version, length), ipv4, extensions): (
        IpAddr,
        Transport,
        Faults,
        Ipv4Fields,
        Vec<Extension>,
    ),
) -> Frame {
    let mut frame = match source {
        IpAddr::V4(source) => {
            let (options, fragment, header_words) = ipv4;
            let (offset, more) = fragment.unwrap_or_default();
            let frame = Frame::v4(source).ip_options(options).fragment(offset, more);
            frame.change_v4(|ip| ip.header_words = header_words)
        }
        IpAddr::V6(source) => extensions.into_iter().fold(Frame::v6(source), Frame::extension),
    };
    if let Some(version) = version {
        frame = frame.version(version);
    }
    if let Some(length) = length {
        frame = frame.length(length);
    }
    frame.carry(transport)
}

fn faults() -> impl Strategy<Value = Faults> {
    (weighted(0.02, 0..16_u8), weighted(0.06, prop_oneof![4 => 0..120_u16, 1 => any::<u16>()]))
}

fn ipv4_fields() -> impl Strategy<Value = Ipv4Fields> {
    let options = prop_oneof![6 => Just(0), 2 => 1..11_usize];
    let offsets = prop_oneof![Just(0), 1..0x2000_u16];
    (options, weighted(0.15, (offsets, any::<bool>())), weighted(0.02, 0..5_u8))
}

/// Mostly none or few; now and then too many, or so long that what follows is out of the program's sight.
fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    prop_oneof![
        8 => Just(Vec::new()),
        4 => vec(extension(), 1..4),
        1 => vec(extension(), 7..11),
        // Of one kind: among others, some stop the walk before it is that deep.
        1 => vec(Just(Extension::Destination(0)), 62..67),
        1 => vec(extension(), 0..3).prop_map(|mut chain| {
            chain.splice(0..0, [Extension::Destination(255), Extension::Destination(255)]);
            chain
        }),
    ]
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        (0..4_u8).prop_map(Extension::HopByHop),
        (0..4_u8).prop_map(Extension::Routing),
        (0..4_u8).prop_map(Extension::Destination),
        (0..9_u8).prop_map(Extension::Authentication),
        (0..4_u8).prop_map(Extension::Mobility),
        (0..4_u8).prop_map(Extension::Hip),
        (0..4_u8).prop_map(Extension::Shim6),
        any::<bool>().prop_map(|more| Extension::Fragment(0, more)),
        (1..0x2000_u16, any::<bool>()).prop_map(|(offset, more)| Extension::Fragment(offset, more)),
    ]
}

fn transports() -> impl Strategy<Value = Transport> {
    let flags = prop_oneof![4 => select(vec![SYN, ACK, SYN | ACK, PSH | ACK, FIN | ACK]), 1 => any::<u8>()];
    let options = prop_oneof![4 => Just(0), 1 => 1..11_usize];
    let tcp =
        (flags, options, weighted(0.05, 0..16_u8), payloads()).prop_map(|(flags, options, offset, data)| {
            Transport::Tcp(Tcp { flags, options: vec![1; options * 4], data_offset: offset, data })
        });
    let udp = (payloads(), weighted(0.1, 0..12_u16))
        .prop_map(|(data, length)| Transport::Udp(Udp { data, length }));
    let numbers = select(vec![4, 41, 47, 50, 59, 132, 253]);
    let other = (numbers, payloads()).prop_map(|(number, content)| Transport::Other(number, content));
    let echo = payloads().prop_map(Transport::Echo);
    prop_oneof![8 => tcp.boxed(), 3 => udp.boxed(), 1 => echo.boxed(), 1 => other.boxed()].boxed()
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "GETS", "get", "PRI",
        "HTTP/1.1",
    ];
    let requests = (select(words), select(vec![" / HTTP/1.1\r\n", " /", "\t/ HTTP/1.1", " "]))
        .prop_map(|(word, rest)| [word.as_bytes(), rest.as_bytes()].concat());
    let small = prop_oneof![3 => requests, 1 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..24)];
    let sizes = prop_oneof![6 => Just(0), 1 => Just(1_400), 1 => select(vec![4_000, 9_000, 25_000])];
    (small, sizes)
        .prop_map(|(mut data, size)| {
            if data.len() < size {
                data.resize(size, b'x');
            }
            data
        })
        .boxed()
}
