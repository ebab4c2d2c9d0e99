//! CrowdSec on this host: its decisions are a layer of the policy, as far as this host permits them.

mod report;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use super::commands::Commands;
use super::engine::Engine;
use super::responder::Details;
use crate::clock::{self, Timestamp};
use crate::crowdsec::{
    self, CHUNK, CrowdsecBounds, Decision, Kept, Known, Left, PullState, PushState, Report, Side, Standing,
};
use crate::decide::{Cause, Change};
use crate::enforce::{BlockRule, Origin};
use crate::store::StateFile;

/// What is known of CrowdSec's decisions, in the state directory.
const MEMORY: &str = "crowdsec.json";

/// CrowdSec, as far as this host knows it.
#[derive(Debug)]
pub(super) struct Crowdsec {
    standing: Standing,
    state: Arc<PullState>,
    /// Its host and port.
    server: Option<String>,
    /// Whether decisions are pulled.
    pulls: bool,
    /// Alerts for it, if they are pushed.
    push: Option<Sender<Report>>,
    push_state: Arc<PushState>,
    file: Option<StateFile<Known>>,
    is_stale: bool,
    /// Whether the file is being written.
    is_kept_now: bool,
}

impl Default for Crowdsec {
    fn default() -> Self {
        Self {
            standing: Standing::new(CrowdsecBounds::default()),
            state: Arc::default(),
            server: None,
            pulls: false,
            push: None,
            push_state: Arc::default(),
            file: None,
            is_stale: false,
            is_kept_now: false,
        }
    }
}

/// Pulls decisions and pushes alerts, if the configuration says from and to where.
pub(super) fn start(commands: &Arc<Commands>) {
    let Some(config) = commands.engine().config.crowdsec.clone() else { return };
    let now = clock::now();
    let mut engine = commands.engine();
    let state_dir = engine.config.paths.state_dir.clone();
    let crowdsec = &mut engine.crowdsec;
    crowdsec.server = Some(config.server());
    if config.login_file.is_some() && config.push {
        let (push, queue) = channel(config.queue.max(1));
        crowdsec.push = Some(push);
        tokio::spawn(crowdsec::push(config.clone(), queue, Arc::clone(&crowdsec.push_state)));
    }
    crowdsec.pulls = config.key_file.is_some();
    if !crowdsec.pulls {
        return;
    }
    crowdsec.standing = Standing::new(config.bounds);
    match StateFile::open(&state_dir, MEMORY) {
        Ok(mut file) => {
            let (known, _damage) = file.recall(now);
            crowdsec.standing.recall(known, now);
            crowdsec.file = Some(file);
        }
        Err(error) => warn!(%error, "decisions of CrowdSec are not kept over a restart"),
    }
    let state = Arc::clone(&crowdsec.state);
    engine.settle_crowdsec(now);
    drop(engine);
    tokio::spawn(crowdsec::run(config, state, Door(Arc::clone(commands))));
}

/// The daemon as the task sees it. Each call takes the engine's lock for one chunk.
struct Door(Arc<Commands>);

impl Side for Door {
    fn take(&self, decisions: Vec<Decision>) {
        let now = clock::now();
        let mut engine = self.0.engine();
        let Crowdsec { standing, state, .. } = &mut engine.crowdsec;
        let mut news = Vec::new();
        for decision in decisions {
            let prefix = decision.prefix;
            match standing.offer(decision, now) {
                Ok(true) => news.push(prefix),
                Ok(false) => {}
                Err(why) => state.leave(why, 1),
            }
        }
        engine.crowdsec.is_stale |= !news.is_empty();
        engine.settle_decisions(&news, now, true);
    }

    fn let_go(&self, prefixes: &[IpNet]) {
        let mut engine = self.0.engine();
        let standing = &mut engine.crowdsec.standing;
        prefixes.iter().for_each(|prefix| _ = standing.retract(prefix));
        engine.crowdsec.is_stale = true;
        engine.settle_decisions(prefixes, clock::now(), false);
    }

    fn keep_only(&self, listed: &HashMap<IpNet, i64>, sure: &HashSet<IpNet>) -> Kept {
        let mut engine = self.0.engine();
        let kept = engine.crowdsec.standing.keep_only(listed, |prefix| sure.contains(prefix));
        engine.crowdsec.is_stale |= !kept.changed.is_empty();
        kept
    }

    fn carry_out(&self, prefixes: &[IpNet]) {
        self.0.engine().settle_decisions(prefixes, clock::now(), false);
    }

    fn origins(&self) -> BTreeMap<String, u64> {
        self.0.engine().crowdsec.standing.origins()
    }

    fn done(&self, all: bool, new: usize, deleted: usize) {
        if all {
            // What had no room, or was refused by the kernel, may be carried out by now.
            self.0.engine().settle_crowdsec(clock::now());
        }
        if new == 0 && deleted == 0 {
            return;
        }
        debug!(all, new, deleted, "decisions of CrowdSec");
        let what = if all { "listed" } else { "new" };
        let detail = Some(format!("{new} {what}, {deleted} withdrawn"));
        let details = Details { detail, ..Details::default() };
        let mut engine = self.0.engine();
        engine.responder.audit(clock::now(), Change::CrowdsecChanged, &"", Cause::Crowdsec, details);
    }
}

impl Commands {
    /// Keeps decisions for a restart, while other work goes on. Runs every half minute.
    pub(super) fn keep_decisions_aside(self: &Arc<Self>) {
        if self.engine().crowdsec.is_stale {
            let commands = Arc::clone(self);
            spawn_blocking(move || commands.keep_decisions());
        }
    }

    /// The same now. The disk may be slow, so the engine's lock is free meanwhile.
    pub(super) fn keep_decisions(&self) {
        let (file, known) = {
            let mut engine = self.engine();
            let Crowdsec { standing, file, is_stale, is_kept_now, .. } = &mut engine.crowdsec;
            let Some(file) = file.clone().filter(|_| *is_stale && !*is_kept_now) else { return };
            (*is_stale, *is_kept_now) = (false, true);
            (file, standing.known())
        };
        let saved = file.save(&known);
        let mut engine = self.engine();
        engine.crowdsec.is_kept_now = false;
        if let Err(error) = saved {
            warn!(%error, "decisions of CrowdSec could not be stored");
            engine.crowdsec.is_stale = true;
        }
    }
}

impl Engine {
    /// Brings the policy to what CrowdSec says about these clients, as far as this host permits it.
    fn settle_decisions(&mut self, prefixes: &[IpNet], now: Timestamp, is_news: bool) {
        let mut changed = Vec::new();
        let (mut protected, mut full) = (0_u64, 0_u64);
        for prefix in prefixes {
            let wanted = self.crowdsec.standing.get(prefix);
            let is_protected = wanted.is_some() && self.is_protected(prefix);
            let wanted = wanted.filter(|_| !is_protected).map(rule);
            protected = u64::from(is_protected).saturating_add(protected);
            match (wanted, self.policy.crowdsec_blocks().get(prefix)) {
                (Some(mut wanted), Some(before)) => {
                    wanted.since = before.since;
                    if wanted == *before {
                        continue;
                    }
                    self.policy.set_crowdsec_block(*prefix, wanted);
                }
                (Some(_), None) if !self.has_room_for(prefix) => {
                    full = full.saturating_add(1);
                    continue;
                }
                (Some(mut wanted), None) => {
                    wanted.since = now;
                    self.policy.set_crowdsec_block(*prefix, wanted);
                }
                (None, Some(_)) => self.policy.lift_crowdsec_block(prefix),
                (None, None) => continue,
            }
            changed.push(*prefix);
        }
        if is_news {
            for (why, count) in [(Left::Protected, protected), (Left::Full, full)] {
                if count > 0 {
                    self.crowdsec.state.leave(why, count);
                }
            }
        }
        self.apply_decisions(&changed, now);
    }

    fn apply_decisions(&mut self, changed: &[IpNet], now: Timestamp) {
        if changed.is_empty() {
            return;
        }
        let Err(error) = self.enforcer.apply_blocks(&mut self.dataplane, &self.policy, changed, now) else {
            return;
        };
        warn!(%error, decisions = changed.len(), "decisions of CrowdSec could not be carried out");
        changed.iter().for_each(|prefix| self.policy.lift_crowdsec_block(prefix));
        let again = self.enforcer.apply_blocks(&mut self.dataplane, &self.policy, changed, now);
        if let Err(error) = again {
            warn!(%error, "refused decisions of CrowdSec could not be rolled back");
        }
        self.crowdsec.state.leave(Left::Kernel, u64::try_from(changed.len()).unwrap_or(u64::MAX));
    }

    /// Whether this host never blocks some of a prefix, or allows all of it.
    fn is_protected(&self, prefix: &IpNet) -> bool {
        self.never_block.conflict(prefix).is_some() || self.policy.allows_covering(*prefix).next().is_some()
    }

    /// A quarter of the kernel's table is for detectors and people.
    fn has_room_for(&self, prefix: &IpNet) -> bool {
        let all = u64::from(self.config.capacities.blocks);
        let share = all.saturating_sub(all.checked_div(4).unwrap_or(0));
        let used = u64::try_from(self.policy.blocks_of_family(prefix)).unwrap_or(u64::MAX);
        used < share || self.policy.block(prefix).is_some()
    }

    /// Queues an alert for CrowdSec; does not wait.
    pub(super) fn push_to_crowdsec(&self, report: impl FnOnce() -> Option<Report>) {
        let Some(push) = &self.crowdsec.push else { return };
        if let Some(report) = report()
            && push.try_send(report).is_err()
        {
            self.crowdsec.push_state.lose(1);
        }
    }

    /// The same for every client: what this host permits has changed.
    pub(super) fn settle_crowdsec(&mut self, now: Timestamp) {
        let prefixes: Vec<IpNet> = self.crowdsec.standing.prefixes().collect();
        // What the kernel refuses costs no more than its part.
        prefixes.chunks(CHUNK).for_each(|chunk| self.settle_decisions(chunk, now, false));
    }

    /// A person let a client go on this host. Returns whether CrowdSec had decided anything about it.
    pub(super) fn decline_decision(&mut self, prefix: &IpNet, now: Timestamp) -> bool {
        if !self.crowdsec.standing.decline(prefix) {
            return false;
        }
        self.crowdsec.is_stale = true;
        self.settle_decisions(&[*prefix], now, false);
        true
    }

    /// Runs every half second, before blocks of others expire: those of CrowdSec end by thousands at a time.
    pub(super) fn tick_crowdsec(&mut self, now: Timestamp) {
        let ended = self.crowdsec.standing.expire(now);
        self.crowdsec.is_stale |= !ended.is_empty();
        self.settle_decisions(&ended, now, false);
    }
}

/// The caller knows since when.
fn rule(decision: &Decision) -> BlockRule {
    BlockRule {
        until: Some(decision.until),
        reason: Some(decision.reason()),
        origin: Origin::Crowdsec,
        since: Timestamp::default(),
    }
}
