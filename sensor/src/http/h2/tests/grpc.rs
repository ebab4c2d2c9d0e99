//! gRPC over HTTP/2 and gRPC-Web over either.

use super::*;
use crate::http::{Connection, Exchange, Grpc, Http, Messages, Sink};
use crate::stream::Protocol;

#[derive(Default)]
struct Calls(Vec<(Option<Grpc>, Option<u16>)>);

impl Sink for Calls {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        self.0.push((exchange.grpc(), exchange.outcome()));
    }
}

/// What gRPC tells of the exchanges of these bytes.
fn calls(client: &[u8], server: &[u8]) -> Vec<(Option<Grpc>, Option<u16>)> {
    let mut http = Http::new(Config::default(), Calls::default());
    let mut state = http.open(&crate::http::tests::opening(false));
    let time = crate::clock::Timestamp::default();
    for (side, bytes) in [(Side::Client, client), (Side::Server, server)] {
        for piece in bytes.chunks(11) {
            let _advice = http.data(&mut state, side, piece, time);
        }
    }
    http.close(state, CloseCause::Fin, time);
    http.into_sink().0
}

const TYPE: &str = "content-type: application/grpc";
const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";

fn begins() -> Vec<u8> {
    [&PREFACE[..], &settings()].concat()
}

fn call() -> Vec<u8> {
    [begins(), post(1, "/pkg.Service/Method", &[TYPE, "te: trailers"]), frame(DATA, END_STREAM, 1, MESSAGE)]
        .concat()
}

fn told(status: Option<u16>, request: (u64, u64), response: (u64, u64)) -> Option<Grpc> {
    let of = |(count, bytes)| Some(Messages { count, bytes });
    Some(Grpc { status, request: of(request), response: of(response) })
}

#[test]
fn the_status_of_trailers_is_the_outcome() {
    let head = frame(HEADERS, END_HEADERS, 1, block(&[":status: 200", TYPE]));
    for (status, expected) in [("0", 200), ("5", 404), ("7", 403), ("13", 500), ("16", 401)] {
        let trailers = block(&[&format!("grpc-status: {status}"), "grpc-message: why"]);
        let server = [
            settings(),
            head.clone(),
            frame(DATA, 0, 1, [MESSAGE, MESSAGE].concat()),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, trailers),
        ]
        .concat();
        let status = status.parse().ok();
        assert_eq!(calls(&call(), &server), [(told(status, (1, 5), (2, 10)), Some(expected))]);
    }
}

#[test]
fn trailers_may_be_all_that_there_is() {
    let head = block(&[":status: 200", TYPE, "grpc-status: 12"]);
    let server = [settings(), frame(HEADERS, END_HEADERS | END_STREAM, 1, head)].concat();
    assert_eq!(calls(&call(), &server), [(told(Some(12), (1, 5), (0, 0)), Some(501))]);
}

#[test]
fn a_status_without_grpc_is_a_header_like_any_other() {
    let server =
        [settings(), frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&[":status: 200", "grpc-status: 7"]))]
            .concat();
    let found = calls(&[begins(), get(1, "/")].concat(), &server);
    assert_eq!(found, [(None, Some(200))]);
}

#[test]
fn grpc_web_has_its_trailers_in_the_body() {
    let request = "POST /pkg.Service/Method HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 10\r\n\r\n";
    let body = [MESSAGE, b"\x80\0\0\0\x10grpc-status: 16\r"].concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let found = calls(&[request.as_bytes(), MESSAGE].concat(), &[head.as_bytes(), &body].concat());
    assert_eq!(found, [(told(Some(16), (1, 5), (1, 5)), Some(401))]);
}
