//! The desired policy: what the configuration says, and over it what operators said since.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use super::limits::{Limits, Scope};
use crate::clock::Timestamp;

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is computed and counted, nothing is dropped.
    #[default]
    Monitor,
    /// What is over a limit or blocked is dropped.
    Enforce,
}

impl Mode {
    /// The word that operators use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.label())
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "monitor" => Ok(Self::Monitor),
            "enforce" => Ok(Self::Enforce),
            _ => Err("expected `monitor` or `enforce`"),
        }
    }
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A configuration file.
    Configuration,
    /// A command.
    Command,
    /// The sensor itself, so that a block cannot reach what must not be blocked.
    Protection,
}

impl Origin {
    /// A word for tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Command => "command",
            Self::Protection => "protection",
        }
    }
}

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
    /// When it ends; never, where absent.
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
    /// The mode, where this layer sets it.
    pub mode: Option<Mode>,
    /// Limits by scope.
    pub limits: BTreeMap<Scope, Limits>,
    /// Allowed prefixes.
    pub allows: BTreeMap<IpNet, AllowRule>,
    /// Blocked prefixes.
    pub blocks: BTreeMap<IpNet, BlockRule>,
}

/// The layers together.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    configuration: Layer,
    commands: Layer,
    /// The mode that the daemon was started with; not kept over a restart.
    session_mode: Option<Mode>,
    blocks: Blocks,
}

impl Policy {
    /// A policy of what the configuration says and what commands said.
    #[must_use]
    pub fn new(configuration: Layer, commands: Layer) -> Self {
        let mut policy = Self { configuration, commands, ..Self::default() };
        policy.index_blocks();
        policy
    }

    /// Puts another configuration under the commands. A mode that the configuration changes is meant: it
    /// lifts the mode that a command set.
    pub fn reconfigure(&mut self, configuration: Layer) {
        if configuration.mode != self.configuration.mode {
            self.commands.mode = None;
            self.session_mode = None;
        }
        self.configuration = configuration;
        self.index_blocks();
    }

    /// What commands said, to be kept over a restart.
    #[must_use]
    pub const fn commands(&self) -> &Layer {
        &self.commands
    }

    /// Changes what commands said.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Layer) -> T) -> T {
        let result = change(&mut self.commands);
        self.index_blocks();
        result
    }

    /// Sets a block without looking at the others.
    pub fn set_block(&mut self, prefix: IpNet, rule: BlockRule) {
        self.blocks.insert(prefix, rule.until);
        self.commands.blocks.insert(prefix, rule);
    }

    /// Lifts a block that a command set; whether there was one.
    pub fn lift_block(&mut self, prefix: &IpNet) -> bool {
        let lifted = self.commands.blocks.remove(prefix).is_some();
        match self.configuration.blocks.get(prefix) {
            Some(rule) => self.blocks.insert(*prefix, rule.until),
            None => self.blocks.remove(prefix),
        }
        lifted
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

    /// Sets the mode for as long as this daemon runs, or until a command sets it.
    pub const fn set_session_mode(&mut self, mode: Mode) {
        self.session_mode = Some(mode);
    }

    /// The limits set for a scope, if any.
    #[must_use]
    pub fn scope(&self, scope: Scope) -> Option<ScopeRule> {
        let of = |layer: &Layer, origin| {
            layer.limits.get(&scope).map(|limits| ScopeRule { limits: *limits, origin })
        };
        of(&self.commands, Origin::Command).or_else(|| of(&self.configuration, Origin::Configuration))
    }

    /// Every scope that has limits, `default` first.
    pub fn scopes(&self) -> BTreeMap<Scope, ScopeRule> {
        let keys = self.configuration.limits.keys().chain(self.commands.limits.keys());
        keys.filter_map(|scope| Some((*scope, self.scope(*scope)?))).collect()
    }

    /// The limits in force for a scope, with what it inherits.
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

    /// The block rule of exactly this prefix.
    #[must_use]
    pub fn block(&self, prefix: &IpNet) -> Option<&BlockRule> {
        self.commands.blocks.get(prefix).or_else(|| self.configuration.blocks.get(prefix))
    }

    /// Every blocked prefix.
    pub fn blocks(&self) -> BTreeMap<IpNet, &BlockRule> {
        self.configuration
            .blocks
            .iter()
            .chain(&self.commands.blocks)
            .map(|(key, rule)| (*key, rule))
            .collect()
    }

    /// The blocks as the kernel is to see them.
    pub(super) const fn block_index(&self) -> &Blocks {
        &self.blocks
    }

    /// How many prefixes are blocked.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Removes blocks that have ended; returns them.
    pub fn expire(&mut self, now: Timestamp) -> Vec<IpNet> {
        let ended = self.blocks.ended(now);
        for prefix in &ended {
            self.lift_block(prefix);
        }
        ended
    }

    fn index_blocks(&mut self) {
        let blocks = self.configuration.blocks.iter().chain(&self.commands.blocks);
        self.blocks = blocks.map(|(prefix, rule)| (*prefix, rule.until)).collect();
    }
}
