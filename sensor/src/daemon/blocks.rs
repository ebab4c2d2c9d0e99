//! Blocks by command: added and removed, on this host or on all hosts of the fleet.

use std::time::Duration;

use ipnet::IpNet;

use super::engine::Engine;
use crate::clock::Timestamp;
use crate::control::wire::Removed;
use crate::decide::Measure;
use crate::enforce::{BlockRule, Origin};
use crate::groups::Whom;

impl Engine {
    /// Blocks a prefix or group.
    pub(super) fn add_block(
        &mut self,
        whom: Whom,
        (for_ms, reason, fleet): (Option<u64>, Option<String>, bool),
        now: Timestamp,
    ) -> Result<(), String> {
        if fleet {
            self.ensure_shared(whom)?;
        }
        let until = for_ms.map(|time| now.plus(Duration::from_millis(time)));
        let why = reason.clone();
        let rule = BlockRule { until, reason, origin: Origin::Command, since: now };
        match whom {
            Whom::Prefix(prefix) => {
                self.add_prefix_block(prefix, rule, now)?;
                if fleet {
                    self.fleet_hold((prefix, Measure::Block), until, why.unwrap_or_default(), now);
                }
            }
            Whom::Group(group) => self.add_group_block(group, rule, now)?,
        }
        self.counts.blocks_by_command = self.counts.blocks_by_command.saturating_add(1);
        Ok(())
    }

    /// For commands with `--fleet`. Networks of groups come from the databases of each host, which may differ.
    pub(super) fn ensure_shared(&self, whom: Whom) -> Result<(), String> {
        if let Some(group) = whom.group() {
            return Err(format!("{group} is blocked on single hosts only; repeat it without --fleet"));
        }
        self.ensure_fleet().map(drop)
    }

    fn add_prefix_block(&mut self, prefix: IpNet, rule: BlockRule, now: Timestamp) -> Result<(), String> {
        if let Some(protected) = self.never_block.conflict(&prefix) {
            return Err(format!("refused: {}", protected.reason()));
        }
        if let Some((allowed, _)) = self.policy.allows_covering(prefix).next() {
            return Err(format!(
                "refused: {allowed} is allowed, and an allow overrides a block; `sensor allow remove {allowed}` first"
            ));
        }
        let before = self.policy.commands().blocks.get(&prefix).cloned();
        self.change_block(
            &prefix,
            now,
            |policy| policy.set_block(prefix, rule),
            |policy| match before {
                Some(before) => policy.set_block(prefix, before),
                None => {
                    policy.lift_block(&prefix);
                }
            },
        )
    }

    /// Removes the block of a prefix or group.
    pub(super) fn remove_block(
        &mut self,
        whom: Whom,
        fleet: bool,
        now: Timestamp,
    ) -> Result<Removed, String> {
        if fleet {
            self.ensure_shared(whom)?;
        }
        let prefix = match whom {
            Whom::Prefix(prefix) => prefix,
            Whom::Group(group) => return self.remove_group_block(group, now),
        };
        let commanded = self.policy.commands().blocks.get(&prefix).cloned();
        let decided = self.policy.decided_blocks().get(&prefix).cloned();
        let by_others = self.policy.fleet_blocks().get(&prefix).cloned();
        let was_crowdsec = self.decline_decision(&prefix, now);
        let is_denied = self.is_decided(&prefix, Measure::Deny);
        if commanded.is_none() && decided.is_none() && by_others.is_none() {
            let was_said = self.fleet_lift(&prefix, fleet, now);
            if is_denied {
                self.note_lifted(&prefix, &[Measure::Deny], now);
            }
            let is_still = was_crowdsec && self.policy.block(&prefix).is_some();
            if (is_denied || was_said || was_crowdsec) && !is_still {
                return Ok(Removed { removed: whom });
            }
            return Err(match self.policy.block(&prefix) {
                Some(_) => {
                    format!("{prefix} is blocked in the configuration; remove it there and reload")
                }
                None => self.not_blocked(&prefix),
            });
        }
        let was_decided = decided.is_some() || is_denied;
        self.change_block(
            &prefix,
            now,
            |policy| {
                policy.lift_block(&prefix);
                policy.lift_fleet_block(&prefix);
            },
            |policy| {
                commanded.into_iter().for_each(|rule| policy.set_block(prefix, rule));
                decided.into_iter().for_each(|rule| policy.set_decided_block(prefix, rule));
                by_others.into_iter().for_each(|rule| policy.set_fleet_block(prefix, rule));
            },
        )?;
        if was_decided {
            self.note_lifted(&prefix, &[Measure::Block, Measure::Deny], now);
        }
        self.fleet_lift(&prefix, fleet, now);
        Ok(Removed { removed: whom })
    }

    /// Why no block of a prefix can be removed.
    fn not_blocked(&self, prefix: &IpNet) -> String {
        match self.policy.block_covering(prefix) {
            Some((by, _)) => format!(
                "{prefix} has no block of its own, it is blocked by {by}: `sensor block remove {by}` lifts that for \
                 everybody, `sensor allow add {prefix}` for {prefix} alone"
            ),
            None => format!("{prefix} is not blocked; `sensor block list` shows all blocks"),
        }
    }
}
