//! The only reader of a clock. Everything else is told what time it is.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in civil time, to the microsecond; as text RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(SystemTime);

/// 9999-12-31T23:59:59Z, since 1970.
const LAST: Duration = Duration::from_secs(253_402_300_799);

impl Timestamp {
    /// The moment `microseconds` after 1970.
    #[must_use]
    pub fn from_unix_micros(microseconds: u64) -> Self {
        Self(UNIX_EPOCH).plus(Duration::from_micros(microseconds))
    }

    /// The moment `duration` later, at most the end of the year 9999, beyond which RFC 3339 has no text.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let last = UNIX_EPOCH.checked_add(LAST).unwrap_or(UNIX_EPOCH);
        Self(self.0.checked_add(duration).map_or(last, |later| later.min(last)))
    }

    /// Time since `earlier`; zero where that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros(self.0).fmt(out)
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
        humantime::parse_rfc3339(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The civil time now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the reader of the clock")]
pub fn now() -> Timestamp {
    Timestamp(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_moment_is_too_late_to_be_told() {
        for late in [Timestamp::from_unix_micros(u64::MAX), now().plus(Duration::MAX)] {
            assert_eq!(late.to_string(), "9999-12-31T23:59:59.000000Z");
            let text = serde_json::to_string(&late).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), late);
        }
    }
}
