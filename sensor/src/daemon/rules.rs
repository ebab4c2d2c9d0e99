//! Allow rules: changes by command. Reports on them and on blocks.

use super::engine::Engine;
use crate::clock::Timestamp;
use crate::control::wire::{AllowRow, BlockAdded, BlockRow, Removed};
use crate::enforce::{AllowRule, BlockRule, Origin};
use crate::groups::{Networks, Whom};

impl Engine {
    /// Allows a prefix or group.
    pub(super) fn add_allow(
        &mut self,
        whom: Whom,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(), String> {
        let rule = AllowRule { reason, origin: Origin::Command, since: now };
        self.change(now, |policy| {
            policy.change(|commands| match whom {
                Whom::Prefix(prefix) => drop(commands.allows.insert(prefix, rule)),
                Whom::Group(group) => drop(commands.groups.allows.insert(group, rule)),
            });
        })?;
        self.reconsider(now);
        self.settle_all(now);
        Ok(())
    }

    /// Removes the allow rule of a prefix or group.
    pub(super) fn remove_allow(&mut self, whom: Whom, now: Timestamp) -> Result<Removed, String> {
        let prefix = match whom {
            Whom::Prefix(prefix) => prefix,
            Whom::Group(group) => return self.remove_group_allow(group, now),
        };
        if !self.policy.commands().allows.contains_key(&prefix) {
            return Err(match self.policy.allow(&prefix) {
                Some(_) => {
                    format!("{prefix} is allowed in the configuration; remove it there and reload")
                }
                None => format!("{prefix} is not allowed; `sensor allow list` shows all allow rules"),
            });
        }
        self.change(now, |policy| {
            policy.change(|commands| commands.allows.remove(&prefix));
        })?;
        self.reconsider(now);
        self.settle_all(now);
        Ok(Removed { removed: whom })
    }
}

impl Engine {
    pub(super) fn block_rows(&self) -> Vec<BlockRow> {
        let groups = self.policy.group_blocks().map(|(group, rule)| self.block_row(group.into(), rule));
        let prefixes = self.policy.blocks().into_iter();
        groups.chain(prefixes.map(|(prefix, rule)| self.block_row(prefix.into(), rule))).collect()
    }

    /// A block, and its current effect.
    pub(super) fn block_added(&self, whom: Whom) -> Option<BlockAdded> {
        let allowed = self.policy.allows().into_keys();
        let (rule, allowed, spared) = match whom {
            Whom::Prefix(prefix) => {
                let within = allowed.filter(|allowed| prefix.contains(allowed)).take(16);
                (self.policy.block(&prefix)?, within.collect(), Vec::new())
            }
            Whom::Group(group) => {
                let networks = self.policy.networks(group)?;
                let within = allowed.filter(|allowed| networks.overlap(allowed)).take(16);
                (self.policy.group_block(group)?, within.collect(), self.spared_of(networks))
            }
        };
        Some(BlockAdded { row: self.block_row(whom, rule), mode: self.policy.mode(), allowed, spared })
    }

    /// What is never blocked of networks, and why.
    fn spared_of(&self, networks: &Networks) -> Vec<String> {
        let within = self.never_block.rules().filter(|(prefix, _)| networks.overlap(prefix));
        within.filter_map(|(prefix, _)| Some(self.never_block.conflict(prefix)?.reason())).take(16).collect()
    }

    pub(super) fn allow_rows(&self) -> Vec<AllowRow> {
        let groups = self.policy.group_allows().map(|(group, rule)| self.allow_row_of(group.into(), rule));
        let prefixes = self.policy.allows().into_iter();
        groups.chain(prefixes.map(|(prefix, rule)| self.allow_row_of(prefix.into(), rule))).collect()
    }

    pub(super) fn allow_row(&self, whom: Whom) -> Option<AllowRow> {
        let rule = match whom {
            Whom::Prefix(prefix) => self.policy.allow(&prefix)?,
            Whom::Group(group) => self.policy.group_allow(group)?,
        };
        Some(self.allow_row_of(whom, rule))
    }

    pub(super) fn block_row(&self, whom: Whom, rule: &BlockRule) -> BlockRow {
        let BlockRule { until, reason, origin, since } = rule.clone();
        BlockRow { prefix: whom, networks: self.network_count(whom.group()), until, reason, origin, since }
    }

    pub(super) fn allow_row_of(&self, whom: Whom, rule: &AllowRule) -> AllowRow {
        let AllowRule { reason, origin, since } = rule.clone();
        AllowRow { prefix: whom, networks: self.network_count(whom.group()), reason, origin, since }
    }
}
