//! Durations: as operators write them, as numbers for the wire, and as pauses that grow.

use std::time::Duration;

/// Parses a time such as `1h30m`, greater than zero. `expected` is the form that an error names.
///
/// # Errors
/// If it is no time, or zero.
pub fn parse(text: &str, expected: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|_error| expected.to_owned())?;
    if time.as_millis() == 0 { Err(format!("zero; {expected}")) } else { Ok(time) }
}

/// Whole milliseconds, saturating.
#[must_use]
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A pause between attempts: `first`, doubled for each of so many earlier ones that failed, up to `most`.
#[must_use]
pub fn doubled(first: Duration, failed: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32 << failed.min(30)).min(most)
}
