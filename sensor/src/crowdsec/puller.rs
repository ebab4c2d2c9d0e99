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

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{info, warn};

use super::api::{Api, ApiError};
use super::config::CrowdsecConfig;
use super::decision::Decision;
use super::left::Left;
use super::secret::{Login, key};
use super::state::PullState;
use super::usage::Usage;
use super::wire::{Stream, Taking};
use crate::clock;

/// Decisions that are carried out at once; other work of the daemon comes between.
const CHUNK: usize = 1_024;
/// Pauses after failures: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The daemon's side.
pub trait Side: Send + Sync + 'static {
    /// Decisions came.
    fn take(&self, decisions: Vec<Decision>);
    /// These clients are to be let go.
    fn let_go(&self, prefixes: &[IpNet]);
    /// Whom to let go, because a whole list does not have them.
    fn keep_only(&self, listed: &HashSet<IpNet>) -> Vec<IpNet>;
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
        let pause = first.saturating_mul(1_u32 << failed.min(16)).min(last).max(config.interval.min(last));
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
        let login = self.config.login_file.as_deref().and_then(|path| Login::read(path).ok());
        let own = login.map(|login| login.mark());
        let mut usage = Usage::new(self.config.metrics_interval);
        let mut complete: Option<Duration> = None;
        loop {
            let now = clock::monotonic();
            let all = complete.is_none_or(|at| now.saturating_sub(at) >= self.config.full_interval);
            let body = api.decisions(&key, all).await?;
            let taking =
                Taking { now: clock::now(), max: self.config.bounds.max_decisions, own: own.as_deref() };
            let stream = Stream::read(&body, taking)?;
            drop(body);
            if complete.is_none() {
                let (server, decisions) = (self.config.server(), stream.new.len());
                info!(server, decisions, "decisions of CrowdSec are carried out");
            }
            if all {
                complete = Some(now);
            }
            *failed = 0;
            self.carry_out(stream, all).await;
            if usage.is_due(now) {
                self.state.tell_usage(usage.tell(&api, &key, &self.side.origins()).await);
            }
            sleep(self.config.interval).await;
        }
    }

    async fn carry_out(&self, stream: Stream, all: bool) {
        let Stream { mut new, mut deleted, left } = stream;
        self.count(&left);
        let count = new.len();
        if all {
            // What ended before is of no concern; whoever is not listed is let go, after those who are.
            let listed: HashSet<IpNet> = new.iter().map(|decision| decision.prefix).collect();
            self.take(&mut new).await;
            deleted = self.side.keep_only(&listed);
        }
        for chunk in deleted.chunks(CHUNK) {
            self.side.let_go(chunk);
            yield_now().await;
        }
        // An answer that withdraws one decision may have another about the same client.
        self.take(&mut new).await;
        self.state.answered(clock::monotonic(), count, deleted.len());
        self.side.done(all, count, deleted.len());
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
