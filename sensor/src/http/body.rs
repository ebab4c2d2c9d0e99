//! Where a body ends (RFC 9112, section 6.3), and reading it.
//!
//! Of the possible readings, this one is followed:
//!
//! * Transfer-Encoding wins over Content-Length (item 3), in HTTP/1.0 too.
//! * A response whose last coding is not `chunked` continues until the connection closes (item 4). Such a request should
//!   be refused; its Content-Length is followed, and without one it has no body.
//! * What resembles `chunked` (`xchunked`, `"chunked"`, with a vertical tab before it) is such another coding;
//!   `chunked, identity` and `chunked, chunked` are read as `chunked`.
//! * Of several lengths the first valid one counts; `+5`, `5x` and `5 5` are 5, as `strtoul` has it. Without a
//!   valid one a request has no body, and a response goes on until the connection closes.
//! * A chunk size is read likewise: `+5`, `0x5`, ` 5` and `5x` are 5. One without a digit or beyond 63 bits
//!   ends the reading of the message; the next one is looked for.

use super::anomaly::Anomaly;
use super::config::Config;
use super::h1::chunked::{Chunked, Outcome};
use super::header::{Coding, Facts};
use super::message::Message;
use super::method::{Method, Version};

/// The rest of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Framing {
    /// Nothing.
    #[default]
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Everything until the sender closes.
    UntilClose,
}

impl Framing {
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }

    pub(super) fn of_request(facts: &mut Facts) -> Self {
        check(facts);
        let framing = match (facts.coding, facts.content_length) {
            (Coding::Chunked, _) => Self::Chunked(Chunked::default()),
            (Coding::None | Coding::Other, Some(length)) => Self::Length(length),
            (Coding::None | Coding::Other, None) => Self::None,
        };
        if facts.coding == Coding::Other {
            facts.flag(Anomaly::ChunkedNotFinal);
        }
        if !framing.is_none() && !facts.method.may_have_body() {
            facts.flag(Anomaly::UnexpectedRequestBody);
        }
        // RFC 9110, section 9.3.6: what follows CONNECT is for the tunnel. RFC 1945, section 4.1: HTTP/0.9 has
        // no bodies.
        if facts.method == Method::Connect || facts.version == Version::Http09 { Self::None } else { framing }
    }

    pub(super) fn of_response(facts: &mut Facts, method: Method) -> Self {
        check(facts);
        let tunnel = method == Method::Connect && (200..300).contains(&facts.status);
        let never = matches!(facts.status, 100..200 | 204) || tunnel;
        if never && (facts.has_content_length || facts.has_transfer_encoding) {
            facts.flag(Anomaly::FramingWithoutBody);
        }
        if never || facts.status == 304 || method == Method::Head {
            return Self::None;
        }
        match (facts.coding, facts.content_length) {
            (Coding::Chunked, _) => Self::Chunked(Chunked::default()),
            (Coding::None, Some(length)) => Self::Length(length),
            (Coding::Other, _) | (Coding::None, None) => Self::UntilClose,
        }
    }
}

fn check(facts: &mut Facts) {
    if !facts.has_transfer_encoding {
        return;
    }
    if facts.has_content_length {
        facts.flag(Anomaly::TransferEncodingAndContentLength);
    }
    if facts.version == Version::Http10 {
        facts.flag(Anomaly::TransferEncodingInHttp10);
    }
}

/// The state of a message after bytes were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It continues.
    More,
    /// It is complete.
    Whole,
    /// Its end can no longer be determined.
    Broken,
}

impl Message {
    /// Reads bytes of the body; also returns how many. The caller has made room for those kept; see [`Message::wants`].
    pub(super) fn read_body(&mut self, bytes: &[u8], config: &Config) -> (Read, usize) {
        match self.framing {
            Framing::None => (Read::Whole, 0),
            Framing::UntilClose => {
                self.take_data(bytes, config);
                (Read::More, bytes.len())
            }
            Framing::Length(remaining) => {
                let length = remaining.min(bytes.len() as u64);
                let taken = usize::try_from(length).unwrap_or(bytes.len());
                self.take_data(bytes.get(..taken).unwrap_or_default(), config);
                self.framing = Framing::Length(remaining.saturating_sub(length));
                (if self.framing.is_none() { Read::Whole } else { Read::More }, taken)
            }
            Framing::Chunked(mut chunked) => {
                let mut rest = bytes;
                let outcome = loop {
                    let before = rest.len();
                    let (outcome, data) = chunked.step(&mut rest, config, &mut self.facts.anomalies);
                    let framing = before.saturating_sub(rest.len()).saturating_sub(data.len());
                    self.body_wire_length = self.body_wire_length.saturating_add(framing as u64);
                    self.take_data(data, config);
                    if outcome != Outcome::More || rest.is_empty() {
                        break outcome;
                    }
                };
                self.framing = Framing::Chunked(chunked);
                let read = match outcome {
                    Outcome::More => Read::More,
                    Outcome::Whole => Read::Whole,
                    Outcome::Broken => Read::Broken,
                };
                (read, bytes.len().saturating_sub(rest.len()))
            }
        }
    }

    /// Skips missing bytes of the body; also returns how many belonged to it. [`Read::Broken`] means that framing was among
    /// the others.
    pub(super) fn skip_body(&mut self, length: u64) -> (Read, u64) {
        let skipped = match &mut self.framing {
            Framing::None => return (Read::Whole, 0),
            Framing::UntilClose => length,
            Framing::Length(remaining) => {
                let skipped = length.min(*remaining);
                *remaining = remaining.saturating_sub(skipped);
                skipped
            }
            Framing::Chunked(chunked) => match chunked.skip(length) {
                Some(()) => length,
                None => return (Read::Broken, 0),
            },
        };
        self.skip_data(skipped);
        (if self.framing.is_none() { Read::Whole } else { Read::More }, skipped)
    }

    /// Takes content, regardless of its framing; as with [`Message::read_body`], the caller has made room.
    pub(super) fn take_data(&mut self, data: &[u8], config: &Config) {
        if data.is_empty() {
            return;
        }
        self.body_length = self.body_length.saturating_add(data.len() as u64);
        self.body_wire_length = self.body_wire_length.saturating_add(data.len() as u64);
        if self.grpc.is_on() {
            self.count_grpc(data);
        }
        if self.state.body_cut {
            return;
        }
        let room = config.body_bytes.saturating_sub(self.body().len());
        let kept = data.get(..room).unwrap_or(data);
        self.bytes.extend_from_slice(kept);
        self.state.body_cut = kept.len() < data.len();
    }

    /// Skips missing content.
    pub(super) fn skip_data(&mut self, length: u64) {
        self.state.body_cut = true;
        self.body_length = self.body_length.saturating_add(length);
        self.body_wire_length = self.body_wire_length.saturating_add(length);
        self.grpc.skip(length);
    }

    /// How many of the next `length` bytes might be kept.
    pub(super) fn wants(&self, length: usize, config: &Config) -> usize {
        if self.state.body_cut { 0 } else { config.body_bytes.saturating_sub(self.body().len()).min(length) }
    }

    /// Bytes that certainly follow and are not needed.
    pub(super) fn unwanted(&self, config: &Config) -> u64 {
        let full = self.state.body_cut || self.body().len() >= config.body_bytes;
        if !full || self.facts.anomalies.intersects(super::anomaly::Anomalies::FRAMING) {
            return 0;
        }
        match &self.framing {
            Framing::Length(remaining) => *remaining,
            Framing::Chunked(chunked) => chunked.remaining_data(),
            Framing::None | Framing::UntilClose => 0,
        }
    }
}
