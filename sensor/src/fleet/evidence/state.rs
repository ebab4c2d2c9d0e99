//! What is known of the exchange of evidence, for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::fleet::trouble::Trouble;

/// Totals since the start, and the present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceCounts {
    /// Records that the server has.
    pub sent: u64,
    /// Records of other hosts that were news.
    pub taken: u64,
    /// Records of other hosts that were refused.
    pub refused: u64,
    /// Attempts that were not counted for the fleet, because too many came at once.
    pub lost: u64,
    /// Attempts of which no other host heard, because the server was away for too long or there was no room.
    pub unsaid: u64,
    /// Other hosts heard within the last ten minutes.
    pub hosts: u64,
    /// Routes on which an attack is found.
    pub attacked: u64,
}

/// Shared by the task, detectors and whoever reports.
#[derive(Debug, Default)]
pub struct EvidenceState {
    sent: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    unsaid: AtomicU64,
    hosts: AtomicU64,
    attacked: AtomicU64,
    /// When sums were last complete, in milliseconds of the monotonic clock.
    summed: AtomicU64,
    trouble: Trouble,
}

impl EvidenceState {
    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(super) fn count_sent(&self, records: u64) {
        self.sent.fetch_add(records, Relaxed);
    }

    pub(super) fn count_taken(&self) {
        self.taken.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn set_unsaid(&self, attempts: u64) {
        self.unsaid.store(attempts, Relaxed);
    }

    /// Sums of so many other hosts are complete.
    pub(super) fn summed(&self, hosts: usize, attacked: usize, monotonic: Duration) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.hosts.store(count(hosts), Relaxed);
        self.attacked.store(count(attacked), Relaxed);
        self.summed.store(u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.trouble.clear();
    }

    /// Why there are none. Returns whether that is news.
    pub(super) fn failed(&self, why: String) -> bool {
        self.hosts.store(0, Relaxed);
        self.attacked.store(0, Relaxed);
        self.trouble.tell(why)
    }

    /// Why there are none.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Time since the sums were last complete; none before the first.
    #[must_use]
    pub fn age(&self, monotonic: Duration) -> Option<Duration> {
        let summed = self.summed.load(Relaxed);
        (summed > 0).then(|| monotonic.saturating_sub(Duration::from_millis(summed)))
    }

    /// Totals and the present.
    #[must_use]
    pub fn counts(&self) -> EvidenceCounts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        EvidenceCounts {
            sent: read(&self.sent),
            taken: read(&self.taken),
            refused: read(&self.refused),
            lost: read(&self.lost),
            unsaid: read(&self.unsaid),
            hosts: read(&self.hosts),
            attacked: read(&self.attacked),
        }
    }
}
