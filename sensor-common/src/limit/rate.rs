//! Rates as operators write them: `100/min:20`, `50k/s`, `200M`.

use core::fmt;
use core::str::FromStr;

/// The period of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// `/s`
    Second,
    /// `/min`
    Minute,
    /// `/h`
    Hour,
}

impl Period {
    /// Its length.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        match self {
            Self::Second => 1_000_000_000,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
        }
    }

    /// Its name in a sentence: "in any minute".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

/// A rate with its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u64,
    period: Period,
    burst: u64,
}

/// Why a rate is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseRateError {
    /// A number was expected.
    NotANumber,
    /// An unknown unit after the slash.
    Unit,
    /// A count or burst of zero.
    Zero,
    /// More than [`Rate::MAX_COUNT`], or a burst beyond [`Rate::MAX_BURST`].
    TooLarge,
    /// A burst that takes longer than [`Rate::LONGEST_BURST_SECONDS`] to earn.
    BurstTooLong,
}

impl fmt::Display for ParseRateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::NotANumber => "not a number",
            Self::Unit => "unknown unit of time",
            Self::Zero => "zero (write `off` for no limit, or add a block to admit nothing)",
            Self::TooLarge => "number too large (at most 1000G, burst at most 1000G)",
            Self::BurstTooLong => "at this rate the burst takes more than four years to earn",
        };
        write!(out, "{what}; expected RATE[/UNIT][:BURST], such as 100/min:20, 50k/s or 200M, or `off`")
    }
}

impl core::error::Error for ParseRateError {}

impl Rate {
    /// Maximum count: a terabit a second.
    pub const MAX_COUNT: u64 = 1_000_000_000_000;
    /// Maximum burst.
    pub const MAX_BURST: u64 = 1_000_000_000_000;
    /// Maximum time that a burst may take to earn: four years, as much as a quota can represent.
    pub const LONGEST_BURST_SECONDS: u64 = 4 * 365 * 86_400;

    /// A rate from its parts.
    ///
    /// # Errors
    /// If count or burst is zero or above its bound, or the burst takes too long to earn.
    pub const fn new(count: u64, period: Period, burst: Option<u64>) -> Result<Self, ParseRateError> {
        if count == 0 || matches!(burst, Some(0)) {
            return Err(ParseRateError::Zero);
        }
        if count > Self::MAX_COUNT || matches!(burst, Some(burst) if burst > Self::MAX_BURST) {
            return Err(ParseRateError::TooLarge);
        }
        let burst = match burst {
            Some(burst) => burst,
            None => count,
        };
        let seconds = burst.saturating_mul(period.seconds());
        if seconds > Self::LONGEST_BURST_SECONDS.saturating_mul(count) {
            return Err(ParseRateError::BurstTooLong);
        }
        Ok(Self { count, period, burst })
    }

    /// Units per period.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }

    /// The rate in words: "100 requests in any minute", "100 requests a minute, 20 at once".
    ///
    /// `unit` is the plural of what is counted.
    #[must_use]
    pub const fn in_words(self, unit: &str) -> InWords<'_> {
        InWords { rate: self, unit }
    }

    /// The period.
    #[must_use]
    pub const fn period(self) -> Period {
        self.period
    }

    /// Units that may arrive at once; by default, the count: `100/min` never refuses a client that keeps to 100 in any
    /// minute, however it spreads them.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }
}

impl FromStr for Rate {
    type Err = ParseRateError;

    /// Reads `RATE[/UNIT][:BURST]` or `RATE[/UNIT] burst BURST`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (rate, burst) = match text.split_once(" burst ").or_else(|| text.split_once(':')) {
            Some((rate, burst)) => (rate.trim(), Some(parse_number(burst.trim())?)),
            None => (text, None),
        };
        let (count, unit) = rate.split_once('/').unwrap_or((rate, "s"));
        let period = match unit.trim() {
            "s" | "sec" | "second" => Period::Second,
            "m" | "min" | "minute" => Period::Minute,
            "h" | "hour" => Period::Hour,
            _ => return Err(ParseRateError::Unit),
        };
        Self::new(parse_number(count.trim())?, period, burst)
    }
}

/// A whole number with a decimal suffix: `50k`, `200M`, `1G`.
fn parse_number(text: &str) -> Result<u64, ParseRateError> {
    let (digits, scale) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1_000_000),
            None => text.strip_suffix('G').map_or((text, 1), |digits| (digits, 1_000_000_000)),
        },
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseRateError::NotANumber);
    }
    let too_large = ParseRateError::TooLarge;
    let number: u64 = digits.parse().or(Err(too_large))?;
    number.checked_mul(scale).ok_or(too_large)
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}:{}", Scaled(self.count), self.period.suffix(), Scaled(self.burst()))
    }
}

/// See [`Rate::in_words`].
#[derive(Clone, Copy, Debug)]
pub struct InWords<'a> {
    rate: Rate,
    unit: &'a str,
}

impl fmt::Display for InWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, unit } = *self;
        let (count, period) = (Scaled(rate.count), rate.period.name());
        // "1 requests" would be bad grammar.
        let unit = if rate.count == 1 { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
        if rate.burst == rate.count {
            write!(out, "{count} {unit} in any {period}")
        } else {
            let an = if matches!(rate.period, Period::Hour) { "an" } else { "a" };
            write!(out, "{count} {unit} {an} {period}, {} at once", Scaled(rate.burst))
        }
    }
}

struct Scaled(u64);

impl fmt::Display for Scaled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scale, suffix) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
            if self.0.is_multiple_of(scale) && self.0 >= scale {
                return write!(out, "{}{suffix}", self.0.checked_div(scale).unwrap_or(0));
            }
        }
        write!(out, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_and_their_meaning() {
        for (text, count, period, burst) in [
            ("100/min:20", 100, Period::Minute, 20),
            ("100/min burst 20", 100, Period::Minute, 20),
            ("50k/s", 50_000, Period::Second, 50_000),
            ("200M", 200_000_000, Period::Second, 200_000_000),
            ("100/min", 100, Period::Minute, 100),
            ("1000/h", 1_000, Period::Hour, 1_000),
            ("1/h", 1, Period::Hour, 1),
            (" 7 / sec : 3 ", 7, Period::Second, 3),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count(), rate.period(), rate.burst()), (count, period, burst), "{text}");
        }
    }

    #[test]
    fn rates_are_told_in_words() {
        for (text, words) in [
            ("100/min", "100 requests in any minute"),
            ("100/min:20", "100 requests a minute, 20 at once"),
            ("1/h", "1 request in any hour"),
            ("50k/s", "50k requests in any second"),
            ("7/h:3", "7 requests an hour, 3 at once"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.in_words("requests").to_string(), words, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, error) in [
            ("", ParseRateError::NotANumber),
            ("fast", ParseRateError::NotANumber),
            ("-1/s", ParseRateError::NotANumber),
            ("1.5/s", ParseRateError::NotANumber),
            ("100/day", ParseRateError::Unit),
            ("100/", ParseRateError::Unit),
            ("0/s", ParseRateError::Zero),
            ("5/s:0", ParseRateError::Zero),
            ("5/s:", ParseRateError::NotANumber),
            ("99999999999999999999", ParseRateError::TooLarge),
            ("1001G", ParseRateError::TooLarge),
        ] {
            assert_eq!(text.parse::<Rate>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(count in 1_u64..=Rate::MAX_COUNT, burst in prop::option::of(1_u64..=Rate::MAX_BURST)) {
            for period in [Period::Second, Period::Minute, Period::Hour] {
                let rate = Rate::new(count, period, burst).unwrap();
                let again: Rate = rate.to_string().parse().unwrap();
                prop_assert_eq!((again.count(), again.period(), again.burst()), (rate.count(), period, rate.burst()));
            }
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _parsed = text.parse::<Rate>().is_ok();
        }
    }
}
