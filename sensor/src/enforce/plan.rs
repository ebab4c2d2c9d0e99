//! Desired minus actual state, as a list of changes. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::ScopeLimits;

use super::blocks::Until;
use super::limits::Scope;
use super::policy::Policy;

/// What the kernel holds, as far as this room wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Actual {
    pub(super) default_limits: ScopeLimits,
    pub(super) scopes: BTreeMap<IpNet, ScopeLimits>,
    pub(super) allows: BTreeMap<IpNet, ()>,
    pub(super) blocks: BTreeMap<IpNet, Until>,
}

/// One change to the kernel's maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    SetDefault(ScopeLimits),
    SetScope(IpNet, ScopeLimits),
    RemoveScope(IpNet),
    Allow(IpNet),
    RemoveAllow(IpNet),
    Block(IpNet, Until),
    RemoveBlock(IpNet),
}

/// All differences. Changes that let traffic pass come before those that stop it.
pub(super) fn whole(desired: &Policy, protected: &[IpNet], actual: &Actual, tick_ns: u64) -> Vec<Change> {
    let mut changes = limits(desired, actual, tick_ns);
    changes.extend(allows(desired, protected, actual));
    changes.extend(desired.block_index().prefixes().filter_map(|prefix| block(desired, actual, &prefix)));
    let gone = actual.blocks.keys().filter(|prefix| desired.block(prefix).is_none());
    changes.extend(gone.map(|prefix| Change::RemoveBlock(*prefix)));
    changes
}

/// What differs after a change to the block of one prefix: that block, and those within it.
pub(super) fn one_block(desired: &Policy, actual: &Actual, prefix: &IpNet) -> Vec<Change> {
    let mut changes: Vec<Change> =
        desired.block_index().within(prefix).filter_map(|prefix| block(desired, actual, &prefix)).collect();
    if desired.block(prefix).is_none() && actual.blocks.contains_key(prefix) {
        changes.push(Change::RemoveBlock(*prefix));
    }
    changes
}

/// The limits that differ.
pub(super) fn limits(desired: &Policy, actual: &Actual, tick_ns: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    let default = desired.limits_in_force(Scope::Default).quotas(tick_ns);
    if default != actual.default_limits {
        changes.push(Change::SetDefault(default));
    }
    let scopes = desired.scopes();
    for scope in scopes.keys() {
        let Scope::Prefix(prefix) = scope else { continue };
        let limits = desired.limits_in_force(*scope).quotas(tick_ns);
        if actual.scopes.get(prefix) != Some(&limits) {
            changes.push(Change::SetScope(*prefix, limits));
        }
    }
    let gone = actual.scopes.keys().filter(|prefix| !scopes.contains_key(&Scope::Prefix(**prefix)));
    changes.extend(gone.map(|prefix| Change::RemoveScope(*prefix)));
    changes
}

fn allows(desired: &Policy, protected: &[IpNet], actual: &Actual) -> Vec<Change> {
    let wanted: BTreeMap<IpNet, ()> =
        desired.allows().into_keys().chain(protected.iter().copied()).map(|prefix| (prefix, ())).collect();
    let missing = wanted.keys().filter(|prefix| !actual.allows.contains_key(prefix));
    let gone = actual.allows.keys().filter(|prefix| !wanted.contains_key(prefix));
    missing
        .map(|prefix| Change::Allow(*prefix))
        .chain(gone.map(|prefix| Change::RemoveAllow(*prefix)))
        .collect()
}

fn block(desired: &Policy, actual: &Actual, prefix: &IpNet) -> Option<Change> {
    let wanted = desired.block_index().effective(prefix)?;
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

    const TICK: u64 = 4_000_000;

    fn perform(actual: &mut Actual, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::SetDefault(limits) => actual.default_limits = limits,
                Change::SetScope(prefix, limits) => drop(actual.scopes.insert(prefix, limits)),
                Change::RemoveScope(prefix) => drop(actual.scopes.remove(&prefix)),
                Change::Allow(prefix) => drop(actual.allows.insert(prefix, ())),
                Change::RemoveAllow(prefix) => drop(actual.allows.remove(&prefix)),
                Change::Block(prefix, until) => drop(actual.blocks.insert(prefix, until)),
                Change::RemoveBlock(prefix) => drop(actual.blocks.remove(&prefix)),
            }
        }
    }

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
                let plan = one_block(&desired, &stepped, &prefix);
                perform(&mut stepped, plan);
            }
            prop_assert_eq!(whole(&desired, &[], &stepped, TICK), vec![]);
            let mut at_once = Actual::default();
            let plan = whole(&desired, &[], &at_once, TICK);
            perform(&mut at_once, plan);
            prop_assert_eq!(at_once.blocks, stepped.blocks);
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
        let plan = whole(&desired, &protected, &actual, TICK);
        assert_eq!(plan.len(), 4, "{plan:?}");
        perform(&mut actual, plan);
        assert_eq!(whole(&desired, &protected, &actual, TICK), []);
        let plan = whole(&Policy::default(), &[], &actual, TICK);
        perform(&mut actual, plan);
        assert_eq!(whole(&Policy::default(), &[], &actual, TICK), []);
        assert!(actual.scopes.is_empty() && actual.allows.is_empty() && actual.blocks.is_empty());
    }
}
