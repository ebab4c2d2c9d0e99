//! Bounds hold, and hitting one is counted.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn idle_state_is_small() {
    assert!(size_of::<State>() <= 184, "{} bytes", size_of::<State>());
}

#[test]
fn idle_connections_hold_nothing_else() {
    let mut http = Http::new(Config::default(), Journal::default());
    let mut states: Vec<_> = (0..1_000).map(|_| http.open(&opening(false))).collect();
    for state in &mut states {
        let time = Timestamp::from_unix_micros(1);
        let _advice = http.data(state, Side::Client, [GET, GET].concat().as_bytes(), time);
        let _advice = http.data(state, Side::Server, [OK, OK].concat().as_bytes(), time);
        assert!(state.client.message.is_none() && state.server.message.is_none());
    }
    assert_eq!(http.messages_held(), 0);
    assert!(http.bytes_held() < 10_000, "the memory of a connection is used by the next one");
}

#[test]
fn messages_are_bounded() {
    let mut http = Http::new(Config { messages: 2, ..Config::default() }, Journal::default());
    let mut states: Vec<_> = (0..4).map(|_| http.open(&opening(false))).collect();
    let time = Timestamp::from_unix_micros;
    for state in &mut states {
        let _advice = http.data(state, Side::Client, GET.as_bytes(), time(1));
    }
    assert_eq!(http.messages_held(), 2);
    assert_eq!(http.counters().messages_exhausted, 2);
    for state in states {
        http.close(state, CloseCause::Fin, time(2));
    }
    assert_eq!(http.sink().lines, ["GET / 0 -> -"; 2]);
}

#[test]
fn after_exhaustion_the_next_exchange_is_read() {
    let mut http = Http::new(Config { messages: 2, ..Config::default() }, Journal::default());
    let (mut one, mut other) = (http.open(&opening(false)), http.open(&opening(false)));
    let time = Timestamp::from_unix_micros;
    let _advice = http.data(&mut one, Side::Client, [GET, GET].concat().as_bytes(), time(1));
    let _advice = http.data(&mut other, Side::Client, GET.as_bytes(), time(2));
    http.close(one, CloseCause::Fin, time(3));
    let _advice = http.data(&mut other, Side::Server, OK.as_bytes(), time(4));
    let _advice = http.data(&mut other, Side::Client, GET.as_bytes(), time(5));
    let _advice = http.data(&mut other, Side::Server, OK.as_bytes(), time(6));
    let lines = &http.sink().lines;
    assert_eq!(lines[2..], ["- -> 200 0 GAPS", "GET / 0 -> 200 0 GAPS"]);
}

#[test]
fn bytes_are_bounded() {
    let config = Config { buffer_bytes: 100_000, ..Config::default() };
    let mut http = Http::new(config, Journal::default());
    let mut states: Vec<_> = (0..100).map(|_| http.open(&opening(false))).collect();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(10_000));
    for state in &mut states {
        let _advice = http.data(state, Side::Client, head.as_bytes(), Timestamp::from_unix_micros(1));
        assert!(http.bytes_held() <= 100_000);
    }
    assert!(http.counters().buffers_exhausted > 90);
    for state in states {
        http.close(state, CloseCause::Fin, Timestamp::from_unix_micros(2));
    }
    assert_eq!(http.messages_held(), 0);
}

#[test]
fn body_that_finds_no_room_is_not_kept() {
    let config = Config { buffer_bytes: 2_000, ..Config::default() };
    let mut talk = Talk::with(config, false);
    let _advice = talk.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    let _advice = talk.client([b'x'; 5_000]);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["POST / 5000 -> 200 0"]);
    assert_eq!(talk.http.counters().buffers_exhausted, 1);
    assert_eq!(talk.http.counters().bodies_truncated, 1);
}

#[test]
fn spare_memory_is_bounded() {
    let mut http = Http::new(Config { spare_messages: 10, ..Config::default() }, Journal::default());
    let mut states: Vec<_> = (0..100).map(|_| http.open(&opening(false))).collect();
    for state in &mut states {
        let _advice = http.data(state, Side::Client, GET.as_bytes(), Timestamp::from_unix_micros(1));
    }
    let busy = http.bytes_held();
    for state in states {
        http.close(state, CloseCause::Fin, Timestamp::from_unix_micros(2));
    }
    assert!(http.bytes_held() <= busy / 10);
}

/// A head of 64 KiB, a byte a call: were each call to read from the beginning, this would take minutes.
#[test]
fn trickling_is_not_quadratic() {
    let mut talk = Talk::new();
    let _advice = talk.client("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for _ in 0..65_000 {
        let _advice = talk.client("x");
    }
    let _advice = talk.client("\r\n\r\n");
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0"]);
}

/// Seven bytes each, every one of which says that it is the last: a server reads one.
#[test]
fn what_follows_an_announced_end_is_read_for_a_while() {
    let mut talk = Talk::new();
    let _advice = talk.client("GET /\r\n".repeat(5_000));
    let _advice = talk.server("HTTP/1.1 400 a\r\n\r\n");
    let unread = talk.http.counters().after_close_bytes;
    assert!((30_000..35_000).contains(&unread), "{unread}");
    assert!(talk.finish().len() < 20);
}

/// A server that goes on all the same is gone on with.
#[test]
fn a_server_that_answers_is_listened_to() {
    let mut talk = Talk::new();
    let _advice = talk.client("GET /0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let _advice = talk.server(OK);
    for number in 1..30 {
        let _advice = talk.client(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let _advice = talk.server(OK);
    }
    assert_eq!(talk.http.counters().after_close_bytes, 0);
    assert_eq!(talk.lines().len(), 30);
    // Many at once are too many, until the next answer.
    let _advice = talk.client("GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(40));
    assert!(talk.http.counters().after_close_bytes > 0);
    let _advice = talk.server(OK);
    let _advice = talk.client("GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    let lines = talk.finish();
    assert!(lines.iter().any(|line| line.starts_with("GET /last ")), "{lines:?}");
}
