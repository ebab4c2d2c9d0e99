//! XML, as far as its elements and attributes hold texts.

use super::place::Place;
use super::walk::{Value, Walk, Wraps};

/// Elements that are read: more than the kept part of a body has.
const MAX_ELEMENTS: usize = 16_384;

/// Of the document as a whole that is told as one value: its head, where entities are declared.
const MAX_DOCUMENT: usize = 8 << 10;

/// Tells the document as a whole, whose value has no name, then the texts of elements and attributes.
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

/// Local names of the start tags that text follows, with that text, which may stand in a section of its own.
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
