//! Reports on blocks and allow rules.

use ipnet::IpNet;

use super::engine::Engine;
use crate::control::wire::{AllowRow, BlockAdded, BlockRow};
use crate::enforce::{AllowRule, BlockRule};

impl Engine {
    pub(super) fn block_rows(&self) -> Vec<BlockRow> {
        self.policy.blocks().into_iter().map(|(prefix, rule)| block_row(prefix, rule)).collect()
    }

    /// A block, and its current effect.
    pub(super) fn block_added(&self, prefix: &IpNet) -> Option<BlockAdded> {
        let rule = self.policy.block(prefix)?;
        let allowed = self.policy.allows().into_keys().filter(|allowed| prefix.contains(allowed)).take(16);
        Some(BlockAdded {
            row: block_row(*prefix, rule),
            mode: self.policy.mode(),
            allowed: allowed.collect(),
        })
    }

    pub(super) fn allow_rows(&self) -> Vec<AllowRow> {
        self.policy.allows().into_iter().map(|(prefix, rule)| allow_row(prefix, rule)).collect()
    }

    pub(super) fn allow_row(&self, prefix: &IpNet) -> Option<AllowRow> {
        self.policy.allow(prefix).map(|rule| allow_row(*prefix, rule))
    }
}

pub(super) fn block_row(prefix: IpNet, rule: &BlockRule) -> BlockRow {
    let BlockRule { until, reason, origin, since } = rule.clone();
    BlockRow { prefix, until, reason, origin, since }
}

pub(super) fn allow_row(prefix: IpNet, rule: &AllowRule) -> AllowRow {
    let AllowRule { reason, origin, since } = rule.clone();
    AllowRow { prefix, reason, origin, since }
}
