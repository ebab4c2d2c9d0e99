//! Reports that wait for a receiver, and the task that delivers them one by one: a bounded queue, attempts with growing
//! pauses, and a count of everything that does not arrive.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::backoff;

/// Totals of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStats {
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

/// Gets reports to one receiver.
pub(super) trait Carrier: Send + 'static {
    /// The receiver in the log, without parts that may be secret.
    fn receiver(&self) -> &str;

    /// One attempt, with a time limit of its own.
    fn deliver(&mut self, report: Bytes) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends in order, after the last report.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Failure {
    why: String,
    is_lasting: bool,
    not_before: Duration,
}

impl Failure {
    /// Another attempt may succeed.
    pub(super) fn passing(why: &impl Display) -> Self {
        Self { why: why.to_string(), is_lasting: false, not_before: Duration::ZERO }
    }

    /// The receiver does not take this report.
    pub(super) fn lasting(why: &impl Display) -> Self {
        Self { is_lasting: true, ..Self::passing(why) }
    }

    /// The receiver asks for a pause.
    pub(super) fn not_before(self, pause: Duration) -> Self {
        Self { not_before: pause, ..self }
    }
}

/// How much waits for a receiver, and how often it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Reports that wait.
    pub(super) queue: usize,
    /// Attempts at each.
    pub(super) attempts: u32,
    /// Pause after the first failed one.
    pub(super) retry: Duration,
}

/// Longest pause between two attempts.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Time for ending in order.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
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
    /// Why the last report was not delivered, until one is.
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one, or none once the queue is closed and empty.
    async fn next(&self) -> Option<Bytes> {
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

    fn stats(&self) -> DeliveryStats {
        let state = self.state();
        let depth = state.waiting.len().saturating_add(usize::from(state.is_sending));
        DeliveryStats {
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            retries: self.retries.load(Relaxed),
            depth: u64::try_from(depth).unwrap_or(u64::MAX),
        }
    }
}

/// The queue of one receiver.
pub(super) struct Outbox {
    /// `webhook` or `syslog`.
    way: &'static str,
    shared: Arc<Shared>,
    queue: usize,
    task: JoinHandle<()>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outbox").field("way", &self.way).field("stats", &self.shared.stats()).finish()
    }
}

impl Outbox {
    /// Starts the task.
    pub(super) fn start(
        way: &'static str,
        patience: Patience,
        carrier: impl Carrier,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Send + 'static,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let task = runtime.spawn(run(way, shared.clone(), carrier, patience, jitter));
        Self { way, shared, queue: patience.queue, task }
    }

    /// Queues a report; does not wait.
    pub(super) fn push(&self, report: Bytes) {
        let mut state = self.shared.state();
        state.waiting.push_back(report);
        // The newest matter most to the reader.
        if state.waiting.len() > self.queue && state.waiting.pop_front().is_some() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Counts a report that cannot be encoded. Records have only text keys, and numbers that can be represented; if that
    /// were not so, it must not be silent.
    pub(super) fn refuse(&self, error: &impl Display) {
        warn!(way = self.way, %error, "an alert or incident could not be encoded");
        self.shared.dropped.fetch_add(1, Relaxed);
    }

    /// Why the last report was not delivered, if it was not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stats(&self) -> DeliveryStats {
        self.shared.stats()
    }

    /// Gives the queue some time.
    pub(super) async fn close(self, grace: Duration) -> DeliveryStats {
        let Self { way, shared, mut task, .. } = self;
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
            warn!(way, dropped = left, "alerts were not delivered before shutdown");
        }
        shared.stats()
    }
}

async fn run(
    way: &'static str,
    shared: Arc<Shared>,
    mut carrier: impl Carrier,
    patience: Patience,
    mut jitter: impl FnMut() -> u16,
) {
    while let Some(report) = shared.next().await {
        let delivered = deliver(way, &shared, &mut carrier, patience, report, &mut jitter).await;
        if let Err(error) = &delivered {
            warn!(way, receiver = carrier.receiver(), %error, "an alert was not delivered");
        }
        let trouble = delivered.as_ref().err().map(ToString::to_string);
        *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        let counter = if delivered.is_ok() { &shared.sent } else { &shared.failed };
        counter.fetch_add(1, Relaxed);
        shared.state().is_sending = false;
    }
    // A receiver that hangs now keeps nothing from anybody.
    let _ended = tokio::time::timeout(FAREWELL, carrier.finish()).await;
}

/// Tries until the receiver accepts it, refuses it permanently, or the attempts are used up.
async fn deliver(
    way: &'static str,
    shared: &Shared,
    carrier: &mut impl Carrier,
    patience: Patience,
    report: Bytes,
    jitter: &mut impl FnMut() -> u16,
) -> Result<(), Failure> {
    for failed in 0.. {
        let Err(error) = carrier.deliver(report.clone()).await else { break };
        if error.is_lasting || failed >= patience.attempts.saturating_sub(1) {
            return Err(error);
        }
        debug!(way, receiver = carrier.receiver(), %error, "trying again");
        shared.retries.fetch_add(1, Relaxed);
        let pause = backoff::pause(failed, patience.retry, MAX_RETRY, jitter());
        tokio::time::sleep(pause.max(error.not_before.min(MAX_RETRY))).await;
    }
    Ok(())
}
