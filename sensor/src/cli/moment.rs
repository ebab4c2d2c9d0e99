//! Times for people: in the local time zone on a terminal, in UTC otherwise.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::say;
use crate::clock::Timestamp;

/// A moment to the second.
pub(super) fn seconds(at: Timestamp) -> String {
    static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let zone = ZONE.get_or_init(|| say::is_terminal().then(TimeZone::system));
    zone.as_ref().and_then(|zone| local(at, zone)).unwrap_or_else(|| utc(at))
}

fn utc(at: Timestamp) -> String {
    at.to_string().split('.').next().map(|text| format!("{text}Z")).unwrap_or_default()
}

/// When something ends, and the time left: `until 14:08:49, in 9m55s`.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    let left = Duration::from_secs(at.since(now).as_secs());
    let whole = seconds(at);
    let time = whole.split_once('T').filter(|_| left < DAY).map_or(whole.as_str(), |(_, time)| time);
    // In the local zone, a time of day needs no offset.
    let time = if time.len() < whole.len() { time.split('+').next().unwrap_or(time) } else { time };
    format!("until {time}, in {}", humantime::format_duration(left).to_string().replace(' ', ""))
}

const DAY: Duration = Duration::from_secs(86_400);

/// With the offset, so that it can be used as input.
fn local(at: Timestamp, zone: &TimeZone) -> Option<String> {
    let at = jiff::Timestamp::from_nanosecond(at.unix_nanos().into()).ok()?.to_zoned_datetime(zone.clone());
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_with_their_offset_and_utc() {
        let at = Timestamp::from_unix_micros(1_700_000_000_900_000);
        assert_eq!(utc(at), "2023-11-14T22:13:20Z");
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(local(at, &zone).unwrap(), "2023-11-14T23:13:20+01:00");
        let summer = Timestamp::from_unix_micros(1_690_000_000_000_000);
        assert_eq!(local(summer, &zone).unwrap(), "2023-07-22T06:26:40+02:00");
    }
}
