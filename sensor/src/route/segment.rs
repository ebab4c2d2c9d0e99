//! From a path as sent to the segments of a template.

use super::classify::{Parameter, classify, classify_part};
use super::config::MAX_DEPTH;

/// A path cut into segments as a server would: empty ones are merged, dot segments resolved (RFC 3986,
/// section 5.2.4), path parameters such as `;jsessionid=...` (RFC 3986, section 3.3) dropped. A slash at the
/// end means nothing.
#[derive(Clone, Copy)]
pub(super) struct Segments<'a> {
    raw: [&'a [u8]; MAX_DEPTH],
    length: usize,
    /// Whether there are more than were wanted.
    pub(super) deeper: bool,
}

impl<'a> Segments<'a> {
    /// Nothing where the path does not begin with a slash. Reads no further than `max_depth` segments.
    #[inline]
    pub(super) fn of(path: &'a [u8], max_depth: usize) -> Option<Self> {
        let path = memchr::memchr2(b'?', b'#', path).and_then(|end| path.get(..end)).unwrap_or(path);
        let mut rest = path.strip_prefix(b"/")?;
        let mut segments = Self { raw: [&[]; MAX_DEPTH], length: 0, deeper: false };
        let max_depth = max_depth.min(MAX_DEPTH);
        loop {
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            let (segment, after) = rest.split_at_checked(end).unwrap_or_default();
            if !segments.push(segment, max_depth) {
                segments.deeper = true;
                return Some(segments);
            }
            if after.is_empty() {
                return Some(segments);
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }

    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        self.raw.get(..self.length).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, segment: &'a [u8], max_depth: usize) -> bool {
        let segment = match memchr::memchr(b';', segment) {
            None => segment,
            Some(end) => segment.get(..end).unwrap_or_default(),
        };
        match dots(segment) {
            _ if segment.is_empty() => return true,
            Some(1) => return true,
            Some(_) => {
                self.length = self.length.saturating_sub(1);
                return true;
            }
            None => {}
        }
        if self.length >= max_depth {
            return false;
        }
        if let Some(slot) = self.raw.get_mut(self.length) {
            *slot = segment;
            self.length = self.length.saturating_add(1);
        }
        true
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

/// How a segment is told from others at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A parameter by its looks.
    Typed,
    /// May well be a constant.
    Word,
    /// Rather not a constant, if there are many.
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

/// Room for the text of one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    decoded: Vec<u8>,
    text: Vec<u8>,
}

impl Scratch {
    /// The text of a segment: its kind where it has one, otherwise itself with escapes where they are needed
    /// and only there (RFC 3986, section 6.2.2), so that braces always mean a parameter.
    pub(super) fn canonical<'s>(&'s mut self, raw: &'s [u8], max_segment: usize) -> Text<'s> {
        if raw.len() > max_segment {
            return Parameter::Long.text();
        }
        let decoded = decode(raw, &mut self.decoded);
        let kind = classify(decoded);
        // A file name with a fingerprint looks random as a whole.
        if matches!(kind, None | Some(Parameter::Token)) && compose_file(decoded, &mut self.text) {
            return Text { bytes: &self.text, look: Look::Mixed };
        }
        if let Some(kind) = kind {
            return kind.text();
        }
        let bytes = if decoded.iter().all(|byte| is_plain(*byte)) {
            decoded
        } else {
            encode(decoded, &mut self.text);
            &self.text
        };
        Text { bytes, look: look(bytes) }
    }

    /// The segment as itself, whatever its kind.
    pub(super) fn literal<'s>(&'s mut self, raw: &'s [u8]) -> &'s [u8] {
        if raw.iter().all(|byte| is_plain(*byte)) {
            return raw;
        }
        let decoded = decode(raw, &mut self.decoded);
        encode(decoded, &mut self.text);
        &self.text
    }
}

/// What a segment may hold unescaped (RFC 3986, section 3.3) but for the semicolon.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

fn decode<'s>(raw: &'s [u8], buffer: &'s mut Vec<u8>) -> &'s [u8] {
    if memchr::memchr(b'%', raw).is_none() {
        return raw;
    }
    buffer.clear();
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => {
                digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, after));
        buffer.push(byte);
        rest = after;
    }
    buffer
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

/// Writes a file name whose stem or a part of it is a parameter: `{uuid}.png`, `app.{hex}.js`. Returns
/// whether there is such a part.
fn compose_file(name: &[u8], text: &mut Vec<u8>) -> bool {
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else { return false };
    let (stem, extension) = name.split_at_checked(dot).unwrap_or_default();
    let letters = extension.get(1..).unwrap_or_default();
    let is_extension = letters.first().is_some_and(u8::is_ascii_alphabetic)
        && letters.len() <= MAX_EXTENSION
        && letters.iter().all(u8::is_ascii_alphanumeric);
    if !is_extension || !stem.iter().all(|byte| is_plain(*byte)) {
        return false;
    }
    text.clear();
    if let Some(kind) = classify(stem) {
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

/// Longest text that looks like a constant.
const MAX_WORD: usize = 24;

/// Constants are short words with few hyphens, and numbers of versions: `oauth2`, `v2.1`, `forgot-password`.
fn look(text: &[u8]) -> Look {
    let count = |wanted: fn(&u8) -> bool| text.iter().filter(|byte| wanted(byte)).count();
    let is_wordy = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let digits = count(u8::is_ascii_digit);
    let hyphens = count(|byte| matches!(byte, b'-' | b'_'));
    let capitals = count(u8::is_ascii_uppercase);
    let wordy = text.iter().all(is_wordy) && digits <= 2 && hyphens <= 2 && capitals <= 4;
    if wordy && text.len() <= MAX_WORD { Look::Word } else { Look::Mixed }
}
