//! Tests by subject. Frames are written down by name, and what became of a conversation is compared as text.

mod abuse;
mod anomalies;
mod bounds;
mod exchanges;
mod gaps;
mod grpc;
mod property;

use super::frame::{ACK, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY};
use crate::http::tests::{Talk, count};
use crate::http::{Anomaly, Config};
use crate::stream::{Advice, CloseCause, Missing, Side};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY_FRAME: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GO_AWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A string of HPACK, as it is.
fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if text.len() < 127 {
        out.push(u8::try_from(text.len()).unwrap());
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap());
    }
    out.extend(text.bytes());
    out
}

/// A block of literals that are not inserted, from lines such as `:method: GET`.
pub(super) fn block(fields: &[&str]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|field| {
            let colon = field[1..].find(':').unwrap() + 1;
            let (name, value) = (&field[..colon], &field[colon + 1..]);
            [vec![0], string(name), string(value.strip_prefix(' ').unwrap_or(value))].concat()
        })
        .collect()
}

/// A GET of a path, whose stream ends with it.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    let path = format!(":path: {path}");
    let fields = block(&[":method: GET", ":scheme: https", &path, ":authority: a"]);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, fields)
}

/// The head of a POST of a path.
pub(super) fn post(stream: u32, path: &str, more: &[&str]) -> Vec<u8> {
    let path = format!(":path: {path}");
    let fields = [&[":method: POST", ":scheme: https", &path, ":authority: a"], more].concat();
    frame(HEADERS, END_HEADERS, stream, block(&fields))
}

/// A response of this status and body.
pub(super) fn answer(stream: u32, status: u16, body: &str) -> Vec<u8> {
    let head = block(&[&format!(":status: {status}")]);
    if body.is_empty() {
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, head);
    }
    [frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, body)].concat()
}

pub(super) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, [])
}

/// A connection whose beginnings were exchanged.
pub(super) fn begun() -> Talk {
    begun_with(Config::default())
}

pub(super) fn begun_with(config: Config) -> Talk {
    let mut talk = Talk::with(config, false);
    let _advice = talk.client([&PREFACE[..], &settings()].concat());
    let _advice = talk.server(settings());
    talk
}

/// The exchanges of what client and server send after that, whole; a byte at a time they must be the same.
pub(super) fn exchanges(client: impl AsRef<[u8]>, server: impl AsRef<[u8]>) -> Vec<String> {
    let mut whole = begun();
    let _advice = whole.client(&client);
    if !server.as_ref().is_empty() {
        let _advice = whole.server(&server);
    }
    let mut trickled = begun();
    for byte in client.as_ref() {
        let _advice = trickled.client([*byte]);
    }
    for byte in server.as_ref() {
        let _advice = trickled.server([*byte]);
    }
    let whole = whole.finish();
    assert_eq!(whole, trickled.finish(), "cuts change nothing");
    whole
}
