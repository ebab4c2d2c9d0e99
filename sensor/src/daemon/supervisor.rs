//! Notifications to the service manager: ready, reloading, stopping, and alive. Without one, nothing is sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use crate::clock;
use crate::duration::milliseconds;
use crate::printable::printable;

/// Pings per watchdog period: `sd_watchdog_enabled(3)` recommends two; one may be late.
const PINGS: u32 = 4;

/// Attached, and answering.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Its state in one line, shown by `systemctl status`.
pub(super) fn status(line: &str) {
    // A line of its own in the message.
    tell(&[NotifyState::Status(&printable(line))]);
}

/// About to shut down.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Frames a reload, applied or refused, as `Type=notify-reload` requires it and `Type=notify` understands it.
pub(super) fn reloading<T>(reload: impl FnOnce() -> T) -> T {
    let since = i128::try_from(clock::monotonic().as_micros()).unwrap_or(i128::MAX);
    tell(&[NotifyState::Reloading, NotifyState::MonotonicUsec(since)]);
    let outcome = reload();
    ready();
    outcome
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager could not be notified");
    }
}

/// When a thread last reported, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64);

impl Pulse {
    /// Reports.
    pub(super) fn beat(&self, now: Duration) {
        self.0.store(milliseconds(now), Ordering::Relaxed);
    }

    /// The last report, to the millisecond; zero before the first.
    pub(super) fn last(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Pings the service manager while the daemon is alive.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Silence after which the service manager kills it; `None` without a watchdog.
    period: Option<Duration>,
    told: Duration,
}

impl Watchdog {
    /// From the service manager's environment variables.
    pub(super) fn of_environment() -> Self {
        Self { period: sd_notify::watchdog_enabled(), told: Duration::ZERO }
    }

    /// Pings if it is time and all is well.
    ///
    /// # Parameters
    /// `now`: on the monotonic clock. `pulse`: the last report of the thread that reads the rings, if there is one.
    pub(super) fn tell(&mut self, now: Duration, pulse: Option<Duration>) {
        if self.is_due(now, pulse) {
            self.told = now;
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// A thread that has not read the rings for half a period hangs or has died: it sleeps for at most 100 ms. Between
    /// two reads it may wait for a slow disk.
    fn is_due(&self, now: Duration, pulse: Option<Duration>) -> bool {
        let Some(period) = self.period else { return false };
        let [half, between] = [2, PINGS].map(|parts| period.checked_div(parts).unwrap_or(period));
        let hangs = pulse.is_some_and(|last| now.saturating_sub(last) > half);
        !hangs && now.saturating_sub(self.told) >= between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_watchdog_is_told_while_all_is_well() {
        let watched = |told| Watchdog { period: Some(at(20)), told: at(told) };
        let unwatched = Watchdog { period: None, told: at(0) };
        for (what, watchdog, now, pulse, due) in [
            ("nobody watches", &unwatched, 100, None, false),
            ("the first time", &watched(0), 100, None, true),
            ("just told", &watched(98), 100, None, false),
            ("told a quarter of the period ago", &watched(95), 100, None, true),
            ("the rings were looked at lately", &watched(80), 100, Some(99), true),
            ("the rings were looked at within half the period", &watched(80), 100, Some(90), true),
            ("the thread hangs", &watched(80), 100, Some(89), false),
            ("the thread never looked", &watched(80), 100, Some(0), false),
            ("the thread looked after we looked at the clock", &watched(80), 100, Some(101), true),
        ] {
            assert_eq!(watchdog.is_due(at(now), pulse.map(at)), due, "{what}");
        }
    }

    #[test]
    fn a_pulse_keeps_the_last_time() {
        let pulse = Pulse::default();
        assert_eq!(pulse.last(), Duration::ZERO);
        pulse.beat(Duration::from_micros(1_234_567));
        pulse.beat(Duration::from_micros(2_345_678));
        assert_eq!(pulse.last(), Duration::from_millis(2_345));
    }
}
