//! The daemon's state, and the only way in which its policy changes: try, apply, store; or roll everything back.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use ipnet::IpNet;
use tracing::{error, info, warn};

use super::changes::InForce;
use super::config::Config;
use super::crowdsec::Crowdsec;
use super::fleet::Membership;
use super::floods;
use super::groups::Reading;
use super::observing::Observing;
use super::operators::Operators;
use super::recall::{Recalled, apply_first};
use super::responder::{Details, Responder};
use super::secrets::Secrets;
use super::sensing::Sensing;
use super::source::ConfigSource;
use super::supervisor;
use super::web::{self, Access, AccessError};
use crate::clock::{self, KernelClock, Timestamp};
use crate::confine::Confinement;
use crate::control::wire::Reloaded;
use crate::decide::{Cause, Change, NeverBlock};
use crate::detect::flood::Flood;
use crate::enforce::{EnforceError, Enforcer, Mode, Policy, Scope};
use crate::kernel::{Dataplane, Mirror, Notice, SegmentRings};
use crate::metrics::Part;
use crate::store::{CommandStore, Damage, Pending, Saved, StoreError};

/// Over-limit notices kept for `sensor explain`.
const MAX_NOTICES: usize = 4_096;

/// Why a file that root can read may be refused.
pub(super) const OUT_OF_REACH: &str = "the daemon reads as its own user, and since its start only in the directories that the \
                            configuration named then; files elsewhere take a restart";

/// State shared by requests and background work, behind one lock.
pub(super) struct Engine {
    pub(super) dataplane: Dataplane,
    pub(super) enforcer: Enforcer,
    pub(super) policy: Policy,
    pub(super) never_block: NeverBlock,
    store: CommandStore,
    pub(super) pending: Vec<Pending>,
    /// Scopes whose limits were rolled back for lack of confirmation, and when.
    pub(super) undone: BTreeMap<Scope, Timestamp>,
    pub(super) config: Config,
    source: ConfigSource,
    in_force: InForce,
    pub(super) started: Timestamp,
    pub(super) civil_time: KernelClock,
    pub(super) notices: VecDeque<(Timestamp, Notice)>,
    pub(super) counts: Counts,
    pub(super) sensing: Option<Sensing>,
    /// Prepared for the thread that reads HTTP.
    pub(super) mirror: Option<(Mirror, SegmentRings)>,
    /// Its sources of secrets.
    pub(super) secrets: Secrets,
    /// Its exchange log.
    pub(super) exchange_log: Option<File>,
    pub(super) responder: Responder,
    /// Access to the metrics.
    pub(super) web: Arc<Access>,
    pub(super) observing: Arc<Observing>,
    /// The layers of this process's sandbox.
    pub(super) confinement: Confinement,
    pub(super) operators: Operators,
    /// Files that could not be used as they were stored.
    pub(super) damages: Vec<(Part, Damage)>,
    /// Why HTTP is not read, although it should be.
    pub(super) http_trouble: Option<String>,
    /// Why the last change is not stored.
    pub(super) unkept: Option<String>,
    /// Whether to retry with the next tick: a reload suggests that something was repaired.
    pub(super) hurries: bool,
    /// Monitors the kernel's drops.
    pub(super) flood: Option<Flood>,
    /// This host as a member of a fleet.
    pub(super) fleet: Membership,
    /// What CrowdSec decided.
    pub(super) crowdsec: Crowdsec,
    /// What databases say of groups.
    pub(super) groups: Reading,
}

/// The daemon's own counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) blocks_by_command: u64,
    pub(super) state_write_errors: u64,
    pub(super) reload_success: bool,
    pub(super) last_reload: Timestamp,
    pub(super) clock_steps: u64,
}

impl From<Timestamp> for Counts {
    /// Those of a daemon that starts now.
    fn from(now: Timestamp) -> Self {
        Self {
            blocks_by_command: 0,
            state_write_errors: 0,
            reload_success: true,
            last_reload: now,
            clock_steps: 0,
        }
    }
}

/// Why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    #[error(transparent)]
    Enforce(#[from] EnforceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Web(#[from] AccessError),
}

impl Engine {
    /// Brings the kernel's maps to the policy of the configuration and earlier commands.
    pub(super) fn new(
        mut dataplane: Dataplane,
        mut recalled: Recalled,
        config: Config,
        source: ConfigSource,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        let web = Arc::new(Access::new(&config.web)?);
        let never_block = protection(&config);
        dataplane.tune(&config.tuning);
        let (observing, seen_damage) = Observing::open(&config.paths.state_dir, now)?;
        let prefixes = (config.tuning.prefixes.v4, config.tuning.prefixes.v6);
        let mut enforcer = Enforcer::new(&dataplane, config.capacities, prefixes, now)?;
        let mut groups =
            Reading::begin(&config.databases, &config.paths.state_dir, &mut recalled.policy, now);
        let is_salvaged = salvage(&dataplane, &enforcer, &mut recalled, config.capacities.blocks, now);
        let Recalled { store, pending, mut policy, responder, damage } = recalled;
        let is_to_keep = is_salvaged || damage.is_some();
        let damages = damages([(Part::Commands, damage), (Part::Learned, seen_damage)]);
        apply_first((&mut dataplane, &mut enforcer), &never_block, (&mut policy, &mut groups), now)?;
        let mut engine = Self {
            dataplane,
            enforcer,
            policy,
            never_block,
            store,
            pending,
            undone: BTreeMap::new(),
            flood: floods::detector(&config.detect),
            config,
            in_force: InForce::of(&source.read),
            groups,
            source,
            started: now,
            civil_time: clock::kernel_clock(),
            notices: VecDeque::new(),
            counts: Counts::from(now),
            sensing: None,
            mirror: None,
            secrets: Secrets::default(),
            exchange_log: None,
            responder,
            web,
            observing: Arc::new(observing),
            confinement: Confinement::default(),
            operators: Operators::default(),
            damages,
            http_trouble: None,
            unkept: None,
            hurries: false,
            fleet: Membership::default(),
            crowdsec: Crowdsec::default(),
        };
        if is_to_keep {
            // For the next start.
            engine.keep();
        }
        Ok(engine)
    }

    /// Changes the policy: the change is applied to the kernel and stored in the state file, or, if the kernel refuses
    /// it, rolled back.
    pub(super) fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Policy)) -> Result<(), String> {
        let before = self.policy.clone();
        change(&mut self.policy);
        self.policy.set_members(self.groups.take());
        if let Err(refused) = self.apply(now) {
            self.policy = before;
            if let Err(error) = self.apply(now) {
                error!(%error, "the policy before a refused change could not be applied again");
            }
            return Err(refused.to_string());
        }
        self.groups.changed();
        self.keep();
        Ok(())
    }

    /// Changes the block of one prefix, without looking at others.
    pub(super) fn change_block(
        &mut self,
        prefix: &IpNet,
        now: Timestamp,
        change: impl FnOnce(&mut Policy),
        undo: impl FnOnce(&mut Policy),
    ) -> Result<(), String> {
        change(&mut self.policy);
        if let Err(refused) = self.enforcer.apply_block(&mut self.dataplane, &self.policy, prefix, now) {
            undo(&mut self.policy);
            let again = self.enforcer.apply_block(&mut self.dataplane, &self.policy, prefix, now);
            if let Err(error) = again {
                error!(%error, %prefix, "a refused block could not be rolled back");
            }
            return Err(refused.to_string());
        }
        self.keep();
        Ok(())
    }

    pub(super) fn apply(&mut self, now: Timestamp) -> Result<(), EnforceError> {
        let reached = self.never_block.reached(|prefix| self.policy.blocks_some_of(prefix));
        self.enforcer.apply(&mut self.dataplane, &self.policy, &reached, now)
    }

    /// Writes the state file. A failure is counted and reported, and changes nothing in the kernel.
    pub(super) fn keep(&mut self) {
        let (commands, pending) = (self.policy.commands().clone(), self.pending.clone());
        self.unkept = self.store.save(&Saved::new(commands, pending)).err().map(|error| {
            self.counts.state_write_errors = self.counts.state_write_errors.saturating_add(1);
            error!(%error, "cannot save changes made by commands; they are in force until the daemon restarts");
            error.to_string()
        });
    }

    /// Runs every half minute: a disk that was full may have room again.
    pub(super) fn keep_again(&mut self) {
        if self.unkept.is_some() {
            self.keep();
        }
    }

    /// Runs every second: removes expired blocks, and rolls back unconfirmed changes.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.tick_crowdsec(now);
        let ended = self.policy.expire(now);
        for prefix in &ended {
            info!(%prefix, "block ended");
            self.responder.audit(now, Change::BlockExpired, prefix, Cause::Expiry, Details::default());
            if let Err(error) = self.enforcer.apply_block(&mut self.dataplane, &self.policy, prefix, now) {
                warn!(%error, %prefix, "an expired block could not be removed; the kernel ignores it");
            }
        }
        self.expire_groups(now);
        self.watch_floods(now);
        self.tick_decisions(now);
        self.tick_fleet(now);
        let is_due = |pending: &Pending| pending.deadline <= now;
        let due: Vec<Pending> = self.pending.iter().filter(|pending| is_due(pending)).cloned().collect();
        self.pending.retain(|pending| !is_due(pending));
        for Pending { scope, previous, .. } in &due {
            warn!(%scope, "limits were not confirmed in time and were rolled back");
            let undone = self.change(now, |policy| {
                policy.change(|commands| match previous {
                    Some(limits) => commands.limits.insert(*scope, *limits),
                    None => commands.limits.remove(scope),
                });
            });
            match undone {
                Ok(()) => {
                    let details = Details::default();
                    // As many as there may be scopes.
                    self.undone.insert(*scope, now);
                    self.responder.audit(now, Change::LimitRolledBack, scope, Cause::Expiry, details);
                }
                Err(error) => error!(%error, %scope, "unconfirmed limits could not be rolled back"),
            }
        }
        if !ended.is_empty() || !due.is_empty() {
            self.keep();
        }
    }

    /// Runs every half minute: addresses, routes and resolvers change.
    pub(super) fn refresh_protection(&mut self, now: Timestamp) {
        self.never_block.refresh();
        let reached = self.never_block.reached(|prefix| self.policy.blocks_some_of(prefix));
        if self.enforcer.protects(&reached) {
            return;
        }
        if let Err(error) = self.apply(now) {
            warn!(%error, "protected addresses could not be updated");
        }
    }

    /// Stores an over-limit notice.
    pub(super) fn note(&mut self, now: Timestamp, notice: Notice) {
        if self.notices.len() >= MAX_NOTICES {
            self.notices.pop_back();
        }
        self.notices.push_front((now, notice));
    }

    /// Reads the configuration again and applies it as a whole, or keeps the old one. Returns what differs.
    pub(super) fn reload(&mut self, now: Timestamp, cause: Cause) -> Result<Reloaded, String> {
        let taken = supervisor::reloading(|| self.try_reload(now));
        self.counts.reload_success = taken.is_ok();
        match &taken {
            Ok(_) => {
                self.counts.last_reload = now;
                self.responder.audit(now, Change::ConfigurationLoaded, &"", cause, Details::default());
            }
            Err(error) => error!(%error, "the configuration was refused; the old one stays"),
        }
        taken
    }

    fn try_reload(&mut self, now: Timestamp) -> Result<Reloaded, String> {
        let read = self.source.load().and_then(|config| Ok((config, self.source.describe()?)));
        let (config, description) = read.map_err(|problems| {
            let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            if lines.iter().any(|line| line.contains("Permission denied")) {
                lines.push(OUT_OF_REACH.to_owned());
            }
            lines.join("\n")
        })?;
        let reloaded = self.config.reloaded(&config);
        let is_served = config.interfaces == self.config.interfaces;
        let web = web::prepare(&config.web).map_err(|error| error.to_string())?;
        let layer = config.policy.layer(now);
        let never_block = config.never_block.clone();
        let old_never_block = self.never_block.clone();
        self.never_block.reconfigure(never_block);
        let reading = self.groups.clone();
        let changed =
            self.read_new_groups(&config).and_then(|()| self.change(now, |policy| policy.reconfigure(layer)));
        if let Err(error) = changed {
            self.groups = reading;
            self.never_block = old_never_block;
            return Err(error);
        }
        let has_other_logs = config.access_logs != self.config.access_logs;
        self.dataplane.tune(&reloaded.tuning);
        self.responder.reconfigure(&reloaded);
        // Files with the same names may contain another certificate.
        self.web.replace(web, &reloaded.web);
        self.config = reloaded;
        self.hurries = true;
        self.lift_unwanted(now);
        self.reconsider(now);
        self.settle_all(now);
        let mut told = self.in_force.reload(&self.source.read, &description, &self.source.overrides);
        // The interface of the default route, now resolved.
        told.needs_restart.retain(|key| key != "interfaces" || !is_served);
        if has_other_logs {
            // Their keys are paths, which no description lists.
            told.needs_restart.push("access_logs".to_owned());
        }
        self.source.read = description;
        let Reloaded { changed, needs_restart, overridden } = &told;
        info!(?changed, ?needs_restart, ?overridden, "configuration reloaded");
        Ok(told)
    }
}

/// What must not be blocked, whoever asks for it.
fn protection(config: &Config) -> NeverBlock {
    let mut never_block = NeverBlock::new(config.never_block.clone());
    never_block.protect_proxies(config.sense.pipeline.identity.trusted_proxies.clone());
    never_block
}

/// Takes over what an earlier daemon left in the kernel, if the files that say so cannot be read.
fn salvage(
    dataplane: &Dataplane,
    enforcer: &Enforcer,
    recalled: &mut Recalled,
    room: u32,
    now: Timestamp,
) -> bool {
    dataplane.adopted_maps() && {
        let mode = if dataplane.settings().enforce == 0 { Mode::Monitor } else { Mode::Enforce };
        recalled.take_over(enforcer.blocks(), mode, (room, now))
    }
}

fn damages(parts: [(Part, Option<Damage>); 2]) -> Vec<(Part, Damage)> {
    parts.into_iter().filter_map(|(part, damage)| Some((part, damage?))).collect()
}
