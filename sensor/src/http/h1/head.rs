//! Well-formed heads, located by `httparse`. What it refuses is left to [`super::lenient`].

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use crate::http::anomaly::Anomaly;
use crate::http::header::{Facts, HeaderSpan, Span};
use crate::http::method::{Method, OTHER_METHOD, Version, is_token, method_name};
use crate::http::target;
use crate::stream::Side;

/// Maximum headers here; a head with more is read leniently.
const HEADERS: usize = 100;

/// The result of strict parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Parsed {
    /// A head of this many bytes.
    Whole(usize),
    /// An incomplete head.
    Partial,
    /// Not a head by the grammar.
    Refused,
}

/// Reads a head at the start of `bytes`.
#[inline]
pub(in crate::http) fn parse(
    side: Side,
    bytes: &[u8],
    max_headers: usize,
    facts: &mut Facts,
    spans: &mut Vec<HeaderSpan>,
) -> Parsed {
    let mut storage = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS];
    let Some(storage) = storage.get_mut(..max_headers.min(HEADERS)) else { return Parsed::Refused };
    match side {
        Side::Client => {
            let mut request = httparse::Request::new(&mut []);
            let length = match request.parse_with_uninit_headers(bytes, storage) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) => return Parsed::Partial,
                Err(_) => return Parsed::Refused,
            };
            let (Some(method), Some(target)) = (request.method, request.path) else { return Parsed::Refused };
            facts.version = version(request.version);
            request_line(facts, bytes, (method.as_bytes(), target.as_bytes()), true);
            headers(facts, spans, bytes, request.headers, length);
            after_request(facts, bytes);
            Parsed::Whole(length)
        }
        Side::Server => {
            let mut response = httparse::Response::new(&mut []);
            let config = httparse::ParserConfig::default();
            let length = match config.parse_response_with_uninit_headers(&mut response, bytes, storage) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) => return Parsed::Partial,
                Err(_) => return Parsed::Refused,
            };
            facts.version = version(response.version);
            status(facts, response.code.unwrap_or_default());
            reason(facts, bytes);
            headers(facts, spans, bytes, response.headers, length);
            Parsed::Whole(length)
        }
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

pub(in crate::http) fn request_line(
    facts: &mut Facts,
    head: &[u8],
    (method, target): (&[u8], &[u8]),
    has_version: bool,
) {
    facts.first = Span::within(head, method);
    facts.second = Span::within(head, target);
    facts.method = Method::of(method);
    let is_valid = target::is_valid(facts.method, target);
    if is_valid && has_version && facts.method != Method::Other {
        return;
    }
    if facts.method == Method::Other && method.iter().any(u8::is_ascii_lowercase) {
        facts.flag(Anomaly::LowercaseMethod);
    }
    if !is_valid {
        facts.flag(Anomaly::InvalidTarget);
    }
    if !is_request_line(facts.method, method, target, has_version) {
        facts.flag(Anomaly::InvalidRequestLine);
    }
}

/// Whether this is a request line and not, say, the rest of a body with a wrong length: it has a method, a target of some
/// form, and either a version or a registered method.
fn is_request_line(kind: Method, method: &[u8], target: &[u8], has_version: bool) -> bool {
    is_token(method) && target::has_form(kind, target) && (has_version || method_name(method) != OTHER_METHOD)
}

pub(in crate::http) fn status(facts: &mut Facts, code: u16) {
    facts.status = code;
    if !(100..600).contains(&code) {
        facts.flag(Anomaly::InvalidStatus);
    }
}

/// `HTTP/1.1 200 reason`: the version and the status have fixed lengths.
fn reason(facts: &mut Facts, head: &[u8]) {
    let Some((b' ', text)) = head.get(12..).and_then(<[u8]>::split_first) else { return };
    let end = memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len());
    facts.second = Span::within(head, text.get(..end).unwrap_or_default());
}

fn headers(
    facts: &mut Facts,
    spans: &mut Vec<HeaderSpan>,
    bytes: &[u8],
    headers: &[Header<'_>],
    length: usize,
) {
    let mut bare_lf = false;
    spans.extend(headers.iter().map(|header| {
        let (name, value) = (header.name.as_bytes(), header.value);
        let span = HeaderSpan { name: Span::within(bytes, name), value: Span::within(bytes, value) };
        // httparse takes LF for CRLF. The line before a name ends right before it.
        bare_lf |= bytes.get(span.name.start().wrapping_sub(2)) != Some(&b'\r');
        facts.note(name, value, span.value);
        span
    }));
    // The last two lines, or all of a head without headers.
    bare_lf |= bytes.get(length.wrapping_sub(4)..length) != Some(b"\r\n\r\n");
    if bare_lf {
        facts.flag(Anomaly::BareLf);
    }
}

/// Checks that need all headers of a request.
pub(in crate::http) fn after_request(facts: &mut Facts, head: &[u8]) {
    if facts.version == Version::Http11 && facts.host.is_none() {
        facts.flag(Anomaly::MissingHost);
    }
    let target = facts.second.of(head);
    if target.first() == Some(&b'/') {
        return;
    }
    if let (Some(authority), Some(host)) = (target::parts(facts.method, target).authority, facts.host)
        && !authority.eq_ignore_ascii_case(host.of(head))
    {
        facts.flag(Anomaly::HostMismatch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_request_lines_from_what_follows_a_body_cut_short() {
        let table: &[(&str, &str, bool, bool)] = &[
            ("GET", "/", true, true),
            ("GET", "/", false, true),
            ("PROPFIND", "/a", false, true),
            ("get", "/a", true, true),
            ("SECRET22", "/a", true, true),
            ("OPTIONS", "*", true, true),
            ("GET", "http://a/b", true, true),
            ("CONNECT", "a:443", true, true),
            ("GET", "/a b#c", true, true),
            ("SECRET22", "/a", false, false),
            ("=bob&password=SECRET25", "", true, false),
            ("=bob&password=SECRET25", "/a", true, false),
            ("SECRET27", "x", true, false),
            ("GET", "secret", true, false),
            ("CONNECT", "user:secret@a:443", true, false),
            ("GET", "", true, false),
        ];
        for (method, target, has_version, expected) in table {
            let kind = Method::of(method.as_bytes());
            let found = is_request_line(kind, method.as_bytes(), target.as_bytes(), *has_version);
            assert_eq!(found, *expected, "{method} {target} {has_version}");
        }
    }

    #[test]
    fn names_are_those_of_the_registry() {
        for known in ["GET", "PATCH", "PROPFIND", "VERSION-CONTROL", "UPDATEREDIRECTREF"] {
            assert_eq!(method_name(known.as_bytes()), known);
        }
        for unknown in ["get", "SECRET22", "", "GETX", "other"] {
            assert_eq!(method_name(unknown.as_bytes()), OTHER_METHOD);
        }
    }
}
