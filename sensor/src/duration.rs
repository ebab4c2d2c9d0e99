//! How long something lasts: as operators write it, and as numbers for the wire.

use std::time::Duration;

/// Reads a time such as `1h30m`: more than none. `expected` says in an error what might stand there.
///
/// # Errors
/// If it is no time, or none at all.
pub fn parse(text: &str, expected: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}; {expected}"))?;
    if time.as_millis() == 0 { Err(format!("no time at all; {expected}")) } else { Ok(time) }
}

/// Whole milliseconds, at most as many as there is room for.
#[must_use]
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
