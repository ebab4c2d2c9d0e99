//! How pulling goes, for status and metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::left::Left;

/// Totals since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullCounts {
    /// Answers that were read whole.
    pub pulls: u64,
    /// Requests without such an answer.
    pub failures: u64,
    /// Decisions that came.
    pub new: u64,
    /// Decisions that were withdrawn or ended.
    pub deleted: u64,
    /// Decisions that were not carried out, by reason; one that comes again counts again.
    pub left: BTreeMap<Left, u64>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: PullCounts,
    is_connected: bool,
    trouble: Option<String>,
    /// Whether the server takes usage metrics.
    takes_usage: Option<bool>,
    /// When the last whole answer came, on the monotonic clock.
    answered: Option<Duration>,
}

/// Shared by the task and whoever reports.
#[derive(Debug, Default)]
pub struct PullState(Mutex<Inner>);

impl PullState {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answered(&self, now: Duration, new: usize, deleted: usize) {
        let mut inner = self.inner();
        let counts = &mut inner.counts;
        counts.pulls = counts.pulls.saturating_add(1);
        counts.new = counts.new.saturating_add(u64::try_from(new).unwrap_or(u64::MAX));
        counts.deleted = counts.deleted.saturating_add(u64::try_from(deleted).unwrap_or(u64::MAX));
        inner.answered = Some(now);
        inner.is_connected = true;
        inner.trouble = None;
    }

    /// Returns whether it was connected before, or failed for another reason.
    pub(super) fn failed(&self, why: String) -> bool {
        let mut inner = self.inner();
        inner.counts.failures = inner.counts.failures.saturating_add(1);
        let was_connected = std::mem::take(&mut inner.is_connected);
        let is_new = inner.trouble.as_ref() != Some(&why);
        inner.trouble = Some(why);
        was_connected || is_new
    }

    pub(super) fn tell_usage(&self, is_taken: Option<bool>) {
        let mut inner = self.inner();
        inner.takes_usage = is_taken.or(inner.takes_usage);
    }

    /// Whether the server takes usage metrics; none before it was asked.
    #[must_use]
    pub fn takes_usage(&self) -> Option<bool> {
        self.inner().takes_usage
    }

    /// Counts decisions that are not carried out.
    pub fn leave(&self, why: Left, count: u64) {
        let mut inner = self.inner();
        let total = inner.counts.left.entry(why).or_default();
        *total = total.saturating_add(count);
    }

    /// Whether the last request was answered.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner().is_connected
    }

    /// Why it was not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner().trouble.clone()
    }

    /// Time since the last answer; none before the first.
    #[must_use]
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.inner().answered.map(|answered| now.saturating_sub(answered))
    }

    /// Totals.
    #[must_use]
    pub fn counts(&self) -> PullCounts {
        self.inner().counts.clone()
    }
}
