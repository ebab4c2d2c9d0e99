//! The task that pulls decisions.
//!
//! ```text
//!            ┌── answered: take all, forget what is not among it ──┐
//!   all ─────┤                                                     ├── interval ── changes ──┐
//!    ▲       └── failed: pause, longer each time ─┐                └──────────▲──────────────┤ answered
//!    └─────────────────────────────────────────────┴──── failed, or `full_interval` is over ──┘
//! ```
//!
//! An answer that is lost would be missing for good: the server says each change once. So after any failure everything is
//! pulled again.
//!
//! A server whose database fails may end a list early and call it whole (CrowdSec 1.7). So nobody is let go because one list
//! does not have him: its part about what was withdrawn has to say so, or the next list, which is asked for at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::sleep;
use tracing::{info, warn};

use super::api::{Api, ApiError};
use super::config::CrowdsecConfig;
use super::decision::Decision;
use super::left::Left;
use super::secret::{Login, key};
use super::standing::Kept;
use super::state::PullState;
use super::usage::Usage;
use super::wire::{Stream, Taking};
use crate::clock;
use crate::duration::doubled;

/// Decisions that are carried out at once; other work of the daemon comes between.
pub const CHUNK: usize = 1_024;
/// Pauses after failures: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The daemon's side.
pub trait Side: Send + Sync + 'static {
    /// Decisions came.
    fn take(&self, decisions: Vec<Decision>);
    /// These clients are to be let go.
    fn let_go(&self, prefixes: &[IpNet]);
    /// Forgets what a whole list, by its decisions' numbers, says otherwise, or does not have where that is sure. Nothing
    /// is carried out yet.
    fn keep_only(&self, listed: &HashMap<IpNet, i64>, sure: &HashSet<IpNet>) -> Kept;
    /// What is known of these clients is to be carried out.
    fn carry_out(&self, prefixes: &[IpNet]);
    /// How many decisions of each origin are in force.
    fn origins(&self) -> BTreeMap<String, u64>;
    /// All of an answer is carried out.
    fn done(&self, all: bool, new: usize, deleted: usize);
}

/// Pulls decisions until it is dropped.
pub async fn run(config: CrowdsecConfig, state: Arc<PullState>, side: impl Side) {
    let puller = Puller { config: &config, state: &state, side: &side };
    let mut failed: u32 = 0;
    loop {
        let Err(error) = puller.session(&mut failed).await;
        if state.failed(error.to_string()) {
            warn!(server = config.server(), %error, "no decisions of CrowdSec; those that stand hold until they end");
        }
        let (first, last) = PAUSES;
        // Not more often than configured, even if the server refuses at once.
        let pause = doubled(first, failed, last).max(config.interval.min(last));
        sleep(pause).await;
        failed = failed.saturating_add(1);
    }
}

struct Puller<'a, S> {
    config: &'a CrowdsecConfig,
    state: &'a PullState,
    side: &'a S,
}

impl<S: Side> Puller<'_, S> {
    /// From a whole list to the first failure.
    async fn session(&self, failed: &mut u32) -> Result<std::convert::Infallible, ApiError> {
        let path = self.config.key_file.clone().unwrap_or_default();
        // Files may have been replaced since the last session.
        let (api, key) = (Api::new(self.config)?, key(&path)?);
        let (mut own, mut doubts, mut is_first) = (None, HashSet::new(), true);
        let mut usage = Usage::new(self.config.metrics_interval);
        let mut complete: Option<Duration> = None;
        loop {
            let now = clock::monotonic();
            let all = complete.is_none_or(|at| now.saturating_sub(at) >= self.config.full_interval);
            let body = api.decisions(&key, all).await?;
            if all {
                // It may not have been readable before.
                let login = self.config.login_file.as_deref().and_then(|path| Login::read(path).ok());
                own = login.map(|login| login.mark());
            }
            let stream = self.read(body, own.clone()).await?;
            if std::mem::take(&mut is_first) {
                let (server, decisions) = (self.config.server(), stream.new.len());
                info!(server, decisions, "decisions of CrowdSec are carried out");
            }
            *failed = 0;
            if all {
                doubts = self.replace(stream, doubts).await;
                complete = doubts.is_empty().then_some(now);
            } else {
                self.change(stream).await;
            }
            if usage.is_due(now) {
                self.state.tell_usage(usage.tell(&api, &key, &self.side.origins()).await);
            }
            sleep(self.config.interval).await;
        }
    }

    /// Reads an answer aside: a large one takes a second.
    async fn read(&self, body: Vec<u8>, own: Option<String>) -> Result<Stream, ApiError> {
        let (now, max) = (clock::now(), self.config.bounds.max_decisions);
        let read = spawn_blocking(move || Stream::read(&body, Taking { now, max, own: own.as_deref() }));
        Ok(read.await.or(Err(ApiError::Broken))??)
    }

    /// A whole list. Returns about whom it has nothing, if they were not missing before.
    async fn replace(&self, stream: Stream, doubts: HashSet<IpNet>) -> HashSet<IpNet> {
        let Stream { new, deleted, left } = stream;
        self.count(&left);
        // An address and a range of one address are two values there, and one client here.
        let mut listed: BTreeMap<IpNet, Decision> = BTreeMap::new();
        for decision in new {
            if listed.get(&decision.prefix).is_none_or(|other| other.until < decision.until) {
                listed.insert(decision.prefix, decision);
            }
        }
        let numbers = listed.iter().map(|(prefix, decision)| (*prefix, decision.id));
        let numbers: HashMap<IpNet, i64> = numbers.collect();
        let sure = doubts.into_iter().chain(deleted).collect();
        let (mut new, count) = (listed.into_values().collect::<Vec<_>>(), numbers.len());
        // First there is room for what is listed, and the kernel lets go only then.
        let Kept { changed, doubts } = self.side.keep_only(&numbers, &sure);
        self.take(&mut new).await;
        for chunk in changed.chunks(CHUNK) {
            self.side.carry_out(chunk);
            yield_now().await;
        }
        let gone = changed.iter().filter(|prefix| !numbers.contains_key(*prefix)).count();
        self.state.answered(clock::monotonic(), count, gone);
        self.side.done(true, count, gone);
        doubts
    }

    async fn change(&self, stream: Stream) {
        let Stream { mut new, deleted, left } = stream;
        self.count(&left);
        let count = new.len();
        for chunk in deleted.chunks(CHUNK) {
            self.side.let_go(chunk);
            yield_now().await;
        }
        // An answer that withdraws one decision may have another about the same client.
        self.take(&mut new).await;
        self.state.answered(clock::monotonic(), count, deleted.len());
        self.side.done(false, count, deleted.len());
    }

    async fn take(&self, new: &mut Vec<Decision>) {
        while !new.is_empty() {
            let chunk = new.drain(..CHUNK.min(new.len())).collect();
            self.side.take(chunk);
            yield_now().await;
        }
    }

    fn count(&self, left: &BTreeMap<Left, u64>) {
        left.iter().for_each(|(why, count)| self.state.leave(*why, *count));
    }
}
