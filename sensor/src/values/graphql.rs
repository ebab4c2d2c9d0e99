//! Texts in the arguments of GraphQL documents.

use super::place::Place;
use super::walk::{Value, Walk};

/// Whether a member of JSON, or a field of a form, holds a GraphQL document.
pub(super) fn is_document_of(name: &[u8], text: &[u8]) -> bool {
    (name == b"query" || name.ends_with(b".query")) && text.contains(&b'{') && text.contains(&b'}')
}

/// Visits the strings of a document, each with the name of its argument, and the whole text if it has bytes that
/// GraphQL does not allow outside strings: otherwise braces would hide an attack on a field of that name.
pub(super) fn walk(walk: &mut Walk<'_>, value: Value<'_>) {
    let text = value.text;
    let mut at = 0_usize;
    let mut is_document = true;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let open = at.saturating_add(found);
        let before = text.get(at..open).unwrap_or_default();
        is_document &= before.iter().all(is_of_document);
        let name = argument(before);
        let rest = text.get(open..).unwrap_or_default();
        let (inner, length) = literal(rest);
        at = open.saturating_add(length.max(1));
        let mut buffer = walk.buffers().take();
        unescape(inner, &mut buffer);
        walk.value(
            Value { place: Place::Graphql, name, text: &buffer, is_scalar: false, is_name: false, ..value },
            1,
        );
        walk.buffers().give(buffer);
    }
    if !is_document || !text.get(at..).unwrap_or_default().iter().all(is_of_document) {
        walk.tell(value);
    }
}

/// Whether a byte is allowed outside strings (section 2.1 of the specification), except in comments.
const fn is_of_document(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'_' | b'{'
                | b'}'
                | b'('
                | b')'
                | b'['
                | b']'
                | b':'
                | b'!'
                | b'$'
                | b'@'
                | b','
                | b'.'
                | b'='
                | b'|'
                | b'&'
                | b'-'
        )
}

/// A string or block string (section 2.9.4 of the specification of October 2021): its content, and its length with
/// quotes.
fn literal(text: &[u8]) -> (&[u8], usize) {
    if let Some(block) = text.strip_prefix(b"\"\"\"") {
        let end = memchr::memmem::find(block, b"\"\"\"").unwrap_or(block.len());
        return (block.get(..end).unwrap_or_default(), end.saturating_add(6));
    }
    let rest = text.get(1..).unwrap_or_default();
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    let end = end.unwrap_or(rest.len());
    (rest.get(..end).unwrap_or_default(), end.saturating_add(2))
}

/// Resolves quotes, slashes, backslashes and line feeds; the normal form resolves other escapes.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match after {
            [byte @ (b'"' | b'\\' | b'/'), after @ ..] if *first == b'\\' => (*byte, after),
            [b'n', after @ ..] if *first == b'\\' => (b'\n', after),
            _ => (*first, after),
        };
        out.push(byte);
        rest = after;
    }
}

/// The name before a value: `name: "value"`.
fn argument(before: &[u8]) -> &[u8] {
    let before = before.trim_ascii_end();
    let Some(before) = before.strip_suffix(b":") else { return b"" };
    let before = before.trim_ascii_end();
    let start = before.iter().rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    before.get(start.map_or(0, |start| start.saturating_add(1))..).unwrap_or_default()
}
