//! Waiting: for conditions, and between what traffic generators send.

use std::thread;
use std::time::Duration;

use crate::clock;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// What `condition` gives once it gives something, asked again and again for so long, and once at least.
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
