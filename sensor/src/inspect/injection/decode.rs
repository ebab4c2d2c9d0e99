//! One round of decoding: percent, `%u`, HTML entities, escapes of JavaScript and similar languages.

use crate::values::hex_pair;

/// Whether there may be something to decode.
pub(super) fn has_escapes(text: &[u8]) -> bool {
    memchr::memchr3(b'%', b'&', b'\\', text).is_some()
        || memchr::memmem::find(text, b"+A").is_some()
        || memchr::memmem::find(text, b"0x2").is_some()
        || memchr::memmem::find(text, b"0x5").is_some()
}

/// What a round of decoding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// There was something to decode.
    pub(super) is_changed: bool,
    /// A letter or digit within a word was encoded. No encoder does that (RFC 3986, section 2.3): it hides the word, or
    /// tests whether the server decodes it.
    pub(super) is_needless: bool,
}

/// Decodes `text` into `out`.
pub(super) fn round(text: &[u8], out: &mut Vec<u8>) -> Round {
    let mut done = Round::default();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let decoded = match first {
            b'%' => percent(after),
            b'&' => entity(after),
            b'\\' => escape(after),
            b'0' => hexadecimal(after),
            b'+' => utf7(after),
            // `%c0%9v` of which the first byte is already decoded.
            0xc0 | 0xc1 if is_odd(after) => Some((Decoded::Byte(b'/'), 3)),
            _ => None,
        };
        let Some((character, length)) = decoded else {
            out.push(*first);
            rest = after;
            continue;
        };
        done.is_changed = true;
        let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        done.is_needless |= matches!(first, b'%' | b'&')
            && character.is_alphanumeric()
            && is_word(out.last())
            && is_word(after.get(length));
        match character {
            Decoded::Byte(byte) => out.push(byte),
            Decoded::Char(character) => {
                let mut buffer = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
        rest = after.get(length..).unwrap_or_default();
    }
    done
}

/// What an escape stands for.
enum Decoded {
    Byte(u8),
    Char(char),
}

impl Decoded {
    /// Of ASCII.
    fn is_alphanumeric(&self) -> bool {
        match self {
            Self::Byte(byte) => byte.is_ascii_alphanumeric(),
            Self::Char(character) => character.is_ascii_alphanumeric(),
        }
    }
}

/// The decoded character, and the length of the escape after its first byte.
type Escape = Option<(Decoded, usize)>;

/// `%41`, `%u0041`, `%%34%31` (nibbles encoded separately), and sequences with invalid digits that IIS decoded as slashes
/// (`%c0%9v`).
fn percent(text: &[u8]) -> Escape {
    match text {
        [b'u' | b'U', code @ ..] => Some((Decoded::Char(char::from_u32(hex(code, 4)?)?), 5)),
        [b'%', h1, h2, b'%', l1, l2, ..] if *l1 != b'%' => {
            let (high, low) = (hex_pair(*h1, *h2)?, hex_pair(*l1, *l2)?);
            Some((Decoded::Byte(hex_pair(high, low)?), 6))
        }
        [b'%', h1, h2, b'%', b'%', l1, l2, ..] => {
            let (high, low) = (hex_pair(*h1, *h2)?, hex_pair(*l1, *l2)?);
            Some((Decoded::Byte(hex_pair(high, low)?), 7))
        }
        [b'%', h1, h2, low, ..] if hex_pair(*h1, *h2).is_some_and(|high| high.is_ascii_hexdigit()) => {
            Some((Decoded::Byte(hex_pair(hex_pair(*h1, *h2)?, *low)?), 4))
        }
        [high, b'%', l1, l2, ..]
            if hex_pair(*l1, *l2).is_some_and(|low| low.is_ascii_hexdigit()) && high.is_ascii_hexdigit() =>
        {
            Some((Decoded::Byte(hex_pair(*high, hex_pair(*l1, *l2)?)?), 4))
        }
        [high, b'%', low, ..] => split_nibbles(*high, *low),
        [high, low, after @ ..] => match hex_pair(*high, *low) {
            Some(0xc0 | 0xc1) if is_odd(after) => Some((Decoded::Byte(b'/'), 5)),
            Some(byte) => Some((Decoded::Byte(byte), 2)),
            None if high.eq_ignore_ascii_case(&b'b') && *low == b'g' && is_odd(after) => {
                Some((Decoded::Byte(b'/'), 5))
            }
            None => None,
        },
        _ => None,
    }
}

/// `%2%e`, which one round leaves of `%%32%%65`. Only dots and slashes, since format strings have `%d%a`.
fn split_nibbles(high: u8, low: u8) -> Escape {
    let byte = hex_pair(high, low).filter(|byte| matches!(byte, b'.' | b'/' | b'\\'))?;
    Some((Decoded::Byte(byte), 3))
}

/// Whether a percent sign and two characters that are not hexadecimal digits follow.
fn is_odd(text: &[u8]) -> bool {
    matches!(text, [b'%', high, low, ..]
        if hex_pair(*high, *low).is_none() && high.is_ascii_alphanumeric() && low.is_ascii_alphanumeric())
}

/// `&lt;`, `&#60;`, `&#x3c;`. Browsers need no semicolon after a number.
fn entity(text: &[u8]) -> Escape {
    if let Some(number) = text.strip_prefix(b"#") {
        let is_hex = matches!(number.first(), Some(b'x' | b'X'));
        let digits = if is_hex { number.get(1..)? } else { number };
        let is_digit = |byte: &&u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        let count = digits.iter().take_while(is_digit).count();
        let value = std::str::from_utf8(digits.get(..count)?).ok()?.trim_start_matches('0');
        let code = u32::from_str_radix(value, if is_hex { 16 } else { 10 }).ok()?;
        let end = usize::from(digits.get(count) == Some(&b';'));
        let length =
            [1, usize::from(is_hex), count, end].iter().fold(0_usize, |sum, part| sum.saturating_add(*part));
        return Some((Decoded::Char(char::from_u32(code)?), length));
    }
    let length = text.iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if text.get(length) != Some(&b';') {
        return None;
    }
    let name = text.get(..length)?;
    let (_, byte) = NAMED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some((Decoded::Byte(*byte), length.saturating_add(1)))
}

/// The names of ASCII characters in HTML.
const NAMED: [(&str, u8); 36] = [
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("amp", b'&'),
    ("nbsp", b' '),
    ("tab", b'\t'),
    ("newline", b'\n'),
    ("colon", b':'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("sol", b'/'),
    ("bsol", b'\\'),
    ("equals", b'='),
    ("semi", b';'),
    ("period", b'.'),
    ("comma", b','),
    ("excl", b'!'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("lcub", b'{'),
    ("rcub", b'}'),
    ("lsqb", b'['),
    ("rsqb", b']'),
    ("lbrack", b'['),
    ("rbrack", b']'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("grave", b'`'),
    ("ast", b'*'),
    ("plus", b'+'),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lowbar", b'_'),
    ("hat", b'^'),
];

/// `\u003c`, `\u{3c}`, `\U0000003c`, `\x3c`, and `\r\n` as it stands in source text.
fn escape(text: &[u8]) -> Escape {
    match text {
        [b'u', b'{', code @ ..] => {
            let count = code.iter().take(7).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let end = code.get(count) == Some(&b'}');
            let value = hex(code, count).filter(|_| end && count > 0)?;
            Some((Decoded::Char(char::from_u32(value)?), count.saturating_add(3)))
        }
        [b'U', b'0', b'0', b'0', b'0', code @ ..] => Some((Decoded::Char(char::from_u32(hex(code, 4)?)?), 9)),
        [b'u' | b'U', code @ ..] => Some((Decoded::Char(char::from_u32(hex(code, 4)?)?), 5)),
        [b'x' | b'X', high, low, ..] => Some((Decoded::Byte(hex_pair(*high, *low)?), 3)),
        [b'r', b'\\', b'n', ..] => Some((Decoded::Byte(b'\n'), 3)),
        _ => None,
    }
}

/// Dots and slashes as numbers: `0x2e0x2e0x2f`.
fn hexadecimal(text: &[u8]) -> Escape {
    let [b'x', high @ (b'2' | b'5'), low, after @ ..] = text else { return None };
    let byte = hex_pair(*high, *low).filter(|byte| matches!(byte, b'.' | b'/' | b'\\'))?;
    let is_number = matches!(after, [b'0'..=b'9', next, ..] if *next != b'x');
    (!is_number).then_some((Decoded::Byte(byte), 3))
}

/// One character of ASCII in UTF-7: `+ADw-`.
fn utf7(text: &[u8]) -> Escape {
    let [b'A', second @ b'A'..=b'Z', third, b'-', ..] = text else { return None };
    let third = match third {
        b'A'..=b'Z' => third.wrapping_sub(b'A'),
        b'a'..=b'z' => third.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => third.wrapping_sub(b'0').wrapping_add(52),
        _ => return None,
    };
    // Sixteen bits of big-endian UTF-16 in three letters: the first six are zero.
    let bits = u32::from(second.wrapping_sub(b'A')) << 6 | u32::from(third);
    let character = char::from_u32(bits >> 2).filter(char::is_ascii_graphic)?;
    Some((Decoded::Char(character), 4))
}

/// The value of the first `count` hexadecimal digits.
fn hex(text: &[u8], count: usize) -> Option<u32> {
    let digits = text.get(..count).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
