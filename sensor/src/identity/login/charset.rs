//! Converts bodies of any charset to UTF-8.
//!
//! The bytes take precedence over the label: frameworks recognise UTF-16 and UTF-32 JSON by its zero bytes (RFC 4627,
//! section 3) and otherwise ignore `charset=`.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

/// The width of a text's characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// One byte for ASCII, after a byte order mark of this many bytes.
    Narrow(usize),
    Utf16(&'static Encoding, usize),
    Utf32 {
        is_big: bool,
        mark: usize,
    },
}

impl Width {
    /// By the byte order mark, or by zeros next to the first characters, which are ASCII in every relevant format.
    fn of(text: &[u8]) -> Self {
        match text {
            [0xef, 0xbb, 0xbf, ..] => Self::Narrow(3),
            [0xff, 0xfe, 0, 0, ..] => Self::Utf32 { is_big: false, mark: 4 },
            [0, 0, 0xfe, 0xff, ..] => Self::Utf32 { is_big: true, mark: 4 },
            [0xff, 0xfe, ..] => Self::Utf16(UTF_16LE, 2),
            [0xfe, 0xff, ..] => Self::Utf16(UTF_16BE, 2),
            [0, 0, 0, 1..=255, ..] => Self::Utf32 { is_big: true, mark: 0 },
            [1..=255, 0, 0, 0, ..] => Self::Utf32 { is_big: false, mark: 0 },
            [0, 1..=255, ..] => Self::Utf16(UTF_16BE, 0),
            [1..=255, 0, ..] => Self::Utf16(UTF_16LE, 0),
            _ => Self::Narrow(0),
        }
    }
}

/// A body as text, in `out` if it had to be converted; none if its charset is unknown. Invalid sequences become U+FFFD, as
/// in lenient servers.
pub(super) fn decode<'b>(body: &'b [u8], label: Option<&[u8]>, out: &'b mut String) -> Option<&'b [u8]> {
    out.clear();
    match Width::of(body) {
        Width::Narrow(mark) => {
            let body = body.get(mark..).unwrap_or_default();
            let Some(encoding) = narrow(label, mark > 0)? else { return Some(body) };
            fill(encoding, body, out);
        }
        Width::Utf16(encoding, mark) => fill(encoding, body.get(mark..).unwrap_or_default(), out),
        Width::Utf32 { is_big, mark } => {
            let (characters, _rest) = body.get(mark..).unwrap_or_default().as_chunks::<4>();
            let number = |bytes: &[u8; 4]| {
                if is_big { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
            };
            out.reserve(characters.len().saturating_mul(4));
            out.extend(
                characters
                    .iter()
                    .map(|bytes| char::from_u32(number(bytes)).unwrap_or(char::REPLACEMENT_CHARACTER)),
            );
        }
    }
    Some(out.as_bytes())
}

/// The encoding of a body with narrow characters. Outer none: the label is unknown. Inner none: it is UTF-8 or a subset.
#[expect(clippy::option_option, reason = "the two mean different things, as told above")]
fn narrow(label: Option<&[u8]>, is_marked: bool) -> Option<Option<&'static Encoding>> {
    let Some(label) = label.filter(|_| !is_marked) else { return Some(None) };
    let is_wide = |name: &[u8]| label.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    // Not wide text: a server that reads it anyway ignores the label.
    if is_wide(b"utf-16") || is_wide(b"utf-32") || is_wide(b"utf16") || is_wide(b"utf32") {
        return Some(None);
    }
    let encoding = Encoding::for_label(label).filter(|encoding| *encoding != REPLACEMENT)?;
    Some((encoding != UTF_8).then_some(encoding))
}

fn fill(encoding: &'static Encoding, text: &[u8], out: &mut String) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    // Reserve all of it, so that reallocation leaves no copies behind.
    out.reserve(decoder.max_utf8_buffer_length(text.len()).unwrap_or_default());
    let _done = decoder.decode_to_string(text, out, true);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &[u8], label: Option<&str>) -> Option<String> {
        let mut out = String::new();
        decode(body, label.map(str::as_bytes), &mut out)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }

    #[test]
    fn wide_and_narrow_texts_are_the_same() {
        let json = r#"{"user":"ä€𝄞"}"#;
        let utf16 = |bytes: fn(u16) -> [u8; 2]| json.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let utf32 =
            |bytes: fn(u32) -> [u8; 4]| json.chars().flat_map(|c| bytes(c.into())).collect::<Vec<u8>>();
        let marked = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        let texts = [
            json.as_bytes().to_vec(),
            marked(b"\xef\xbb\xbf", json.as_bytes().to_vec()),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            marked(b"\xff\xfe", utf16(u16::to_le_bytes)),
            marked(b"\xfe\xff", utf16(u16::to_be_bytes)),
            utf32(u32::to_le_bytes),
            utf32(u32::to_be_bytes),
            marked(b"\xff\xfe\0\0", utf32(u32::to_le_bytes)),
            marked(b"\0\0\xfe\xff", utf32(u32::to_be_bytes)),
        ];
        for (number, body) in texts.iter().enumerate() {
            for label in [None, Some("utf-8"), Some("utf-16le"), Some("UTF-32")] {
                assert_eq!(text(body, label).as_deref(), Some(json), "{number} as {label:?}");
            }
        }
    }

    #[test]
    fn labels_count_for_narrow_texts() {
        assert_eq!(text(b"a=\xe9", Some("iso-8859-1")).as_deref(), Some("a=é"));
        assert_eq!(text(b"a=\x83\x41", Some("Shift_JIS")).as_deref(), Some("a=ア"));
        for unknown in ["ibm037", "utf-7", "iso-2022-kr", ""] {
            assert_eq!(text(b"a=b", Some(unknown)), None, "{unknown}");
        }
        assert_eq!(text(b"", None).as_deref(), Some(""));
    }
}
