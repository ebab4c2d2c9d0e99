//! Percent-encoding as in forms and queries.

/// Decodes percent-encoding and plus signs, into `out` if there are any. Invalid escapes are left as they are. Trailing
/// whitespace of a text without escapes is dropped.
pub fn decode<'a>(text: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return text.trim_ascii_end();
    }
    out.clear();
    decode_into(text, out);
    out
}

/// As [`decode`], appended to `out`.
pub(super) fn decode_into(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => hex_pair(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let plain = if *first == b'+' { b' ' } else { *first };
        let (byte, after) = escaped.unwrap_or((plain, after));
        out.push(byte);
        rest = after;
    }
}

/// The byte that two hexadecimal digits stand for.
#[must_use]
pub fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
