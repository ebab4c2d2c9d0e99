//! The only reader of a clock. Everything else gets the time as an argument.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in civil time, in nanoseconds since 1970 (until the year 2554); as text, RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `nanoseconds` after 1970.
    #[must_use]
    pub const fn from_unix_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// The moment `microseconds` after 1970.
    #[must_use]
    pub const fn from_unix_micros(microseconds: u64) -> Self {
        Self(microseconds.saturating_mul(1_000))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn unix_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, at most the last representable one.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The moment `duration` earlier, at the earliest 1970.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// From the system clock; a time before 1970 counts as 1970.
    fn of_system(time: SystemTime) -> Self {
        Self(0).plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH.checked_add(Duration::from_nanos(self.0)).unwrap_or(SystemTime::UNIX_EPOCH);
        humantime::format_rfc3339_micros(time).fmt(out)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self::of_system).map_err(serde::de::Error::custom)
    }
}

/// The civil time now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the reader of the clock")]
pub fn now() -> Timestamp {
    Timestamp::of_system(SystemTime::now())
}

/// Time on the kernel's monotonic clock, which nobody can set: for waiting and measuring.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// The moment `since_boot` after the kernel started: process start times count from there, and include suspended time.
#[must_use]
pub fn after_boot(since_boot: Duration) -> Timestamp {
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    now().minus(up).plus(since_boot)
}

/// Converts times of the kernel's monotonic clock to civil time.
#[derive(Clone, Copy, Debug)]
pub struct KernelClock {
    /// Civil time at which the monotonic clock was zero, in nanoseconds since 1970.
    origin: u64,
}

impl KernelClock {
    /// How far civil time was stepped between this and another reading, in either direction.
    #[must_use]
    pub const fn moved(self, other: Self) -> Duration {
        Duration::from_nanos(self.origin.abs_diff(other.origin))
    }

    /// The moment at which the monotonic clock showed this many nanoseconds.
    #[must_use]
    pub const fn civil(self, monotonic_ns: u64) -> Timestamp {
        Timestamp(self.origin.saturating_add(monotonic_ns))
    }
}

/// The current offset between the clocks. Civil time may be set: read it again from time to time.
#[must_use]
pub fn kernel_clock() -> KernelClock {
    let monotonic = u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX);
    KernelClock { origin: now().0.saturating_sub(monotonic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_civil_time_go_both_ways() {
        let (early, late) = (KernelClock { origin: 5 }, KernelClock { origin: 12 });
        assert_eq!(early.moved(late), Duration::from_nanos(7));
        assert_eq!(late.moved(early), Duration::from_nanos(7));
        assert!(kernel_clock().moved(kernel_clock()) < Duration::from_millis(100));
    }

    #[test]
    fn no_moment_is_too_late_to_be_told() {
        for late in [Timestamp::from_unix_micros(u64::MAX), now().plus(Duration::MAX)] {
            assert_eq!(late.to_string(), "2554-07-21T23:34:33.709551Z");
            let text = serde_json::to_string(&late).unwrap();
            let read: Timestamp = serde_json::from_str(&text).unwrap();
            assert!(late.since(read) < Duration::from_micros(1), "{read}");
        }
    }
}
