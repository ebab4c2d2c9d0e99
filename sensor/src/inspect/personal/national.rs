//! National identification numbers. Some are recognisable by their structure (`STRONG`); one in ten random numbers passes
//! the check of the others, so the name of the field must confirm them (`NAMED`).

use super::digits::{Run, number, only, weighted};
use super::field::{field_before, lower};
use super::{Item, Kind};
use crate::route::has_luhn_digit;

/// Of a country: the names of fields that hold it, and the check. The text is the value without what is around it.
struct Named {
    rule: &'static str,
    words: &'static [&'static [u8]],
    check: Check,
}

type Check = fn(&[u8]) -> bool;

const NAMED: [Named; 15] = [
    Named {
        rule: "us-ssn",
        words: &[b"ssn", b"social security", b"social_security", b"socialsecurity"],
        check: ssn,
    },
    Named { rule: "br-cpf", words: &[b"cpf"], check: cpf },
    Named { rule: "es-dni", words: &[b"dni", b"nif", b"nie"], check: dni },
    Named { rule: "pl-pesel", words: &[b"pesel"], check: pesel },
    Named { rule: "nl-bsn", words: &[b"bsn", b"burgerservice", b"sofinummer"], check: bsn },
    Named {
        rule: "se-pnr",
        words: &[b"personnummer", b"personal_number", b"personalnumber"],
        check: personnummer,
    },
    Named { rule: "de-idnr", words: &[b"steuer", b"tax_id", b"taxid", b"tin", b"idnr"], check: steuer_id },
    Named {
        rule: "gb-nino",
        words: &[b"nino", b"national insurance", b"national_insurance", b"nationalinsurance"],
        check: nino,
    },
    Named { rule: "in-aadhaar", words: &[b"aadhaar", b"aadhar"], check: aadhaar },
    Named {
        rule: "ca-sin",
        words: &[b"social insurance", b"social_insurance", b"socialinsurance", b"sin"],
        check: sin,
    },
    Named { rule: "tr-tckn", words: &[b"tckn", b"kimlik", b"tc_no", b"tcno"], check: tckn },
    Named { rule: "pt-nif", words: &[b"nif", b"contribuinte"], check: nif },
    Named {
        rule: "be-rrn",
        words: &[b"rijksregister", b"niss", b"national_number", b"registre national"],
        check: rrn,
    },
    Named { rule: "fr-nir", words: &[b"nir", b"insee", b"securite", b"secu"], check: nir },
    Named { rule: "fi-hetu", words: &[b"hetu", b"henkil"], check: hetu },
];

/// Told without a name.
const STRONG: [(&str, Check); 6] = [
    ("it-cf", codice_fiscale),
    ("mx-curp", curp),
    ("fi-hetu", hetu),
    ("cn-rin", resident_identity),
    ("br-cpf", |value| {
        value.len() == 14
            && matches!(value.get(3..12), Some([b'.', _, _, _, b'.', _, _, _, b'-']))
            && cpf(value)
    }),
    ("be-rrn", |value| {
        value.len() == 15
            && matches!(value.get(8), Some(b'-'))
            && matches!(value.get(12), Some(b'.'))
            && rrn(value)
    }),
];

/// The number in a run.
pub(super) fn find(text: &[u8], run: &Run) -> Option<Item> {
    if run.digits > 18 {
        return None;
    }
    let (at, value) = value(text, run)?;
    if !(9..=21).contains(&value.len()) {
        return None;
    }
    let item = |rule| Item { kind: Kind::NationalId, rule, at, length: value.len() };
    if let Some((rule, _)) = STRONG.iter().find(|(_, check)| check(value)) {
        return Some(item(*rule));
    }
    // Checks are cheaper than names, and nearly all fail.
    let mut checked = NAMED.iter().filter(|named| (named.check)(value)).peekable();
    checked.peek()?;
    let mut room = [0; 64];
    let name = lower(field_before(text, at), &mut room);
    let named = checked.find(|named| named.words.iter().any(|word| says(name, word)))?;
    Some(item(named.rule))
}

/// Whether a name contains a word. Short words must be separate: `business` contains `sin`.
fn says(name: &[u8], word: &[u8]) -> bool {
    let places = name.windows(word.len()).enumerate().filter(|(_, part)| *part == word);
    places.map(|(at, _)| at).any(|at| {
        let before = at.checked_sub(1).and_then(|before| name.get(before));
        let after = name.get(at.saturating_add(word.len()));
        let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        word.len() > 4 || !is_letter(before) && !is_letter(after)
    })
}

/// The last word of a run, which may have words of upper case before it.
fn value<'t>(text: &'t [u8], run: &Run) -> Option<(usize, &'t [u8])> {
    let whole = run.text(text);
    let first = whole.iter().position(u8::is_ascii_digit)?;
    // Letters that belong to it stand right before its first digit, six at most.
    let led = whole.get(..first)?.iter().rev().take_while(|byte| byte.is_ascii_uppercase()).count();
    let start = first.saturating_sub(led);
    let at = run.start.saturating_add(start);
    let escaped = matches!(text.get(at.saturating_sub(2)..at), Some([b'\\', b'n' | b't' | b'r']));
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
    let after = text.get(run.end).copied();
    let joins = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'%'))
    };
    let is_decimal = matches!(before, Some(b'.' | b'-' | b'/'));
    let is_part = joins(before) && !escaped || joins(after) || is_decimal;
    if is_part { None } else { Some((at, whole.get(start..)?)) }
}

fn exactly<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let (digits, length) = only::<N>(value)?;
    (length == N).then_some(digits)
}

/// No check digit: the shape, and what is never given (20 CFR 422; SSA, "Randomization").
fn ssn(value: &[u8]) -> bool {
    let is_shaped = match value {
        [_, _, _, a, _, _, b, _, _, _, _] => a == b && matches!(a, b'-' | b' '),
        _ => value.len() == 9,
    };
    let Some(digits) = exactly::<9>(value) else { return false };
    let (area, group, serial) = (digits.get(..3), digits.get(3..5), digits.get(5..));
    let area = number(area.unwrap_or_default());
    is_shaped
        && area != 0
        && area != 666
        && area < 900
        && group != Some(&[0, 0])
        && serial != Some(&[0, 0, 0, 0])
}

fn is_one_digit(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}

fn cpf(value: &[u8]) -> bool {
    let Some(digits) = exactly::<11>(value) else { return false };
    let check = |sum: u32| match sum.wrapping_mul(10) % 11 {
        10 => 0,
        digit => digit,
    };
    let first = check(weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = check(weighted(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
    matches!(digits, [.., a, b] if u32::from(a) == first && u32::from(b) == second) && !is_one_digit(&digits)
}

fn dni(value: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((letter, rest)) = value.split_last() else { return false };
    let rest = rest.strip_suffix(b"-").unwrap_or(rest);
    let (lead, rest) = match rest.split_first() {
        Some((b'X', rest)) => (0, rest),
        Some((b'Y', rest)) => (10_000_000, rest),
        Some((b'Z', rest)) => (20_000_000, rest),
        _ => (u64::MAX, rest),
    };
    let rest = if lead == u64::MAX { rest } else { rest.strip_prefix(b"-").unwrap_or(rest) };
    let wanted = if lead == u64::MAX { 8 } else { 7 };
    let Some((digits, length)) = only::<8>(rest) else { return false };
    let lead = if lead == u64::MAX { 0 } else { lead };
    let number = number(digits.get(..length).unwrap_or_default()).saturating_add(lead);
    let place = usize::try_from(number % 23).unwrap_or_default();
    length == wanted && LETTERS.get(place) == Some(letter)
}

fn pesel(value: &[u8]) -> bool {
    let Some(digits) = exactly::<11>(value) else { return false };
    let sum = weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    let month = number(digits.get(2..4).unwrap_or_default()) % 20;
    let day = number(digits.get(4..6).unwrap_or_default());
    sum.is_multiple_of(10) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn bsn(value: &[u8]) -> bool {
    let Some(digits) = exactly::<9>(value) else { return false };
    let [.., last] = digits;
    let sum = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == u32::from(last) && !is_one_digit(&digits)
}

/// With or without the century; the check digit is that of the last ten.
fn personnummer(value: &[u8]) -> bool {
    let Some((digits, length)) = only::<12>(value) else { return false };
    let Some(ten) = length.checked_sub(10).and_then(|from| digits.get(from..length)) else { return false };
    let month = number(ten.get(2..4).unwrap_or_default());
    // Coordination numbers have 60 added to their day.
    let day = number(ten.get(4..6).unwrap_or_default()) % 60;
    matches!(length, 10 | 12) && (1..=12).contains(&month) && (1..=31).contains(&day) && has_luhn_digit(ten)
}

/// ISO/IEC 7064, modulus 11,10.
fn steuer_id(value: &[u8]) -> bool {
    let Some(digits) = exactly::<11>(value) else { return false };
    let [first, .., last] = digits;
    let product = digits.iter().take(10).fold(10_u32, |product, digit| {
        let sum = u32::from(*digit).wrapping_add(product) % 10;
        (if sum == 0 { 10 } else { sum }).wrapping_mul(2) % 11
    });
    let check = 11_u32.saturating_sub(product) % 10;
    first != 0 && check == u32::from(last)
}

/// No check digit: the prefixes that are given (HMRC, NIM39110).
fn nino(value: &[u8]) -> bool {
    let mut compact = [0; 9];
    let mut length = 0_usize;
    for byte in value.iter().filter(|byte| **byte != b' ') {
        let Some(place) = compact.get_mut(length) else { return false };
        *place = *byte;
        length = length.saturating_add(1);
    }
    let [a, b, middle @ .., last] = compact;
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[a, b]);
    length == 9
        && a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && !b"DFIQUV".contains(&a)
        && !b"DFIQUVO".contains(&b)
        && !never
        && middle.iter().all(u8::is_ascii_digit)
        && matches!(last, b'A'..=b'D')
}

/// The scheme of Verhoeff (J. Verhoeff, "Error Detecting Decimal Codes", 1969), over the dihedral group of ten.
fn aadhaar(value: &[u8]) -> bool {
    let Some(digits) = exactly::<12>(value) else { return false };
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => a.wrapping_add(b) % 5,
        (true, false) => (a.wrapping_add(b) % 5).wrapping_add(5),
        (false, true) => (a.wrapping_add(5).wrapping_sub(b) % 5).wrapping_add(5),
        (false, false) => a.wrapping_add(5).wrapping_sub(b) % 5,
    };
    const STEP: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u8, steps: usize| {
        (0..steps % 8).fold(digit, |digit, _| STEP.get(usize::from(digit)).copied().unwrap_or_default())
    };
    let check =
        digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| times(sum, permuted(*digit, place)));
    let [first, ..] = digits;
    check == 0 && first >= 2
}

fn sin(value: &[u8]) -> bool {
    exactly::<9>(value)
        .is_some_and(|digits| has_luhn_digit(&digits) && !is_one_digit(&digits) && digits.first() != Some(&8))
}

fn tckn(value: &[u8]) -> bool {
    let Some(digits) = exactly::<11>(value) else { return false };
    let [a, b, c, d, e, f, g, h, i, tenth, last] = digits.map(u32::from);
    let odd = [a, c, e, g, i].iter().fold(0, |sum: u32, digit| sum.wrapping_add(*digit));
    let even = [b, d, f, h].iter().fold(0, |sum: u32, digit| sum.wrapping_add(*digit));
    let check = odd.wrapping_mul(7).wrapping_add(100).wrapping_sub(even) % 10;
    a != 0 && check == tenth && odd.wrapping_add(even).wrapping_add(tenth) % 10 == last
}

fn nif(value: &[u8]) -> bool {
    let Some(digits) = exactly::<9>(value) else { return false };
    let [first, .., last] = digits;
    let check = match weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        rest => 11_u32.saturating_sub(rest),
    };
    matches!(first, 1..=3) && check == u32::from(last)
}

fn rrn(value: &[u8]) -> bool {
    let Some(digits) = exactly::<11>(value) else { return false };
    let (body, check) =
        (number(digits.get(..9).unwrap_or_default()), number(digits.get(9..).unwrap_or_default()));
    let month = number(digits.get(2..4).unwrap_or_default());
    let is_right = |body: u64| 97_u64.saturating_sub(body % 97) == check;
    month <= 12 && (is_right(body) || is_right(body.saturating_add(2_000_000_000)))
}

/// Corsica's departments have letters.
fn nir(value: &[u8]) -> bool {
    let Some(digits) = exactly::<15>(value) else { return false };
    let (body, key) =
        (number(digits.get(..13).unwrap_or_default()), number(digits.get(13..).unwrap_or_default()));
    let month = number(digits.get(3..5).unwrap_or_default());
    matches!(digits.first(), Some(1 | 2))
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97_u64.saturating_sub(body % 97) == key
}

fn hetu(value: &[u8]) -> bool {
    const SIGNS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (Some(date), Some(sign), Some(rest)) = (value.get(..6), value.get(6), value.get(7..)) else {
        return false;
    };
    let [a, b, c, check] = rest else { return false };
    let (Some(date), Some(number_)) = (exactly::<6>(date), exactly::<3>(&[*a, *b, *c])) else { return false };
    let all = number(&date).wrapping_mul(1_000).wrapping_add(number(&number_));
    let place = usize::try_from(all % 31).unwrap_or_default();
    let (day, month) =
        (number(date.get(..2).unwrap_or_default()), number(date.get(2..4).unwrap_or_default()));
    matches!(sign, b'-' | b'+' | b'A'..=b'F' | b'U'..=b'Y')
        && (1..=31).contains(&day)
        && (1..=12).contains(&month)
        && number(&number_) >= 2
        && SIGNS.get(place) == Some(check)
}

/// GB 11643-1999: modulus 11,2 of ISO/IEC 7064, with a date that can be.
fn resident_identity(value: &[u8]) -> bool {
    let Some((check, rest)) = value.split_last() else { return false };
    if rest.len() != 17 || !rest.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let Some(digits) = exactly::<17>(rest) else { return false };
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let place = usize::try_from(sum % 11).unwrap_or_default();
    let part = |from: usize, until: usize| number(digits.get(from..until).unwrap_or_default());
    (1_900..=2_099).contains(&part(6, 10))
        && (1..=12).contains(&part(10, 12))
        && (1..=31).contains(&part(12, 14))
        && matches!(digits.first(), Some(1..=6))
        && b"10X98765432".get(place) == Some(check)
}

/// Decreto ministeriale of 23 December 1976.
fn codice_fiscale(value: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    if value.len() != 16 {
        return false;
    }
    let shape = b"AAAAAA00A00A000A";
    let fits = value.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'A' => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_digit(),
    });
    let place = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte.wrapping_sub(b'0')),
        _ => u32::from(byte.wrapping_sub(b'A')),
    };
    let sum = value.iter().take(15).enumerate().fold(0_u32, |sum, (number, byte)| {
        let place = place(*byte);
        let odd = usize::try_from(place).ok().and_then(|place| ODD.get(place)).copied().unwrap_or_default();
        sum.wrapping_add(if number.is_multiple_of(2) { odd } else { place })
    });
    let is_month = value.get(8).is_some_and(|month| b"ABCDEHLMPRST".contains(month));
    fits && is_month && value.last().map(|last| place(*last)) == Some(sum % 26)
}

/// RENAPO, "Instructivo normativo para la asignación de la Clave Única de Registro de Población".
fn curp(value: &[u8]) -> bool {
    if value.len() != 18 {
        return false;
    }
    let shape = b"AAAA000000AAAAAA*0";
    let fits = value.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'A' => byte.is_ascii_uppercase(),
        b'0' => byte.is_ascii_digit(),
        _ => byte.is_ascii_alphanumeric(),
    });
    // Letters count from 10, with Ñ between N and O.
    let place = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte.wrapping_sub(b'0')),
        b'A'..=b'N' => u32::from(byte.wrapping_sub(b'A')).wrapping_add(10),
        _ => u32::from(byte.wrapping_sub(b'A')).wrapping_add(11),
    };
    let weights = (2..=18_u32).rev();
    let sum = value
        .iter()
        .zip(weights)
        .fold(0_u32, |sum, (byte, weight)| sum.wrapping_add(place(*byte).wrapping_mul(weight)));
    let check = 10_u32.saturating_sub(sum % 10) % 10;
    let is_sex = value.get(10).is_some_and(|sex| matches!(sex, b'H' | b'M' | b'X'));
    fits && is_sex && value.last().map(|last| u32::from(last.wrapping_sub(b'0'))) == Some(check)
}
