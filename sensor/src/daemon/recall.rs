//! State files of earlier daemons: read while the kernel verifies the programs, which takes as long.

use std::collections::BTreeMap;
use std::thread;

use anyhow::anyhow;
use ipnet::IpNet;
use tracing::warn;

use super::config::Config;
use super::groups::Reading;
use super::responder::Responder;
use crate::clock::Timestamp;
use crate::decide::NeverBlock;
use crate::enforce::{BlockRule, EnforceError, Enforcer, Mode, Origin, Policy};
use crate::kernel::Dataplane;
use crate::store::{COMMANDS, CommandStore, Damage, EventStore, Pending, Saved, StoreError};

/// The stored policy, and its store from here on.
pub(super) struct Recalled {
    pub(super) store: CommandStore,
    pub(super) pending: Vec<Pending>,
    pub(super) policy: Policy,
    pub(super) responder: Responder,
    /// What could not be used as it was stored.
    pub(super) damage: Option<Damage>,
}

impl Recalled {
    /// Reads the commands' policy and the detectors' decisions, on top of the configuration.
    ///
    /// # Errors
    /// If there is no state directory and none can be created.
    pub(super) fn read(config: &Config, now: Timestamp) -> Result<Self, StoreError> {
        let mut store = CommandStore::open(&config.paths.state_dir, COMMANDS)?.with_previous();
        let (saved, damage) = store.recall_with(now, Saved::read);
        let Saved { commands, pending, .. } = saved;
        let mut policy = Policy::new(config.policy.layer(now), commands);
        let mut responder = Responder::open(config, now);
        responder.restore(&mut policy, config, now);
        policy.expire(now);
        Ok(Self { store, pending, policy, responder, damage })
    }

    /// Whether rules may be missing that were in force when the last daemon ended, by the file that lacks them.
    fn lacking(&self) -> (bool, bool) {
        let events = self.responder.events.as_ref().map(EventStore::damages).unwrap_or_default();
        let lacks = |damage: &Damage| damage.lacks_rules;
        (self.damage.as_ref().is_some_and(lacks), events.iter().any(lacks))
    }

    /// If files lack rules, adopts what the kernel enforces, as an earlier daemon left it. Blocks stay in force, and so
    /// does the mode. Allow entries are not adopted: those for protected addresses and for former operators' sessions
    /// cannot be told from others. Returns whether anything was adopted.
    pub(super) fn take_over(
        &mut self,
        enforced: &BTreeMap<IpNet, Option<Timestamp>>,
        mode: Mode,
        (room, now): (u32, Timestamp),
    ) -> bool {
        let (lacks_commands, lacks_decisions) = self.lacking();
        if lacks_commands {
            // The version before the last change may contain blocks which that change removed.
            let stale = |prefix: &&IpNet| !enforced.contains_key(*prefix);
            let stale: Vec<IpNet> = self.policy.commands().blocks.keys().filter(stale).copied().collect();
            self.policy
                .change(|commands| stale.iter().for_each(|prefix| drop(commands.blocks.remove(prefix))));
            if self.policy.mode() != mode {
                self.policy.set_mode(mode);
            }
        }
        if !lacks_commands && !lacks_decisions {
            return false;
        }
        let (mut taken, mut left) = (0_usize, 0_usize);
        for (prefix, until) in enforced {
            let is_over = until.is_some_and(|until| until <= now);
            if is_over || self.policy.block(prefix).is_some() || self.policy.blocks_in_group(prefix) {
                continue;
            }
            // The networks of a blocked group may be more than there is room for.
            if self.policy.blocks_of_family(prefix) >= room as usize {
                left = left.saturating_add(1);
                continue;
            }
            let reason = Some("was in force in the kernel, but not in any readable file".to_owned());
            self.policy
                .set_block(*prefix, BlockRule { until: *until, reason, origin: Origin::Command, since: now });
            taken = taken.saturating_add(1);
        }
        warn!(blocks = taken, left, mode = %self.policy.mode(), "adopted from the kernel: not in any readable file");
        true
    }

    /// The same, concurrently with `meanwhile`. Its thread has ended when this returns: none keeps capabilities that
    /// the daemon is about to drop.
    pub(super) fn read_beside<T>(
        config: &Config,
        now: Timestamp,
        meanwhile: impl FnOnce() -> T,
    ) -> (T, anyhow::Result<Self>) {
        thread::scope(|scope| {
            let reading = thread::Builder::new()
                .name("recall".to_owned())
                .spawn_scoped(scope, || Self::read(config, now));
            let done = meanwhile();
            let recalled = match reading.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(recalled)) => recalled.map_err(anyhow::Error::from),
                Ok(Err(_panic)) => Err(anyhow!("reading the state directory panicked")),
                // Without a thread it takes longer.
                Err(_no_thread) => Self::read(config, now).map_err(anyhow::Error::from),
            };
            (done, recalled)
        })
    }
}

/// Applies the policy that the daemon starts with.
pub(super) fn apply_first(
    (dataplane, enforcer): (&mut Dataplane, &mut Enforcer),
    never_block: &NeverBlock,
    (policy, groups): (&mut Policy, &mut Reading),
    now: Timestamp,
) -> Result<(), EnforceError> {
    let mut apply = |policy: &Policy| {
        let reached = never_block.reached(|prefix| policy.blocks_some_of(prefix));
        enforcer.apply(dataplane, policy, &reached, now)
    };
    match apply(policy) {
        Err(error) if groups.fall_back(&error, policy, now) => apply(policy),
        other => other,
    }
}
