//! One message: its head, the facts of it, and what is kept of its body.
//!
//! Architecture invariant: header values, targets and bodies are secrets. `Debug` shows none of them.

use std::fmt;

use super::anomaly::{Anomalies, Anomaly};
use super::body::Framing;
use super::grpc;
use super::header::{self, Facts, HeaderSpan, Span};
use super::method::{self, Method, Version};
use super::target::{self, Parts};
use crate::clock::Timestamp;

/// A message. Its memory is reused for others.
#[derive(Default)]
pub struct Message {
    /// The head, then the kept part of the body.
    pub(super) bytes: Vec<u8>,
    pub(super) head_length: usize,
    pub(super) spans: Vec<HeaderSpan>,
    pub(super) facts: Facts,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) framing: Framing,
    /// Bytes of the body without and with the chunked coding.
    pub(super) body_length: u64,
    pub(super) body_wire_length: u64,
    pub(super) state: Progress,
    pub(super) grpc: grpc::Counter,
    /// The beginning of gRPC-Web's trailers.
    grpc_trailer: [[u8; 32]; 2],
    /// What the pool has counted of its memory.
    pub(super) charged: usize,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Bytes since the last LF of an unfinished head, and whether they are a single CR.
    pub line_length: usize,
    pub line_is_cr: bool,
    /// Its start line is there.
    pub has_line: bool,
    /// It begins where one was looked for: it must look like one.
    pub tentative: bool,
    /// The start of its head has been seen to be plausible.
    pub plausible: bool,
    /// Nothing of it is to come, whether it ended or was cut off.
    pub finished: bool,
    /// Its length cannot be known.
    pub length_unknown: bool,
    /// Bytes of it, or right before it, are missing.
    pub gaps: bool,
    /// No more of its body is kept.
    pub body_cut: bool,
}

impl Message {
    /// Forgets everything but the memory.
    pub(super) fn reset(&mut self, started: Timestamp) {
        self.bytes.clear();
        self.spans.clear();
        self.head_length = 0;
        self.facts = Facts::default();
        self.started = started;
        self.ended = None;
        self.framing = Framing::None;
        self.body_length = 0;
        self.body_wire_length = 0;
        self.state = Progress::default();
        self.grpc = grpc::Counter::default();
    }

    /// Its head is there: whether its body is gRPC's is known.
    #[inline]
    pub(super) fn begin_grpc(&mut self) {
        if let Some(span) = self.facts.content_type {
            let content_type = span.of(&self.bytes);
            if content_type.len() >= 16
                && content_type.get(12..16).is_some_and(|name| name.eq_ignore_ascii_case(b"grpc"))
            {
                self.grpc = grpc::Counter::of(content_type);
            }
        }
    }

    /// Counts the gRPC messages in content.
    pub(super) fn count_grpc(&mut self, data: &[u8]) {
        let status = self.grpc.read(data, self.grpc_trailer.as_flattened_mut());
        self.facts.grpc_status = status.or(self.facts.grpc_status);
    }

    pub(super) fn flag(&mut self, anomaly: Anomaly) {
        self.facts.anomalies.insert(anomaly);
    }

    pub(super) fn span(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }

    /// When the segment with its first byte was seen.
    #[must_use]
    pub const fn started(&self) -> Timestamp {
        self.started
    }

    /// When the segment with its last byte was seen; none where that is missing or never came.
    #[must_use]
    pub const fn ended(&self) -> Option<Timestamp> {
        self.ended
    }

    /// The version; that of HTTP/1.1 for higher minor ones (RFC 9110, section 2.5).
    #[must_use]
    pub const fn version(&self) -> Version {
        self.facts.version
    }

    /// Bytes of the head on the wire, as far as it was read, the empty line included.
    #[must_use]
    pub const fn head_length(&self) -> usize {
        self.head_length
    }

    /// Names and values of the headers, as sent and in order; folded lines joined by spaces, whitespace around
    /// values removed. No trailers.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.spans.iter().map(|span| (span.name.of(&self.bytes), span.value.of(&self.bytes)))
    }

    /// The bytes of all headers; none for HTTP/2, where nothing separates them. Equal bytes are equal headers.
    #[must_use]
    pub fn header_block(&self) -> Option<&[u8]> {
        let (first, last) = (self.spans.first()?, self.spans.last()?);
        let is_text = self.facts.version != Version::Http2;
        self.bytes.get(first.name.start()..last.value.end()).filter(|_| is_text)
    }

    /// The value of the first header of a name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let wanted = name.as_bytes();
        self.spans
            .iter()
            .find(|span| {
                span.name.length() == wanted.len() && self.span(span.name).eq_ignore_ascii_case(wanted)
            })
            .map(|span| self.span(span.value))
    }

    /// Content-Type.
    #[must_use]
    pub fn content_type(&self) -> Option<&[u8]> {
        self.facts.content_type.map(|span| self.span(span))
    }

    /// Content-Encoding; the first one, where there are several.
    #[must_use]
    pub fn content_encoding(&self) -> Option<&[u8]> {
        self.facts.content_encoding.map(|span| self.span(span))
    }

    /// A fingerprint of the names of the headers, lower-cased, in their order. The same on every host and in
    /// every version; not for use against collisions made on purpose.
    #[must_use]
    pub fn header_fingerprint(&self) -> u64 {
        header::fingerprint(self.spans.iter().map(|span| self.span(span.name)))
    }

    /// The first bytes of the body without the chunked coding, up to
    /// [`Config::body_bytes`](super::Config::body_bytes) and up to the first that is missing.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.head_length..).unwrap_or_default()
    }

    /// Whether [`Message::body`] is all of the body.
    #[must_use]
    pub fn body_is_whole(&self) -> bool {
        self.ended.is_some() && !self.state.body_cut
    }

    /// Bytes of the body on the wire, without the chunked coding; of a message cut off, those that came. None
    /// where bytes are missing and nothing tells how many were the body's.
    #[must_use]
    pub fn body_length(&self) -> Option<u64> {
        (!self.state.length_unknown).then_some(self.body_length)
    }

    /// As [`Message::body_length`], but with chunk sizes, line ends and trailers: what nginx counts as
    /// `$body_bytes_sent`.
    #[must_use]
    pub fn body_wire_length(&self) -> Option<u64> {
        (!self.state.length_unknown).then_some(self.body_wire_length)
    }

    /// Whether bytes of it, or right before it, are missing.
    #[must_use]
    pub const fn gaps(&self) -> bool {
        self.state.gaps
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn anomalies(&self) -> Anomalies {
        self.facts.anomalies
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Message")
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("version", &self.facts.version)
            .field("method", &self.facts.method)
            .field("status", &self.facts.status)
            .field("headers", &self.spans.len())
            .field("head_length", &self.head_length)
            .field("body_length", &self.body_length)
            .field("body_wire_length", &self.body_wire_length)
            .field("anomalies", &self.facts.anomalies)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

macro_rules! view {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a>(pub(super) &'a Message);

        impl<'a> $name<'a> {
            /// What it shares with messages of the other side; lives as long as the exchange.
            #[must_use]
            pub const fn message(self) -> &'a Message {
                self.0
            }
        }

        impl std::ops::Deref for $name<'_> {
            type Target = Message;

            fn deref(&self) -> &Message {
                self.0
            }
        }
    };
}

view! {
    /// A request.
    Request
}

view! {
    /// A response.
    Response
}

impl<'a> Request<'a> {
    /// The method as a label.
    #[must_use]
    pub const fn method(self) -> Method {
        if self.has_line() { self.0.facts.method } else { Method::Other }
    }

    /// Whether it has a request line. Where it has none, its text may be the rest of a body: there is no path, no
    /// host, and whoever tells of it should tell no header either.
    #[must_use]
    pub const fn has_line(self) -> bool {
        !self.0.facts.anomalies.contains(Anomaly::InvalidRequestLine)
    }

    /// The name of the method if it is registered, else `other`; the bytes sent are for this room only.
    #[must_use]
    pub fn method_name(self) -> &'static str {
        let method = self.method();
        if method == Method::Other { method::method_name(self.method_bytes()) } else { method.label() }
    }

    /// Whether its method is known: of HTTP/2 it may be hidden.
    #[must_use]
    pub const fn has_method(self) -> bool {
        self.has_line() && self.0.facts.first.length() > 0
    }

    /// The method as sent.
    pub(super) fn method_bytes(self) -> &'a [u8] {
        self.0.span(self.0.facts.first)
    }

    /// The target as sent.
    pub(super) fn target(self) -> &'a [u8] {
        self.0.span(self.0.facts.second)
    }

    /// Host and port as sent: of a target in absolute or authority form, else of the first Host header
    /// (RFC 9112, section 3.2.2).
    #[must_use]
    pub fn host(self) -> Option<&'a [u8]> {
        self.parts().authority.or_else(|| self.host_header().filter(|_| self.has_line()))
    }

    /// Host and port in lower case, written to `out` where they were not.
    #[must_use]
    pub fn host_lowercase<'b>(self, out: &'b mut Vec<u8>) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        let host = self.host()?;
        if !host.iter().any(u8::is_ascii_uppercase) {
            return Some(host);
        }
        out.clear();
        out.extend(host.iter().map(u8::to_ascii_lowercase));
        Some(out)
    }

    /// The first Host header.
    #[must_use]
    pub fn host_header(self) -> Option<&'a [u8]> {
        self.0.facts.host.map(|span| self.0.span(span))
    }

    /// The path as sent: the target without scheme, authority, query and fragment; `/` for an absolute form without
    /// one, `*` as such, and empty for CONNECT and where there is no request line.
    #[must_use]
    pub fn path(self) -> &'a [u8] {
        self.parts().path
    }

    /// What follows the first `?`.
    #[must_use]
    pub fn query(self) -> Option<&'a [u8]> {
        self.parts().query
    }

    /// [`Self::path`] and [`Self::query`].
    #[must_use]
    pub fn path_and_query(self) -> (&'a [u8], Option<&'a [u8]>) {
        let parts = self.parts();
        (parts.path, parts.query)
    }

    /// User-Agent as sent.
    #[must_use]
    pub fn user_agent(self) -> Option<&'a [u8]> {
        self.0.facts.user_agent.map(|span| self.0.span(span))
    }

    fn parts(self) -> Parts<'a> {
        let anomalies = self.0.facts.anomalies;
        if anomalies.contains(Anomaly::InvalidRequestLine) {
            return Parts::default();
        }
        // No valid target has a fragment.
        let target = self.target();
        if self.0.facts.is_extended_connect {
            // RFC 8441: it has a path, as other requests do.
            return target::parts(Method::Get, target);
        }
        let is_invalid = anomalies.contains(Anomaly::InvalidTarget);
        target::parts(self.method(), if is_invalid { target::without_fragment(target) } else { target })
    }
}

impl<'a> Response<'a> {
    /// The status; 0 where it could not be told, is hidden, and for the headless response to an HTTP/0.9 request.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.0.facts.status
    }

    /// The status as it is meant: what the status of gRPC says as one of HTTP, where there is one. gRPC answers 200 to what
    /// fails.
    #[must_use]
    pub fn outcome(self) -> u16 {
        match self.grpc_status() {
            Some(status) if self.0.facts.status == 200 => grpc::Grpc::http_status(status),
            _ => self.0.facts.status,
        }
    }

    /// The status of gRPC, where the response is one of gRPC.
    #[must_use]
    pub fn grpc_status(self) -> Option<u16> {
        self.0.facts.grpc_status.filter(|_| self.0.grpc.is_on())
    }

    /// The reason phrase.
    #[must_use]
    pub fn reason(self) -> &'a [u8] {
        self.0.span(self.0.facts.second)
    }
}
