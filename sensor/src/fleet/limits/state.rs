//! What is known of limits that hold for the fleet, for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::fleet::trouble::Trouble;

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitCounts {
    /// Requests that the server has charged.
    pub charged: u64,
    /// Calls of the server that took.
    pub calls: u64,
    /// Answers that a principal was over its limit.
    pub over: u64,
    /// Requests that were charged on this host only: too many at once, or the server was away.
    pub lost: u64,
}

/// Shared by the task, the detector and whoever reports.
#[derive(Debug, Default)]
pub struct LimitState {
    charged: AtomicU64,
    calls: AtomicU64,
    over: AtomicU64,
    lost: AtomicU64,
    trouble: Trouble,
}

impl LimitState {
    pub(super) fn count_lost(&self, requests: u64) {
        self.lost.fetch_add(requests, Relaxed);
    }

    /// A call succeeded.
    pub(super) fn answered(&self, requests: u64, over: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.charged.fetch_add(requests, Relaxed);
        self.over.fetch_add(over, Relaxed);
        self.trouble.clear();
    }

    /// A call failed. Returns whether why is news.
    pub(super) fn failed(&self, why: String) -> bool {
        self.trouble.tell(why)
    }

    /// Why limits hold for this host only.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Totals.
    #[must_use]
    pub fn counts(&self) -> LimitCounts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        LimitCounts {
            charged: read(&self.charged),
            calls: read(&self.calls),
            over: read(&self.over),
            lost: read(&self.lost),
        }
    }
}
