//! What stands around a digit.

/// Digits, letters and single separators in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) digits: usize,
}

/// The longest that is looked at to either side: an IBAN of 34 with its spaces, and a word before.
const REACH: usize = 64;

const fn belongs(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || is_separator(byte)
}

pub(super) const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'+')
}

impl Run {
    /// Around a digit. Letters are lower case or upper case; where a word of lower case stands between, the run ends.
    pub(super) fn around(text: &[u8], at: usize) -> Self {
        let mut start = at;
        while let Some(before) = start.checked_sub(1)
            && at.saturating_sub(before) <= REACH
            && let Some(byte) = text.get(before).copied()
            && belongs(byte)
            && !(is_separator(byte) && before.checked_sub(1).and_then(|next| text.get(next)).copied().is_none_or(ends))
        {
            start = before;
        }
        let mut end = at;
        let mut digits = 0_usize;
        while let Some(byte) = text.get(end).copied()
            && end.saturating_sub(at) <= REACH
            && belongs(byte)
            && !(is_separator(byte) && text.get(end.saturating_add(1)).copied().is_none_or(ends))
        {
            end = end.saturating_add(1);
        }
        for byte in text.get(start..end).unwrap_or_default() {
            digits = digits.saturating_add(byte.is_ascii_digit().into());
        }
        Self { start, end, digits }
    }

    pub(super) fn text<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// What a separator does not join.
const fn ends(byte: u8) -> bool {
    !byte.is_ascii_digit() && !byte.is_ascii_uppercase()
}

/// The digits of a text, at most `N`, without what is between them; nothing where there are more, or letters.
pub(super) fn only<const N: usize>(text: &[u8]) -> Option<([u8; N], usize)> {
    let (mut digits, mut length) = ([0; N], 0_usize);
    for byte in text {
        if byte.is_ascii_digit() {
            *digits.get_mut(length)? = byte.wrapping_sub(b'0');
            length = length.saturating_add(1);
        } else if !is_separator(*byte) {
            return None;
        }
    }
    Some((digits, length))
}

/// ISO/IEC 7812-1, annex B.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, doubled)| {
            let digit = u32::from(*digit);
            let twice = digit.saturating_mul(2);
            match (doubled, twice > 9) {
                (false, _) => digit,
                (true, false) => twice,
                (true, true) => twice.saturating_sub(9),
            }
        })
        .fold(0, u32::saturating_add);
    sum.is_multiple_of(10)
}

/// The sum of digits, each times its weight.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    let products = digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit).saturating_mul(*weight));
    products.fold(0, u32::saturating_add)
}

/// Digits as a number.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| {
        u64::saturating_add(u64::saturating_mul(number, 10), u64::from(*digit))
    })
}
