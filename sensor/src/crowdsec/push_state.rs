//! How pushing goes, for status and metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Alerts that CrowdSec has.
    pub sent: u64,
    /// Alerts about clients that CrowdSec allows, which were not sent.
    pub allowed: u64,
    /// Alerts that CrowdSec refused, or that had no room in the queue.
    pub lost: u64,
    /// Attempts that failed.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Inner {
    counts: PushCounts,
    trouble: Option<String>,
    has_lists: Option<bool>,
}

/// Shared by the task and whoever reports.
#[derive(Debug, Default)]
pub struct PushState(Mutex<Inner>);

impl PushState {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pushed(&self, sent: usize, allowed: usize) {
        let mut inner = self.inner();
        let counts = &mut inner.counts;
        counts.sent = counts.sent.saturating_add(u64::try_from(sent).unwrap_or(u64::MAX));
        counts.allowed = counts.allowed.saturating_add(u64::try_from(allowed).unwrap_or(u64::MAX));
        inner.trouble = None;
    }

    /// Returns whether it is news.
    pub(super) fn failed(&self, why: String) -> bool {
        let mut inner = self.inner();
        inner.counts.failures = inner.counts.failures.saturating_add(1);
        let is_new = inner.trouble.as_ref() != Some(&why);
        inner.trouble = Some(why);
        is_new
    }

    /// Counts alerts that CrowdSec will not get.
    pub fn lose(&self, count: usize) {
        let mut inner = self.inner();
        inner.counts.lost = inner.counts.lost.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(super) fn tell_lists(&self, has_lists: bool) {
        self.inner().has_lists = Some(has_lists);
    }

    pub(super) fn forget_lists(&self) {
        self.inner().has_lists = None;
    }

    /// Whether the server has allow lists; none before it was asked.
    #[must_use]
    pub fn has_lists(&self) -> Option<bool> {
        self.inner().has_lists
    }

    /// Why the last attempt failed.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner().trouble.clone()
    }

    /// Totals.
    #[must_use]
    pub fn counts(&self) -> PushCounts {
        self.inner().counts
    }
}
