//! Card numbers and personal numbers. Only those recognisable by themselves: an issuer's prefix with a check digit, a
//! date of birth, a distinctive format. Other numbers are just numbers.

use super::Secret;

/// The kind of a number. `None` if it is any number, or not a number.
pub(super) fn find(text: &[u8]) -> Option<Secret> {
    let mut grouped = text.split(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b' '));
    let mut plain = text.split(|byte| !byte.is_ascii_digit());
    if grouped.any(is_card) || plain.any(is_card) {
        return Some(Secret::Card);
    }
    is_national(text).then_some(Secret::National)
}

/// Maximum digits of a card number (ISO/IEC 7812-1).
const CARD: usize = 19;

/// Digits, with spaces or hyphens between or not.
fn digits(text: &[u8]) -> Option<([u8; CARD], usize)> {
    let mut found = [0; CARD];
    let mut count = 0_usize;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                *found.get_mut(count)? = byte.wrapping_sub(b'0');
                count = count.saturating_add(1);
            }
            b' ' | b'-' => {}
            _ => return None,
        }
    }
    Some((found, count))
}

fn is_card(text: &[u8]) -> bool {
    if text.len() < 13 {
        return false;
    }
    let Some((found, count)) = digits(text) else { return false };
    let number = found.get(..count).unwrap_or_default();
    let leading = number
        .iter()
        .take(4)
        .fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(*digit)));
    let is_issued = match leading {
        4_000..=4_999 => matches!(count, 13 | 16 | 19),
        5_100..=5_599 | 2_221..=2_720 => count == 16,
        3_400..=3_499 | 3_700..=3_799 => count == 15,
        3_000..=3_059 | 3_600..=3_699 | 3_800..=3_999 => (14..=19).contains(&count),
        3_528..=3_589 | 6_011 | 6_200..=6_299 | 6_440..=6_599 => (16..=19).contains(&count),
        5_000..=5_099 | 5_600..=5_899 | 6_304 | 6_700..=6_799 => (13..=19).contains(&count),
        _ => false,
    };
    is_issued && has_luhn_digit(number)
}

/// Whether digits, as numbers from 0 to 9, end with the check digit of ISO/IEC 7812-1, annex B (Luhn).
#[must_use]
pub fn has_luhn_digit(number: &[u8]) -> bool {
    let sum = number.iter().rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let digit = u32::from(*digit);
        let doubled = digit.saturating_mul(2);
        let counted = match place % 2 {
            0 => digit,
            _ if doubled > 9 => doubled.saturating_sub(9),
            _ => doubled,
        };
        sum.saturating_add(counted)
    });
    sum.is_multiple_of(10)
}

/// Whether a text with such a form is a valid number.
type Check = fn(&[u8]) -> bool;

/// Forms of national numbers: `d` is a digit, `A` a letter of any case, `?` either; others stand for themselves.
const FORMS: [(&[u8], Check); 9] = [
    // United States, social security: no area 000, 666 or from 900 on.
    (b"ddd-dd-dddd", |text| !matches!(text.get(..3), Some(b"000" | b"666" | [b'9', ..]))),
    // Brazil, CPF.
    (b"ddd.ddd.ddd-dd", any),
    // United Kingdom, national insurance.
    (b"AAddddddA", any),
    // Spain, DNI: the letter is the remainder by 23.
    (b"ddddddddA", is_dni),
    // Italy, codice fiscale.
    (b"AAAAAAddAddAdddA", any),
    // Sweden and Denmark: a date, and four digits.
    (b"dddddd-dddd", has_date),
    // Finland: a date, and a sign for the century.
    (b"dddddd-ddd?", has_date),
    (b"ddddddAddd?", has_date),
    // India, Aadhaar, in groups.
    (b"dddd-dddd-dddd", any),
];

fn any(_text: &[u8]) -> bool {
    true
}

fn is_national(text: &[u8]) -> bool {
    let fits = |part: &[u8], form: &[u8]| {
        part.iter().zip(form).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphabetic(),
            b'?' => byte.is_ascii_alphanumeric(),
            b'-' => matches!(byte, b'-' | b' ' | b'+'),
            _ => byte == wanted,
        })
    };
    let forms =
        FORMS.iter().any(|(form, check)| parts(text, form.len()).any(|part| fits(part, form) && check(part)));
    forms || parts(text, 18).any(is_resident) || parts(text, 15).any(is_nir)
}

/// The substrings of a length that are not part of a longer run of letters or digits.
fn parts(text: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let is_open =
        move |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let whole =
        move |(at, _): &(usize, &[u8])| !is_open(at.checked_sub(1)) && !is_open(at.checked_add(length));
    text.windows(length.max(1)).enumerate().filter(whole).map(|(_, part)| part)
}

fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |sum: u64, byte| sum.saturating_mul(10).saturating_add(u64::from(byte.wrapping_sub(b'0'))))
}

/// Day, month and year, or year, month and day, of two digits each.
fn has_date(text: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range).map_or(0, number);
    (1..=12).contains(&part(2..4)) && ((1..=31).contains(&part(0..2)) || (1..=31).contains(&part(4..6)))
}

fn is_dni(text: &[u8]) -> bool {
    let Some((letter, digits)) = text.split_last() else { return false };
    let remainder = usize::try_from(number(digits) % 23).unwrap_or_default();
    b"TRWAGMYFPDXBNJZSQVHLCKE".get(remainder) == Some(&letter.to_ascii_uppercase())
}

/// China, GB 11643-1999: region, date of birth, serial number, check character modulo 11 (ISO 7064).
fn is_resident(text: &[u8]) -> bool {
    let Some((check, digits)) = text.split_last().filter(|_| text.len() == 18) else { return false };
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).map_or(0, number);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum = digits.iter().zip(weights).fold(0_u32, |sum, (byte, weight)| {
        sum.saturating_add(u32::from(byte.wrapping_sub(b'0')).saturating_mul(weight))
    });
    let expected = b"10X98765432".get(usize::try_from(sum % 11).unwrap_or_default());
    (1_900..=2_099).contains(&part(6..10))
        && (1..=12).contains(&part(10..12))
        && (1..=31).contains(&part(12..14))
        && expected == Some(&check.to_ascii_uppercase())
}

/// France, NIR: sex, year, month, place and order of birth, and 97 minus the remainder modulo 97.
fn is_nir(text: &[u8]) -> bool {
    if text.len() != 15 || !text.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let part = |range: std::ops::Range<usize>| text.get(range).map_or(0, number);
    matches!(text.first(), Some(b'1' | b'2'))
        && (1..=12).contains(&part(3..5))
        && 97_u64.checked_sub(part(0..13) % 97) == Some(part(13..15))
}
