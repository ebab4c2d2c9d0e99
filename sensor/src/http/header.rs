//! Headers: where they lie, and those that this room acts on.

use super::anomaly::{Anomalies, Anomaly};
use super::grpc;
use super::method::{Method, Version};
use super::target;

/// A part of a message's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    pub(super) const fn new(start: usize, length: usize) -> Self {
        Self { start: low(start), length: low(length) }
    }

    /// Where `part`, a part of `whole`, lies.
    pub(super) fn within(whole: &[u8], part: &[u8]) -> Self {
        Self { start: low(part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())), length: low(part.len()) }
    }

    pub(super) const fn start(self) -> usize {
        self.start as usize
    }

    pub(super) const fn length(self) -> usize {
        self.length as usize
    }

    pub(super) const fn end(self) -> usize {
        self.start().saturating_add(self.length())
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start()..self.end()).unwrap_or_default()
    }
}

/// Heads are bounded to 16 MiB, and a span beyond the message it lies in is empty.
#[expect(clippy::cast_possible_truncation, reason = "bounded, see above")]
const fn low(number: usize) -> u32 {
    number as u32
}

/// Where a header lies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderSpan {
    pub name: Span,
    pub value: Span,
}

/// The last transfer coding of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// None, or `identity`.
    #[default]
    None,
    Chunked,
    Other,
}

/// What the rest of the room needs to know of a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub anomalies: Anomalies,
    /// Method, or nothing.
    pub first: Span,
    /// Target, or reason.
    pub second: Span,
    pub method: Method,
    pub version: Version,
    pub status: u16,
    pub host: Option<Span>,
    pub user_agent: Option<Span>,
    pub content_type: Option<Span>,
    pub content_encoding: Option<Span>,
    pub content_length: Option<u64>,
    pub has_content_length: bool,
    pub coding: Coding,
    pub has_transfer_encoding: bool,
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
    /// CONNECT with `:protocol` (RFC 8441).
    pub is_extended_connect: bool,
    /// A request to continue as a WebSocket: CONNECT with that protocol, or `Upgrade`.
    pub asks_for_socket: bool,
    /// The number of the WebSocket that a response opens.
    pub socket: Option<u64>,
    pub grpc_status: Option<u16>,
}

impl Facts {
    pub(super) fn flag(&mut self, anomaly: Anomaly) {
        self.anomalies.insert(anomaly);
    }

    /// Takes note of a header. Names are told by their length first: most headers are none of these.
    #[inline]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8], span: Span) {
        match name.len() {
            4 if is(name, b"host") => self.note_host(value, span),
            7 if is(name, b"upgrade") => {
                self.upgrade = true;
                self.asks_for_socket |= is(value, b"websocket");
            }
            10 if is(name, b"connection") => self.note_connection(value),
            10 if is(name, b"user-agent") => self.user_agent = self.user_agent.or(Some(span)),
            11 if is(name, b"grpc-status") => self.grpc_status = grpc::status(value),
            12 if is(name, b"content-type") => self.content_type = self.content_type.or(Some(span)),
            14 if is(name, b"content-length") => self.note_content_length(value),
            16 if is(name, b"content-encoding") => {
                self.content_encoding = self.content_encoding.or(Some(span));
            }
            17 if is(name, b"transfer-encoding") => self.note_transfer_encoding(value),
            _ => {}
        }
    }

    fn note_host(&mut self, value: &[u8], span: Span) {
        if self.host.is_some() {
            self.flag(Anomaly::MultipleHosts);
        }
        if !target::is_host(value) {
            self.flag(Anomaly::InvalidHost);
        }
        self.host = self.host.or(Some(span));
    }

    fn note_connection(&mut self, value: &[u8]) {
        if is(value, b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// The first valid value is followed, whatever comes after it (RFC 9112, section 6.3, item 5, would have
    /// both ends refuse the message; those that do not mostly take the first).
    fn note_content_length(&mut self, value: &[u8]) {
        let repeated = std::mem::replace(&mut self.has_content_length, true);
        if !repeated && (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) {
            self.content_length = Some(value.iter().fold(0, |length: u64, digit| {
                length.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
            }));
            return;
        }
        for (index, element) in value.split(|byte| *byte == b',').enumerate() {
            let length = self.read_length(element.trim_ascii());
            match (self.content_length, length) {
                (Some(earlier), Some(length)) if earlier != length => {
                    self.flag(Anomaly::ConflictingContentLength);
                }
                (Some(_), Some(_)) if index > 0 => self.flag(Anomaly::ContentLengthList),
                (Some(_), Some(_)) if repeated => self.flag(Anomaly::DuplicateContentLength),
                (Some(_), Some(_) | None) => {}
                (None, length) => self.content_length = length,
            }
        }
    }

    /// A length as `strtoul` reads it, since that is what lenient servers do: a plus sign is passed over,
    /// digits count up to the first other byte. None where no digit comes first or the number is beyond 63
    /// bits.
    fn read_length(&mut self, text: &[u8]) -> Option<u64> {
        let mut digits = text;
        if let Some((b'+' | b'-', rest)) = text.split_first() {
            self.flag(Anomaly::ContentLengthSign);
            digits = rest;
        }
        let is_negative = text.first() == Some(&b'-');
        let mut length = (!is_negative && digits.first().is_some_and(u8::is_ascii_digit)).then_some(0_u64);
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte.wrapping_sub(b'0'));
                    let grown = length.and_then(|length| length.checked_mul(10)?.checked_add(digit));
                    if length.is_some() && grown.is_none_or(|grown| grown > i64::MAX.unsigned_abs()) {
                        self.flag(Anomaly::ContentLengthOverflow);
                        return None;
                    }
                    length = grown;
                }
                b' ' | b'\t' => {
                    self.flag(Anomaly::ContentLengthWhitespace);
                    break;
                }
                _ => {
                    self.flag(Anomaly::InvalidContentLength);
                    break;
                }
            }
        }
        if digits.is_empty() {
            self.flag(Anomaly::InvalidContentLength);
        }
        length
    }

    fn note_transfer_encoding(&mut self, value: &[u8]) {
        if self.has_transfer_encoding {
            self.flag(Anomaly::RepeatedTransferEncoding);
        }
        self.has_transfer_encoding = true;
        let mut empty = true;
        // RFC 9110, section 5.6.1.2: empty elements of a list count for nothing.
        let elements =
            value.split(|byte| *byte == b',').map(trim_whitespace).filter(|coding| !coding.is_empty());
        for coding in elements {
            empty = false;
            self.note_coding(coding);
        }
        if empty {
            self.flag(Anomaly::ObfuscatedTransferEncoding);
        }
    }

    fn note_coding(&mut self, coding: &[u8]) {
        let was_chunked = self.coding == Coding::Chunked;
        if coding.eq_ignore_ascii_case(b"chunked") {
            if was_chunked {
                self.flag(Anomaly::RepeatedTransferEncoding);
            }
            self.coding = Coding::Chunked;
            return;
        }
        if was_chunked {
            self.flag(Anomaly::ChunkedNotFinal);
        }
        let name = coding.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let registered: [&[u8]; 5] = [b"gzip", b"x-gzip", b"compress", b"x-compress", b"deflate"];
        if contains_ignoring_case(coding, b"chunked") {
            self.flag(Anomaly::ObfuscatedTransferEncoding);
        } else if !registered.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            self.flag(Anomaly::UnknownTransferEncoding);
        }
        if !coding.eq_ignore_ascii_case(b"identity") {
            self.coding = Coding::Other;
        } else if was_chunked {
            // `chunked, identity`: identity changes nothing, so that chunked is what is read.
            self.coding = Coding::Chunked;
        }
    }
}

/// Whether a name, or value, is this one, given in lower case. Without an early exit: of an array the compiler
/// compares many bytes at a time.
#[inline]
fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    let Some(name) = name.as_array::<N>() else { return false };
    let pairs = name.iter().zip(wanted);
    pairs.fold(true, |same, (byte, wanted)| {
        let case = if wanted.is_ascii_lowercase() { 0x20 } else { 0 };
        same & (byte | case == *wanted)
    })
}

/// Whitespace of a header only: a vertical tab is what obfuscates.
fn trim_whitespace(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b' ' | b'\t', others @ ..] | [others @ .., b' ' | b'\t'] = rest {
        rest = others;
    }
    rest
}

fn contains_ignoring_case(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

/// A hash of names in lower case, in order. Bit 5 is set instead of folding the case: for the bytes of tokens
/// that merges but a few marks.
pub(super) fn fingerprint<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mut hash = 0_u64;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(PRIME);
    for name in names {
        let (words, rest) = name.as_chunks::<8>();
        for word in words {
            hash = mix(hash, u64::from_le_bytes(*word) | CASE);
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = from | 0x20;
        }
        hash = mix(hash, u64::from_le_bytes(last));
        hash = mix(hash, name.len() as u64);
    }
    hash ^ (hash >> 31)
}
