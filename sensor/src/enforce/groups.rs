//! Rules for groups: each stands for all networks of its group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::blocks::{Blocks, Until, later};
use super::limits::Scope;
use super::policy::{AllowRule, BlockRule, Policy, end_of};
use crate::clock::Timestamp;
use crate::groups::{Group, Networks};

/// Allowed and blocked groups of one source of rules. Limits are with those of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRules {
    /// Allowed groups.
    pub allows: BTreeMap<Group, AllowRule>,
    /// Blocked groups.
    pub blocks: BTreeMap<Group, BlockRule>,
}

impl GroupRules {
    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allows.is_empty() && self.blocks.is_empty()
    }
}

/// The networks of groups.
pub type Members = BTreeMap<Group, Arc<Networks>>;

/// The three kinds of rules, and which groups have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Limits,
    Allows,
    Blocks,
}

impl Policy {
    /// Every group that a rule names.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<Group> {
        [Kind::Limits, Kind::Allows, Kind::Blocks]
            .into_iter()
            .flat_map(|kind| self.groups_with(kind))
            .collect()
    }

    /// Groups with a rule of a kind, in the order of [`Scope::precedence`].
    pub(super) fn groups_with(&self, kind: Kind) -> BTreeSet<Group> {
        let mut found = BTreeSet::new();
        for layer in [&self.configuration, &self.commands] {
            match kind {
                Kind::Limits => found.extend(layer.limits.keys().filter_map(|scope| match scope {
                    Scope::Group(group) => Some(*group),
                    Scope::Prefix(_) | Scope::Default => None,
                })),
                Kind::Allows => found.extend(layer.groups.allows.keys()),
                Kind::Blocks => found.extend(layer.groups.blocks.keys()),
            }
        }
        found
    }

    /// The networks of a group.
    #[must_use]
    pub fn networks(&self, group: Group) -> Option<&Arc<Networks>> {
        self.members.get(&group)
    }

    /// The networks of all groups that rules name, as far as they are known.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// Says which networks groups have. Those of groups without a rule are forgotten.
    pub fn set_members(&mut self, members: Members) {
        self.members.extend(members);
        let named = self.groups();
        self.members.retain(|group, _| named.contains(group));
    }

    /// The networks of groups with a rule of a kind.
    pub(super) fn members_with(&self, kind: Kind) -> impl Iterator<Item = (Group, &Networks)> {
        self.groups_with(kind).into_iter().filter_map(|group| Some((group, &**self.members.get(&group)?)))
    }

    /// The network of a group that contains a prefix.
    pub(super) fn network_around(&self, group: Group, prefix: &IpNet) -> Option<IpNet> {
        self.members.get(&group)?.covering(prefix)
    }

    /// The allow rule of a group.
    #[must_use]
    pub fn group_allow(&self, group: Group) -> Option<&AllowRule> {
        self.commands.groups.allows.get(&group).or_else(|| self.configuration.groups.allows.get(&group))
    }

    /// The block rule of a group; of several, the one that expires last.
    #[must_use]
    pub fn group_block(&self, group: Group) -> Option<&BlockRule> {
        let layers = [&self.configuration, &self.commands];
        layers.into_iter().filter_map(|layer| layer.groups.blocks.get(&group)).max_by_key(|rule| end_of(rule))
    }

    /// Every allowed group.
    pub fn group_allows(&self) -> impl Iterator<Item = (Group, &AllowRule)> {
        self.groups_with(Kind::Allows).into_iter().filter_map(|group| Some((group, self.group_allow(group)?)))
    }

    /// Every blocked group.
    pub fn group_blocks(&self) -> impl Iterator<Item = (Group, &BlockRule)> {
        self.groups_with(Kind::Blocks).into_iter().filter_map(|group| Some((group, self.group_block(group)?)))
    }

    /// Whether some address of a prefix is blocked, by whatever rule.
    #[must_use]
    pub fn blocks_some_of(&self, prefix: &IpNet) -> bool {
        let blocks = self.block_index();
        blocks.within(prefix).next().is_some()
            || blocks.covering(prefix).next().is_some()
            || self.members_with(Kind::Blocks).any(|(_, networks)| networks.overlap(prefix))
    }

    /// Whether exactly this prefix is a network of a blocked group.
    #[must_use]
    pub fn blocks_in_group(&self, prefix: &IpNet) -> bool {
        self.members_with(Kind::Blocks).any(|(_, networks)| networks.contains(prefix))
    }

    /// How many single prefixes of a prefix's family are blocked.
    #[must_use]
    pub fn blocks_of_family(&self, prefix: &IpNet) -> usize {
        self.block_index().of_family(prefix)
    }

    /// Whether some address of a prefix is in an allowed group.
    #[must_use]
    pub fn allows_group_within(&self, prefix: &IpNet) -> bool {
        self.members_with(Kind::Allows).any(|(_, networks)| networks.overlap(prefix))
    }

    /// Removes expired blocks of groups; returns those.
    pub fn expire_groups(&mut self, now: Timestamp) -> Vec<Group> {
        let is_over = |rule: &BlockRule| rule.until.is_some_and(|until| until <= now);
        let ended = self.commands.groups.blocks.extract_if(.., |_, rule| is_over(rule));
        ended.map(|(group, _)| group).collect()
    }
}

/// What the kernel's block tries need: an entry for each network, which says what applies there all in all.
pub(super) struct BlockEntries<'a> {
    singles: &'a Blocks,
    groups: Vec<(Until, &'a Networks)>,
}

impl Policy {
    pub(super) fn block_entries(&self) -> BlockEntries<'_> {
        let of = |(group, networks)| Some((self.group_block(group)?.until, networks));
        let groups = self.members_with(Kind::Blocks).filter_map(of).collect();
        BlockEntries { singles: self.block_index(), groups }
    }

    /// The networks that allow rules of groups stand for.
    pub(super) fn allowed_networks(&self) -> Vec<&Networks> {
        self.members_with(Kind::Allows).map(|(_, networks)| networks).collect()
    }
}

impl BlockEntries<'_> {
    /// Whether there is an entry for exactly this prefix.
    pub(super) fn has(&self, prefix: &IpNet) -> bool {
        self.singles.contains(prefix) || self.groups.iter().any(|(_, networks)| networks.contains(prefix))
    }

    /// When the entry for exactly this prefix expires, if there is one: with the last of the blocks that cover it,
    /// because the kernel's longest match hides shorter prefixes.
    pub(super) fn get(&self, prefix: &IpNet) -> Option<Until> {
        if !self.has(prefix) {
            return None;
        }
        let groups = self.groups.iter().filter(|(_, networks)| networks.covering(prefix).is_some());
        let by_groups = groups.map(|(until, _)| *until);
        self.singles.latest_covering(prefix).into_iter().chain(by_groups).reduce(later)
    }

    /// The prefixes of all entries; some twice.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.singles.prefixes().chain(self.groups.iter().flat_map(|(_, networks)| networks.iter()))
    }

    /// Those within a prefix.
    pub(super) fn within<'a>(&'a self, prefix: &'a IpNet) -> impl Iterator<Item = IpNet> + 'a {
        let of_groups = self.groups.iter().flat_map(|(_, networks)| networks.within(prefix));
        self.singles.within(prefix).chain(of_groups)
    }
}

#[cfg(test)]
mod tests;
