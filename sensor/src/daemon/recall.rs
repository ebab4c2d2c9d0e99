//! What earlier daemons left in files: read while the kernel looks at the programs, which takes as long.

use std::collections::BTreeMap;
use std::thread;

use anyhow::anyhow;
use ipnet::IpNet;
use tracing::warn;

use super::config::Config;
use super::responder::Responder;
use crate::clock::Timestamp;
use crate::enforce::{BlockRule, Mode, Origin, Policy};
use crate::store::{COMMANDS, CommandStore, Damage, EventStore, Pending, Saved, StoreError};

/// The policy as it was left, and who keeps it from here on.
pub(super) struct Recalled {
    pub(super) store: CommandStore,
    pub(super) pending: Vec<Pending>,
    pub(super) policy: Policy,
    pub(super) responder: Responder,
    /// What could not be used as it was kept.
    pub(super) damage: Option<Damage>,
}

impl Recalled {
    /// Reads what commands said and what detectors decided, under what the configuration says.
    ///
    /// # Errors
    /// If there is no state directory and none can be made.
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

    /// Where files lack rules: takes over from the kernel what it enforces, as an earlier daemon left it. Blocks stay in
    /// force, and so does the mode. Allows are not taken over: those for what must not be blocked, and for operators'
    /// sessions of old, cannot be told from others. Whether there was something to take over.
    pub(super) fn take_over(
        &mut self,
        enforced: &BTreeMap<IpNet, Option<Timestamp>>,
        mode: Mode,
        now: Timestamp,
    ) -> bool {
        let (lacks_commands, lacks_decisions) = self.lacking();
        if lacks_commands {
            // The version before the last change may have blocks that were removed by it.
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
        let mut taken = 0_usize;
        for (prefix, until) in enforced {
            let is_over = until.is_some_and(|until| until <= now);
            if is_over || self.policy.block(prefix).is_some() {
                continue;
            }
            let reason = Some("was in force in the kernel, and is in no readable file".to_owned());
            self.policy
                .set_block(*prefix, BlockRule { until: *until, reason, origin: Origin::Command, since: now });
            taken = taken.saturating_add(1);
        }
        warn!(blocks = taken, mode = %self.policy.mode(), "taken over from the kernel, since files lack them");
        true
    }

    /// The same beside `meanwhile`. The thread for it has ended when this returns: none keeps capabilities that
    /// the daemon is about to give up.
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
                Ok(Err(_panic)) => Err(anyhow!("reading the state directory ended in a panic")),
                // Without a thread it takes longer.
                Err(_no_thread) => Self::read(config, now).map_err(anyhow::Error::from),
            };
            (done, recalled)
        })
    }
}
