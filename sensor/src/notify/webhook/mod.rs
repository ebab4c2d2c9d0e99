//! Alerts by HTTP: one POST each, retried until it is accepted or given up.

mod backoff;
mod client;
pub(super) mod format;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{Client, PostError};
pub(super) use client::{connector, read_authorities};
pub(super) use format::News;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::NotifyError;
use super::config::{WebhookConfig, WebhookFormat};
use crate::clock::Timestamp;
use crate::decide::{self, Incident, RecordId};
use crate::detect::Severity;

/// Totals of the webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookStats {
    /// Alerts that the receiver accepted.
    pub sent: u64,
    /// Alerts given up after all attempts, or refused.
    pub failed: u64,
    /// Alerts dropped because the queue was full, or the daemon ended.
    pub dropped: u64,
    /// Failed attempts that were retried.
    pub retries: u64,
    /// Alerts queued or being sent.
    pub depth: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<str>>,
    is_sending: bool,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
    /// Why the last alert was not delivered, until one is.
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one, or none once the queue is closed and empty.
    async fn next(&self) -> Option<Arc<str>> {
        loop {
            // Created first, so that a change before it is awaited wakes it.
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                let next = state.waiting.pop_front();
                state.is_sending = next.is_some();
                if next.is_some() || state.is_closed {
                    return next;
                }
            }
            changed.await;
        }
    }

    fn stats(&self) -> WebhookStats {
        let state = self.state();
        let depth = state.waiting.len().saturating_add(usize::from(state.is_sending));
        WebhookStats {
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            retries: self.retries.load(Relaxed),
            depth: u64::try_from(depth).unwrap_or(u64::MAX),
        }
    }
}

pub(super) struct Webhook {
    shared: Arc<Shared>,
    queue: usize,
    min_severity: Severity,
    format: WebhookFormat,
    host: String,
    /// When an open incident was last repeated to a receiver that forgets.
    refreshed: Mutex<BTreeMap<RecordId, Timestamp>>,
    task: JoinHandle<()>,
}

/// Interval after which an incident is repeated to a receiver that forgets.
const REFRESH: Duration = Duration::from_secs(3_600);
/// Incidents whose last repetition is remembered; beyond that, all are repeated.
const REFRESHED: usize = 8_192;

impl fmt::Debug for Webhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Webhook").field("stats", &self.shared.stats()).finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn start(
        config: &WebhookConfig,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Send + 'static,
    ) -> Result<Self, NotifyError> {
        let client = Client::new(config.clone())?;
        let shared = Arc::<Shared>::default();
        let task = runtime.spawn(run(shared.clone(), client, config.clone(), jitter));
        let (queue, min_severity, format) = (config.queue, config.min_severity, config.format.clone());
        let host =
            nix::sys::utsname::uname().ok().and_then(|name| Some(name.nodename().to_str()?.to_owned()));
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let refreshed = Mutex::default();
        Ok(Self { shared, queue, min_severity, format, host, refreshed, task })
    }

    /// Queues a report, in the receiver's format.
    pub(super) fn push(&self, news: News<'_>) {
        if news.severity() >= self.min_severity {
            self.push_always(news);
        }
    }

    /// Repeats an open incident periodically, for a receiver that forgets.
    pub(super) fn refresh(&self, incident: &Incident, now: Timestamp) {
        if self.format == WebhookFormat::Alertmanager && self.is_due(incident, now) {
            self.push(News::Open(incident, now));
        }
    }

    /// Whether an incident is due for repetition, which is recorded.
    fn is_due(&self, incident: &Incident, now: Timestamp) -> bool {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        if incident.state == decide::State::Over {
            refreshed.remove(&incident.id);
            return false;
        }
        let last = refreshed.get(&incident.id).copied().unwrap_or(incident.known);
        let is_due = now.since(last) >= REFRESH;
        if is_due {
            if refreshed.len() >= REFRESHED {
                refreshed.clear();
            }
            refreshed.insert(incident.id, now);
        }
        is_due
    }

    /// The same, whatever its severity.
    pub(super) fn push_always(&self, news: News<'_>) {
        match format::body(&self.format, &self.host, news) {
            Ok(text) => self.enqueue(text.into()),
            Err(error) => warn!(%error, "an alert or incident could not be encoded for the webhook"),
        }
    }

    /// Why the last alert was not delivered, if it was not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn enqueue(&self, text: Arc<str>) {
        let mut state = self.shared.state();
        state.waiting.push_back(text);
        // The newest matter most to the reader.
        if state.waiting.len() > self.queue && state.waiting.pop_front().is_some() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    pub(super) fn stats(&self) -> WebhookStats {
        self.shared.stats()
    }

    /// Gives the queue some time.
    pub(super) async fn close(self, grace: Duration) -> WebhookStats {
        let Self { shared, mut task, .. } = self;
        shared.state().is_closed = true;
        shared.changed.notify_one();
        if tokio::time::timeout(grace, &mut task).await.is_err() {
            task.abort();
            // It ends at its next pause, so that nothing is counted twice.
            let _ended = task.await;
        }
        let left = shared.stats().depth;
        let mut state = shared.state();
        state.waiting.clear();
        state.is_sending = false;
        drop(state);
        shared.dropped.fetch_add(left, Relaxed);
        if left > 0 {
            warn!(dropped = left, "alerts did not reach the webhook before shutdown");
        }
        shared.stats()
    }
}

async fn run(shared: Arc<Shared>, client: Client, config: WebhookConfig, mut jitter: impl FnMut() -> u16) {
    while let Some(text) = shared.next().await {
        let delivered = deliver(&shared, &client, &config, text, &mut jitter).await;
        if let Err(error) = &delivered {
            warn!(host = client.host(), %error, "an alert did not reach the webhook");
        }
        let trouble = delivered.as_ref().err().map(ToString::to_string);
        *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        let counter = if delivered.is_ok() { &shared.sent } else { &shared.failed };
        counter.fetch_add(1, Relaxed);
        shared.state().is_sending = false;
    }
}

/// Tries until the receiver accepts it, refuses it permanently, or the attempts are used up.
async fn deliver(
    shared: &Shared,
    client: &Client,
    config: &WebhookConfig,
    text: Arc<str>,
    jitter: &mut impl FnMut() -> u16,
) -> Result<(), PostError> {
    for failed in 0.. {
        let Err(error) = client.post(text.clone()).await else { break };
        let after = match &error {
            PostError::Refused { .. } | PostError::Request(_) => return Err(error),
            PostError::Busy { after, .. } => after.unwrap_or_default(),
            PostError::Connection(_) | PostError::Http(_) | PostError::Timeout => Duration::ZERO,
        };
        if failed >= config.attempts.saturating_sub(1) {
            return Err(error);
        }
        debug!(host = client.host(), %error, "trying the webhook again");
        shared.retries.fetch_add(1, Relaxed);
        let pause = backoff::pause(failed, config.retry, WebhookConfig::MAX_RETRY, jitter());
        tokio::time::sleep(pause.max(after.min(WebhookConfig::MAX_RETRY))).await;
    }
    Ok(())
}
