//! What may be spent on compressed bodies.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::decode::Decoding;
use super::super::{Anomaly, Config, Connection, Exchange, Http, Sink};
use super::opening;
use crate::clock::Timestamp;
use crate::stream::{CloseCause, Protocol as _, Side};

/// Decodes every request, or none.
#[derive(Default)]
struct Decoder {
    idle: bool,
    seen: Vec<(usize, Decoding, bool)>,
}

impl Sink for Decoder {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        let mut out = Vec::new();
        let (length, decoding) = if self.idle {
            (0, Decoding::Identity)
        } else {
            let (decoded, decoding) = exchange.decode_request(&mut out);
            (decoded.len(), decoding)
        };
        let is_limited = exchange.all_anomalies().contains(Anomaly::InflationLimited);
        self.seen.push((length, decoding, is_limited));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The requests of one connection, one after the other, at a time in seconds.
fn connection(http: &mut Http<Decoder>, coding: &str, body: &[u8], requests: usize, second: u64) {
    let time = Timestamp::from_unix_micros(1_000_000 * second);
    let mut state = http.open(&opening(false));
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..requests {
        let _advice = http.data(&mut state, Side::Client, &[head.as_bytes(), body].concat(), time);
        let _advice = http.data(&mut state, Side::Server, super::OK.as_bytes(), time);
    }
    http.close(state, CloseCause::Fin, time);
}

fn http() -> Http<Decoder> {
    Http::new(Config::default(), Decoder::default())
}

/// Sixteen KiB of one letter in some fifty bytes: as much as comes of a body of that length.
fn bomb() -> Vec<u8> {
    gzip(&[b'a'; 16 << 10])
}

#[test]
fn bombs_share_an_allowance_and_honest_text_does_not_need_it() {
    let mut http = http();
    for _ in 0..200 {
        connection(&mut http, "gzip", &bomb(), 1, 10);
    }
    let made: usize = http.sink().seen.iter().map(|(length, ..)| length).sum();
    let refused = http.sink().seen.iter().filter(|(.., is_limited)| *is_limited).count();
    // An eighth of a second's allowance, and what 200 heads have earned.
    assert!((1 << 20..(1 << 20) + 200 * 4 * 300).contains(&made), "{made}");
    assert!(refused > 100, "{refused}");
    assert_eq!(http.counters().inflations_refused, refused as u64);
    assert_eq!(Anomaly::InflationLimited.label(), "inflation_limited");
    let text = br#"{"username":"somebody@shop.example","password":"correct horse battery staple"}"#;
    connection(&mut http, "gzip", &gzip(text), 1, 10);
    assert_eq!(http.sink().seen.last(), Some(&(text.len(), Decoding::Whole, false)), "it has earned that");
    connection(&mut http, "gzip", &bomb(), 1, 11);
    assert_eq!(http.sink().seen.last(), Some(&(16 << 10, Decoding::Whole, false)), "a second later");
}

#[test]
fn a_body_comes_to_no_more_than_its_length_allows() {
    let mut http = http();
    // The default bound is 64 KiB; the ratio is a thousand.
    connection(&mut http, "gzip", &gzip(&vec![b'a'; 60 << 10]), 1, 10);
    assert_eq!(http.sink().seen, [(16 << 10, Decoding::Bounded, true)]);
    assert_eq!(http.counters().inflations_bounded, 1);
    let twice = gzip(&gzip(&vec![b'a'; 16 << 20]));
    connection(&mut http, "gzip, gzip", &twice, 1, 11);
    assert!(http.sink().seen[1].0 <= 16 << 10 && http.sink().seen[1].2, "{:?}", http.sink().seen);
    let text: Vec<u8> = (0..3_000_u32).flat_map(|word| format!("{word} ").into_bytes()).collect();
    connection(&mut http, "gzip", &gzip(&text), 1, 12);
    assert_eq!(http.sink().seen[2], (text.len(), Decoding::Whole, false), "text of {} bytes", text.len());
}

#[test]
fn what_nobody_asks_for_costs_nothing() {
    let mut http = http();
    http.sink_mut().idle = true;
    for _ in 0..500 {
        connection(&mut http, "gzip", &bomb(), 1, 10);
    }
    assert!(http.sink().seen.iter().all(|(.., is_limited)| !is_limited));
    http.sink_mut().idle = false;
    connection(&mut http, "gzip", &bomb(), 1, 10);
    assert_eq!(http.sink().seen.last(), Some(&(16 << 10, Decoding::Whole, false)));
}

/// What is not coded is no matter of the budget.
#[test]
fn plain_bodies_are_free() {
    let mut http = Http::new(Config { inflate_bytes_per_second: 0, ..Config::default() }, Decoder::default());
    connection(&mut http, "identity", &[b'a'; 10_000], 3, 10);
    assert_eq!(http.sink().seen, [(10_000, Decoding::Identity, false); 3]);
}
