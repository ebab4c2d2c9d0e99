use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::super::limits::Limits;
use super::super::mode::Origin;
use super::super::plan::{self, Actual, Change, Measures};
use super::super::policy::{DecidedLimits, Layer};
use super::*;
use crate::groups::Whom;

const BY: Measures = Measures { tick_ns: 4_000_000, client_bits: (32, 64) };
const ASN: Group = Group::Asn(64_500);
const COUNTRY: Group = Group::Country(*b"XX");

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn networks(texts: &[&str]) -> Arc<Networks> {
    Arc::new(texts.iter().map(|text| net(text)).collect())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn block(until: Option<u64>) -> BlockRule {
    BlockRule { until: until.map(at), reason: None, origin: Origin::Command, since: at(0) }
}

fn allow() -> AllowRule {
    AllowRule { reason: None, origin: Origin::Command, since: at(0) }
}

fn packets(rate: &str) -> Limits {
    Limits { packets: Some(rate.parse().unwrap()), ..Limits::default() }
}

fn perform(changes: Vec<Change>, actual: &mut Actual) {
    changes.iter().for_each(|change| actual.note(change));
}

/// The longest match of an address, as the kernel's tries look it up.
fn longest<'a, V>(entries: impl Iterator<Item = (&'a IpNet, V)>, host: &IpNet) -> Option<(IpNet, V)> {
    let covering = entries.filter(|(prefix, _)| prefix.contains(host));
    covering.map(|(prefix, value)| (*prefix, value)).max_by_key(|(prefix, _)| prefix.prefix_len())
}

/// A prefix in a space of 64 addresses.
fn small((bits, length): (u32, u8)) -> IpNet {
    IpNet::new(Ipv4Addr::from_bits(bits % 64).into(), 26 + length % 7).unwrap().trunc()
}

proptest! {
    /// Whatever prefixes and groups are blocked until when, the kernel blocks an address as long as one of those rules
    /// that cover it is in force; and planning one block at a time leaves nothing to do for the plan of the whole.
    #[test]
    fn a_group_is_blocked_as_its_networks_would_be(
        asn in prop::collection::vec(any::<(u32, u8)>(), 0..5),
        country in prop::collection::vec(any::<(u32, u8)>(), 0..5),
        until in (prop::option::of(1_u64..20), prop::option::of(1_u64..20)),
        singles in prop::collection::vec((any::<(u32, u8)>(), prop::option::of(1_u64..20), any::<bool>()), 0..10),
        now in 1_u64..20,
    ) {
        let groups = [(ASN, asn, until.0), (COUNTRY, country, until.1)];
        let mut policy = Policy::default();
        policy.change(|layer| {
            layer.groups.blocks.extend(groups.iter().map(|(group, _, until)| (*group, block(*until))));
        });
        let members = groups.iter().map(|(group, networks, _)| {
            (*group, Arc::new(networks.iter().copied().map(small).collect::<Networks>()))
        });
        policy.set_members(members.collect());
        let mut actual = Actual::default();
        perform(plan::whole(&policy, &[], &actual, BY), &mut actual);
        for (prefix, until, insert) in singles {
            let prefix = small(prefix);
            if insert { policy.set_block(prefix, block(until)) } else { policy.lift_block(&prefix); }
            perform(plan::some_blocks(&policy, &actual, &[prefix]), &mut actual);
        }
        prop_assert_eq!(plan::whole(&policy, &[], &actual, BY), vec![]);
        let now = at(now);
        let stands = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
        for bits in 0..64 {
            let host = IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from_bits(bits)));
            let by_prefix = policy.blocks().into_iter().any(|(one, rule)| one.contains(&host) && stands(rule.until));
            let by_group = groups.iter().any(|(_, networks, until)| {
                stands(until.map(at)) && networks.iter().any(|one| small(*one).contains(&host))
            });
            let kernel = longest(actual.blocks.iter(), &host).is_some_and(|(_, until)| stands(*until));
            prop_assert_eq!(kernel, by_prefix || by_group, "{}", host);
            let told = policy.block_covering(&host).is_some_and(|(_, rule)| stands(rule.until));
            prop_assert_eq!(told, by_prefix || by_group, "{}", host);
            prop_assert_eq!(policy.blocks_some_of(&host), longest(actual.blocks.iter(), &host).is_some());
        }
        // Without the rules, nothing stays.
        policy.change(|layer| *layer = Layer::default());
        policy.set_members(Members::new());
        perform(plan::whole(&policy, &[], &actual, BY), &mut actual);
        prop_assert!(actual.blocks.is_empty() && policy.members.is_empty());
    }

    /// The kernel's longest match gives an address the limits that `explain` tells.
    #[test]
    fn the_limits_told_are_those_in_the_kernel(
        asn in prop::collection::vec(any::<(u32, u8)>(), 0..5),
        country in prop::collection::vec(any::<(u32, u8)>(), 0..5),
        singles in prop::collection::vec((any::<(u32, u8)>(), any::<bool>(), any::<bool>()), 0..8),
    ) {
        let mut policy = Policy::default();
        policy.change(|layer| {
            layer.limits.insert(Scope::Default, packets("1000/s"));
            layer.limits.insert(Scope::Group(ASN), packets("200/s"));
            layer.limits.insert(Scope::Group(COUNTRY), packets("300/s"));
        });
        let of = |networks: &[(u32, u8)]| Arc::new(networks.iter().copied().map(small).collect::<Networks>());
        policy.set_members(Members::from([(ASN, of(&asn)), (COUNTRY, of(&country))]));
        let mut actual = Actual::default();
        perform(plan::whole(&policy, &[], &actual, BY), &mut actual);
        for (place, (prefix, insert, by_detector)) in singles.into_iter().enumerate() {
            let (prefix, rate) = (small(prefix), packets(&format!("{}/s", 10 + place)));
            match (insert, by_detector) {
                (true, true) => {
                    let limits = DecidedLimits { limits: rate, until: None, reason: String::new() };
                    policy.set_decided_limits(prefix, limits);
                }
                (false, true) => policy.lift_decided_limits(&prefix),
                (true, false) => drop(policy.change(|layer| layer.limits.insert(Scope::Prefix(prefix), rate))),
                (false, false) => drop(policy.change(|layer| layer.limits.remove(&Scope::Prefix(prefix)))),
            }
            perform(plan::some_limits(&policy, &actual, BY), &mut actual);
            let singles = policy.scopes().into_keys().filter_map(|scope| match scope {
                Scope::Prefix(prefix) => Some(prefix),
                Scope::Group(_) | Scope::Default => None,
            });
            actual.single_scopes = singles.collect();
        }
        prop_assert_eq!(plan::whole(&policy, &[], &actual, BY), vec![]);
        for bits in 0..64 {
            let host = IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from_bits(bits)));
            let scope = policy.scope_covering(host).map_or(Scope::Default, Scope::from);
            let told = policy.limits_in_force(scope).quotas(BY.tick_ns);
            let kernel = longest(actual.scopes.iter(), &host).map_or(actual.default_limits, |(_, limits)| **limits);
            prop_assert_eq!(kernel, told, "{} by {}", host, scope);
        }
    }
}

#[test]
fn a_network_longer_than_a_client_limits_the_client() {
    let mut policy = Policy::default();
    policy.change(|layer| layer.limits.insert(Scope::Group(ASN), packets("5/s")));
    policy.set_members(Members::from([(ASN, networks(&["2001:db8::1/128", "2001:db8:0:0:1::/80"]))]));
    let mut actual = Actual::default();
    perform(plan::whole(&policy, &[], &actual, BY), &mut actual);
    assert_eq!(actual.scopes.keys().copied().collect::<Vec<_>>(), [net("2001:db8::/64")]);
}

#[test]
fn all_networks_of_a_group_share_one_entry_of_limits() {
    let mut policy = Policy::default();
    policy.change(|layer| {
        layer.limits.insert(Scope::Group(ASN), packets("5/s"));
        layer.limits.insert(Scope::Group(COUNTRY), packets("6/s"));
    });
    // Interleaved in the order of addresses.
    policy.set_members(Members::from([
        (ASN, networks(&["10.0.0.0/24", "10.0.2.0/24", "10.0.4.0/24"])),
        (COUNTRY, networks(&["10.0.1.0/24", "10.0.3.0/24", "10.0.5.0/24"])),
    ]));
    let changes = plan::whole(&policy, &[], &Actual::default(), BY);
    let runs: Vec<usize> = changes.chunk_by(Change::is_like).map(<[Change]>::len).collect();
    assert_eq!(runs, [3, 3]);
}

#[test]
fn allowed_groups_pass_like_allowed_prefixes() {
    let mut policy = Policy::default();
    policy.change(|layer| {
        layer.groups.allows.insert(ASN, allow());
        layer.allows.insert(net("10.1.0.0/16"), allow());
    });
    policy.set_members(Members::from([(ASN, networks(&["10.1.0.0/16", "192.0.2.0/24"]))]));
    let mut actual = Actual::default();
    perform(plan::whole(&policy, &[net("198.51.100.1/32")], &actual, BY), &mut actual);
    let held: Vec<IpNet> = actual.allows.iter().copied().collect();
    assert_eq!(held, [net("10.1.0.0/16"), net("192.0.2.0/24"), net("198.51.100.1/32")]);
    let by = |text: &str| policy.allows_covering(net(text)).map(|(by, _)| by).collect::<Vec<_>>();
    assert_eq!(by("192.0.2.7/32"), [Whom::Group(ASN)]);
    assert_eq!(by("10.1.2.3/32"), [Whom::Group(ASN), Whom::Prefix(net("10.1.0.0/16"))]);
    assert!(by("10.2.0.0/16").is_empty());
    assert!(
        policy.allows_group_within(&net("192.0.0.0/16")) && !policy.allows_group_within(&net("10.2.0.0/16"))
    );
    // What the group has no longer stays allowed only by its own rule.
    policy.set_members(Members::from([(ASN, networks(&["203.0.113.0/24"]))]));
    perform(plan::whole(&policy, &[], &actual, BY), &mut actual);
    let held: Vec<IpNet> = actual.allows.iter().copied().collect();
    assert_eq!(held, [net("10.1.0.0/16"), net("203.0.113.0/24")]);
}

#[test]
fn a_block_of_a_group_expires() {
    let mut policy = Policy::default();
    policy.change(|layer| {
        layer.groups.blocks.insert(ASN, block(Some(5)));
        layer.groups.blocks.insert(COUNTRY, block(None));
    });
    policy.set_members(Members::from([
        (ASN, networks(&["10.0.0.0/8"])),
        (COUNTRY, networks(&["11.0.0.0/8"])),
        (Group::Asn(1), networks(&["12.0.0.0/8"])),
    ]));
    assert_eq!(policy.members.len(), 2, "nothing is kept of groups without a rule");
    assert_eq!(policy.expire_groups(at(4)), []);
    assert_eq!(policy.expire_groups(at(5)), [ASN]);
    assert_eq!(policy.groups(), BTreeSet::from([COUNTRY]));
}
