//! Fields to the facts of a message, and their anomalies (RFC 9113, sections 8.1 to 8.5).

use super::hpack::Field;
use crate::http::anomaly::Anomaly;
use crate::http::header::{Facts, HeaderSpan, Span};
use crate::http::method::{Method, Version, is_tchar, is_token};
use crate::http::{grpc, target};
use crate::stream::Side;

const METHOD: u8 = 1;
const SCHEME: u8 = 2;
const PATH: u8 = 4;
const AUTHORITY: u8 = 8;
const STATUS: u8 = 16;
const PROTOCOL: u8 = 32;

/// Consumes the fields of a block one by one.
pub(super) struct Fields<'a> {
    facts: &'a mut Facts,
    spans: &'a mut Vec<HeaderSpan>,
    max_headers: usize,
    side: Side,
    is_trailer: bool,
    /// Pseudo-header fields seen.
    seen: u8,
    /// A regular field was seen.
    has_regular: bool,
    /// Forwarded as HTTP/1, a field would end early or change the message's length.
    smuggles: bool,
    authority: Option<Span>,
    path: Span,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        side: Side,
        is_trailer: bool,
        facts: &'a mut Facts,
        spans: &'a mut Vec<HeaderSpan>,
        max_headers: usize,
    ) -> Self {
        let (authority, path) = (None, Span::default());
        let (seen, has_regular, smuggles) = (0, false, false);
        Self { facts, spans, max_headers, side, is_trailer, seen, has_regular, smuggles, authority, path }
    }

    #[inline]
    pub(super) fn field(&mut self, bytes: &[u8], field: Field) {
        let name = bytes.get(field.start..field.middle).unwrap_or_default();
        let value = bytes.get(field.middle..field.end).unwrap_or_default();
        let span = Span::new(field.middle, field.end.saturating_sub(field.middle));
        if !field.sound {
            self.note_odd(name, value);
        }
        if name.first() == Some(&b':') {
            self.pseudo(name, value, span);
            return;
        }
        self.has_regular = true;
        if self.is_trailer {
            self.trailer(name, value);
            return;
        }
        if is_of_connection(name, value) {
            self.facts.flag(Anomaly::ConnectionHeader);
            self.smuggles |= name == b"transfer-encoding";
        } else {
            self.facts.note(name, value, span);
        }
        if self.spans.len() < self.max_headers {
            let name = Span::new(field.start, field.middle.saturating_sub(field.start));
            self.spans.push(HeaderSpan { name, value: span });
        } else {
            self.facts.flag(Anomaly::TooManyHeaders);
        }
    }

    /// Section 8.2.1.
    #[cold]
    fn note_odd(&mut self, name: &[u8], value: &[u8]) {
        let token = name.strip_prefix(b":").unwrap_or(name);
        if token.iter().any(u8::is_ascii_uppercase) {
            self.facts.flag(Anomaly::UppercaseHeaderName);
        }
        if token.is_empty() || token.iter().any(|byte| !is_tchar(*byte)) {
            self.facts.flag(Anomaly::InvalidHeaderName);
        }
        if value.contains(&0) {
            self.facts.flag(Anomaly::NulByte);
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            self.facts.flag(Anomaly::LineBreakInValue);
        }
        self.smuggles |= [name, value].concat().iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        if [value.first(), value.last()].into_iter().flatten().any(|byte| matches!(byte, b' ' | b'\t')) {
            self.facts.flag(Anomaly::WhitespaceAroundValue);
        }
    }

    /// Section 8.3.
    fn pseudo(&mut self, name: &[u8], value: &[u8], span: Span) {
        if self.has_regular {
            self.facts.flag(Anomaly::PseudoHeaderOrder);
        }
        let (bit, side) = match name {
            b":method" => (METHOD, Side::Client),
            b":scheme" => (SCHEME, Side::Client),
            b":path" => (PATH, Side::Client),
            b":authority" => (AUTHORITY, Side::Client),
            b":protocol" => (PROTOCOL, Side::Client),
            b":status" => (STATUS, Side::Server),
            _ => (0, self.side),
        };
        if bit == 0 || side != self.side || self.is_trailer {
            self.facts.flag(Anomaly::InvalidPseudoHeader);
            return;
        }
        if self.seen & bit != 0 {
            self.facts.flag(Anomaly::DuplicatePseudoHeader);
            return;
        }
        self.seen |= bit;
        match bit {
            METHOD => {
                self.facts.first = span;
                self.facts.method = Method::of(value);
            }
            PATH => self.path = span,
            AUTHORITY => {
                self.authority = Some(span);
                if !target::is_host(value) {
                    self.facts.flag(Anomaly::InvalidHost);
                }
            }
            PROTOCOL => self.facts.asks_for_socket = value.eq_ignore_ascii_case(b"websocket"),
            STATUS => self.status(value),
            _ => {}
        }
    }

    fn status(&mut self, value: &[u8]) {
        let is_number = value.len() == 3 && value.iter().all(u8::is_ascii_digit);
        let number =
            value.iter().take(4).filter(|byte| byte.is_ascii_digit()).fold(0_u16, |number, digit| {
                number.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0')))
            });
        self.facts.status = number;
        // Section 8.6: HTTP/2 has no 101.
        if !is_number || !(100..600).contains(&number) || number == 101 {
            self.facts.flag(Anomaly::InvalidStatus);
        }
    }

    fn trailer(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"grpc-status" => self.facts.grpc_status = grpc::status(value),
            // RFC 9110, section 6.5.1.
            b"content-length" | b"transfer-encoding" | b"host" => self.facts.flag(Anomaly::ForbiddenTrailer),
            _ => {}
        }
    }

    /// Checks the fields together; `is_all` is false if some are unknown. Returns whether forwarding a client's fields as
    /// HTTP/1 would change their meaning.
    pub(super) fn finish(self, bytes: &[u8], is_all: bool) -> bool {
        self.facts.version = Version::Http2;
        let smuggles = self.smuggles && self.side == Side::Client;
        match self.side {
            _ if self.is_trailer => {}
            Side::Client => self.finish_request(bytes, is_all),
            Side::Server if is_all && self.seen & STATUS == 0 => {
                self.facts.flag(Anomaly::MissingPseudoHeader);
            }
            Side::Server => {}
        }
        smuggles
    }

    fn finish_request(self, bytes: &[u8], is_all: bool) {
        let Self { facts, seen, authority, path, .. } = self;
        let is_connect = facts.method == Method::Connect;
        facts.is_extended_connect = is_connect && seen & PROTOCOL != 0;
        facts.asks_for_socket &= is_connect;
        let is_tunnel = is_connect && !facts.is_extended_connect;
        // Section 8.5, and RFC 8441, section 4.
        let wanted = if is_tunnel { METHOD | AUTHORITY } else { METHOD | SCHEME | PATH };
        if is_all && seen & wanted != wanted {
            facts.flag(Anomaly::MissingPseudoHeader);
        }
        if is_tunnel && seen & (SCHEME | PATH) != 0 || !is_connect && seen & PROTOCOL != 0 {
            facts.flag(Anomaly::InvalidPseudoHeader);
        }
        facts.second = if is_tunnel { authority.unwrap_or_default() } else { path };
        if seen & METHOD != 0 && facts.method == Method::Other {
            note_method(facts, bytes);
        }
        if !is_tunnel && seen & PATH != 0 {
            let text = path.of(bytes);
            let method = if is_connect { Method::Get } else { facts.method };
            // Section 8.3.1: an absolute path, or `*`.
            if !target::is_valid(method, text) || !matches!(text.first(), Some(b'/' | b'*')) {
                facts.flag(Anomaly::InvalidTarget);
            }
        }
        match (authority, facts.host) {
            (Some(authority), Some(host)) if !authority.of(bytes).eq_ignore_ascii_case(host.of(bytes)) => {
                facts.flag(Anomaly::HostMismatch);
            }
            (None, None) if is_all => facts.flag(Anomaly::MissingHost),
            _ => {}
        }
        facts.host = authority.or(facts.host);
    }
}

fn note_method(facts: &mut Facts, bytes: &[u8]) {
    let method = facts.first.of(bytes);
    if !is_token(method) {
        facts.flag(Anomaly::InvalidMethod);
    }
    if method.iter().any(u8::is_ascii_lowercase) {
        facts.flag(Anomaly::LowercaseMethod);
    }
}

/// Whether a field is specific to HTTP/1 connections (section 8.2.2).
#[inline]
fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name.len() {
        2 => name == b"te" && value != b"trailers",
        7 => name == b"upgrade",
        10 => name == b"connection" || name == b"keep-alive",
        16 => name == b"proxy-connection",
        17 => name == b"transfer-encoding",
        _ => false,
    }
}
