//! International bank account numbers (ISO 13616): the country's length and the check digits of ISO 7064, modulus 97.

use super::digits::Run;
use super::{Item, Kind};

/// Lengths by country, as the registry has them.
const LENGTHS: [(&[u8; 2], usize); 79] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// Longest, in bytes, with a space after each four.
const MAX: usize = 44;

/// The first in a run.
pub(super) fn find(text: &[u8], run: &Run) -> Option<Item> {
    if run.digits < 5 {
        return None;
    }
    let whole = run.text(text);
    whole.windows(4).enumerate().find_map(|(offset, first)| {
        let [a, b, c, d] = first else { return None };
        if !(a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()) {
            return None;
        }
        let at = run.start.saturating_add(offset);
        let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !is_escape(text, at) {
            return None;
        }
        let (_, length) = LENGTHS.iter().find(|(country, _)| *country == &[*a, *b])?;
        let length = check(text.get(at..)?, *length)?;
        Some(Item { kind: Kind::Iban, rule: "iban", at, length })
    })
}

/// `\n` in JSON before it.
fn is_escape(text: &[u8], at: usize) -> bool {
    matches!(text.get(at.saturating_sub(2)..at), Some([b'\\', b'n' | b't' | b'r']))
}

/// Its length with separators, where it is one of `wanted` letters and digits.
fn check(text: &[u8], wanted: usize) -> Option<usize> {
    let mut number = [0_u8; 34];
    let mut read = 0_usize;
    let mut used = 0_usize;
    for byte in text.iter().take(MAX) {
        if read == wanted {
            break;
        }
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' => {
                *number.get_mut(read)? = *byte;
                read = read.saturating_add(1);
            }
            b' ' | b'-' if read.is_multiple_of(4) && read > 0 => {}
            _ => return None,
        }
        used = used.saturating_add(1);
    }
    let after = text.get(used).copied();
    if read != wanted || after.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let number = number.get(..wanted)?;
    let (first, rest) = number.split_at_checked(4)?;
    let remainder = rest.iter().chain(first).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => sum.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0'))) % 97,
        _ => sum.wrapping_mul(100).wrapping_add(u32::from(byte.wrapping_sub(b'A')).wrapping_add(10)) % 97,
    });
    let has_digits = rest.iter().filter(|byte| byte.is_ascii_digit()).count() >= 5;
    (remainder == 1 && has_digits).then_some(used)
}
