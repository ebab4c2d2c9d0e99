//! XML: the text of elements and attributes.

use super::place::Place;
use super::walk::{Value, Walk, Wraps};

/// Maximum elements read: more than the kept part of a body holds.
const MAX_ELEMENTS: usize = 16_384;

/// Maximum bytes of the document that are passed on as one value: its head, where entities are declared.
const MAX_DOCUMENT: usize = 8 << 10;

/// Visits the document as a whole, without a name, then the text of each element and attribute.
pub(super) fn walk(walk: &mut Walk<'_>, body: &[u8]) {
    let value = Value {
        place: Place::Xml,
        name: b"",
        text: body.get(..MAX_DOCUMENT).unwrap_or(body),
        is_name: false,
        is_scalar: false,
        wraps: Wraps::default(),
    };
    walk.tell(value);
    for (name, text) in elements(body).chain(attributes(body)).take(MAX_ELEMENTS) {
        if walk.is_over() {
            walk.cut();
            return;
        }
        walk.value(Value { name, text, ..value }, 0);
    }
}

/// Attributes of start tags, as in `<login name="alice" password="...">`.
pub fn attributes(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    body.split(|byte| *byte == b'<').skip(1).flat_map(|tag| {
        let tag = tag.split(|byte| *byte == b'>').next().unwrap_or_default();
        let mut parts = tag.split(|byte| matches!(byte, b'"' | b'\''));
        std::iter::from_fn(move || {
            let name = parts.next()?.trim_ascii().strip_suffix(b"=")?;
            let name = name.rsplit(u8::is_ascii_whitespace).next()?;
            Some((name, parts.next()?))
        })
    })
}

/// Local names of start tags followed by text, with that text, which may be in a CDATA section.
pub fn elements(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut last: &[u8] = b"";
    body.split(|byte| *byte == b'<').skip(1).filter_map(move |tag| {
        if let Some(text) = tag.strip_prefix(b"![CDATA[") {
            let text = text.split(|byte| *byte == b']').next()?.trim_ascii();
            return (!text.is_empty() && !last.is_empty()).then_some((last, text));
        }
        let end = memchr::memchr(b'>', tag)?;
        let (tag, text) = tag.split_at_checked(end)?;
        let text = text.get(1..)?.trim_ascii();
        let name = tag.split(u8::is_ascii_whitespace).next()?;
        let name = name.rsplit(|byte| *byte == b':').next()?;
        last = if tag.starts_with(b"/") { b"" } else { name };
        (!text.is_empty() && !tag.starts_with(b"/") && !tag.ends_with(b"/")).then_some((name, text))
    })
}
