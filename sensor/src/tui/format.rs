//! Numbers and times in narrow columns.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;

/// A count in at most five columns: `9999`, `12.3k`, `123k`, `4.5M`.
pub(super) fn compact(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    let units = [
        (1_000_000_000_000_000_u64, 'P'),
        (1_000_000_000_000, 'T'),
        (1_000_000_000, 'G'),
        (1_000_000, 'M'),
        (1_000, 'k'),
    ];
    let (unit, letter) = units.into_iter().find(|(unit, _)| count >= *unit).unwrap_or((1, ' '));
    scaled(count, unit, 100).map_or_else(|| count.to_string(), |number| format!("{number}{letter}"))
}

/// The count in units, with a tenth below `whole_from` of them. Rounded down: a count never looks larger than it is.
fn scaled(count: u64, unit: u64, whole_from: u64) -> Option<String> {
    let whole = count.checked_div(unit)?;
    if whole >= whole_from {
        return Some(whole.to_string());
    }
    let tenth = count.checked_rem(unit)?.saturating_mul(10).checked_div(unit)?;
    Some(format!("{whole}.{tenth}"))
}

/// A latency in microseconds: `850 us`, `1.3 ms`, `35 ms`, `2.0 s`; a dash if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency(pub Option<u64>);

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded =
            |us: u64, half: u64, unit| scaled(us.saturating_add(half), unit, 10).unwrap_or_default();
        let text = match self.0 {
            None => "-".to_owned(),
            Some(us @ ..1_000) => format!("{us} us"),
            Some(us @ ..9_950) => format!("{} ms", rounded(us, 50, 1_000)),
            Some(us @ ..999_500) => format!("{} ms", rounded(us, 500, 1_000)),
            Some(us @ ..9_950_000) => format!("{} s", rounded(us, 50_000, 1_000_000)),
            Some(us) => format!("{} s", rounded(us, 500_000, 1_000_000)),
        };
        out.pad(&text)
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u64,
    whole: u64,
}

/// A share; none of nothing.
#[must_use]
pub const fn share(part: u64, whole: u64) -> Option<Share> {
    if whole == 0 { None } else { Some(Share { part, whole }) }
}

impl fmt::Display for Share {
    /// Whole per cent. A non-zero share is never 0, an incomplete one never 100.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, whole) = (u128::from(self.part), u128::from(self.whole));
        let per_cent = part.saturating_mul(100).checked_div(whole).unwrap_or(0);
        if part > 0 && per_cent == 0 { out.pad("<1") } else { out.pad(&per_cent.to_string()) }
    }
}

/// A time in its two largest units: `12s`, `9m12s`, `1h03m`, `3d04h`.
pub(super) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// The time of day in UTC, as in logs and records; with the day if more than half a day ago.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    let text = at.to_string();
    let part = |from, to| text.get(from..to).unwrap_or_default();
    if now.since(at) > Duration::from_secs(12 * 3_600) {
        format!("{} {}", part(5, 10), part(11, 16))
    } else {
        part(11, 19).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_five_columns() {
        for (count, text) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (12_399, "12.3k"),
            (99_999, "99.9k"),
            (100_000, "100k"),
            (1_000_000, "1.0M"),
            (999_999_999, "999M"),
            (u64::MAX, "18446P"),
        ] {
            assert_eq!(compact(count), text);
        }
    }

    #[test]
    fn latencies() {
        for (us, text) in [
            (None, "-"),
            (Some(0), "0 us"),
            (Some(999), "999 us"),
            (Some(1_250), "1.3 ms"),
            (Some(9_949), "9.9 ms"),
            (Some(9_950), "10 ms"),
            (Some(35_499), "35 ms"),
            (Some(999_499), "999 ms"),
            (Some(999_500), "1.0 s"),
            (Some(2_000_000), "2.0 s"),
            (Some(61_000_000), "61 s"),
        ] {
            assert_eq!(Latency(us).to_string(), text);
        }
    }

    #[test]
    fn shares_are_honest_at_both_ends() {
        for (part, whole, text) in [
            (0, 10, "0"),
            (1, 1_000, "<1"),
            (1, 3, "33"),
            (999, 1_000, "99"),
            (5, 5, "100"),
            (u64::MAX, u64::MAX, "100"),
        ] {
            assert_eq!(share(part, whole).unwrap().to_string(), text);
        }
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn times() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (552, "9m12s"), (3_780, "1h03m"), (273_600, "3d04h")]
        {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
        let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
        assert_eq!(moment(at(1_700_000_000), at(1_700_000_100)), "22:13:20");
        assert_eq!(moment(at(1_700_000_000), at(1_700_100_000)), "11-14 22:13");
    }
}
