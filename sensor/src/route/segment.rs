//! From a path as sent to the segments of a template.

use super::class::Classes;
use super::classify::{Parameter, classify, classify_part};
use super::config::MAX_DEPTH;
use super::secret::secret;
use crate::values::hex_pair;

/// Where a segment is in its path, and its classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    start: usize,
    end: usize,
    classes: Classes,
}

/// A path split into segments as a server would: empty ones are merged, dot segments resolved (RFC 3986, section
/// 5.2.4), path parameters such as `;jsessionid=...` (RFC 3986, section 3.3) dropped. A trailing slash is ignored. The
/// buffer is reused for the next path.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    list: Vec<Segment>,
    /// Whether there are more than requested.
    deeper: bool,
}

/// The segments of a path.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    path: &'a [u8],
    pub(super) list: &'a [Segment],
    pub(super) deeper: bool,
}

/// A segment as sent, except for its path parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) classes: Classes,
}

impl<'a> Raw<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, classes: Classes::of(bytes) }
    }

    /// Whether it is worth looking up the segment as sent.
    #[inline]
    pub(super) fn may_be_known(&self) -> bool {
        self.bytes.len() <= MAX_WORD
            && self.bytes.first().is_some_and(|first| !first.is_ascii_digit())
            && !self.classes.meets(Classes::ODD)
    }
}

impl<'a> Cut<'a> {
    #[inline]
    pub(super) fn raw(&self, segment: &Segment) -> Raw<'a> {
        let bytes = self.path.get(segment.start..segment.end).unwrap_or_default();
        Raw { bytes, classes: segment.classes }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Raw<'a>> {
        self.list.iter().map(|segment| self.raw(segment))
    }
}

impl Segments {
    /// `None` if the path does not start with a slash. Reads at most `max_depth` segments.
    #[inline]
    pub(super) fn cut<'a>(&'a mut self, path: &'a [u8], max_depth: usize) -> Option<Cut<'a>> {
        self.list.clear();
        self.deeper = false;
        let (first, rest) = path.split_first()?;
        if *first != b'/' {
            return None;
        }
        let max_depth = max_depth.min(MAX_DEPTH);
        let mut start = 1_usize;
        let mut at = 1_usize;
        let mut classes = Classes::default();
        for byte in rest {
            match byte {
                b'/' => {
                    self.push(path, Segment { start, end: at, classes }, max_depth);
                    if self.deeper {
                        break;
                    }
                    start = at.saturating_add(1);
                    classes = Classes::default();
                }
                b'?' | b'#' => break,
                _ => classes = classes.and(Classes::of_byte(*byte)),
            }
            at = at.saturating_add(1);
        }
        if !self.deeper {
            self.push(path, Segment { start, end: at, classes }, max_depth);
        }
        Some(Cut { path, list: &self.list, deeper: self.deeper })
    }

    #[inline]
    fn push(&mut self, path: &[u8], segment: Segment, max_depth: usize) {
        if segment.start >= segment.end {
            return;
        }
        // Words, numbers and anything without dots or escapes.
        let strange = Classes::DOT.and(Classes::PERCENT).and(Classes::SEMICOLON);
        let segment = if segment.classes.meets(strange) {
            let Some(segment) = self.resolve(path, segment) else { return };
            segment
        } else {
            segment
        };
        if self.list.len() >= max_depth {
            self.deeper = true;
        } else {
            self.list.push(segment);
        }
    }

    /// Removes path parameters and applies dot segments; `None` if nothing is left.
    fn resolve(&mut self, path: &[u8], segment: Segment) -> Option<Segment> {
        let bytes = path.get(segment.start..segment.end).unwrap_or_default();
        let bare = match memchr::memchr(b';', bytes) {
            None => bytes,
            Some(end) => bytes.get(..end).unwrap_or_default(),
        };
        match dots(bare) {
            None if bare.is_empty() => None,
            None if bare.len() == bytes.len() => Some(segment),
            None => {
                let end = segment.start.saturating_add(bare.len());
                Some(Segment { start: segment.start, end, classes: Classes::of(bare) })
            }
            Some(1) => None,
            Some(_) => {
                self.list.pop();
                None
            }
        }
    }
}

/// One or two dots, percent-encoded or not.
fn dots(segment: &[u8]) -> Option<u8> {
    if !matches!(segment.first(), Some(b'.' | b'%')) || segment.len() > 6 {
        return None;
    }
    let mut rest = segment;
    let mut count = 0_u8;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', after @ ..] | [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ => return None,
        };
        count = count.saturating_add(1);
    }
    (count <= 2).then_some(count)
}

/// How a segment is distinguished from its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A parameter by its form.
    Typed,
    /// Likely a constant.
    Word,
    /// Likely not a constant, if there are many siblings.
    Mixed,
}

/// A segment's text in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) look: Look,
}

impl Parameter {
    pub(super) const fn text(self) -> Text<'static> {
        Text { bytes: self.label().as_bytes(), look: Look::Typed }
    }
}

/// A buffer for the text of one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    decoded: Vec<u8>,
    text: Vec<u8>,
}

impl Scratch {
    /// The text of a segment: its kind if it has one, otherwise itself, with escapes only where they are needed (RFC
    /// 3986, section 6.2.2), so that braces always mark a parameter.
    pub(super) fn canonical<'s>(&'s mut self, raw: Raw<'s>, max_segment: usize) -> Text<'s> {
        if raw.bytes.len() > max_segment {
            return Parameter::Long.text();
        }
        let (decoded, classes) = if raw.classes.meets(Classes::PERCENT) {
            let decoded = decode(raw.bytes, &mut self.decoded);
            (decoded, Classes::of(decoded))
        } else {
            (raw.bytes, raw.classes)
        };
        let kind = classify(decoded, classes);
        // A file name with a fingerprint looks random as a whole.
        if matches!(kind, None | Some(Parameter::Token))
            && classes.meets(Classes::DOT)
            && compose_file(decoded, &mut self.text)
            && secret(&self.text).is_none()
        {
            return Text { bytes: &self.text, look: Look::Mixed };
        }
        if let Some(kind) = kind {
            return kind.text();
        }
        let bytes = if classes.meets(Classes::ODD) {
            encode(decoded, &mut self.text);
            // With its escapes it may be longer than the limit for display.
            if let Some(secret) = secret(&self.text) {
                return secret.parameter().text();
            }
            &self.text
        } else {
            decoded
        };
        Text { bytes, look: look(bytes) }
    }

    /// The segment itself, whatever its kind.
    pub(super) fn literal<'s>(&'s mut self, raw: Raw<'s>) -> &'s [u8] {
        if !raw.classes.meets(Classes::ODD) {
            return raw.bytes;
        }
        let decoded = decode(raw.bytes, &mut self.decoded);
        encode(decoded, &mut self.text);
        &self.text
    }
}

/// Percent-escapes resolved once; invalid escapes stay.
pub(super) fn decode<'s>(raw: &'s [u8], buffer: &'s mut Vec<u8>) -> &'s [u8] {
    if memchr::memchr(b'%', raw).is_none() {
        return raw;
    }
    buffer.clear();
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => hex_pair(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, after));
        buffer.push(byte);
        rest = after;
    }
    buffer
}

fn is_plain(byte: u8) -> bool {
    !Classes::of_byte(byte).meets(Classes::ODD)
}

fn encode(decoded: &[u8], text: &mut Vec<u8>) {
    text.clear();
    for byte in decoded {
        if is_plain(*byte) {
            text.push(*byte);
        } else {
            let digit = |value: u8| char::from_digit(value.into(), 16).map_or(b'0', |digit| digit as u8);
            text.extend([b'%', digit(byte >> 4).to_ascii_uppercase(), digit(byte & 15).to_ascii_uppercase()]);
        }
    }
}

/// Longest extension of a file name.
const MAX_EXTENSION: usize = 5;

/// Writes a file name whose stem, or a part of it, is a parameter: `{uuid}.png`, `app.{hex}.js`. Returns whether there
/// is such a part.
fn compose_file(name: &[u8], text: &mut Vec<u8>) -> bool {
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else { return false };
    let (stem, extension) = name.split_at_checked(dot).unwrap_or_default();
    let letters = extension.get(1..).unwrap_or_default();
    let is_extension = letters.first().is_some_and(u8::is_ascii_alphabetic)
        && letters.len() <= MAX_EXTENSION
        && letters.iter().all(u8::is_ascii_alphanumeric);
    if !is_extension || Classes::of(stem).meets(Classes::ODD) {
        return false;
    }
    text.clear();
    // A name before a fingerprint is worth keeping.
    let separator = stem.iter().position(|byte| b".-_".contains(byte));
    let first = separator.and_then(|end| stem.get(..end)).unwrap_or_default();
    let is_named = first.len() >= 2 && first.iter().all(u8::is_ascii_lowercase);
    if let Some(kind) =
        classify(stem, Classes::of(stem)).filter(|kind| *kind != Parameter::Token || !is_named)
    {
        text.extend_from_slice(kind.label().as_bytes());
        text.extend_from_slice(extension);
        return true;
    }
    let mut found = false;
    for part in stem.split_inclusive(|byte| b".-_".contains(byte)) {
        let bare = part.strip_suffix(b".").or(part.strip_suffix(b"-")).or(part.strip_suffix(b"_"));
        match classify_part(bare.unwrap_or(part)) {
            Some(kind) => {
                found = true;
                text.extend_from_slice(kind.label().as_bytes());
                text.extend(bare.and_then(|_| part.last()));
            }
            None => text.extend_from_slice(part),
        }
    }
    text.extend_from_slice(extension);
    found
}

/// Whether a segment as sent identifies one of many objects by its form: a number, a UUID, a token. A date does not.
#[must_use]
pub fn identifies(segment: &[u8]) -> bool {
    let mut buffer = Vec::new();
    let decoded = decode(segment, &mut buffer);
    classify(decoded, Classes::of(decoded)).is_some_and(|kind| kind != Parameter::Date)
}

/// Longest text that looks like a constant.
const MAX_WORD: usize = 24;

/// Constants are short words with few hyphens, and version numbers: `oauth2`, `v2.1`, `forgot-password`.
fn look(text: &[u8]) -> Look {
    let count = |wanted: fn(&u8) -> bool| text.iter().filter(|byte| wanted(byte)).count();
    let is_wordy = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let digits = count(u8::is_ascii_digit);
    let hyphens = count(|byte| matches!(byte, b'-' | b'_'));
    let capitals = count(u8::is_ascii_uppercase);
    let wordy = text.iter().all(is_wordy) && digits <= 2 && hyphens <= 2 && capitals <= 4;
    if wordy && text.len() <= MAX_WORD { Look::Word } else { Look::Mixed }
}
