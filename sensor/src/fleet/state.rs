//! The state of the connection to the server, for status and metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::fleet::trouble::Trouble;

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Connections that were made again.
    pub reconnects: u64,
    /// Records and statements that the server has.
    pub sent: u64,
    /// Records that did not fit the queue; they are sent after the next connection.
    pub lost: u64,
}

/// Shared by the task and whoever reports.
#[derive(Debug, Default)]
pub struct LinkState {
    connected: AtomicBool,
    reconnects: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
    /// When the server last answered, in milliseconds of the monotonic clock.
    answered: AtomicU64,
    trouble: Trouble,
}

impl LinkState {
    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(super) fn count_sent(&self, count: usize) {
        self.sent.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn answered(&self, monotonic: Duration) {
        self.answered.store(u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Everything that stands was compared with the server's.
    pub(super) fn connected(&self) {
        self.connected.store(true, Relaxed);
        self.trouble.clear();
    }

    /// Returns whether it was connected, or failed for another reason before.
    pub(super) fn failed(&self, why: String) -> bool {
        self.reconnects.fetch_add(1, Relaxed);
        let was_connected = self.connected.swap(false, Relaxed);
        self.trouble.tell(why) || was_connected
    }

    /// Whether the server answers and has everything.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Why there is no connection.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Time since the server last answered; none before the first answer.
    #[must_use]
    pub fn lag(&self, monotonic: Duration) -> Option<Duration> {
        let answered = self.answered.load(Relaxed);
        (answered > 0).then(|| monotonic.saturating_sub(Duration::from_millis(answered)))
    }

    /// Totals.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        LinkCounts { reconnects: read(&self.reconnects), sent: read(&self.sent), lost: read(&self.lost) }
    }
}
