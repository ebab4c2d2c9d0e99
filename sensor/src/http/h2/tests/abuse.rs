//! What is counted of what a client does to the protocol itself.

use super::*;
use crate::clock::Timestamp;
use crate::http::{Abuse, Connection, Exchange, Http, Sink};
use crate::stream::Protocol;

#[derive(Default)]
struct Counted(Abuse);

impl Sink for Counted {
    fn exchange(&mut self, _connection: &Connection, _exchange: &Exchange<'_>) {}

    fn abuse(&mut self, _connection: &Connection, abuse: &Abuse, _time: Timestamp) {
        self.0.add(abuse);
    }
}

/// What is counted of a conversation: who sends what, and when, in milliseconds.
fn counted(steps: &[(Side, u64, Vec<u8>)]) -> Vec<(&'static str, u32)> {
    let mut http = Http::new(Config::default(), Counted::default());
    let mut state = http.open(&crate::http::tests::opening(false));
    let at = |millis: u64| Timestamp::from_unix_micros(millis * 1_000);
    let _advice = http.data(&mut state, Side::Client, &[&PREFACE[..], &settings()].concat(), at(0));
    let _advice = http.data(&mut state, Side::Server, &settings(), at(0));
    for (side, millis, bytes) in steps {
        let _advice = http.data(&mut state, *side, bytes, at(*millis));
    }
    http.close(state, CloseCause::Fin, at(100_000));
    let abuse = http.into_sink().0;
    let kinds = abuse.kinds().into_iter().filter(|(name, count)| *count > u32::from(*name == "settings"));
    kinds.collect()
}

/// Who sends what, and when, in milliseconds.
type Steps = Vec<(Side, u64, Vec<u8>)>;

fn many(count: u32, of: impl Fn(u32) -> Vec<u8>) -> Steps {
    (0..count).map(|number| (Side::Client, u64::from(number), of(number))).collect()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, 8_u32.to_be_bytes())
}

#[test]
fn resets_right_after_requests_are_counted() {
    let steps = many(50, |number| [get(number * 2 + 1, "/"), reset(number * 2 + 1)].concat());
    assert_eq!(counted(&steps), [("resets", 50)]);
}

#[test]
fn resets_that_are_late_or_behind_the_response_are_not() {
    let late = [(Side::Client, 0, get(1, "/")), (Side::Client, 1_500, reset(1))];
    assert_eq!(counted(&late), []);
    let answered = [
        (Side::Client, 0, post(1, "/", &[])),
        (Side::Server, 1, answer(1, 200, "")),
        (Side::Client, 2, reset(1)),
    ];
    assert_eq!(counted(&answered), []);
}

#[test]
fn resets_that_a_client_provokes_are_its_own() {
    let steps: Vec<_> = (0..20_u32)
        .flat_map(|number| {
            let id = number * 2 + 1;
            let provoking = [get(id, "/"), frame(WINDOW_UPDATE, 0, id, [0x7f, 0xff, 0xff, 0xff])].concat();
            [(Side::Client, 0, provoking), (Side::Server, 0, frame(RESET, 0, id, 3_u32.to_be_bytes()))]
        })
        .collect();
    assert_eq!(counted(&steps), [("resets", 20)]);
}

#[test]
fn floods_of_frames_are_counted() {
    let fields = block(&[":method: GET", ":scheme: https", ":path: /", ":authority: a"]);
    let mut continuations = vec![(Side::Client, 0, frame(HEADERS, END_STREAM, 1, &fields))];
    continuations.extend(many(30, |number| frame(CONTINUATION, 0, 1, block(&[&format!("x: {number}")]))));
    let mut empty = vec![(Side::Client, 0, post(1, "/", &[]))];
    empty.extend(many(30, |_| frame(DATA, 0, 1, [])));
    let table: [(&str, u32, Steps); 7] = [
        ("settings", 31, many(30, |_| settings())),
        ("pings", 28, many(30, |_| frame(PING, 0, 0, [0; 8]))),
        ("empty_frames", 30, empty),
        ("continuations", 22, continuations),
        ("priorities", 30, many(130, |_| frame(PRIORITY_FRAME, 0, 9, [0, 0, 0, 7, 1]))),
        ("window_updates", 30, many(130, |_| frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1]))),
        ("violations", 30, many(30, |_| frame(DATA, 0, 2, "x"))),
    ];
    for (kind, count, steps) in table {
        let found = counted(&steps);
        if kind == "violations" {
            assert!(found.is_empty() || found == [(kind, count)], "{found:?}");
        } else {
            assert_eq!(found, [(kind, count)]);
        }
    }
}

#[test]
fn requests_that_would_be_others_in_http1_are_counted() {
    let with = |field: &str| {
        let fields = [":method: POST", ":scheme: https", ":path: /", ":authority: a", field];
        frame(HEADERS, END_HEADERS, 1, block(&fields))
    };
    let end = frame(DATA, END_STREAM, 1, "abc");
    let table = [
        ("x: y\r\nhost: b", 1),
        ("x\r\nhost: b", 1),
        ("x: y\0", 1),
        ("transfer-encoding: chunked", 1),
        ("content-length: 5", 1),
        ("content-length: 3", 0),
        ("connection: close", 0),
        ("X-Upper: y", 0),
    ];
    for (field, count) in table {
        let told = counted(&[(Side::Client, 0, with(field)), (Side::Client, 1, end.clone())]);
        let expected: &[(&str, u32)] = if count == 0 { &[] } else { &[("smuggling", 1)] };
        assert_eq!(told, expected, "{field:?}");
    }
    // What a server does is no client's fault.
    let answer = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&[":status: 200", "x: y\r\nz: a"]));
    assert_eq!(counted(&[(Side::Client, 0, get(1, "/")), (Side::Server, 1, answer)]), []);
}

#[test]
fn what_answers_the_server_is_not_counted() {
    // gRPC measures the bandwidth by a ping for each round trip while it receives, and clients open windows as they read.
    let steps: Vec<_> = (0..500_u32)
        .flat_map(|number| {
            let answers = [frame(PING, 0, 0, [0; 8]), frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 9])].concat();
            [
                (Side::Client, 0, if number == 0 { get(1, "/") } else { frame(SETTINGS, ACK, 0, []) }),
                (Side::Server, 0, if number == 0 { answer(1, 200, "a")[..10].to_vec() } else { Vec::new() }),
                (Side::Client, u64::from(number), answers),
            ]
        })
        .filter(|(_, _, bytes)| !bytes.is_empty())
        .collect();
    let mut with_content = vec![(Side::Client, 0, get(1, "/"))];
    with_content.push((Side::Server, 0, frame(HEADERS, END_HEADERS, 1, block(&[":status: 200"]))));
    for number in 0..500 {
        with_content.push((Side::Server, number, frame(DATA, 0, 1, "content")));
        with_content.push((Side::Client, number, frame(PING, 0, 0, [0; 8])));
        with_content.push((Side::Client, number, frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 7])));
    }
    assert_eq!(counted(&with_content), []);
    assert!(counted(&steps).iter().any(|(kind, _)| *kind == "pings"), "without content they are");
}
