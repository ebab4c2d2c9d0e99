//! Moments as people type them: so long ago, or a date and time.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::{self, Timestamp};
use crate::duration;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// So long ago.
    Ago(Duration),
    /// A point in time.
    At(Timestamp),
}

impl When {
    /// As of now.
    pub(in crate::cli) fn moment(self) -> Timestamp {
        match self {
            Self::Ago(time) => clock::now().minus(time),
            Self::At(at) => at,
        }
    }
}

const EXPECTED: &str = "expected a time such as 1h, `today`, `yesterday`, or a date such as 2026-11-28, 2026-11-28T10:30 \
                        or 2026-11-28T10:30Z";

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now = jiff::Timestamp::from_nanosecond(clock::now().unix_nanos().into()).unwrap_or_default();
        parse(text, TimeZone::system(), now)
    }
}

/// `zone`: of dates without one, and of days.
fn parse(text: &str, zone: TimeZone, now: jiff::Timestamp) -> Result<When, String> {
    let day = match text {
        "today" => Some(now.to_zoned_datetime(zone.clone()).start_of_day()),
        "yesterday" => {
            Some(now.to_zoned_datetime(zone.clone()).yesterday().and_then(|day| day.start_of_day()))
        }
        _ => None,
    };
    if let Some(day) = day {
        let nanos = day.ok().and_then(|day| u64::try_from(day.timestamp().as_nanosecond()).ok());
        return nanos
            .map(|nanos| When::At(Timestamp::from_unix_nanos(nanos)))
            .ok_or_else(|| EXPECTED.to_owned());
    }
    if let Ok(ago) = duration::parse(text, EXPECTED) {
        return Ok(When::Ago(ago));
    }
    let has_zone = text.parse::<jiff::Timestamp>();
    let at = has_zone
        .or_else(|_no_zone| text.parse::<DateTime>()?.to_zoned_datetime(zone).map(|at| at.timestamp()));
    let nanos = at.ok().and_then(|at| u64::try_from(at.as_nanosecond()).ok());
    nanos.map(|nanos| When::At(Timestamp::from_unix_nanos(nanos))).ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_dates_are_read() {
        let at = |seconds: u64| Ok(When::At(Timestamp::from_unix_micros(seconds * 1_000_000)));
        for (text, expected) in [
            ("1h30m", Ok(When::Ago(Duration::from_secs(5_400)))),
            ("2023-11-14", at(1_699_920_000 - 3_600)),
            ("2023-11-14T22:13", at(1_699_999_980 - 3_600)),
            ("2023-11-14 22:13:20", at(1_700_000_000 - 3_600)),
            ("2023-11-14T22:13:20Z", at(1_700_000_000)),
            ("2023-11-14T23:13:20+01:00", at(1_700_000_000)),
            ("2023-11-14T22:13Z", at(1_699_999_980)),
            // It is 23:13 there.
            ("today", at(1_699_916_400)),
            ("yesterday", at(1_699_830_000)),
        ] {
            let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
            assert_eq!(parse(text, TimeZone::fixed(jiff::tz::offset(1)), now), expected, "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "2023-13-01",
            "2023-11-14T25:00",
            "-1h",
            "11/14/2023",
            "2023-11-14T",
            "1850-01-01",
        ] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
