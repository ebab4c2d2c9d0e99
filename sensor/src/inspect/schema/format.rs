//! Formats of strings, checked so that nothing is refused that a validator might take.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    DateTime,
    Email,
    Uuid,
    Ipv4,
    Ipv6,
    Uri,
}

impl Format {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "date-time" => Self::DateTime,
            "email" => Self::Email,
            "uuid" => Self::Uuid,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "uri" => Self::Uri,
            _ => return None,
        })
    }

    pub(super) fn holds(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
            Self::Email => text.contains('@'),
            Self::Uuid => is_uuid(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
            Self::Uri => {
                let scheme = text.split(':').next().unwrap_or_default();
                scheme.len() < text.len()
                    && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                    && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            }
        }
    }
}

fn number(text: &str, from: usize, to: usize) -> Option<u32> {
    let digits = text.get(from..to)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A full date of RFC 3339, section 5.6.
fn is_date(text: &str) -> bool {
    let (year, month, day) = (number(text, 0, 4), number(text, 5, 7), number(text, 8, 10));
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return false };
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    text.len() == 10
        && text.get(4..5) == Some("-")
        && text.get(7..8) == Some("-")
        && (1..=days).contains(&day)
}

/// A date and time of RFC 3339, section 5.6; a space instead of `T`, as its note allows.
fn is_date_time(text: &str) -> bool {
    let (Some(date), Some(rest)) = (text.get(..10), text.get(10..)) else { return false };
    let (hour, minute, second) = (number(rest, 1, 3), number(rest, 4, 6), number(rest, 7, 9));
    let (Some(hour), Some(minute), Some(second)) = (hour, minute, second) else { return false };
    let is_time = rest.starts_with(['T', 't', ' '])
        && rest.get(3..4) == Some(":")
        && rest.get(6..7) == Some(":")
        && hour <= 23
        && minute <= 59
        && second <= 60;
    let zone = rest.get(9..).unwrap_or_default();
    let zone = zone
        .strip_prefix('.')
        .map_or(zone, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    let is_zone = matches!(zone, "Z" | "z")
        || zone.len() == 6
            && zone.starts_with(['+', '-'])
            && zone.get(3..4) == Some(":")
            && number(zone, 1, 3).is_some_and(|hours| hours <= 23)
            && number(zone, 4, 6).is_some_and(|minutes| minutes <= 59);
    is_date(date) && is_time && is_zone
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
