//! The tests' clock, and waiting: for conditions in tests, for the next packet's time in traffic generators.
#![expect(clippy::disallowed_methods, reason = "the one place in the tests that reads a clock or sleeps")]

use std::thread;
use std::time::{Duration, Instant};

/// Polling interval of a condition.
const POLL: Duration = Duration::from_millis(5);

/// Now.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Whether `condition` became true within `timeout`. It is evaluated at least once, and this returns as soon as it
/// holds.
#[must_use]
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Paces a generator: returns when `at` has come, at once where it has passed.
pub fn pace_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(now()));
}
