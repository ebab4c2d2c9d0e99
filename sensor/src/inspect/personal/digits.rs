//! The run of digits around a digit.

/// Digits, letters and single separators in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) digits: usize,
}

/// Maximum bytes examined on either side: an IBAN of 34 with its spaces, and a word before.
const REACH: usize = 64;

pub(super) const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'+')
}

/// What a byte is in a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Upper,
    Lower,
    Separator,
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0_u8;
    loop {
        let class = match byte {
            b'0'..=b'9' => Class::Digit,
            b'A'..=b'Z' => Class::Upper,
            b'a'..=b'z' => Class::Lower,
            _ if is_separator(byte) => Class::Separator,
            _ => Class::Other,
        };
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            classes[byte as usize] = class;
        }
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break classes,
        }
    }
};

/// Length of a run, and how many of its bytes are digits. A separator does not join words in lower case.
fn extent<'b>(bytes: impl Iterator<Item = &'b u8>) -> (usize, usize) {
    let (mut length, mut digits, mut read) = (0_usize, 0_usize, 0_usize);
    let mut is_separated = false;
    for byte in bytes.take(REACH) {
        read = read.saturating_add(1);
        match CLASSES.get(usize::from(*byte)).copied().unwrap_or(Class::Other) {
            Class::Digit => digits = digits.saturating_add(1),
            Class::Upper => {}
            Class::Lower if !is_separated => {}
            Class::Separator if !is_separated => {
                is_separated = true;
                continue;
            }
            Class::Lower | Class::Separator | Class::Other => break,
        }
        is_separated = false;
        length = read;
    }
    (length, digits)
}

impl Run {
    /// Around a digit.
    pub(super) fn around(text: &[u8], at: usize) -> Self {
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let (ahead, digits) = extent(after.iter());
        let (behind, others) = extent(before.iter().rev());
        let (start, end) = (at.saturating_sub(behind), at.saturating_add(ahead));
        Self { start, end, digits: digits.saturating_add(others) }
    }

    pub(super) fn text<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether it begins with a date of ISO 8601, and a time may follow.
    pub(super) fn is_date(&self, text: &[u8]) -> bool {
        matches!(
            self.text(text),
            [a, b, _, _, b'-', c, d, b'-', e, f] | [a, b, _, _, b'-', c, d, b'-', e, f, b'T', ..]
                if [a, b, c, d, e, f].iter().all(|byte| byte.is_ascii_digit())
        )
    }
}

/// The digits of a text, at most `N`, without separators; none if there are more, or letters.
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

/// The weighted sum of digits.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    let products =
        digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit).saturating_mul(*weight));
    products.fold(0, u32::saturating_add)
}

/// Digits as a number.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |number, digit| u64::saturating_add(u64::saturating_mul(number, 10), u64::from(*digit)))
}
