//! A lenient reader of JSON: neither a truncated body nor a syntax error hides the values around it. `serde_json`
//! stops at both.

use memchr::memchr2;

use super::graphql;
use super::place::Place;
use super::walk::{Value, Walk, Wraps};

/// Maximum depth of names in a path; deeper members have the path of the last one.
const MAX_NAMED: usize = 16;

/// Longest path of a member.
const MAX_PATH: usize = 256;

/// What is expected next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    Name,
    Colon,
    Comma,
}

/// Visits names, strings and scalars of a document; returns whether it was valid JSON.
pub(super) fn walk(walk: &mut Walk<'_>, value: Value<'_>, (place, wraps): (Place, Wraps), depth: u8) -> bool {
    let mut path = walk.buffers().take();
    path.extend_from_slice(value.name);
    let mut reader = Reader {
        inner: Value { place, name: b"", text: b"", is_name: value.is_name, is_scalar: false, wraps },
        path: &mut path,
        next: Next::Value,
        open: [(0, false); MAX_NAMED],
        depth: 0,
        is_valid: true,
        level: depth,
    };
    let is_valid = reader.read(value.text, walk);
    walk.buffers().give(path);
    is_valid
}

struct Reader<'r, 'v> {
    inner: Value<'v>,
    path: &'r mut Vec<u8>,
    next: Next,
    /// For each open container, the length of its path, and whether it is an object.
    open: [(usize, bool); MAX_NAMED],
    depth: usize,
    is_valid: bool,
    level: u8,
}

impl Reader<'_, '_> {
    fn read(&mut self, text: &[u8], walk: &mut Walk<'_>) -> bool {
        let mut rest = text;
        let mut began = false;
        while let Some((byte, after)) = rest.split_first() {
            if walk.is_over() {
                walk.cut();
                return true;
            }
            rest = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => after,
                b'"' => self.text(after, walk),
                b'{' | b'[' => {
                    self.expect(self.next == Next::Value);
                    self.enter(*byte == b'{');
                    after
                }
                b'}' | b']' => {
                    self.leave(*byte == b'}');
                    after
                }
                b':' => {
                    self.expect(self.next == Next::Colon);
                    self.next = Next::Value;
                    after
                }
                b',' => {
                    self.expect(self.next == Next::Comma && self.depth > 0);
                    self.next = if self.is_object() { Next::Name } else { Next::Value };
                    after
                }
                _ => self.scalar(rest, walk),
            };
            began = true;
        }
        began && self.is_valid && self.depth == 0
    }

    const fn expect(&mut self, holds: bool) {
        self.is_valid &= holds;
    }

    fn is_object(&self) -> bool {
        self.top().is_some_and(|(_, is_object)| is_object)
    }

    fn top(&self) -> Option<(usize, bool)> {
        let at = self.depth.checked_sub(1)?.min(MAX_NAMED.saturating_sub(1));
        self.open.get(at).copied()
    }

    fn enter(&mut self, is_object: bool) {
        if !is_object && self.path.len() < MAX_PATH && !self.path.is_empty() {
            self.path.extend_from_slice(b"[]");
        }
        let length = self.path.len();
        if let Some(slot) = self.open.get_mut(self.depth) {
            *slot = (length, is_object);
        }
        self.depth = self.depth.saturating_add(1);
        self.next = if is_object { Next::Name } else { Next::Value };
    }

    fn leave(&mut self, is_object: bool) {
        self.expect(self.top().is_some_and(|(_, opened)| opened == is_object) || self.depth > MAX_NAMED);
        self.depth = self.depth.saturating_sub(1);
        let length = self.top().map_or(0, |(length, _)| length);
        self.path.truncate(length);
        self.next = Next::Comma;
    }

    /// Reads a string, from after its opening quote; returns the rest.
    fn text<'t>(&mut self, text: &'t [u8], walk: &mut Walk<'_>) -> &'t [u8] {
        let (quoted, after, is_escaped, is_whole) = quoted(text);
        self.is_valid &= is_whole;
        let mut buffer = walk.buffers().take();
        let plain = if is_escaped {
            unescape(quoted, &mut buffer);
            buffer.as_slice()
        } else {
            quoted
        };
        let is_name =
            self.next == Next::Name || self.next == Next::Comma && follows_colon(after) && self.is_object();
        if is_name {
            self.expect(self.next == Next::Name);
            self.push(plain);
            walk.name(Value { name: plain, ..self.inner });
            self.next = Next::Colon;
        } else {
            self.expect(self.next == Next::Value);
            let value = Value { name: self.path, text: plain, is_name: false, ..self.inner };
            if graphql::is_document_of(value.name, plain) {
                graphql::walk(walk, value);
            } else {
                walk.value(value, self.level);
            }
            self.next = Next::Comma;
        }
        walk.buffers().give(buffer);
        after
    }

    /// Replaces the last member's name in the path.
    fn push(&mut self, name: &[u8]) {
        let length = self.top().map_or(0, |(length, _)| length);
        self.path.truncate(length);
        if length.saturating_add(name.len()) < MAX_PATH && self.depth <= MAX_NAMED {
            if length > 0 {
                self.path.push(b'.');
            }
            self.path.extend_from_slice(name);
        }
    }

    /// Reads a number or a word; returns the rest.
    fn scalar<'t>(&mut self, text: &'t [u8], walk: &mut Walk<'_>) -> &'t [u8] {
        let ends = |byte: &u8| {
            byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[')
        };
        let end = text.iter().position(ends).unwrap_or(text.len()).max(1);
        let (word, after) = text.split_at_checked(end).unwrap_or((text, b""));
        let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let is_scalar = matches!(word, b"true" | b"false" | b"null") || word.iter().all(is_number);
        self.expect(self.next == Next::Value && is_scalar);
        walk.value(
            Value { name: self.path, text: word, is_name: false, is_scalar, ..self.inner },
            self.level,
        );
        self.next = Next::Comma;
        after
    }
}

fn follows_colon(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b':')
}

/// A string up to its closing quote, the rest, whether it has escapes, and whether the quote was found.
fn quoted(text: &[u8]) -> (&[u8], &[u8], bool, bool) {
    let mut at = 0_usize;
    let mut is_escaped = false;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at = at.saturating_add(found);
        if text.get(at) == Some(&b'"') {
            let after = text.get(at.saturating_add(1)..).unwrap_or_default();
            return (text.get(..at).unwrap_or_default(), after, is_escaped, true);
        }
        is_escaped = true;
        at = at.saturating_add(2);
    }
    (text, b"", is_escaped, false)
}

/// Resolves JSON escapes (RFC 8259, section 7). Invalid ones are left as they are.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        let (skipped, byte) = match escape {
            [_, b'u', code @ ..] => {
                let length = push_code(code, out);
                rest = escape.get(length..).unwrap_or_default();
                continue;
            }
            [_, b'n', ..] => (2, b'\n'),
            [_, b't', ..] => (2, b'\t'),
            [_, b'r', ..] => (2, b'\r'),
            [_, b'b', ..] => (2, 8),
            [_, b'f', ..] => (2, 12),
            [_, byte @ (b'"' | b'\\' | b'/'), ..] => (2, *byte),
            _ => (1, b'\\'),
        };
        out.push(byte);
        rest = escape.get(skipped..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends the character of a `\u` escape; returns the length of the escape.
fn push_code(code: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |code: &[u8]| {
        let digits = std::str::from_utf8(code.get(..4)?).ok()?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = unit(code) else {
        out.push(b'\\');
        return 1;
    };
    let second = code.get(4..).and_then(|rest| rest.strip_prefix(b"\\u")).and_then(unit);
    let pair = [first, second.unwrap_or_default()];
    let units = if second.is_some() && (0xd800..0xdc00).contains(&first) { 2 } else { 1 };
    let text = String::from_utf16_lossy(pair.get(..units).unwrap_or_default());
    out.extend_from_slice(text.as_bytes());
    if units == 2 { 12 } else { 6 }
}
