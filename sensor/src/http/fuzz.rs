//! Fuzz entries: any bytes in, postconditions checked.

use super::{Anomalies, Config, Connection, Counters, Decoding, Exchange, Http, Message, Sink};
use super::{decode, grpc, proxy_protocol, websocket};
use crate::capture::Endpoint;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Missing, Opening, Protocol, Side};

/// Bounds small enough to be hit.
fn tight(selector: u8) -> Config {
    if selector & 1 == 0 {
        return Config::default();
    }
    Config {
        head_bytes: 256,
        headers: 4,
        body_bytes: 32,
        inflate_bytes: 64,
        skip_bytes: 16,
        pipeline: 3,
        streams: 3,
        chunk_line_bytes: 24,
        trailer_bytes: 32,
        probe_bytes: 512,
        messages: 5,
        buffer_bytes: 4096,
        spare_messages: 2,
        proxy_protocol: selector & 2 == 0,
        ..Config::default()
    }
}

/// Checks exchanges.
#[derive(Debug, Default)]
struct Checker {
    exchanges: u64,
    unpaired_requests: u64,
    unpaired_responses: u64,
    found: u64,
    body_bytes: usize,
    inflate_bytes: usize,
    out: Vec<u8>,
}

impl Sink for Checker {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        assert!(exchange.request.is_some() || exchange.response.is_some(), "an exchange of nothing");
        self.exchanges = self.exchanges.wrapping_add(1);
        self.unpaired_requests = self.unpaired_requests.wrapping_add(u64::from(exchange.response.is_none()));
        self.unpaired_responses = self.unpaired_responses.wrapping_add(u64::from(exchange.request.is_none()));
        self.found = self.found.wrapping_add(exchange.anomalies.iter().count() as u64);
        let mut anomalies = Anomalies::NONE;
        if let Some(request) = exchange.request {
            self.message(request.message());
            anomalies.extend(request.anomalies());
            let target = request.target().len();
            assert!(request.path().len() <= target.max(1));
            assert!(request.query().is_none_or(|query| query.len() < target));
            assert!(
                request
                    .host_lowercase(&mut self.out)
                    .is_none_or(|host| !host.iter().any(u8::is_ascii_uppercase))
            );
        }
        if let Some(response) = exchange.response {
            self.message(response.message());
            anomalies.extend(response.anomalies());
        }
        assert_eq!(anomalies, exchange.anomalies);
        let (decoded, _) = exchange.decode_response(&mut self.out);
        assert!(decoded.len() <= self.inflate_bytes);
    }
}

impl Checker {
    fn message(&self, message: &Message) {
        assert!(message.body().len() <= self.body_bytes, "the bound of bodies");
        if let (Some(length), Some(wire)) = (message.body_length(), message.body_wire_length()) {
            assert!(length <= wire, "the payload is part of the wire");
            assert!(message.body().len() as u64 <= length, "kept bytes were there");
            assert!(!message.body_is_whole() || message.body().len() as u64 == length);
        }
        assert!(message.ended().is_none_or(|ended| ended >= message.started()));
        // HTTP/2 counts the bytes of fields; what has line breaks in it is a finding.
        for (name, value) in message.headers().filter(|_| message.version() != super::Version::Http2) {
            assert!(!name.contains(&b':') && !name.contains(&b'\n'), "a name is a name");
            assert!(!value.contains(&b'\n'), "a value is one line");
        }
        assert!(!message.gaps() || message.head_length() <= message.bytes.len());
        let shown = format!("{message:?}");
        assert!(shown.len() < 4_000, "nothing of unbounded length is shown");
    }
}

/// A script: `selector`, then pieces. A piece is a byte whose lowest bit tells the side, whose next two bits
/// tell what happens (data thrice as likely as a hole or an end), and a length byte.
pub fn conversation(script: &[u8]) {
    converse(script, false);
}

/// The same on a connection that has begun in HTTP/2.
pub fn frames(script: &[u8]) {
    converse(script, true);
}

fn converse(script: &[u8], is_http2: bool) {
    let Some((selector, mut rest)) = script.split_first() else { return };
    let config = tight(*selector);
    let checker =
        Checker { body_bytes: config.body_bytes, inflate_bytes: config.inflate_bytes, ..Checker::default() };
    let mut http = Http::new(config.clone(), checker);
    let address = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let mut now = 1_000_u64;
    let mut state = http.open(&Opening {
        client: Endpoint::new(address, 1),
        server: Endpoint::new(address, 2),
        time: Timestamp::from_unix_nanos(now),
        interface: 0,
        midstream: selector & 4 != 0,
    });
    if is_http2 && selector & 4 == 0 {
        let _advice =
            http.data(&mut state, Side::Client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Timestamp::default());
    }
    let mut stopped = false;
    while let Some(([control, length], others)) = rest.split_first_chunk::<2>() {
        now = now.saturating_add(u64::from(control >> 5));
        let time = Timestamp::from_unix_nanos(now);
        let side = if control & 1 == 0 { Side::Client } else { Side::Server };
        let length = usize::from(*length).min(others.len());
        let (piece, after) = others.split_at_checked(length).unwrap_or((others, &[]));
        rest = after;
        let missing = (length as u64).max(1);
        let advice = match control >> 1 & 15 {
            0 => http.missing(&mut state, side, missing, Missing::Lost, time),
            1 => http.missing(&mut state, side, missing, Missing::NotCaptured, time),
            2 => {
                http.end(&mut state, side, time);
                Advice::Continue
            }
            _ if piece.is_empty() => Advice::Continue,
            _ => http.data(&mut state, side, piece, time),
        };
        assert!(!matches!(advice, Advice::Skip(0)), "no advice at all");
        stopped |= advice == Advice::Stop;
        assert!(!stopped || advice == Advice::Stop || piece.is_empty() || control >> 1 & 15 == 2);
        assert!(http.messages_held() <= config.messages, "the bound of messages");
        let spans = config.messages.saturating_mul(config.headers).saturating_mul(2 * 16);
        assert!(http.bytes_held() <= config.buffer_bytes.saturating_add(spans), "the bound of bytes");
    }
    http.close(state, CloseCause::Rst, Timestamp::from_unix_nanos(now));
    assert_eq!(http.messages_held(), 0, "every message was given back");
    let (counters, seen) = (http.counters().clone(), http.into_sink());
    assert_eq!(counters.exchanges, seen.exchanges);
    assert_eq!(counters.unpaired_requests, seen.unpaired_requests);
    assert_eq!(counters.unpaired_responses, seen.unpaired_responses);
    assert!(counters.anomalies().map(|(_, count)| count).sum::<u64>() >= seen.found);
}

/// A PROXY protocol header: however it is cut, it is told the same and takes no more than it says.
pub fn proxy(bytes: &[u8]) {
    let whole = proxy_protocol::parse(bytes);
    let mut settled = None;
    for length in 0..=bytes.len().min(600) {
        let parsed = proxy_protocol::parse(bytes.get(..length).unwrap_or_default());
        match settled {
            None if parsed != proxy_protocol::Parsed::Partial => settled = Some(parsed),
            None => {}
            Some(settled) => assert_eq!(parsed, settled, "what is told stays"),
        }
        assert!(parsed != proxy_protocol::Parsed::Partial || length <= proxy_protocol::MAX_BYTES);
    }
    if let proxy_protocol::Parsed::Header(_, end) = whole {
        assert!((15..=65_551).contains(&end));
    }
}

/// Header blocks, each with its length before it: what is decoded keeps to the bounds, and the table to its own.
pub fn hpack(bytes: &[u8]) {
    super::h2::fuzz_hpack(bytes);
}

/// A body of gRPC, the first byte of which chooses its kind: messages are no longer than what carries them, and cuts
/// change nothing.
pub fn grpc(bytes: &[u8]) {
    let Some((selector, body)) = bytes.split_first() else { return };
    let kinds: [&[u8]; 3] =
        [b"application/grpc", b"application/grpc-web+proto", b"application/grpc-web-text"];
    let kind = kinds.get(usize::from(selector % 3)).copied().unwrap_or_default();
    let read = |size: usize| {
        let (mut counter, mut trailer, mut status) = (grpc::Counter::of(kind), [0; 64], None);
        for piece in body.chunks(size) {
            status = counter.read(piece, &mut trailer).or(status);
        }
        (counter.messages(), status)
    };
    let whole = read(body.len().max(1));
    assert_eq!(whole, read(usize::from(selector / 3).saturating_add(1)), "cuts change nothing");
    assert!(whole.0.is_some_and(|messages| messages.bytes <= body.len() as u64));
}

/// Frames of a WebSocket: cuts change nothing.
pub fn websocket(bytes: &[u8]) {
    let Some((selector, frames)) = bytes.split_first() else { return };
    let read = |size: usize| {
        let mut socket = websocket::Socket::new(1, Timestamp::default());
        for piece in frames.chunks(size) {
            socket.read(Side::Client, piece, &mut Counters::default());
        }
        socket.told(Timestamp::default())
    };
    let whole = read(frames.len().max(1));
    assert_eq!(whole, read(usize::from(*selector).saturating_add(1)), "cuts change nothing");
    assert!(whole.client.messages.max(whole.client.bytes) <= frames.len() as u64);
}

/// A coded body, the first byte of which chooses the coding: the bound holds.
pub fn body(bytes: &[u8]) {
    let Some((selector, body)) = bytes.split_first() else { return };
    let codings: [&[u8]; 6] = [b"gzip", b"deflate", b"br", b"zstd", b"gzip, deflate", b"zstd, br"];
    let coding = codings.get(usize::from(selector % 6)).copied().unwrap_or_default();
    let mut out = Vec::new();
    for limit in [0, 100, 4_096] {
        let (decoded, decoding, made) = decode::decode(body, true, coding, limit, &mut out);
        assert!(decoded.len() <= limit, "the bound");
        assert!(made <= limit.saturating_add(128 << 10), "the bound of what is made on the way");
        assert!(decoding != Decoding::Unsupported && decoding != Decoding::Identity);
        assert!(decoding != Decoding::Bounded || decoded.len() == limit || selector % 6 > 3);
    }
}
