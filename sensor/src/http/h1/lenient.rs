//! Heads that violate the grammar, read line by line: whatever is readable is read, and violations are recorded.

use memchr::memchr;

use super::head;
use crate::http::anomaly::Anomaly;
use crate::http::header::{Facts, HeaderSpan, Span};
use crate::http::method::{Version, is_token};
use crate::stream::Side;

/// Reads a head, which may be cut off. Line ends within a folded value become spaces (RFC 9112, section 5.2).
/// False if not even the start line has its parts.
pub(in crate::http) fn parse(
    side: Side,
    head: &mut [u8],
    max_headers: usize,
    facts: &mut Facts,
    spans: &mut Vec<HeaderSpan>,
) -> bool {
    let mut lines = Lines { next: 0 };
    let Some(first) = lines.next(head, facts) else { return false };
    let is_sound = match side {
        Side::Client => request_line(head, first, facts),
        Side::Server => status_line(head, first, facts),
    };
    let mut fields = Fields { max_headers, current: None, blanked: 0, any: false };
    while let Some(line) = lines.next(head, facts) {
        if line.length() == 0 {
            break;
        }
        fields.line(head, line, facts, spans);
    }
    fields.flush(head, facts, spans);
    if side == Side::Client {
        head::after_request(facts, head);
    }
    is_sound
}

struct Lines {
    next: usize,
}

impl Lines {
    /// The next line, without its end.
    fn next(&mut self, head: &[u8], facts: &mut Facts) -> Option<Span> {
        let start = self.next;
        let rest = head.get(start..).filter(|rest| !rest.is_empty())?;
        let line = match memchr(b'\n', rest) {
            Some(end) => {
                self.next = start.saturating_add(end).saturating_add(1);
                let line = rest.get(..end).unwrap_or_default();
                line.strip_suffix(b"\r").unwrap_or_else(|| {
                    facts.flag(Anomaly::BareLf);
                    line
                })
            }
            // The rest of a truncated head: only a partial start line is of use.
            None if start > 0 => return None,
            None => {
                self.next = head.len();
                rest
            }
        };
        check_bytes(line, facts);
        Some(Span::new(start, line.len()))
    }
}

fn check_bytes(line: &[u8], facts: &mut Facts) {
    for byte in line.iter().filter(|byte| byte.is_ascii_control()) {
        match byte {
            b'\t' => {}
            b'\r' => facts.flag(Anomaly::BareCr),
            0 => facts.flag(Anomaly::NulByte),
            _ => facts.flag(Anomaly::ControlByte),
        }
    }
}

const fn is_space(byte: &u8) -> bool {
    matches!(*byte, b' ' | b'\t')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).unwrap_or_default();
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last.saturating_add(1));
    bytes.get(..end).unwrap_or_default()
}

/// Splits at the first run of whitespace, and records a run other than one space.
fn split_word<'a>(text: &'a [u8], facts: &mut Facts) -> (&'a [u8], &'a [u8]) {
    let end = text.iter().position(is_space).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let trimmed = trim(rest);
    if !rest.is_empty() && (rest.first() != Some(&b' ') || rest.get(1).is_some_and(is_space)) {
        facts.flag(Anomaly::StartLineWhitespace);
    }
    (word, trimmed)
}

fn request_line(head: &[u8], line: Span, facts: &mut Facts) -> bool {
    let line = line.of(head);
    let text = trim(line);
    if text.len() != line.len() {
        facts.flag(Anomaly::StartLineWhitespace);
    }
    let (method, rest) = split_word(text, facts);
    let (target, version) = split_version(rest);
    let spaced = target.len().saturating_add(version.len()).saturating_add(1) < rest.len();
    if !version.is_empty() && spaced {
        facts.flag(Anomaly::StartLineWhitespace);
    }
    facts.version = match (read_version(version), target.iter().any(is_space)) {
        (Some((version, is_usual)), _) => {
            if !is_usual {
                facts.flag(Anomaly::InvalidVersion);
            }
            version
        }
        (None, false) => {
            facts.flag(Anomaly::Http09Request);
            Version::Http09
        }
        (None, true) => {
            facts.flag(Anomaly::InvalidVersion);
            Version::Http11
        }
    };
    if target.iter().any(is_space) {
        facts.flag(Anomaly::SpaceInTarget);
    }
    if !is_token(method) {
        facts.flag(Anomaly::InvalidMethod);
    }
    head::request_line(facts, head, (method, target), !version.is_empty());
    is_token(method) && !target.is_empty() && !version.is_empty()
}

/// What follows the last whitespace is the version, if it resembles one.
fn split_version(rest: &[u8]) -> (&[u8], &[u8]) {
    let at = rest.iter().rposition(is_space).map_or(0, |at| at.saturating_add(1));
    match rest.split_at_checked(at) {
        Some((target, version)) if begins_version(version) => (trim(target), version),
        _ => (rest, &[]),
    }
}

fn begins_version(text: &[u8]) -> bool {
    text.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/"))
}

/// The version, and whether it is a correctly spelt version of HTTP/1. A higher minor version is read as the highest
/// known (RFC 9110, section 2.5).
fn read_version(text: &[u8]) -> Option<(Version, bool)> {
    if !begins_version(text) {
        return None;
    }
    Some(match text {
        b"HTTP/1.1" => (Version::Http11, true),
        b"HTTP/1.0" => (Version::Http10, true),
        b"HTTP/0.9" => (Version::Http09, false),
        b"HTTP/2.0" | b"HTTP/2" => (Version::Http2, false),
        _ if text.get(5..) == Some(b"1.0") => (Version::Http10, false),
        _ => (Version::Http11, false),
    })
}

fn status_line(head: &[u8], line: Span, facts: &mut Facts) -> bool {
    let text = trim(line.of(head));
    let (version, rest) = split_word(text, facts);
    let Some((version, is_usual)) = read_version(version) else {
        facts.flag(Anomaly::InvalidStatusLine);
        return false;
    };
    facts.version = version;
    if !is_usual {
        facts.flag(Anomaly::InvalidVersion);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (code, reason) = rest.split_at_checked(digits).unwrap_or((rest, &[]));
    let number = code.iter().take(4).fold(0_u16, |number, digit| {
        number.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0')))
    });
    if digits != 3 || !reason.first().is_none_or(is_space) {
        facts.flag(Anomaly::InvalidStatus);
    }
    if digits == 0 {
        facts.flag(Anomaly::InvalidStatusLine);
    }
    head::status(facts, number);
    facts.second = Span::within(head, trim(reason));
    digits > 0
}

struct Fields {
    max_headers: usize,
    current: Option<HeaderSpan>,
    /// Up to here line ends have become spaces, where the value at hand has not come so far.
    blanked: usize,
    any: bool,
}

impl Fields {
    fn line(&mut self, head: &mut [u8], line: Span, facts: &mut Facts, spans: &mut Vec<HeaderSpan>) {
        if line.of(head).first().is_some_and(is_space) {
            self.folded(head, line, facts);
            return;
        }
        self.flush(head, facts, spans);
        self.any = true;
        let text = line.of(head);
        let Some((name, value)) = memchr(b':', text).and_then(|colon| text.split_at_checked(colon)) else {
            facts.flag(Anomaly::HeaderWithoutColon);
            return;
        };
        let trimmed = trim(name);
        if trimmed.len() != name.len() {
            facts.flag(Anomaly::SpaceBeforeColon);
        }
        if !is_token(trimmed) {
            facts.flag(Anomaly::InvalidHeaderName);
        }
        let value = trim(value.get(1..).unwrap_or_default());
        self.current =
            Some(HeaderSpan { name: Span::within(head, trimmed), value: Span::within(head, value) });
    }

    /// A line that begins with whitespace: it goes on with the value before it; before the first header it is
    /// consumed without being read (RFC 9112, section 2.2).
    fn folded(&mut self, head: &mut [u8], line: Span, facts: &mut Facts) {
        let Some(current) = &mut self.current else {
            facts.flag(if self.any { Anomaly::ObsFold } else { Anomaly::SpaceBeforeFirstHeader });
            return;
        };
        facts.flag(Anomaly::ObsFold);
        // Neither the value nor what was blanked is examined again: a head may be thousands of such lines.
        let from = current.value.end().max(self.blanked);
        if let Some(gap) = head.get_mut(from..line.start()) {
            gap.fill(b' ');
        }
        self.blanked = line.start();
        let text = trim(line.of(head));
        if text.is_empty() {
            return;
        }
        let text = Span::within(head, text);
        let start = if current.value.length() == 0 { text.start() } else { current.value.start() };
        current.value = Span::new(start, text.end().saturating_sub(start));
    }

    fn flush(&mut self, head: &[u8], facts: &mut Facts, spans: &mut Vec<HeaderSpan>) {
        let Some(current) = self.current.take() else { return };
        facts.note(current.name.of(head), current.value.of(head), current.value);
        if spans.len() < self.max_headers {
            spans.push(current);
        } else {
            facts.flag(Anomaly::TooManyHeaders);
        }
    }
}
