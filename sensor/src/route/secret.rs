//! Recognises secrets in text. The only place that does: templates, records and all other output ask here.
//!
//! No classifier can tell a secret from a word by its form: a password may be a word, and is shown. This one looks for
//! the forms of credentials and personal identifiers that services put into paths. In doubt a text counts as a secret:
//! its keyed hash still distinguishes objects. Numbers, UUIDs, dates and host addresses are what operators read records
//! for, and are not secrets.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::class::Classes;
use super::classify::{Parameter, is_date, is_email, is_random, is_uuid, scarce, words};
use super::segment::decode;

pub(crate) mod forms;
mod keys;
mod letters;
mod numbers;
mod place;

pub use numbers::has_luhn_digit;

/// What is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    /// A token, a key, or other random-looking text.
    Token,
    /// An e-mail address.
    Email,
    /// A payment card's number.
    Card,
    /// A person's number in a national register.
    National,
}

impl Secret {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Token, Self::Email, Self::Card, Self::National];

    /// Its name in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Email => "email",
            Self::Card => "card",
            Self::National => "national",
        }
    }

    /// Its form in a template.
    pub(super) const fn parameter(self) -> Parameter {
        match self {
            Self::Token => Parameter::Token,
            Self::Email => Parameter::Email,
            Self::Card | Self::National => Parameter::Id,
        }
    }
}

/// A longer text is hidden, whatever it is.
const LONGEST: usize = 128;

/// The shortest text examined further if it has only letters, digits, hyphens and dots.
const SHORTEST: usize = 8;

/// The shortest text that may be random by its letters alone, and the shortest run of hexadecimal digits.
const LETTERS: usize = 16;
const HEX: usize = 20;

/// How often nested escapes are resolved.
const DECODED: usize = 3;

/// What a path segment, or another short text, would reveal. Escapes are decoded. Costs one pass over the bytes if the
/// text is a word or a number.
#[must_use]
pub fn secret(text: &[u8]) -> Option<Secret> {
    let classes = Classes::of(text);
    if classes.meets(Classes::PERCENT) { decoded(text) } else { judge(text, classes) }
}

/// The same of a segment behind another one: behind `reset-password`, `invite` and the like, hardly anything but numbers
/// and words is shown.
#[must_use]
pub fn secret_behind(before: &[u8], text: &[u8]) -> Option<Secret> {
    secret(text).or_else(|| (place::precedes(before) && place::is_taken(text)).then_some(Secret::Token))
}

fn decoded(text: &[u8]) -> Option<Secret> {
    if text.len() > LONGEST {
        return Some(Secret::Token);
    }
    let mut text = text.to_vec();
    let mut buffer = Vec::new();
    for _ in 0..DECODED {
        let next = decode(&text, &mut buffer).to_vec();
        if next == text {
            break;
        }
        text = next;
    }
    judge(&text, Classes::of(&text))
}

fn judge(text: &[u8], classes: Classes) -> Option<Secret> {
    let simple = Classes::WORD.and(Classes::DOT);
    if text.len() < LETTERS && classes.within(simple) {
        return None;
    }
    if text.len() < SHORTEST && classes.within(simple.and(Classes::LETTERS).and(Classes::DIGIT)) {
        return None;
    }
    if text.len() > LONGEST {
        return Some(Secret::Token);
    }
    if classes == Classes::DIGIT {
        return numbers::find(text);
    }
    if is_date(text) || is_timestamp(text) || is_host_address(text, classes) {
        return None;
    }
    if let Some((before, after)) = around_uuid(text) {
        let rest = |text: &[u8]| if text.is_empty() { None } else { judge(text, Classes::of(text)) };
        return rest(before).or_else(|| rest(after));
    }
    if classes.meets(Classes::AT) {
        if text.split(|byte| b"/?#&;, \"<>()[]".contains(byte)).any(is_email) {
            return Some(Secret::Email);
        }
        if has_credentials(text) {
            return Some(Secret::Token);
        }
    }
    if let Some(number) = numbers::find(text) {
        return Some(number);
    }
    // `name=value`, and the padding of base64.
    if text.contains(&b'=') || keys::has_prefix(text) || is_bot(text) {
        return Some(Secret::Token);
    }
    let mut words = text.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_.~+".contains(byte));
    let mut atoms = text.split(|byte| !byte.is_ascii_alphanumeric());
    let found = words.any(is_random) || atoms.any(is_random_atom) || letters::are_random(text);
    found.then_some(Secret::Token)
}

/// `user:password@` before something.
fn has_credentials(text: &[u8]) -> bool {
    let at = memchr::memrchr(b'@', text).unwrap_or_default();
    text.get(..at).is_some_and(|before| before.contains(&b':'))
}

/// An account number, a colon and its key, optionally after letters: `bot123456:AAF...`, as messengers write it.
fn is_bot(text: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', text) else { return false };
    let (account, key) = text.split_at_checked(colon).unwrap_or_default();
    let digits = account.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits >= 5 && key.len() > 6
}

/// Letters and digits without anything between.
fn is_random_atom(atom: &[u8]) -> bool {
    let classes = Classes::of(atom);
    let has_digit = classes.meets(Classes::DIGIT);
    if !classes.meets(Classes::LETTERS) || atom.len() < SHORTEST {
        return false;
    }
    if longest_run(atom, u8::is_ascii_hexdigit) >= HEX {
        return true;
    }
    if !has_digit {
        return is_jumbled(atom, classes);
    }
    let one_case = classes.within(Classes::DIGIT.and(Classes::LOWER_HEX))
        || classes.within(Classes::DIGIT.and(Classes::UPPER_HEX));
    if one_case {
        return false;
    }
    is_upper_code(atom) || is_mixed(atom, classes) || is_woven(atom)
}

/// Capitals and digits in a row: base32, identifiers of access keys.
fn is_upper_code(atom: &[u8]) -> bool {
    let mut runs = atom.split(|byte| byte.is_ascii_lowercase());
    runs.any(|run| {
        let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
        let enough = if run.len() >= LETTERS { 1 } else { 2 };
        run.len() >= SHORTEST && digits >= enough && run.len().saturating_sub(digits) >= 2
    })
}

/// Both cases and digits, and hardly a word: base64.
fn is_mixed(atom: &[u8], classes: Classes) -> bool {
    classes.meets(Classes::LOWER.and(Classes::LOWER_HEX))
        && classes.meets(Classes::UPPER.and(Classes::UPPER_HEX))
        && scarce(words(atom), atom.len(), 35)
}

/// Capitals and small letters that alternate as in no name: base64 that happens to have no digit.
fn is_jumbled(atom: &[u8], classes: Classes) -> bool {
    let changes = atom.windows(2).filter(
        |pair| matches!(pair, [one, other] if one.is_ascii_uppercase() != other.is_ascii_uppercase()),
    );
    atom.len() >= 10 && is_mixed(atom, classes) && changes.count() >= 5
}

/// Alternating letters and digits, or many digits among letters.
fn is_woven(atom: &[u8]) -> bool {
    let digits = atom.iter().filter(|byte| byte.is_ascii_digit()).count();
    let pairs = atom.iter().zip(atom.iter().skip(1));
    let changes = pairs.filter(|(one, other)| one.is_ascii_digit() != other.is_ascii_digit()).count();
    let letters = atom.len().saturating_sub(digits);
    (atom.len() >= 10 && changes >= 3 && scarce(words(atom), atom.len(), 50))
        || (atom.len() >= LETTERS && ((digits >= 4 && changes >= 3) || (digits >= 8 && letters >= 2)))
}

fn longest_run(text: &[u8], wanted: impl Fn(&u8) -> bool) -> usize {
    text.split(|byte| !wanted(byte)).map(<[u8]>::len).max().unwrap_or(0)
}

/// Date and time without separators (ISO 8601, basic format): `20240131T120000Z`.
fn is_timestamp(text: &[u8]) -> bool {
    let digits = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let end = text.get(15..).unwrap_or_default();
    text.len() >= 15
        && digits(text.get(..8))
        && matches!(text.get(8), Some(b'T' | b't'))
        && digits(text.get(9..15))
        && matches!(end, [] | [b'Z' | b'z'])
}

fn is_host_address(text: &[u8], classes: Classes) -> bool {
    let is_v4 = classes.within(Classes::DIGIT.and(Classes::DOT));
    let is_v6 = classes.within(Classes::HEX.and(Classes::COLON).and(Classes::DOT));
    let text = str::from_utf8(text).unwrap_or_default();
    (is_v4 && text.parse::<Ipv4Addr>().is_ok()) || (is_v6 && text.parse::<Ipv6Addr>().is_ok())
}

/// What stands before and after a UUID.
fn around_uuid(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let found = memchr::memchr_iter(b'-', text).find_map(|hyphen| {
        let start = hyphen.checked_sub(8)?;
        let end = start.checked_add(36)?;
        text.get(start..end).filter(|part| is_uuid(part)).map(|_| (start, end))
    });
    let (start, end) = found?;
    Some((text.get(..start)?, text.get(end..)?))
}

#[cfg(test)]
mod tests;
