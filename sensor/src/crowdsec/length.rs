//! Lengths of time as Go writes them (`time.Duration`): `3h59m58.123456789s`, `-1.5h`, `20ms`.

use std::time::Duration;

/// Longest text; Go writes at most 24 characters.
const MAX_TEXT: usize = 64;

/// Nanoseconds of each unit.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A length of time; zero if it is negative, as it is for decisions that have ended. `None` for any other text. What is
/// longer than can be represented counts as the longest.
pub(super) fn read(text: &str) -> Option<Duration> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (unsigned, 0_u128);
    while !rest.is_empty() {
        let (part, behind) = part(rest)?;
        total = total.saturating_add(part);
        rest = behind;
    }
    if unsigned.is_empty() {
        return None;
    }
    let nanoseconds = if text.starts_with('-') { 0 } else { total };
    Some(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
}

/// A number with its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    // A nanosecond needs 13 digits of an hour.
    let fraction: String = fraction.chars().take(15).collect();
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part_of_unit = digits(&fraction)?.checked_mul(unit)?.checked_div(scale)?;
    Some((digits(whole).unwrap_or(u128::MAX).saturating_mul(unit).saturating_add(part_of_unit), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths() {
        let nanoseconds = |text| read(text).map(|length| length.as_nanos());
        for (text, expected) in [
            ("3h59m58.123456789s", Some(14_398_123_456_789)),
            ("1h", Some(3_600_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("20ms", Some(20_000_000)),
            ("7µs3ns", Some(7_003)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("+2s", Some(2_000_000_000)),
            ("-18897h25m52.809576151s", Some(0)),
            ("-1ns", Some(0)),
            ("9999999999999999h", Some(u128::from(u64::MAX))),
            ("99999999999999999999999999999999999999999999999h", Some(u128::from(u64::MAX))),
            ("", None),
            ("-", None),
            ("3", None),
            ("h", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("1 h", None),
            ("--1h", None),
            ("1h-1m", None),
            ("\u{0661}h", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
        assert_eq!(read(&"1h".repeat(40)), None, "too long");
    }

    proptest! {
        #[test]
        fn what_go_writes_is_read(hours in 0_u64..5_000_000, minutes in 0_u64..60, nanos in 0_u64..60_000_000_000) {
            let seconds = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
            let expected = Duration::from_secs(hours * 3_600 + minutes * 60) + Duration::from_nanos(nanos);
            prop_assert_eq!(read(&format!("{hours}h{minutes}m{seconds}s")), Some(expected));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _read = read(&text);
        }
    }
}
