//! What nobody can make grow.

use super::*;
use crate::http::connection::Elsewhere;

#[test]
fn the_oldest_stream_goes_where_there_are_too_many() {
    let mut talk = begun_with(Config { streams: 2, ..Config::default() });
    let _advice = talk.client([get(1, "/a"), get(3, "/b"), get(5, "/c")].concat());
    assert_eq!(talk.lines(), ["GET /a 0 -> - pipeline_overflow"]);
    let _advice = talk.server([answer(1, 200, ""), answer(3, 200, ""), answer(5, 200, "")].concat());
    assert_eq!(talk.finish()[1..], ["GET /b 0 -> 200 0", "GET /c 0 -> 200 0"]);
}

#[test]
fn heads_beyond_the_bound_are_cut_and_streams_go_on() {
    let long = format!("x: {}", "y".repeat(10_000));
    let fields = [
        ":method: GET",
        ":scheme: https",
        ":path: /long",
        ":authority: a",
        &long,
        &long,
        &long,
        &long,
        &long,
        &long,
        &long,
    ];
    let mut client = frame(HEADERS, END_STREAM, 1, []);
    let block = block(&fields);
    let pieces: Vec<_> = block.chunks(16_384).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let flags = if index + 1 == pieces.len() { END_HEADERS } else { 0 };
        client.extend(frame(CONTINUATION, flags, 1, piece));
    }
    client.extend(get(3, "/"));
    let mut talk = begun();
    let _advice = talk.client(&client);
    let _advice = talk.server([answer(1, 431, ""), answer(3, 200, "")].concat());
    assert_eq!(talk.finish(), ["  0 -> 431 0 head_too_large", "GET / 0 -> 200 0"]);
}

#[test]
fn a_bomb_is_cut_and_named() {
    let mut fields = b"\x82\x84\x87\x40\x01x\x7f\xe1\x1d".to_vec();
    fields.extend(vec![b'y'; 127 + 97 - 1 + (29 << 7)]);
    fields.extend(vec![0xbe; 10_000]);
    let mut talk = begun();
    let length = fields.len();
    assert!(length < 16_384, "{length}");
    let _advice = talk.client(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields));
    assert!(talk.http.bytes_held() < 512 << 10, "{}", talk.http.bytes_held());
    let _advice = talk.server(answer(1, 400, ""));
    let lines = talk.finish();
    assert!(lines[0].starts_with("GET / 0 -> 400 0 "), "{lines:?}");
    assert!(lines[0].contains("head_too_large") && lines[0].contains("hpack_bomb"), "{lines:?}");
}

#[test]
fn bodies_are_kept_to_the_bound_and_the_rest_of_a_large_frame_is_not_asked_for() {
    let mut talk = begun_with(Config { body_bytes: 4, skip_bytes: 100, ..Config::default() });
    let _advice = talk.client([post(1, "/", &[]), get(3, "/")].concat());
    let body = frame(DATA, END_STREAM, 1, [b'x'; 1_000]);
    assert_eq!(talk.client(&body[..30]), Advice::Skip(979));
    let _advice = talk.missing(Side::Client, 979, Missing::NotCaptured);
    let _advice = talk.server([answer(1, 200, ""), answer(3, 200, "")].concat());
    assert_eq!(talk.finish(), ["POST / 1000 -> 200 0", "GET / 0 -> 200 0"]);
}

#[test]
fn an_idle_connection_holds_no_more_than_8_kib() {
    let mut talk = begun();
    for number in 0..200_u32 {
        let mut fields = b"\x82\x84\x87\x40\x06x-test\x0e".to_vec();
        fields.extend(format!("number-{number:07}").bytes());
        let _advice = talk.client(frame(HEADERS, END_HEADERS | END_STREAM, number * 2 + 1, &fields));
        let _advice = talk.server(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            number * 2 + 1,
            [&[0x88], &fields[3..]].concat(),
        ));
    }
    assert_eq!(talk.lines().len(), 200);
    let state = talk.state.as_ref().unwrap();
    let Elsewhere::Http2(conn) = &state.elsewhere else { panic!("no HTTP/2") };
    let held = conn.allocated() + size_of_val(state);
    assert!(held <= 8 << 10, "{held}");
}
