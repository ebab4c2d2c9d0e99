//! The desired policy: the configuration's, overridden by operators' commands.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use super::groups::{GroupRules, Members};
use super::limits::{Limits, Scope};
use super::mode::{Mode, Origin};
use crate::clock::Timestamp;

/// Limits of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeRule {
    /// The limits, as set.
    pub limits: Limits,
    /// Who set them.
    pub origin: Origin,
}

/// An allowed prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowRule {
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Who.
    pub origin: Origin,
    /// Since when.
    pub since: Timestamp,
}

/// A blocked prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRule {
    /// When it expires; absent means never.
    pub until: Option<Timestamp>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Who.
    pub origin: Origin,
    /// Since when.
    pub since: Timestamp,
}

/// One source of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// The mode, if this layer sets it.
    pub mode: Option<Mode>,
    /// Limits by scope.
    pub limits: BTreeMap<Scope, Limits>,
    /// Allowed prefixes.
    pub allows: BTreeMap<IpNet, AllowRule>,
    /// Blocked prefixes.
    pub blocks: BTreeMap<IpNet, BlockRule>,
    /// Allowed and blocked groups.
    #[serde(skip_serializing_if = "GroupRules::is_empty")]
    pub groups: GroupRules,
}

/// Limits that a detector tightened for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedLimits {
    /// The limits; where others are tighter, or these are silent, the client's previous ones apply.
    pub limits: Limits,
    /// When they expire.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// The layers combined.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub(super) configuration: Layer,
    pub(super) commands: Layer,
    /// The networks of groups that rules name.
    pub(super) members: Members,
    /// The detectors' decisions; the event store keeps them across a restart.
    decided_blocks: BTreeMap<IpNet, BlockRule>,
    /// What other hosts of the fleet decided.
    pub(super) fleet_blocks: BTreeMap<IpNet, BlockRule>,
    /// What CrowdSec decided.
    pub(super) crowdsec_blocks: BTreeMap<IpNet, BlockRule>,
    pub(super) decided_limits: BTreeMap<IpNet, DecidedLimits>,
    /// The mode that the daemon was started with; not kept across a restart.
    session_mode: Option<Mode>,
    blocks: Blocks,
}

impl Policy {
    /// A policy from the configuration and the commands.
    #[must_use]
    pub fn new(configuration: Layer, commands: Layer) -> Self {
        let mut policy = Self { configuration, commands, ..Self::default() };
        policy.index_blocks();
        policy
    }

    /// Replaces the configuration under the commands. A mode changed in the configuration is intended: it overrides the
    /// mode set by a command.
    pub fn reconfigure(&mut self, configuration: Layer) {
        if configuration.mode != self.configuration.mode {
            self.commands.mode = None;
            self.session_mode = None;
        }
        self.configuration = configuration;
        self.index_blocks();
    }

    /// The commands' layer, to be kept across a restart.
    #[must_use]
    pub const fn commands(&self) -> &Layer {
        &self.commands
    }

    /// Changes the commands' layer.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Layer) -> T) -> T {
        let result = change(&mut self.commands);
        self.index_blocks();
        result
    }

    /// Sets a block without looking at the others.
    pub fn set_block(&mut self, prefix: IpNet, rule: BlockRule) {
        self.commands.blocks.insert(prefix, rule);
        self.index_block(&prefix);
    }

    /// Sets a detector's block.
    pub fn set_decided_block(&mut self, prefix: IpNet, rule: BlockRule) {
        self.decided_blocks.insert(prefix, rule);
        self.index_block(&prefix);
    }

    /// Removes a block from the commands' and detectors' layers; returns what each had.
    pub fn lift_block(&mut self, prefix: &IpNet) -> (Option<BlockRule>, Option<BlockRule>) {
        let lifted = (self.commands.blocks.remove(prefix), self.decided_blocks.remove(prefix));
        self.index_block(prefix);
        lifted
    }

    /// Sets a detector's limits; false if there is no room for another prefix.
    pub fn set_decided_limits(&mut self, prefix: IpNet, limits: DecidedLimits) -> bool {
        let has_room =
            self.decided_limits.len() < MAX_DECIDED_LIMITS || self.decided_limits.contains_key(&prefix);
        if has_room {
            self.decided_limits.insert(prefix, limits);
        }
        has_room
    }

    /// Lifts a detector's block of a prefix.
    pub fn lift_decided_block(&mut self, prefix: &IpNet) {
        if self.decided_blocks.remove(prefix).is_some() {
            self.index_block(prefix);
        }
    }

    /// Lifts a detector's limits of a prefix.
    pub fn lift_decided_limits(&mut self, prefix: &IpNet) {
        self.decided_limits.remove(prefix);
    }

    /// The detectors' limits.
    #[must_use]
    pub const fn decided_limits(&self) -> &BTreeMap<IpNet, DecidedLimits> {
        &self.decided_limits
    }

    /// The detectors' blocks.
    #[must_use]
    pub const fn decided_blocks(&self) -> &BTreeMap<IpNet, BlockRule> {
        &self.decided_blocks
    }

    /// The mode in force.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.session_mode.or(self.commands.mode).or(self.configuration.mode).unwrap_or_default()
    }

    /// Sets the mode by command.
    pub fn set_mode(&mut self, mode: Mode) {
        self.session_mode = None;
        self.commands.mode = Some(mode);
    }

    /// Sets the mode until this daemon ends, or a command sets it.
    pub const fn set_session_mode(&mut self, mode: Mode) {
        self.session_mode = Some(mode);
    }

    /// The limits set for a scope, if any. A person's take precedence over a detector's.
    #[must_use]
    pub fn scope(&self, scope: Scope) -> Option<ScopeRule> {
        let set = |layer: &Layer, origin| {
            layer.limits.get(&scope).map(|limits| ScopeRule { limits: *limits, origin })
        };
        let by_person =
            set(&self.commands, Origin::Command).or_else(|| set(&self.configuration, Origin::Configuration));
        by_person.or_else(|| {
            let Scope::Prefix(prefix) = scope else { return None };
            let limits = self.decided_limits.get(&prefix)?.limits.tighter(self.limits_around(&prefix));
            Some(ScopeRule { limits, origin: Origin::Detector })
        })
    }

    /// A person's limits for the longest prefix that covers this one.
    fn limits_around(&self, prefix: &IpNet) -> Limits {
        let layers = [&self.commands, &self.configuration];
        let scopes = layers.into_iter().flat_map(|layer| layer.limits.keys());
        let around = scopes.filter_map(|scope| match scope {
            Scope::Prefix(around) => around.contains(prefix).then(|| (around.prefix_len(), *scope)),
            Scope::Group(group) => Some((self.network_around(*group, prefix)?.prefix_len(), *scope)),
            Scope::Default => None,
        });
        let longest = around.max_by_key(|(length, scope)| (*length, scope.precedence()));
        self.limits_in_force(longest.map_or(Scope::Default, |(_, scope)| scope))
    }

    /// Every scope that has limits, `default` first.
    pub fn scopes(&self) -> BTreeMap<Scope, ScopeRule> {
        let keys = self.configuration.limits.keys().chain(self.commands.limits.keys()).copied();
        let decided = self.decided_limits.keys().map(|prefix| Scope::Prefix(*prefix));
        keys.chain(decided).filter_map(|scope| Some((scope, self.scope(scope)?))).collect()
    }

    /// The limits in force for a scope, including inherited ones.
    #[must_use]
    pub fn limits_in_force(&self, scope: Scope) -> Limits {
        let base = self.scope(Scope::Default).map_or(Limits::default(), |rule| rule.limits);
        self.scope(scope).map_or(base, |rule| rule.limits.or(base))
    }

    /// The allow rule of exactly this prefix.
    #[must_use]
    pub fn allow(&self, prefix: &IpNet) -> Option<&AllowRule> {
        self.commands.allows.get(prefix).or_else(|| self.configuration.allows.get(prefix))
    }

    /// Every allowed prefix.
    pub fn allows(&self) -> BTreeMap<IpNet, &AllowRule> {
        self.configuration
            .allows
            .iter()
            .chain(&self.commands.allows)
            .map(|(key, rule)| (*key, rule))
            .collect()
    }

    /// The block rule of exactly this prefix; of several, the one that expires last.
    #[must_use]
    pub fn block(&self, prefix: &IpNet) -> Option<&BlockRule> {
        self.block_layers().filter_map(|layer| layer.get(prefix)).max_by_key(|rule| end_of(rule))
    }

    /// Every blocked prefix.
    pub fn blocks(&self) -> BTreeMap<IpNet, &BlockRule> {
        let mut blocks: BTreeMap<IpNet, &BlockRule> = BTreeMap::new();
        for (prefix, rule) in self.block_layers().flatten() {
            let last = blocks.entry(*prefix).or_insert(rule);
            if end_of(rule) >= end_of(last) {
                *last = rule;
            }
        }
        blocks
    }

    fn block_layers(&self) -> impl Iterator<Item = &BTreeMap<IpNet, BlockRule>> {
        [
            &self.crowdsec_blocks,
            &self.fleet_blocks,
            &self.decided_blocks,
            &self.configuration.blocks,
            &self.commands.blocks,
        ]
        .into_iter()
    }

    /// The blocks in the form that the kernel needs.
    pub(super) const fn block_index(&self) -> &Blocks {
        &self.blocks
    }

    /// How many prefixes and groups are allowed.
    #[must_use]
    pub fn allow_count(&self) -> usize {
        self.allows().len().saturating_add(self.group_allows().count())
    }

    /// How many prefixes and groups are blocked.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks.len().saturating_add(self.group_blocks().count())
    }

    /// How many blocked prefixes are within one, itself included.
    #[must_use]
    pub fn blocks_within(&self, prefix: &IpNet) -> usize {
        self.blocks.within(prefix).count()
    }

    /// Removes expired blocks; returns their prefixes.
    pub fn expire(&mut self, now: Timestamp) -> Vec<IpNet> {
        let ended = self.blocks.ended(now);
        let stands = |rule: &BlockRule| rule.until.is_none_or(|until| until > now);
        for prefix in &ended {
            for layer in [
                &mut self.commands.blocks,
                &mut self.configuration.blocks,
                &mut self.decided_blocks,
                &mut self.fleet_blocks,
                &mut self.crowdsec_blocks,
            ] {
                if layer.get(prefix).is_some_and(|rule| !stands(rule)) {
                    layer.remove(prefix);
                }
            }
            self.index_block(prefix);
        }
        ended
    }

    pub(super) fn index_block(&mut self, prefix: &IpNet) {
        match self.block(prefix).map(|rule| rule.until) {
            Some(until) => self.blocks.insert(*prefix, until),
            None => self.blocks.remove(prefix),
        }
    }

    fn index_blocks(&mut self) {
        self.blocks = self.blocks().into_iter().map(|(prefix, rule)| (prefix, rule.until)).collect();
    }
}

/// Maximum limits set by detectors: the kernel's table of scopes is the operator's first.
pub(super) const MAX_DECIDED_LIMITS: usize = 1_024;

/// Sorts blocks by expiry; those without one come last.
pub(super) const fn end_of(rule: &BlockRule) -> (bool, Option<Timestamp>) {
    (rule.until.is_none(), rule.until)
}
