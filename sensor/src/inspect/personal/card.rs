//! Numbers of payment cards: the issuer's range and length (ISO/IEC 7812-1 and what networks publish), grouping, and the
//! check digit.

use super::digits::{self, Run};
use crate::route::has_luhn_digit;

/// Something with the shape of a card's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) issuer: &'static str,
    /// In groups, as printed on cards.
    pub(super) is_grouped: bool,
    /// Range, length and check digit are right.
    pub(super) passes: bool,
    /// It is a published test number.
    pub(super) is_test: bool,
}

/// First digits (from, to), lengths, and the issuer.
const RANGES: [(u32, u32, &[usize], &str); 13] = [
    (3_400, 3_499, &[15], "amex"),
    (3_700, 3_799, &[15], "amex"),
    (3_528, 3_589, &[16], "jcb"),
    (3_600, 3_699, &[14], "diners"),
    (3_800, 3_999, &[14], "diners"),
    (3_000, 3_059, &[14], "diners"),
    (4_000, 4_999, &[16, 19], "visa"),
    (5_100, 5_599, &[16], "mastercard"),
    (2_221, 2_720, &[16], "mastercard"),
    (6_011, 6_011, &[16], "discover"),
    (6_440, 6_599, &[16], "discover"),
    (6_200, 6_299, &[16, 19], "unionpay"),
    (2_200, 2_204, &[16], "mir"),
];

/// Numbers that payment providers publish for tests.
const TESTS: [u64; 34] = [
    4_111_111_111_111_111,
    4_242_424_242_424_242,
    4_012_888_888_881_881,
    4_012_000_033_330_026,
    4_007_000_000_027,
    4_222_222_222_222,
    4_917_610_000_000_000,
    4_988_438_843_884_305,
    4_444_333_322_221_111,
    4_263_982_640_269_299,
    4_263_970_000_005_262,
    4_532_015_112_830_366,
    4_539_578_763_621_486,
    4_716_059_776_001_180,
    4_508_750_015_741_019,
    5_555_555_555_554_444,
    5_105_105_105_105_100,
    5_200_828_282_828_210,
    5_425_233_430_109_903,
    5_454_545_454_545_454,
    5_424_000_000_000_015,
    5_555_341_244_441_115,
    5_577_000_055_770_004,
    2_223_003_122_003_222,
    2_222_420_000_001_113,
    2_223_000_048_410_010,
    378_282_246_310_005,
    371_449_635_398_431,
    378_734_493_671_000,
    370_000_000_000_002,
    6_011_111_111_111_117,
    6_011_000_990_139_424,
    3_530_111_333_300_000,
    3_566_002_020_360_505,
];

/// A candidate in a run: 14 to 19 digits, plain or in groups.
pub(super) fn shape(text: &[u8], run: &Run) -> Option<Shape> {
    let whole = run.text(text);
    if !(14..=24).contains(&run.digits) {
        return None;
    }
    // Without what else stands in the run: `CARD 4111 ...`, `... EXP 12/29`.
    let (offset, part) = longest(whole)?;
    let (digits, length) = digits::only::<19>(part)?;
    let number = digits.get(..length)?;
    if !(14..=19).contains(&length) {
        return None;
    }
    let is_grouped = part.len() > length;
    if is_grouped && !is_regular(part) {
        return None;
    }
    let at = run.start.saturating_add(offset);
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
    let after = text.get(at.saturating_add(part.len())).copied();
    let is_escape = matches!(text.get(at.saturating_sub(2)..at), Some([b'\\', b'n' | b't' | b'r']));
    if joins(before) && !is_escape || joins(after) {
        return None;
    }
    let issuer = issuer(number);
    let value = digits::number(number);
    Some(Shape {
        at,
        length: part.len(),
        issuer: issuer.unwrap_or_default(),
        is_grouped,
        passes: issuer.is_some() && has_luhn_digit(number),
        is_test: is_test(number, value),
    })
}

/// The longest part of digits with single spaces or hyphens between.
fn longest(whole: &[u8]) -> Option<(usize, &[u8])> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-');
    let mut best: (usize, &[u8]) = (0, &[]);
    let mut at = 0_usize;
    for part in whole.split(|byte| !is_part(byte)) {
        let led = part.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        let trimmed = part.get(led..)?;
        let trailing = trimmed.iter().rev().take_while(|byte| !byte.is_ascii_digit()).count();
        let trimmed = trimmed.get(..trimmed.len().saturating_sub(trailing))?;
        if trimmed.len() > best.1.len() {
            best = (at.saturating_add(led), trimmed);
        }
        at = at.saturating_add(part.len()).saturating_add(1);
    }
    (!best.1.is_empty()).then_some(best)
}

/// `4-4-4-4`, `4-4-4-4-3`, `4-6-5`, `4-6-4`, with one separator throughout.
fn is_regular(part: &[u8]) -> bool {
    let Some(separator) = part.iter().find(|byte| !byte.is_ascii_digit()) else { return true };
    let groups: [usize; 6] = {
        let mut groups = [0; 6];
        let mut places = groups.iter_mut();
        for group in part.split(|byte| byte == separator) {
            match places.next() {
                Some(place) => *place = group.len(),
                None => return false,
            }
        }
        groups
    };
    let is_one = part.iter().all(|byte| byte.is_ascii_digit() || byte == separator);
    is_one
        && matches!(groups, [4, 4, 4, 4, 0, 0] | [4, 4, 4, 4, 3, 0] | [4, 6, 5, 0, 0, 0] | [4, 6, 4, 0, 0, 0])
}

/// What makes a number a part of something longer: an amount, a version, an identifier.
fn joins(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+' | b'#' | b'%')
    })
}

fn issuer(number: &[u8]) -> Option<&'static str> {
    let first = number
        .get(..4)?
        .iter()
        .fold(0_u32, |first, digit| first.wrapping_mul(10).wrapping_add((*digit).into()));
    let range = RANGES
        .iter()
        .find(|(from, to, lengths, _)| (*from..=*to).contains(&first) && lengths.contains(&number.len()))?;
    Some(range.3)
}

/// Published for tests, or with six zeros in a row, or of three different digits at most, as those are.
fn is_test(number: &[u8], value: u64) -> bool {
    let mut seen = 0_u16;
    number.iter().for_each(|digit| seen |= 1 << (digit & 15));
    TESTS.contains(&value) || seen.count_ones() <= 3 || number.windows(6).any(|part| part == [0; 6])
}
