//! Classifies a segment by its form alone.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::class::Classes;
use super::secret::{Secret, secret};

/// A kind of segment that is a parameter anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parameter {
    /// Decimal digits, optionally after a `+`. Includes dates without separators.
    Id,
    /// A UUID (RFC 9562, section 4) with its hyphens, of any version.
    Uuid,
    /// At least eight hexadecimal digits, among them a letter and a decimal digit.
    Hex,
    /// Year and month, optionally day and time (ISO 8601, extended format).
    Date,
    /// Letters and digits mixed as no person writes them, or a JWT.
    Token,
    /// An e-mail address.
    Email,
    /// An IPv4 or IPv6 address.
    Ip,
    /// Longer than [`Config::max_segment`](super::Config::max_segment).
    Long,
    /// Learned: too many different segments to distinguish.
    Param,
    /// More segments than [`Config::max_depth`](super::Config::max_depth).
    Rest,
}

impl Parameter {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Id,
        Self::Uuid,
        Self::Hex,
        Self::Date,
        Self::Token,
        Self::Email,
        Self::Ip,
        Self::Long,
        Self::Param,
        Self::Rest,
    ];

    /// Its form in a template.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Id => "{id}",
            Self::Uuid => "{uuid}",
            Self::Hex => "{hex}",
            Self::Date => "{date}",
            Self::Token => "{token}",
            Self::Email => "{email}",
            Self::Ip => "{ip}",
            Self::Long => "{long}",
            Self::Param => "{param}",
            Self::Rest => "{...}",
        }
    }
}

/// Words of this length are checked.
const MAX_PLAIN: usize = 16;

/// Shortest token.
const MIN_TOKEN: usize = 10;

/// How many bytes of each class a segment has.
#[derive(Clone, Copy, Default)]
struct Census {
    digits: usize,
    lower: usize,
    upper: usize,
    /// `-`, `_`, `.`, `~`, `+`, `=`.
    marks: usize,
    /// Changes between letters and digits, ignoring what is between.
    changes: usize,
    /// Runs of one class.
    runs: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Lower,
    Upper,
    Mark,
    Other,
}

const fn class(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' => Class::Digit,
        b'a'..=b'z' => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'-' | b'_' | b'.' | b'~' | b'+' | b'=' => Class::Mark,
        _ => Class::Other,
    }
}

const fn increment(counter: &mut usize) {
    *counter = counter.saturating_add(1);
}

impl Census {
    fn of(segment: &[u8]) -> Self {
        let mut census = Self::default();
        let mut before = None;
        let mut was_digit = None;
        for byte in segment {
            let class = class(*byte);
            if before.replace(class) != Some(class) {
                increment(&mut census.runs);
            }
            let is_digit = match class {
                Class::Digit => Some(true),
                Class::Lower | Class::Upper => Some(false),
                Class::Mark | Class::Other => None,
            };
            if is_digit.is_some() {
                let before = was_digit.replace(is_digit);
                if before.is_some_and(|before| before != is_digit) {
                    increment(&mut census.changes);
                }
            }
            match class {
                Class::Digit => increment(&mut census.digits),
                Class::Lower => increment(&mut census.lower),
                Class::Upper => increment(&mut census.upper),
                Class::Mark => increment(&mut census.marks),
                Class::Other => {}
            }
        }
        census
    }

    const fn letters(&self) -> usize {
        self.lower.saturating_add(self.upper)
    }
}

/// The kind of a percent-decoded segment with these classes; `None` if it may be constant.
#[inline]
pub(super) fn classify(segment: &[u8], classes: Classes) -> Option<Parameter> {
    // Most are words.
    if classes.within(Classes::WORD) && segment.len() < MAX_PLAIN {
        return None;
    }
    if classes == Classes::DIGIT {
        return Some(Parameter::Id);
    }
    classify_odd(segment, classes).or_else(|| secret(segment).map(Secret::parameter))
}

fn classify_odd(segment: &[u8], classes: Classes) -> Option<Parameter> {
    let has_digit = classes.meets(Classes::DIGIT);
    if classes.within(Classes::HEX) && segment.len() >= 8 && has_digit {
        return Some(Parameter::Hex);
    }
    if is_uuid(segment) {
        return Some(Parameter::Uuid);
    }
    if has_digit && is_date(segment) {
        return Some(Parameter::Date);
    }
    if classes.meets(Classes::AT) && is_email(segment) {
        return Some(Parameter::Email);
    }
    if has_digit && is_ip(segment, classes) {
        return Some(Parameter::Ip);
    }
    let digits = segment.strip_prefix(b"+");
    digits.is_some_and(|digits| Classes::of(digits) == Classes::DIGIT).then_some(Parameter::Id)
}

/// Whether a text as a whole is random.
pub(super) fn is_random(text: &[u8]) -> bool {
    text.len() >= MIN_TOKEN && text.iter().any(u8::is_ascii_alphabetic) && is_token(text, &Census::of(text))
}

/// Part of a file name, such as the fingerprint in `app.3f2a1b9c.js`. Bundlers write eight characters.
pub(super) fn classify_part(part: &[u8]) -> Option<Parameter> {
    let classes = Classes::of(part);
    let lower = Classes::LOWER.and(Classes::LOWER_HEX);
    let upper = Classes::UPPER.and(Classes::UPPER_HEX);
    let is_mixed = classes.meets(Classes::DIGIT) && classes.meets(lower) && classes.meets(upper);
    let is_plain = classes.within(Classes::LETTERS.and(Classes::DIGIT));
    if part.len() >= 8 && is_mixed && is_plain && scarce(words(part), part.len(), 35) {
        return Some(Parameter::Token);
    }
    classify(part, classes).filter(|kind| *kind != Parameter::Id || part.len() >= 6)
}

pub(super) fn is_uuid(segment: &[u8]) -> bool {
    segment.len() == 36
        && segment.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    digits.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)?))
}

pub(super) fn is_date(segment: &[u8]) -> bool {
    let within = |part: Option<&[u8]>, range: std::ops::RangeInclusive<u32>| {
        part.and_then(number).is_some_and(|number| range.contains(&number))
    };
    if !within(segment.get(..4), 1900..=2199) || !within(segment.get(5..7), 1..=12) {
        return false;
    }
    let separator = segment.get(4);
    if !matches!(separator, Some(b'-' | b'_')) {
        return false;
    }
    match segment.get(7..) {
        None | Some([]) => true,
        Some(rest) => {
            let time = rest.get(3..).unwrap_or_default();
            let is_time = |byte: &u8| byte.is_ascii_digit() || b":.+-Zz".contains(byte);
            rest.first() == separator
                && within(rest.get(1..3), 1..=31)
                && match time {
                    [] => true,
                    [b'T' | b't' | b' ' | b'_', clock @ ..] => !clock.is_empty() && clock.iter().all(is_time),
                    _ => false,
                }
        }
    }
}

/// A user at a host: `bob@localhost` is one, `react@18.2.0` is not.
pub(super) fn is_email(segment: &[u8]) -> bool {
    let Some(at) = memchr::memrchr(b'@', segment) else { return false };
    let (user, domain) = segment.split_at_checked(at).unwrap_or_default();
    let domain = domain.get(1..).unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let last = domain.rsplit(|byte| *byte == b'.').find(|label| !label.is_empty());
    !user.is_empty()
        && last.and_then(<[u8]>::first).is_some_and(u8::is_ascii_alphabetic)
        && domain.first().is_some_and(u8::is_ascii_alphanumeric)
        && domain.iter().all(is_name)
}

fn is_ip(segment: &[u8], classes: Classes) -> bool {
    let v4 = Classes::DIGIT.and(Classes::DOT);
    let v6 = Classes::HEX.and(Classes::COLON).and(Classes::DOT);
    let text = str::from_utf8(segment).unwrap_or_default();
    if classes.within(v4) {
        text.parse::<Ipv4Addr>().is_ok()
    } else {
        classes.within(v6) && text.parse::<Ipv6Addr>().is_ok()
    }
}

/// Random text mixes all classes and has hardly a syllable; names, titles and versions do not. Learning handles what
/// slips through because it is short or resembles words by chance.
fn is_token(segment: &[u8], census: &Census) -> bool {
    let length = segment.len();
    let known = census.letters().saturating_add(census.digits).saturating_add(census.marks);
    if known != length {
        return false;
    }
    let dots = || memchr::memchr_iter(b'.', segment).count();
    if length >= 20 && segment.starts_with(b"eyJ") && matches!(dots(), 0 | 2 | 4) {
        return true;
    }
    let both_cases = census.lower > 0 && census.upper > 0;
    let dense = |share: usize| census.runs.saturating_mul(share) >= length;
    if both_cases && census.digits > 0 && dense(3) && scarce(words(segment), length, 35) {
        return true;
    }
    if length >= 16 && census.changes >= 5 && census.changes.saturating_mul(5) >= length {
        return true;
    }
    length >= 16 && both_cases && dense(3) && scarce(words(segment), length, 25)
}

pub(super) fn scarce(part: usize, whole: usize, percent: usize) -> bool {
    part.saturating_mul(100) < whole.saturating_mul(percent)
}

/// Bytes in possible words: at least three letters in lower case, or capitalised, with a vowel.
pub(super) fn words(segment: &[u8]) -> usize {
    let mut total = 0_usize;
    let mut length = 0_usize;
    let mut vowels = false;
    let close = |length: usize, vowels: bool| if length >= 3 && vowels { length } else { 0 };
    for byte in segment {
        if !byte.is_ascii_lowercase() {
            total = total.saturating_add(close(length, vowels));
            (length, vowels) = (0, false);
        }
        if byte.is_ascii_alphabetic() {
            increment(&mut length);
            vowels |= b"aeiouAEIOU".contains(byte);
        }
    }
    total.saturating_add(close(length, vowels))
}
