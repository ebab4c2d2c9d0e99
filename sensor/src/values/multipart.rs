//! `multipart/form-data` (RFC 7578).

use memchr::memmem;

use super::body::parameter;
use super::place::Place;
use super::walk::{Value, Walk, Wraps};

/// Maximum parts read.
const MAX_PARTS: usize = 1_024;

/// Longest file whose content is visited as a value.
const MAX_FILE: usize = 4 << 10;

/// One part.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its headers.
    pub head: &'a [u8],
    /// Its content.
    pub content: &'a [u8],
}

impl<'a> Part<'a> {
    /// The name of its field.
    #[must_use]
    pub fn name(&self) -> Option<&'a [u8]> {
        parameter(self.head, b"name=")
    }

    /// Its file name.
    #[must_use]
    pub fn file_name(&self) -> Option<&'a [u8]> {
        parameter(self.head, b"filename=").or_else(|| parameter(self.head, b"filename*="))
    }
}

/// The parts of a body, at most 1,024.
pub fn parts<'a>(body: &'a [u8], boundary: &'a [u8]) -> impl Iterator<Item = Part<'a>> {
    // A boundary follows two hyphens (RFC 2046, section 5.1.1).
    let is_marked = move |at: &usize| at.checked_sub(2).and_then(|start| body.get(start..*at)) == Some(b"--");
    let mut starts = memmem::find_iter(body, boundary).filter(is_marked).take(MAX_PARTS).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().copied().unwrap_or(body.len());
        Some(body.get(start.saturating_add(boundary.len())..end).unwrap_or_default())
    })
    .filter_map(|part| {
        let end = memmem::find(part, b"\r\n\r\n").map(|end| (end, 4));
        let (end, length) = end.or_else(|| memmem::find(part, b"\n\n").map(|end| (end, 2)))?;
        let (head, content) = part.split_at_checked(end)?;
        // The line break and the hyphens before the next boundary are not part of the content.
        let content = content.get(length..)?;
        let content = content.strip_suffix(b"--").unwrap_or(content);
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        Some(Part { head, content: content.strip_suffix(b"\r").unwrap_or(content) })
    })
}

/// Visits the fields and file names; returns whether there was a part.
pub(super) fn walk(walk: &mut Walk<'_>, body: &[u8], boundary: &[u8]) -> bool {
    let mut has_part = false;
    if memmem::find_iter(body, boundary).nth(MAX_PARTS).is_some() {
        walk.cut();
    }
    for part in parts(body, boundary) {
        has_part = true;
        let name = part.name().unwrap_or_default();
        let value = Value {
            place: Place::Form,
            name,
            text: part.content,
            is_name: false,
            is_scalar: false,
            wraps: Wraps::default(),
        };
        walk.name(value);
        let file = part.file_name();
        if let Some(file) = file {
            walk.value(Value { place: Place::File, text: file, ..value }, walk.limits.depth);
        }
        let is_read = file.is_none() || part.content.len() < MAX_FILE && is_text(part.content);
        if is_read {
            walk.value(value, 0);
        }
    }
    has_part
}

/// Whether bytes are text: few control characters at the beginning.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let start = bytes.get(..2_048).unwrap_or(bytes);
    let controls = start.iter().filter(|byte| **byte < 32 && !matches!(byte, b'\t' | b'\n' | b'\r')).count();
    let is_utf8 = std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true);
    let high = if is_utf8 { 0 } else { start.iter().filter(|byte| **byte >= 0x7f).count() };
    controls.saturating_add(high).saturating_mul(20) <= start.len()
}
