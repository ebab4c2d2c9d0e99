//! Rules for groups: what the databases say of them, and when they say something else.

mod reading;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::commands::Commands;
use super::config::Config;
use super::engine::Engine;
use super::responder::Details;
use crate::clock::{self, Timestamp};
use crate::control::wire::{Removed, Request, counted};
use crate::decide::{Cause, Change};
use crate::enforce::{BlockRule, Members, Scope};
use crate::groups::{Databases, Group};
pub(super) use reading::Reading;
use reading::{Troubles, UnderWay, open, read};

/// The group that a request makes a rule for.
pub(super) const fn new_group(request: &Request) -> Option<Group> {
    if let Request::BlockAdd { prefix: whom, .. } | Request::AllowAdd { prefix: whom, .. } = request {
        return whom.group();
    }
    let Request::LimitSet { scope: Scope::Group(group), .. } = request else { return None };
    Some(*group)
}

impl Commands {
    /// Reads the networks of the group that a request makes a rule for. The engine's lock is free meanwhile.
    pub(super) async fn read_group(&self, request: &Request) -> Result<Members, String> {
        let Some(group) = new_group(request) else { return Ok(Members::new()) };
        if let Request::BlockAdd { prefix, fleet: true, .. } = request {
            self.engine().ensure_shared(*prefix)?;
        }
        let (members, mut troubles) = self.read_groups([group].into()).await?;
        troubles.remove(&group).map_or(Ok(members), Err)
    }

    /// Reads the networks of groups, without the engine's lock.
    pub(super) async fn read_groups(&self, groups: BTreeSet<Group>) -> Result<(Members, Troubles), String> {
        let databases = self.engine().config.databases.clone();
        spawn_blocking(move || read(&databases, &groups)).await.map_err(|error| error.to_string())
    }

    /// Keeps the networks for a restart if a request made a rule for a group: the answer says that it holds.
    pub(super) async fn keep_group(self: &Arc<Self>, is_of_group: bool) {
        if is_of_group {
            let commands = Arc::clone(self);
            // If it panics, the next look at the databases tries again.
            let _panic = spawn_blocking(move || commands.keep_networks()).await;
        }
    }

    /// Keeps the networks in force for a restart.
    fn keep_networks(&self) {
        let kept = Arc::clone(&self.engine().groups.kept);
        // Whoever comes second writes what is in force then.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (members, named) = {
            let mut engine = self.engine();
            engine.groups.is_kept = true;
            (engine.policy.members().clone(), engine.policy.groups())
        };
        let failed = kept.keep(&members, &named).err().map(|error| error.to_string());
        let mut engine = self.engine();
        if let Some(error) = &failed {
            engine.groups.is_kept = false;
            warn!(error, "the networks of groups cannot be kept for a restart");
        }
        engine.groups.unkept = failed;
    }

    /// Reads the databases again if they were replaced, and keeps what is to be kept. Runs every few seconds.
    pub(super) fn look_at_databases(self: &Arc<Self>) {
        let commands = Arc::clone(self);
        let mut engine = self.engine();
        let Some((databases, groups, under_way)) = engine.begin_reading() else {
            if !engine.groups.is_kept {
                spawn_blocking(move || commands.keep_networks());
            }
            return;
        };
        spawn_blocking(move || {
            let (members, troubles) = read(&databases, &groups);
            let before = commands.engine().groups.origins.get();
            let origins = open(&databases, &before);
            {
                let mut engine = commands.engine();
                engine.groups.origins.set(origins);
                engine.replace_networks(members, troubles, clock::now());
            }
            commands.keep_networks();
            drop(under_way);
        });
    }
}

impl Engine {
    /// Takes what was read for the next change of policy.
    pub(super) fn take_in(&mut self, members: Members) {
        self.groups.troubles.retain(|group, _| !members.contains_key(group));
        self.groups.fresh.extend(members);
    }

    /// What is to be read again, if a database was replaced.
    fn begin_reading(&mut self) -> Option<(Databases, BTreeSet<Group>, UnderWay)> {
        let groups = self.policy.groups();
        let stamps = self.config.databases.stamps();
        if stamps == self.groups.stamps {
            return None;
        }
        let under_way = UnderWay::begin(&self.groups.under_way)?;
        self.groups.stamps = stamps;
        Some((self.config.databases.clone(), groups, under_way))
    }

    /// Puts networks in the place of those read before. Groups that could not be read keep theirs.
    fn replace_networks(&mut self, members: Members, troubles: Troubles, now: Timestamp) {
        let is_new = |(group, networks): &(&Group, &Arc<_>)| self.policy.networks(**group) != Some(*networks);
        let changed: Vec<Group> = members.iter().filter(is_new).map(|(group, _)| *group).collect();
        self.groups.troubles = troubles;
        if changed.is_empty() {
            return;
        }
        self.groups.fresh.extend(members.into_iter().filter(|(group, _)| changed.contains(group)));
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

    /// Reads the networks of groups that a configuration names and that no rule named before.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(super) fn read_new_groups(&mut self, config: &Config) -> Result<(), String> {
        let before = self.policy.groups();
        let named = config.policy.groups().map(|(_, group)| group);
        let new = named.filter(|group| !before.contains(group)).collect();
        let (members, troubles) = read(&config.databases, &new);
        if !troubles.is_empty() {
            return Err(troubles.into_values().collect::<Vec<_>>().join("\n"));
        }
        self.groups.fresh.extend(members);
        Ok(())
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
        let told = troubles.map(|(group, why)| match self.network_count(Some(*group)) {
            None | Some(0) => {
                format!("{group}: {why}; its rules have no effect until its database can be read")
            }
            Some(networks) => {
                let networks = counted(networks, "network");
                format!("{group}: {why}; its rules hold for the {networks} known before")
            }
        });
        let unkept = self.groups.unkept.as_ref().map(|error| {
            format!(
                "the networks of groups cannot be kept for a restart with an unreadable database: {error}; retried every \
                 few seconds"
            )
        });
        told.chain(unkept).collect()
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
