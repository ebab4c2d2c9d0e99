//! Waiting: for conditions, and between the generators' packets.

use std::thread;
use std::time::Duration;

use crate::clock;

/// Polling interval of a condition.
const POLL: Duration = Duration::from_millis(5);

/// Polls `condition` until it returns something or the time is up, at least once.
pub(super) fn wait_for<T>(most: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = clock::monotonic().saturating_add(most);
    loop {
        let found = condition();
        if found.is_some() || clock::monotonic() >= end {
            return found;
        }
        pause(POLL);
    }
}

/// Does nothing for a while.
#[expect(clippy::disallowed_methods, reason = "clients pause between requests")]
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}
