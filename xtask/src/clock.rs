//! The only file of xtask that reads a clock.

use std::time::{Duration, Instant};

/// Measures from its creation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// What is left of `limit`, or `None` when it is used up.
    pub(crate) fn remaining(self, limit: Duration) -> Option<Duration> {
        limit.checked_sub(self.elapsed())
    }
}
