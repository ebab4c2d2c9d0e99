//! The format of a body, and the values in it.

use super::graphql;
use super::json;
use super::multipart;
use super::place::Place;
use super::walk::{Value, Walk, Wraps};
use super::xml;

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON.
    Json,
    /// A GraphQL document.
    GraphQl,
    /// `multipart/form-data`, with its boundary.
    Multipart(&'a [u8]),
    /// XML.
    Xml,
}

impl<'a> Shape<'a> {
    /// From the media type, or from the first byte if that is inconclusive: scripts in browsers send JSON as
    /// `text/plain`, which needs no CORS preflight, and many servers parse JSON and XML whatever the type.
    #[must_use]
    pub fn of(content_type: Option<&'a [u8]>, body: &[u8]) -> Option<Self> {
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| essence.eq_ignore_ascii_case(name);
        let ends = |name: &[u8]| {
            let start = essence.len().saturating_sub(name.len());
            essence.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(name))
        };
        if is(b"application/graphql") {
            Some(Self::GraphQl)
        } else if is(b"multipart/form-data") {
            boundary(content_type).map(Self::Multipart)
        } else if ends(b"json") {
            let first = body.trim_ascii_start().first();
            // Some clients declare JSON for every body.
            let is_form = first.is_some_and(u8::is_ascii_alphabetic) && memchr::memchr(b'=', body).is_some();
            Some(if is_form { Self::Form } else { Self::Json })
        } else if ends(b"xml") {
            Some(Self::Xml)
        } else if essence.is_empty() || is(b"text/plain") || is(b"application/x-www-form-urlencoded") {
            body.trim_ascii_start().first()?;
            Self::by_its_look(body).or(Some(Self::Form))
        } else {
            Self::by_its_look(body)
        }
    }

    fn by_its_look(body: &[u8]) -> Option<Self> {
        match body.trim_ascii_start().first()? {
            b'{' | b'[' => Some(Self::Json),
            b'<' => Some(Self::Xml),
            _ => None,
        }
    }

    /// The charset that a media type names.
    #[must_use]
    pub fn charset(content_type: Option<&'a [u8]>) -> Option<&'a [u8]> {
        parameter(content_type?, b"charset=").map(<[u8]>::trim_ascii)
    }
}

/// Visits the values of a body.
pub(super) fn walk(walk: &mut Walk<'_>, content_type: Option<&[u8]>, body: &[u8]) {
    let whole = Value {
        place: Place::Body,
        name: b"",
        text: body,
        is_name: false,
        is_scalar: false,
        wraps: Wraps::default(),
    };
    let is_read = match Shape::of(content_type, body) {
        Some(Shape::Json) => {
            let is_cut = !json::walk(walk, whole, (Place::Json, Wraps::default()), 0);
            // A truncated document still yields its values; what only looks like JSON is visited as a whole, too.
            !is_cut || !looks_like_words(body)
        }
        Some(Shape::Form) => form(walk, content_type, body),
        Some(Shape::GraphQl) => {
            graphql::walk(walk, whole);
            true
        }
        Some(Shape::Multipart(boundary)) => multipart::walk(walk, body, boundary),
        Some(Shape::Xml) => {
            xml::walk(walk, body);
            true
        }
        None => sniffed_multipart(walk, body),
    };
    if !is_read && multipart::is_text(body) {
        walk.value(whole, 0);
    }
}

/// A form by its type, or text that may be one.
fn form(walk: &mut Walk<'_>, content_type: Option<&[u8]>, body: &[u8]) -> bool {
    if body.starts_with(b"--") && sniffed_multipart(walk, body) {
        return true;
    }
    let says_form = content_type.is_some_and(|content_type| {
        content_type
            .get(..33)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
    });
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-[]%".contains(byte);
    let begins_like_one =
        memchr::memchr(b'=', body).is_some_and(|equals| body.iter().take(equals).all(is_name));
    if !says_form && !begins_like_one {
        return false;
    }
    walk.pairs(body, b'&', Place::Form, Wraps::default(), 0);
    true
}

/// A multipart form without the media type for it.
fn sniffed_multipart(walk: &mut Walk<'_>, body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"--") else { return false };
    let boundary = rest.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    (1..=70).contains(&boundary.len()) && multipart::walk(walk, body, boundary)
}

/// Whether a document that is not valid JSON does not even begin like JSON.
fn looks_like_words(body: &[u8]) -> bool {
    !matches!(
        body.trim_ascii_start(),
        [b'{' | b'[', b'"' | b'{' | b'[' | b' ' | b'\r' | b'\n' | b'0'..=b'9', ..]
    )
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    // RFC 2046, section 5.1.1: 1 to 70 characters.
    parameter(content_type, b"boundary=").filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// The value of a parameter of a header, without its quotes.
#[must_use]
pub fn parameter<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(name.len()).enumerate().find(|(at, part)| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        part.eq_ignore_ascii_case(name) && matches!(before, Some(b' ' | b';' | b'\t'))
    })?;
    let value = text.get(at.0.checked_add(name.len())?..)?;
    let (value, ends): (_, &[u8]) = match value.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b"\""),
        None => (value, b"; \r\n"),
    };
    value.split(|byte| ends.contains(byte)).next()
}
