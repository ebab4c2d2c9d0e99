//! Values within values: JSON, URLs, forms, base64.

use super::json;
use super::pairs;
use super::percent;
use super::place::Place;
use super::walk::{Value, Walk, Wraps};

/// Shortest path segment that is tried as base64: page names are shorter.
pub(super) const SHORTEST_SEGMENT: usize = 16;

/// Shortest value that is tried as base64.
const SHORTEST: usize = 10;

/// Longest value that is unpacked.
const LONGEST: usize = 64 << 10;

/// Unpacks a value and visits its contents; returns whether that covered all of it.
pub(super) fn take_apart(walk: &mut Walk<'_>, value: Value<'_>, depth: u8) -> bool {
    let text = value.text.trim_ascii();
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
    if text.len() < 2 || text.len() > LONGEST {
        return false;
    }
    let value = Value { text, ..value };
    match (first, last) {
        (b'{', b'}') | (b'[', b']') => inner_json(walk, value, depth),
        (b'h' | b'H' | b'/', _) if is_url(text) => {
            url(walk, value, depth);
            true
        }
        (b'%', _) => escaped(walk, value, depth),
        _ if text.len() >= SHORTEST && base64_value(walk, value, depth) => true,
        _ if depth > 0 && pairs::is_form(text) => {
            let wraps = Wraps { form: true, ..value.wraps };
            walk.pairs(text, b'&', value.place, wraps, depth.saturating_add(1));
            true
        }
        // Encoded twice, as URLs within URLs are.
        _ if starts_escaped_url(text) => escaped(walk, value, depth),
        _ => false,
    }
}

/// Visits the members of a JSON value; returns whether it was valid JSON.
fn inner_json(walk: &mut Walk<'_>, value: Value<'_>, depth: u8) -> bool {
    let is_document = match value.text {
        [b'{', next, ..] => matches!(next, b'"' | b'}') || next.is_ascii_whitespace(),
        [_, next, ..] => {
            matches!(next, b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
                || next.is_ascii_whitespace()
        }
        _ => false,
    };
    is_document
        && json::walk(
            walk,
            value,
            (value.place, Wraps { json: true, ..value.wraps }),
            depth.saturating_add(1),
        )
}

/// Decodes another layer of percent-encoding if the result looks like a document or a URL.
fn escaped(walk: &mut Walk<'_>, value: Value<'_>, depth: u8) -> bool {
    let is_document =
        matches!(value.text.get(..3), Some([b'%', b'7', b'b' | b'B'] | [b'%', b'5', b'b' | b'B']));
    if !is_document && !starts_escaped_url(value.text) {
        return false;
    }
    let mut buffer = walk.buffers().take();
    percent::decode_into(value.text, &mut buffer);
    let is_changed = buffer.as_slice() != value.text;
    if is_changed {
        walk.value(Value { text: &buffer, ..value }, depth.saturating_add(1));
    }
    walk.buffers().give(buffer);
    is_changed
}

fn starts_escaped_url(text: &[u8]) -> bool {
    let start = text.get(..20).unwrap_or(text);
    memchr::memchr(b'%', start).is_some_and(|at| {
        start.get(at..at.saturating_add(9)).is_some_and(|part| part.eq_ignore_ascii_case(b"%3a%2f%2f"))
    })
}

/// Whether a text is a URL with a host and no white space.
fn is_url(text: &[u8]) -> bool {
    let scheme = |name: &[u8]| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
            .then(|| text.get(name.len()..))
    };
    let rest = [&b"https://"[..], b"http://", b"//"].iter().find_map(|name| scheme(name)).flatten();
    let is_plain = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'>' | b'"' | b'\'');
    rest.is_some_and(|rest| {
        rest.first().is_some_and(|first| !matches!(first, b'/' | b'?' | b'#')) && rest.iter().all(is_plain)
    })
}

/// Scheme, host and path; query; fragment.
pub(super) fn url_parts(text: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let at = |text: &[u8], mark| memchr::memchr(mark, text).unwrap_or(text.len());
    let (text, fragment) = text.split_at_checked(at(text, b'#')).unwrap_or_default();
    let (base, query) = text.split_at_checked(at(text, b'?')).unwrap_or_default();
    (base, query.get(1..).unwrap_or_default(), fragment.get(1..).unwrap_or_default())
}

fn url(walk: &mut Walk<'_>, value: Value<'_>, depth: u8) {
    let (base, query, fragment) = url_parts(value.text);
    walk.tell(Value { text: base, ..value });
    let wraps = Wraps { url: true, ..value.wraps };
    walk.pairs(query, b'&', value.place, wraps, depth.saturating_add(1));
    walk.value(Value { text: fragment, wraps, ..value }, depth.saturating_add(1));
}

/// Visits the text that a base64 value encodes; returns whether it is one.
pub(super) fn base64_value(walk: &mut Walk<'_>, value: Value<'_>, depth: u8) -> bool {
    let mut buffer = walk.buffers().take();
    let is_text = base64(value.text, &mut buffer);
    if is_text {
        let is_name = value.is_name;
        let wraps = Wraps { base64: true, ..value.wraps };
        let place = if value.place == Place::Path { Place::Path } else { value.place };
        walk.value(Value { place, text: &buffer, is_name, wraps, ..value }, depth.saturating_add(1));
    }
    walk.buffers().give(buffer);
    is_text
}

/// Decodes base64 in either alphabet. False if it is not base64 or does not encode text, of which at least 90 % is
/// printable.
#[must_use]
pub fn base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let text = strip_padding(text);
    if text.len() < SHORTEST || text.len() > LONGEST || text.len() % 4 == 1 {
        return false;
    }
    let mut other = 0_usize;
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let Some(sextet) = group.get(at).map_or(Some(0), |byte| sextet(*byte)) else { return false };
            bits = bits << 6 | sextet;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        for byte in bytes.iter().take(group.len().saturating_sub(1)) {
            let is_printable = (32..127).contains(byte) || matches!(byte, b'\t' | b'\n' | b'\r');
            other = other.saturating_add(usize::from(!is_printable));
            out.push(*byte);
        }
        // Most tokens fail here.
        if other > 1 && other > out.len() / 8 {
            return false;
        }
    }
    other.saturating_mul(10) <= out.len()
}

fn strip_padding(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    text.strip_suffix(b"=").unwrap_or(text)
}

const fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value as u32)
}
