//! Moments as people type them: so long ago, or a date and time.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::clock::{self, Timestamp};
use crate::duration;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum When {
    /// So long ago.
    Ago(Duration),
    /// In UTC.
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

const EXPECTED: &str = "expected a time such as 1h, or a date in UTC such as 2026-11-28 or 2026-11-28T10:30";

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = duration::parse(text, EXPECTED) {
            return Ok(Self::Ago(ago));
        }
        let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        let (date, time) = bare.split_once(['T', ' ']).unwrap_or((bare, "00:00:00"));
        let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
        let whole = Value::String(format!("{date}T{time}{seconds}Z"));
        serde_json::from_value(whole).map(Self::At).map_err(|_no_date| EXPECTED.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_dates_are_read() {
        let at = |seconds: u64| Ok(When::At(Timestamp::from_unix_micros(seconds * 1_000_000)));
        for (text, expected) in [
            ("1h30m", Ok(When::Ago(Duration::from_secs(5_400)))),
            ("2023-11-14", at(1_699_920_000)),
            ("2023-11-14T22:13", at(1_699_999_980)),
            ("2023-11-14 22:13:20", at(1_700_000_000)),
            ("2023-11-14T22:13:20Z", at(1_700_000_000)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        for text in ["", "yesterday", "2023-13-01", "2023-11-14T25:00", "-1h", "11/14/2023", "2023-11-14T"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
