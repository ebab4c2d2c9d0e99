//! Characters that are treated as others: full-width forms, typographic quotes, overlong UTF-8, upper case.

/// What was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// There was a NUL.
    pub(super) has_nul: bool,
    /// A letter or digit within a word was overlong UTF-8, and everything else was ASCII: in Chinese or Cyrillic charsets the
    /// same bytes occur next to other non-ASCII bytes.
    pub(super) has_overlong: bool,
}

/// Folds the characters of `text` into `out`, in lower case; drops invisible ones.
pub(super) fn characters(text: &[u8], out: &mut Vec<u8>) -> Folded {
    let mut folded = Folded::default();
    let mut has_others = false;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first == 0 {
            folded.has_nul = true;
            rest = after;
        } else if first.is_ascii() {
            out.push(first.to_ascii_lowercase());
            rest = after;
        } else {
            let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let is_inside = is_word(out.last());
            let (length, is_overlong) = beyond_ascii(rest, out);
            rest = rest.get(length.max(1)..).unwrap_or_default();
            folded.has_overlong |= is_overlong && is_inside && is_word(out.last()) && is_word(rest.first());
            has_others |= !is_overlong;
        }
    }
    folded.has_overlong &= !has_others;
    folded
}

/// Folds one non-ASCII character; returns its length, and whether it was overlong.
fn beyond_ascii(text: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    if let Some((byte, length)) = overlong(text) {
        if byte != 0 {
            out.push(byte.to_ascii_lowercase());
        }
        return (length, true);
    }
    let Some(character) = first_char(text) else {
        // A byte of another charset.
        let character = text.first().copied().map_or(' ', char::from);
        push(folded(character), out);
        return (1, false);
    };
    push(folded(character), out);
    (character.len_utf8(), false)
}

fn first_char(text: &[u8]) -> Option<char> {
    let start = text.get(..4).unwrap_or(text);
    let valid = match std::str::from_utf8(start) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?,
    };
    valid.chars().next()
}

/// The ASCII character of an overlong sequence (forbidden by RFC 3629, section 3), and its length. Old decoders also
/// accept an invalid second byte.
fn overlong(text: &[u8]) -> Option<(u8, usize)> {
    let low = |byte: u8| byte & 0x3f;
    let is_next = |byte: u8| (0x80..0xc0).contains(&byte);
    match *text {
        [0xc0 | 0xc1, byte @ (b'.' | b'/' | b'\\'), ..] => Some((byte, 2)),
        // Variants that scanners send, for decoders that mask fewer bits.
        [0xc1, 0xaf, ..] => Some((b'/', 2)),
        [0xc0, 0x5e | 0xfe, ..] => Some((b'.', 2)),
        [lead @ (0xc0 | 0xc1), byte, ..] => Some(((lead & 0x1f) << 6 | low(byte), 2)),
        [0xe0, second @ 0x80..=0x81, third, ..] if is_next(third) => Some((low(second) << 6 | low(third), 3)),
        [0xf0, 0x80, third @ 0x80..=0x81, fourth, ..] if is_next(fourth) => {
            Some((low(third) << 6 | low(fourth), 4))
        }
        [0xf8, 0x80, 0x80, fourth @ 0x80..=0x81, fifth, ..] if is_next(fifth) => {
            Some((low(fourth) << 6 | low(fifth), 5))
        }
        [0xfc, 0x80, 0x80, 0x80, fifth @ 0x80..=0x81, sixth, ..] if is_next(sixth) => {
            Some((low(fifth) << 6 | low(sixth), 6))
        }
        _ => None,
    }
}

/// The character that readers take it for; NUL for an invisible one.
fn folded(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32((character as u32).wrapping_sub(0xfee0)).unwrap_or(character).to_ascii_lowercase()
        }
        '\u{2018}' | '\u{2019}' | '\u{2032}' | '\u{2b9}' | '\u{2bc}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{2033}' => '"',
        '\u{2215}' | '\u{2044}' | '\u{efc8}' | '\u{f025}' => '/',
        '\u{2216}' => '\\',
        '\u{2024}' => '.',
        '\u{fe63}' => '-',
        '\u{fe64}' | '\u{2039}' | '\u{276e}' => '<',
        '\u{fe65}' | '\u{203a}' | '\u{276f}' => '>',
        '\u{37e}' => ';',
        '\u{1c0}' => '|',
        '\u{560a}' => '\n',
        '\u{560d}' => '\r',
        '\u{85}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{3000}' => ' ',
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => '\0',
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => character,
    }
}

fn push(character: char, out: &mut Vec<u8>) {
    if character != '\0' {
        let mut buffer = [0; 4];
        for lower in character.to_lowercase().take(3) {
            out.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
        }
    }
}
