//! Durations: as operators write them, and as numbers for the wire.

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
