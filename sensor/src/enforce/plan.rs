//! Desired minus actual state, as a list of changes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::ScopeLimits;

use super::blocks::Until;
use super::groups::{BlockEntries, Kind};
use super::limits::Scope;
use super::policy::Policy;

/// What the kernel holds, as far as this room wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Actual {
    pub(super) default_limits: ScopeLimits,
    pub(super) scopes: BTreeMap<IpNet, Shared>,
    pub(super) allows: BTreeSet<IpNet>,
    pub(super) blocks: BTreeMap<IpNet, Until>,
    /// Prefixes whose limits are their own and not those of a group.
    pub(super) single_scopes: BTreeSet<IpNet>,
}

impl Actual {
    /// A change was made.
    pub(super) fn note(&mut self, change: &Change) {
        match change {
            Change::SetDefault(limits) => self.default_limits = *limits,
            Change::SetScope(prefix, limits) => drop(self.scopes.insert(*prefix, Arc::clone(limits))),
            Change::RemoveScope(prefix) => drop(self.scopes.remove(prefix)),
            Change::Allow(prefix) => self.allows.extend([*prefix]),
            Change::RemoveAllow(prefix) => _ = self.allows.remove(prefix),
            Change::Block(prefix, until) => _ = self.blocks.insert(*prefix, *until),
            Change::RemoveBlock(prefix) => _ = self.blocks.remove(prefix),
        }
    }
}

/// Limits, which all networks of a group share.
pub(super) type Shared = Arc<ScopeLimits>;

/// One change to the kernel's maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    SetDefault(ScopeLimits),
    SetScope(IpNet, Shared),
    RemoveScope(IpNet),
    Allow(IpNet),
    RemoveAllow(IpNet),
    Block(IpNet, Until),
    RemoveBlock(IpNet),
}

impl Change {
    /// The prefix that changes.
    pub(super) const fn prefix(&self) -> Option<IpNet> {
        match self {
            Self::SetDefault(_) => None,
            Self::SetScope(prefix, _)
            | Self::RemoveScope(prefix)
            | Self::Allow(prefix)
            | Self::RemoveAllow(prefix)
            | Self::Block(prefix, _)
            | Self::RemoveBlock(prefix) => Some(*prefix),
        }
    }

    /// Whether it makes an entry.
    pub(super) const fn sets(&self) -> bool {
        matches!(self, Self::SetDefault(_) | Self::SetScope(..) | Self::Allow(_) | Self::Block(..))
    }

    /// Whether one batch may make both changes: the same is done, and all scopes of a batch share their limits.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::SetScope(_, one), Self::SetScope(_, other)) => Arc::ptr_eq(one, other),
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// What the kernel measures time and clients by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measures {
    pub(super) tick_ns: u64,
    /// Bits of a client's prefix, of IPv4 and of IPv6.
    pub(super) client_bits: (u8, u8),
}

impl Measures {
    /// A network of a group as a scope: no longer than a client, which is limited as a whole.
    fn scope(&self, network: IpNet) -> IpNet {
        let bits = if network.addr().is_ipv4() { self.client_bits.0 } else { self.client_bits.1 };
        IpNet::new(network.addr(), network.prefix_len().min(bits)).map_or(network, |scope| scope.trunc())
    }
}

/// All differences. Changes that let traffic pass come before those that stop it.
pub(super) fn whole(desired: &Policy, protected: &[IpNet], actual: &Actual, by: Measures) -> Vec<Change> {
    let mut changes = limits(desired, actual, by);
    changes.extend(allows(desired, protected, actual));
    let entries = desired.block_entries();
    changes.extend(entries.prefixes().filter_map(|prefix| block(&entries, actual, &prefix)));
    let gone = actual.blocks.keys().filter(|prefix| !entries.has(prefix));
    changes.extend(gone.map(|prefix| Change::RemoveBlock(*prefix)));
    changes
}

/// What differs after changes to the blocks of these prefixes: those blocks, and those within them.
pub(super) fn some_blocks(desired: &Policy, actual: &Actual, prefixes: &[IpNet]) -> Vec<Change> {
    let entries = desired.block_entries();
    let mut changes: BTreeMap<IpNet, Change> = BTreeMap::new();
    let mut outer: Option<IpNet> = None;
    // In order, a prefix comes before all within it: what is within one of them is looked at once.
    for prefix in prefixes.iter().copied().collect::<BTreeSet<IpNet>>() {
        if !entries.has(&prefix) && actual.blocks.contains_key(&prefix) {
            changes.insert(prefix, Change::RemoveBlock(prefix));
        }
        if outer.is_some_and(|outer| outer.contains(&prefix)) {
            continue;
        }
        outer = Some(prefix);
        let within =
            entries.within(&prefix).filter_map(|inner| Some((inner, block(&entries, actual, &inner)?)));
        changes.extend(within);
    }
    let (blocks, removals): (Vec<_>, Vec<_>) = changes.into_values().partition(Change::sets);
    blocks.into_iter().chain(removals).collect()
}

/// The limits that differ.
fn limits(desired: &Policy, actual: &Actual, by: Measures) -> Vec<Change> {
    let mut changes = default_limits(desired, actual, by);
    let mut wanted: BTreeMap<IpNet, Shared> = BTreeMap::new();
    // In the order of precedence: countries, autonomous systems, prefixes.
    for (group, networks) in desired.members_with(Kind::Limits).collect::<Vec<_>>().into_iter().rev() {
        let limits = Arc::new(desired.limits_in_force(Scope::Group(group)).quotas(by.tick_ns));
        wanted.extend(networks.iter().map(|network| (by.scope(network), Arc::clone(&limits))));
    }
    wanted.extend(single_limits(desired, by));
    let differs = |(prefix, limits): &(&IpNet, &Shared)| actual.scopes.get(*prefix) != Some(*limits);
    let mut new: Vec<(&IpNet, &Shared)> = wanted.iter().filter(differs).collect();
    // The networks of a group one after the other, so that they are written together.
    new.sort_by_key(|(_, limits)| Arc::as_ptr(limits).addr());
    changes.extend(new.into_iter().map(|(prefix, limits)| Change::SetScope(*prefix, Arc::clone(limits))));
    let gone = actual.scopes.keys().filter(|prefix| !wanted.contains_key(prefix));
    changes.extend(gone.map(|prefix| Change::RemoveScope(*prefix)));
    changes
}

/// The limits that differ of prefixes with limits of their own, without a look at the networks of groups.
pub(super) fn some_limits(desired: &Policy, actual: &Actual, by: Measures) -> Vec<Change> {
    let mut changes = default_limits(desired, actual, by);
    let wanted: BTreeMap<IpNet, Shared> = single_limits(desired, by).collect();
    let differs = |(prefix, limits): &(&IpNet, &Shared)| actual.scopes.get(*prefix) != Some(*limits);
    let new = wanted.iter().filter(differs);
    changes.extend(new.map(|(prefix, limits)| Change::SetScope(*prefix, Arc::clone(limits))));
    for prefix in actual.single_scopes.iter().filter(|prefix| !wanted.contains_key(prefix)) {
        let mut groups = desired.members_with(Kind::Limits);
        let of_group =
            groups.find(|(_, networks)| networks.within(prefix).any(|one| by.scope(one) == *prefix));
        changes.push(match of_group {
            Some((group, _)) => {
                let limits = desired.limits_in_force(Scope::Group(group)).quotas(by.tick_ns);
                Change::SetScope(*prefix, Arc::new(limits))
            }
            None => Change::RemoveScope(*prefix),
        });
    }
    changes
}

fn default_limits(desired: &Policy, actual: &Actual, by: Measures) -> Vec<Change> {
    let default = desired.limits_in_force(Scope::Default).quotas(by.tick_ns);
    if default == actual.default_limits { Vec::new() } else { vec![Change::SetDefault(default)] }
}

fn single_limits(desired: &Policy, by: Measures) -> impl Iterator<Item = (IpNet, Shared)> + '_ {
    desired.scopes().into_keys().filter_map(move |scope| {
        let Scope::Prefix(prefix) = scope else { return None };
        Some((prefix, Arc::new(desired.limits_in_force(scope).quotas(by.tick_ns))))
    })
}

fn allows(desired: &Policy, protected: &[IpNet], actual: &Actual) -> Vec<Change> {
    let groups = desired.allowed_networks();
    let mut wanted: BTreeSet<IpNet> = desired.allows().into_keys().collect();
    wanted.extend(protected);
    let of_groups = groups.iter().flat_map(|networks| networks.iter());
    let missing = wanted.iter().copied().chain(of_groups).filter(|prefix| !actual.allows.contains(prefix));
    let is_wanted =
        |prefix: &IpNet| wanted.contains(prefix) || groups.iter().any(|networks| networks.contains(prefix));
    let gone = actual.allows.iter().filter(|prefix| !is_wanted(prefix));
    missing.map(Change::Allow).chain(gone.map(|prefix| Change::RemoveAllow(*prefix))).collect()
}

fn block(entries: &BlockEntries<'_>, actual: &Actual, prefix: &IpNet) -> Option<Change> {
    let wanted = entries.get(prefix)?;
    let is_there = actual.blocks.get(prefix).is_some_and(|found| is_same(*found, wanted));
    (!is_there).then_some(Change::Block(*prefix, wanted))
}

/// Expiries read back from the kernel were converted by its clock, whose steps are up to 10 ms.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(50);

fn is_same(found: Until, wanted: Until) -> bool {
    match (found, wanted) {
        (None, None) => true,
        (Some(found), Some(wanted)) => {
            found.since(wanted) <= CLOCK_TOLERANCE && wanted.since(found) <= CLOCK_TOLERANCE
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::enforce::{BlockRule, Layer, Limits, Origin};

    const BY: Measures = Measures { tick_ns: 4_000_000, client_bits: (32, 64) };

    fn rule(until: Option<u64>) -> BlockRule {
        let since = Timestamp::from_unix_micros(0);
        let until = until.map(|seconds| Timestamp::from_unix_micros(seconds * 1_000_000));
        BlockRule { until, reason: None, origin: Origin::Command, since }
    }

    proptest! {
        /// Planning one block at a time gives the same result as planning all at once.
        #[test]
        fn step_by_step_equals_whole(
            changes in prop::collection::vec((0_u32..16, 28_u8..=32, prop::option::of(1_u64..9), any::<bool>()), 0..30),
        ) {
            let mut desired = Policy::default();
            let mut stepped = Actual::default();
            for (bits, length, until, insert) in changes {
                let prefix = IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc();
                if insert { desired.set_block(prefix, rule(until)) } else { desired.lift_block(&prefix); }
                let plan = some_blocks(&desired, &stepped, &[prefix]);
                plan.iter().for_each(|change| stepped.note(change));
            }
            prop_assert_eq!(whole(&desired, &[], &stepped, BY), vec![]);
            let mut at_once = Actual::default();
            let plan = whole(&desired, &[], &at_once, BY);
            plan.iter().for_each(|change| at_once.note(change));
            prop_assert_eq!(at_once.blocks, stepped.blocks);
        }

        /// So does planning many at a time, however they overlap.
        #[test]
        fn many_at_once_equals_whole(
            batches in prop::collection::vec(
                prop::collection::vec((0_u32..16, 28_u8..=32, prop::option::of(1_u64..9), any::<bool>()), 0..12),
                0..6,
            ),
        ) {
            let (mut desired, mut stepped) = (Policy::default(), Actual::default());
            for batch in batches {
                let mut prefixes = Vec::new();
                for (bits, length, until, insert) in batch {
                    let prefix = IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc();
                    if insert { desired.set_crowdsec_block(prefix, rule(until)) } else { desired.lift_crowdsec_block(&prefix) }
                    prefixes.push(prefix);
                }
                let plan = some_blocks(&desired, &stepped, &prefixes);
                prop_assert!(plan.is_sorted_by_key(|change| !change.sets()));
                plan.iter().for_each(|change| stepped.note(change));
                prop_assert_eq!(whole(&desired, &[], &stepped, BY), vec![]);
            }
        }
    }

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do() {
        let mut layer = Layer::default();
        layer
            .limits
            .insert(Scope::Default, Limits { packets: Some("5/s".parse().unwrap()), ..Limits::default() });
        layer.limits.insert("10.0.0.0/8".parse().unwrap(), Limits::default());
        layer.blocks.insert("192.0.2.0/24".parse().unwrap(), rule(None));
        let protected = ["192.0.2.1/32".parse().unwrap()];
        let desired = Policy::new(layer, Layer::default());
        let mut actual = Actual::default();
        let plan = whole(&desired, &protected, &actual, BY);
        assert_eq!(plan.len(), 4, "{plan:?}");
        plan.iter().for_each(|change| actual.note(change));
        assert_eq!(whole(&desired, &protected, &actual, BY), []);
        let plan = whole(&Policy::default(), &[], &actual, BY);
        plan.iter().for_each(|change| actual.note(change));
        assert_eq!(whole(&Policy::default(), &[], &actual, BY), []);
        assert!(actual.scopes.is_empty() && actual.allows.is_empty() && actual.blocks.is_empty());
    }
}
