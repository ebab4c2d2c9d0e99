//! Rules for groups: what the databases say of them, and when they say something else.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::commands::Commands;
use super::config::Config;
use super::engine::Engine;
use super::responder::Details;
use crate::clock::{self, Timestamp};
use crate::control::wire::{Removed, Request};
use crate::decide::{Cause, Change};
use crate::enforce::{BlockRule, Members, Policy, Scope};
use crate::groups::{Databases, Group, Stamp};

/// Networks of groups that could not be read, each with the reason.
pub(super) type Troubles = BTreeMap<Group, String>;

/// What was read of the databases.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Read, and to be part of the next change of policy.
    fresh: Members,
    /// The files that were read last.
    stamps: [Option<Stamp>; 2],
    /// Whether they are being read now.
    under_way: bool,
    troubles: Troubles,
}

impl Reading {
    /// Reads the networks of all groups that a policy names.
    pub(super) fn begin(databases: &Databases, policy: &mut Policy) -> Self {
        let stamps = databases.stamps();
        let (members, troubles) = read(databases, policy.groups());
        policy.set_members(members);
        Self { stamps, troubles, ..Self::default() }
    }

    /// What was read for the change of policy that is made now.
    pub(super) fn take(&mut self) -> Members {
        mem::take(&mut self.fresh)
    }
}

/// Reads the networks of groups, and says which cannot be read.
fn read(databases: &Databases, groups: BTreeSet<Group>) -> (Members, Troubles) {
    let (mut members, mut troubles) = (Members::new(), Troubles::new());
    for group in groups {
        match databases.networks(group) {
            Ok(networks) => {
                info!(%group, networks = networks.len(), "networks of a group read");
                members.insert(group, Arc::new(networks));
            }
            Err(error) => {
                warn!(%group, %error, "the networks of a group cannot be read");
                troubles.insert(group, error.to_string());
            }
        }
    }
    (members, troubles)
}

/// The group that a request makes a rule for.
const fn new_group(request: &Request) -> Option<Group> {
    if let Request::BlockAdd { prefix: whom, .. } | Request::AllowAdd { prefix: whom, .. } = request {
        return whom.group();
    }
    let Request::LimitSet { scope: Scope::Group(group), .. } = request else { return None };
    Some(*group)
}

impl Commands {
    /// Reads the networks of the group that a request makes a rule for. The engine's lock is free meanwhile.
    pub(super) async fn read_group(&self, request: &Request) -> Result<(), String> {
        let Some(group) = new_group(request) else { return Ok(()) };
        let databases = self.engine().config.databases.clone();
        let networks = spawn_blocking(move || databases.networks(group)).await;
        let networks = networks.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let mut engine = self.engine();
        engine.groups.fresh.insert(group, Arc::new(networks));
        engine.groups.troubles.remove(&group);
        Ok(())
    }

    /// Reads the databases again if they were replaced. Runs every few seconds.
    pub(super) fn look_at_databases(self: &Arc<Self>) {
        let (databases, groups) = {
            let mut engine = self.engine();
            let groups = engine.policy.groups();
            if groups.is_empty() || engine.groups.under_way {
                return;
            }
            let stamps = engine.config.databases.stamps();
            if stamps == engine.groups.stamps {
                return;
            }
            engine.groups.stamps = stamps;
            engine.groups.under_way = true;
            (engine.config.databases.clone(), groups)
        };
        let commands = Arc::clone(self);
        spawn_blocking(move || {
            let (members, troubles) = read(&databases, groups);
            commands.engine().replace_networks(members, troubles, clock::now());
        });
    }
}

impl Engine {
    /// Puts networks in the place of those read before. Groups that could not be read keep theirs.
    fn replace_networks(&mut self, members: Members, troubles: Troubles, now: Timestamp) {
        let is_new = |(group, networks): &(&Group, &Arc<_>)| self.policy.networks(**group) != Some(*networks);
        let changed: Vec<Group> = members.iter().filter(is_new).map(|(group, _)| *group).collect();
        self.groups.under_way = false;
        self.groups.troubles = troubles;
        if changed.is_empty() {
            return;
        }
        self.groups.fresh.extend(members);
        match self.change(now, |_| {}) {
            Ok(()) => {
                for group in changed {
                    let networks = self.network_count(Some(group));
                    info!(%group, networks, "a database changed: the group has other networks");
                }
                self.reconsider(now);
                self.settle_all(now);
            }
            Err(error) => {
                warn!(error, "other networks of groups were refused; the old ones stay");
                self.groups.troubles.extend(changed.into_iter().map(|group| (group, error.clone())));
            }
        }
    }

    /// Reads the networks of groups that a configuration names and that were not known before.
    pub(super) fn read_new_groups(&mut self, config: &Config) {
        let named = config.policy.groups().map(|(_, group)| group);
        let new = named.filter(|group| self.policy.networks(*group).is_none()).collect();
        let (members, troubles) = read(&config.databases, new);
        self.groups.fresh.extend(members);
        self.groups.troubles.extend(troubles);
    }

    /// How many networks a group has.
    pub(super) fn network_count(&self, group: Option<Group>) -> Option<u64> {
        let networks = self.policy.networks(group?).map_or(0, |networks| networks.len());
        Some(u64::try_from(networks).unwrap_or(u64::MAX))
    }

    /// Every group, with the number of its networks.
    pub(super) fn group_rows(&self) -> Vec<(Group, u64)> {
        let row = |group| Some((group, self.network_count(Some(group))?));
        self.policy.groups().into_iter().filter_map(row).collect()
    }

    /// What is wrong with groups, with remedies.
    pub(super) fn group_troubles(&self) -> Vec<String> {
        let named = self.policy.groups();
        let troubles = self.groups.troubles.iter().filter(|(group, _)| named.contains(group));
        let told = troubles.map(|(group, why)| {
            let networks = self.network_count(Some(*group)).unwrap_or(0);
            format!("{group}: {why}; its rules hold for the {networks} networks known before")
        });
        told.collect()
    }

    pub(super) fn add_group_block(
        &mut self,
        group: Group,
        rule: BlockRule,
        now: Timestamp,
    ) -> Result<(), String> {
        self.change(now, |policy| {
            policy.change(|commands| commands.groups.blocks.insert(group, rule));
        })
    }

    pub(super) fn remove_group_block(&mut self, group: Group, now: Timestamp) -> Result<Removed, String> {
        if !self.policy.commands().groups.blocks.contains_key(&group) {
            return Err(match self.policy.group_block(group) {
                Some(_) => format!("{group} is blocked in the configuration; remove it there and reload"),
                None => format!("{group} is not blocked; `sensor block list` shows all blocks"),
            });
        }
        self.change(now, |policy| {
            policy.change(|commands| commands.groups.blocks.remove(&group));
        })?;
        Ok(Removed { removed: group.into() })
    }

    pub(super) fn remove_group_allow(&mut self, group: Group, now: Timestamp) -> Result<Removed, String> {
        if !self.policy.commands().groups.allows.contains_key(&group) {
            return Err(match self.policy.group_allow(group) {
                Some(_) => format!("{group} is allowed in the configuration; remove it there and reload"),
                None => format!("{group} is not allowed; `sensor allow list` shows all allow rules"),
            });
        }
        self.change(now, |policy| {
            policy.change(|commands| commands.groups.allows.remove(&group));
        })?;
        self.reconsider(now);
        self.settle_all(now);
        Ok(Removed { removed: group.into() })
    }

    /// Removes expired blocks of groups.
    pub(super) fn expire_groups(&mut self, now: Timestamp) {
        let ended = self.policy.expire_groups(now);
        if ended.is_empty() {
            return;
        }
        if let Err(error) = self.change(now, |_| {}) {
            warn!(error, "expired blocks of groups could not be removed; the kernel ignores them");
        }
        for group in ended {
            info!(%group, "block ended");
            self.responder.audit(now, Change::BlockExpired, &group, Cause::Expiry, Details::default());
        }
    }
}
