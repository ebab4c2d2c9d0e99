//! Tokens of a normal form, each as itself (`literal`) and as its function (`class`).
//!
//! Numbers, addresses, and words outside the lexicon are represented by their kind only, so that the model learns the
//! structure of attacks, not their names.

use super::lexicon::{Lexicon, Word};

/// A token, as the hashes that n-grams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Itself.
    pub literal: u64,
    /// Its function.
    pub class: u64,
    /// Where its text begins.
    pub start: usize,
}

/// FNV-1a. It must be stable, since weights are stored by it.
const fn hash(text: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = after;
    }
    hash
}

/// The token before all others.
const START: u64 = hash(b"^");
/// The token behind all others.
const END: u64 = hash(b"$");

/// Splits a normal form into at most `most` tokens; returns whether that covered all of it.
pub(super) fn tokens(text: &[u8], lexicon: &Lexicon, most: usize, out: &mut Vec<Token>) -> bool {
    out.clear();
    out.push(Token { literal: START, class: START, start: 0 });
    let mut reader = Reader { text, at: 0, lexicon, previous: b"" };
    while let Some((literal, class, start)) = reader.next() {
        let is_repeated = out.last().is_some_and(|last| last.literal == literal) && collapses(literal);
        if !is_repeated {
            if out.len() >= most {
                return false;
            }
            out.push(Token { literal, class, start });
        }
    }
    out.push(Token { literal: END, class: END, start: text.len() });
    true
}

/// Whether repetitions of a token are collapsed into one: punctuation, unknown words, numbers.
fn collapses(literal: u64) -> bool {
    const KINDS: [u64; 27] = [
        hash(b"("),
        hash(b")"),
        hash(b"w"),
        hash(b"0"),
        hash(b"wu"),
        hash(b"W"),
        hash(b"w1"),
        hash(b"'"),
        hash(b"\""),
        hash(b"."),
        hash(b"*"),
        hash(b"-"),
        hash(b"="),
        hash(b"_"),
        hash(b"#"),
        hash(b"`"),
        hash(b"~"),
        hash(b"!"),
        hash(b"<"),
        hash(b">"),
        hash(b"+"),
        hash(b"/"),
        hash(b"\\"),
        hash(b"?"),
        hash(b";"),
        hash(b"&"),
        hash(b"|"),
    ];
    KINDS.contains(&literal)
}

struct Reader<'r> {
    text: &'r [u8],
    at: usize,
    lexicon: &'r Lexicon,
    /// The token before, as written.
    previous: &'r [u8],
}

/// Marks of two bytes or more, the longest first.
const MARKS: [&[u8]; 34] = [
    b"<!--", b"-->", b"<![", b"]]>", b"<!", b"</", b"/>", b"<?", b"?>", b"<%", b"%>", b"${", b"#{", b"%{",
    b"@{", b"*{", b"{{", b"}}", b"{%", b"%}", b"$(", b"::", b":=", b"!=", b"<>", b"<=", b">=", b"==", b"=>",
    b"->", b"://", b"||", b"&&", b"@@",
];

impl<'r> Reader<'r> {
    fn next(&mut self) -> Option<(u64, u64, usize)> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at = self.at.saturating_add(1);
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let first = *rest.first()?;
        let start = self.at;
        let length = length(rest, first).max(1);
        let token = rest.get(..length).unwrap_or(rest);
        let after = rest.get(length..).unwrap_or_default();
        self.at = start.saturating_add(length);
        let (literal, class) = self.kind(token, first, after);
        self.previous = token;
        Some((literal, class, start))
    }

    fn kind(&self, token: &[u8], first: u8, after: &[u8]) -> (u64, u64) {
        let same = |text: &[u8]| (hash(text), hash(text));
        match first {
            b'0'..=b'9' => same(number(token)),
            b'.' if token.len() > 1 => {
                let steps = token.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
                let is_separated = token.get(2..).unwrap_or_default().contains(&b'.');
                match steps {
                    0 => same(b".."),
                    1 => same(b"../"),
                    _ if is_separated => same(b"../+"),
                    _ => same(b"..//"),
                }
            }
            b'-' if token.len() > 1 && token != b"->" && token != b"-->" => same(b"--"),
            _ if is_word_start(first)
                || token.len() > 1
                    && matches!(first, b'$' | b'@')
                    && token.last().is_some_and(|byte| is_word(*byte)) =>
            {
                self.word(token, after)
            }
            b'%' if token.len() == 3 => same(b"%xx"),
            _ => same(token),
        }
    }

    fn word(&self, token: &[u8], after: &[u8]) -> (u64, u64) {
        let same = |text: &[u8]| (hash(text), hash(text));
        let marks = token.iter().take_while(|byte| matches!(byte, b'$' | b'@')).count();
        let word = token.get(marks..).unwrap_or_default();
        let next = after.trim_ascii_start().first().copied();
        let is_call = next == Some(b'(');
        if token.starts_with(b"@@") {
            return same(b"@@");
        }
        if matches!(self.previous, b"<" | b"</")
            && let Some(is_active) = self.lexicon.tag(word)
        {
            return (hash(word) ^ TAG, hash(if is_active { b"Td" } else { b"Tn" }));
        }
        if next == Some(b'=') && is_handler(word) {
            return same(b"on=");
        }
        if after.first() == Some(&b':') && self.lexicon.is_scheme(word) {
            let is_web = matches!(word, b"http" | b"https");
            return (hash(word) ^ SCHEME, hash(if is_web { b"Rh" } else { b"R" }));
        }
        let known = self.lexicon.word(word);
        match known {
            Some(Word::Operator) if token.starts_with(b"$") => (hash(token), hash(b"$M")),
            Some(class) => {
                let class = hash(class.label().as_bytes());
                if is_call { (hash(word) ^ CALL, class ^ CALL) } else { (hash(word), class) }
            }
            None if after.first() == Some(&b'(') => same(b"w("),
            None if marks > 0 => same(if token.starts_with(b"$") { b"$w" } else { b"@w" }),
            None if !word.is_ascii() => same(b"wu"),
            None => same(match word.len() {
                0..=2 => b"w1",
                3..14 => b"w",
                _ => b"W",
            }),
        }
    }
}

/// Mixed into the hashes of called words, tag names and schemes.
const CALL: u64 = hash(b"call");
const TAG: u64 = hash(b"tag");
const SCHEME: u64 = hash(b"scheme");

const fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_' || byte >= 0x80
}

const fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// `onload` and the like.
fn is_handler(word: &[u8]) -> bool {
    word.starts_with(b"on") && (5..=26).contains(&word.len()) && word.iter().all(u8::is_ascii_lowercase)
}

/// Kind of a number: hexadecimal, an address, a fraction, or whole.
fn number(token: &[u8]) -> &'static [u8] {
    if token.starts_with(b"0x") {
        return b"0x";
    }
    match token.iter().filter(|byte| **byte == b'.').count() {
        0 => b"0",
        3 => b"ip",
        _ => b"0.0",
    }
}

/// The length of the token that begins a text.
fn length(text: &[u8], first: u8) -> usize {
    let run = |from: usize, holds: fn(u8) -> bool| {
        let rest = text.get(from..).unwrap_or_default();
        from.saturating_add(rest.iter().take_while(|byte| holds(**byte)).count())
    };
    match first {
        b'0' if text.get(1) == Some(&b'x') => run(2, |byte| byte.is_ascii_hexdigit()),
        b'0'..=b'9' => number_length(text),
        b'$' | b'@' => {
            let marks = run(0, |byte| matches!(byte, b'$' | b'@'));
            match text.get(marks) {
                Some(byte) if is_word_start(*byte) => word_length(text, marks),
                _ => mark_length(text),
            }
        }
        b'.' if text.get(1) == Some(&b'.') => run(2, |byte| matches!(byte, b'.' | b'/' | b'\\')),
        b'-' if text.get(1) == Some(&b'-') && text.get(2) != Some(&b'>') => run(2, |byte| byte == b'-'),
        _ if is_word_start(first) => word_length(text, 0),
        b'%' => match text {
            [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => 3,
            _ => mark_length(text),
        },
        _ => mark_length(text),
    }
}

fn mark_length(text: &[u8]) -> usize {
    MARKS.iter().find(|mark| text.starts_with(mark)).map_or(1, |mark| mark.len())
}

fn number_length(text: &[u8]) -> usize {
    let mut at = 0_usize;
    loop {
        let digits =
            text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        at = at.saturating_add(digits);
        match text.get(at..) {
            Some([b'.', b'0'..=b'9', ..]) => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// A word with its hyphens, where letters follow those: `apt-get`.
fn word_length(text: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at = at.saturating_add(rest.iter().take_while(|byte| is_word(**byte)).count());
        match text.get(at..) {
            Some([b'-', letter, ..]) if letter.is_ascii_lowercase() => at = at.saturating_add(1),
            _ => return at,
        }
    }
}
