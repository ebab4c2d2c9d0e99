//! Letter pairs that are common in words and not in random text.

use super::LETTERS;

/// Letters that follow `a`, `b` and so on in words. Those common in English, which cover 98 of 100 of its pairs, and
/// some of German, French, Polish, Chinese and Japanese in Latin letters.
const NEXT: [&[u8]; 26] = [
    b"abcdefgijklmnoprstuvwxy",
    b"aeijlorsuy",
    b"acehiklortuz",
    b"adeiorsuy",
    b"abcdefgijlmnpqrstuvwxy",
    b"aefilnortu",
    b"aehimnorstu",
    b"aeiortu",
    b"abcdefgjlmnoprstvxz",
    b"aeiosu",
    b"aeinostu",
    b"adefhiklostuy",
    b"abeimopsu",
    b"acdefghiklnostuvwy",
    b"abcdefgijklmnoprstuvwx",
    b"aefhiloprstuy",
    b"iu",
    b"acdefgikmnorstuvwyz",
    b"acehiklopstuwyz",
    b"acdehiloprstuwyz",
    b"abcdeglmnprst",
    b"aeio",
    b"aehinors",
    b"ceiptu",
    b"aenostu",
    b"aehiou",
];

/// Minimum pairs for a conclusion: in text that mixes kinds of characters, and in any other.
const FEW: usize = 6;
const ENOUGH: usize = 14;

/// Common pairs in 100 below which text is random. Words of the languages above have at least 75; random letters have
/// 45.
const USUAL: usize = 65;
/// The same for long text that mixes capitals, small letters and digits, as words seldom do.
const USUAL_OF_CODES: usize = 74;
/// The length from which on a text is long.
const LONG: usize = 20;

/// Minimum common pairs in 100 of a text that consists of words.
const USUAL_OF_WORDS: usize = 75;

/// Whether the letters of a text follow each other as in words.
pub(super) fn are_words(text: &[u8]) -> bool {
    let (pairs, common) = pairs(text);
    common.saturating_mul(100) >= pairs.saturating_mul(USUAL_OF_WORDS)
}

/// Pairs of letters in a text, and how many of them are common.
fn pairs(text: &[u8]) -> (usize, usize) {
    let (mut pairs, mut common) = (0_usize, 0_usize);
    for (one, other) in text.iter().zip(text.iter().skip(1)) {
        if one.is_ascii_alphabetic() && other.is_ascii_alphabetic() {
            pairs = pairs.saturating_add(1);
            common = common.saturating_add(usize::from(follows(*one, *other)));
        }
    }
    (pairs, common)
}

/// Whether the letters of a text are no words.
pub(super) fn are_random(text: &[u8]) -> bool {
    let (pairs, common) = pairs(text);
    let has = |wanted: fn(&u8) -> bool| usize::from(text.iter().any(wanted));
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit].map(has);
    let kinds = kinds.iter().sum::<usize>();
    let usual = if kinds == 3 && text.len() >= LONG { USUAL_OF_CODES } else { USUAL };
    text.len() >= LETTERS
        && pairs >= if kinds >= 2 { FEW } else { ENOUGH }
        && common.saturating_mul(100) < pairs.saturating_mul(usual)
}

fn follows(one: u8, other: u8) -> bool {
    let index = usize::from(one.to_ascii_lowercase().wrapping_sub(b'a'));
    NEXT.get(index).is_some_and(|next| next.contains(&other.to_ascii_lowercase()))
}
