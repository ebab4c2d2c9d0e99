//! The only clock of the benchmarks.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

/// Time since it was started.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "a measurement of time reads a clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// CPU time that the calling thread used since it was started: what it takes of a machine that others use, too.
pub(crate) struct CpuTime(Duration);

impl CpuTime {
    /// Starts.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self(now()?))
    }

    /// How much was used since.
    pub(crate) fn elapsed(&self) -> Result<Duration> {
        Ok(now()?.saturating_sub(self.0))
    }
}

fn now() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
