//! Exchanges as they should be.

use super::*;
use crate::http::Sent;

#[test]
fn streams_are_paired_however_their_frames_are_interleaved() {
    let client = [
        get(1, "/a"),
        post(3, "/b", &["content-length: 6"]),
        get(5, "/c"),
        frame(DATA, 0, 3, "abc"),
        frame(WINDOW_UPDATE, 0, 0, 9_u32.to_be_bytes()),
        frame(DATA, END_STREAM, 3, "def"),
    ]
    .concat();
    let server = [
        frame(SETTINGS, ACK, 0, []),
        frame(HEADERS, END_HEADERS, 5, block(&[":status: 200", "content-length: 4"])),
        answer(3, 201, ""),
        frame(DATA, 0, 5, "xy"),
        answer(1, 404, "none"),
        frame(DATA, END_STREAM, 5, "z!"),
    ]
    .concat();
    assert_eq!(exchanges(client, server), ["POST /b 6 -> 201 0", "GET /a 0 -> 404 4", "GET /c 0 -> 200 4"]);
}

#[test]
fn fields_and_bodies_are_those_of_any_other_message() {
    let mut talk = begun();
    talk.http.sink_mut().verbose = true;
    let more = ["content-type: text/plain", "cookie: a=b", "cookie: c=d", "host: a"];
    let _advice = talk.client([post(1, "/x?y=z", &more), frame(DATA, END_STREAM, 1, "body")].concat());
    let _advice = talk.server(answer(1, 200, "answer"));
    assert_eq!(
        talk.finish(),
        [
            "POST /x?y=z 4 -> 200 6 | 2 body content-type=text/plain cookie=a=b cookie=c=d host=a | 2 answer | None"
        ]
    );
}

#[test]
fn padding_and_priorities_are_no_content() {
    let head = block(&[":method: POST", ":scheme: http", ":path: /", ":authority: a", "content-length: 3"]);
    let padded = [&[4, 0x80, 0, 0, 0, 16], &head[..], &[0; 4]].concat();
    let client = [
        frame(PRIORITY_FRAME, 0, 7, [0, 0, 0, 0, 9]),
        frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 1, padded),
        frame(DATA, PADDED, 1, [&[5], &b"ab"[..], &[0; 5]].concat()),
        frame(DATA, PADDED | END_STREAM, 1, [&[0], &b"c"[..]].concat()),
    ]
    .concat();
    assert_eq!(exchanges(client, answer(1, 200, "")), ["POST / 3 -> 200 0"]);
}

#[test]
fn blocks_go_on_in_continuation() {
    let fields = block(&[":method: GET", ":scheme: https", ":path: /long", ":authority: a", "x: y"]);
    let mut client = frame(HEADERS, END_STREAM, 1, &fields[..7]);
    client.extend(frame(CONTINUATION, 0, 1, &fields[7..8]));
    client.extend(frame(CONTINUATION, END_HEADERS, 1, &fields[8..]));
    assert_eq!(exchanges(client, answer(1, 204, "")), ["GET /long 0 -> 204 0"]);
}

#[test]
fn interim_responses_answer_nothing_and_trailers_end_a_message() {
    let client = [
        post(1, "/", &["expect: 100-continue"]),
        frame(DATA, 0, 1, "abc"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&["checksum: 1"])),
    ]
    .concat();
    let server = [
        frame(HEADERS, END_HEADERS, 1, block(&[":status: 103"])),
        frame(HEADERS, END_HEADERS, 1, block(&[":status: 200"])),
        frame(DATA, 0, 1, "done"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&["server-timing: 1"])),
    ]
    .concat();
    assert_eq!(exchanges(client, server), ["POST / 3 -> 200 4"]);
}

#[test]
fn what_a_server_pushes_is_told_to_nobody_and_keeps_the_table_right() {
    // The promise inserts a field that the response then refers to.
    let promise = [&[0, 0, 0, 2][..], b"\x82\x87\x84\x40\x01x\x06pushed"].concat();
    let server = [
        frame(PUSH_PROMISE, END_HEADERS, 1, promise),
        frame(HEADERS, END_HEADERS, 2, b"\x88\xbe"),
        frame(DATA, END_STREAM, 2, "pushed"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88\xbe"),
    ]
    .concat();
    let mut talk = begun();
    talk.http.sink_mut().verbose = true;
    let _advice = talk.client(get(1, "/"));
    let _advice = talk.server(server);
    assert_eq!(talk.finish(), ["GET / 0 -> 200 0 | 2  | 2  x=pushed | None"]);
}

#[test]
fn resets_and_goaway_end_what_is_under_way() {
    let mut talk = begun();
    let requests = [get(1, "/a"), get(3, "/b"), get(5, "/c"), get(7, "/d"), get(9, "/e")].concat();
    let _advice = talk.client(requests);
    let _advice = talk.server(frame(HEADERS, END_HEADERS, 1, block(&[":status: 200"])));
    let _advice = talk.server(frame(DATA, 0, 1, "part"));
    let _advice = talk.client(frame(RESET, 0, 1, 8_u32.to_be_bytes()));
    let _advice = talk.server(frame(DATA, 0, 1, "under way"));
    let _advice = talk.server(frame(RESET, 0, 3, 2_u32.to_be_bytes()));
    let _advice = talk.server(frame(GO_AWAY, 0, 0, [0, 0, 0, 5, 0, 0, 0, 0]));
    assert_eq!(talk.lines(), ["GET /a 0 -> 200 4~", "GET /b 0 -> -", "GET /e 0 -> -", "GET /d 0 -> -"]);
    let _advice = talk.server(answer(5, 200, ""));
    assert_eq!(talk.finish()[4..], ["GET /c 0 -> 200 0"]);
}

#[test]
fn an_answer_before_the_end_of_the_request_is_told_at_once() {
    let mut talk = begun();
    let _advice = talk.client([post(1, "/", &[]), frame(DATA, 0, 1, "abc")].concat());
    let _advice = talk.server(answer(1, 413, ""));
    assert_eq!(talk.lines(), ["POST / 3~ -> 413 0"]);
    let _advice = talk.client([frame(DATA, 0, 1, "def"), frame(DATA, END_STREAM, 1, "")].concat());
    assert_eq!(talk.finish(), ["POST / 3~ -> 413 0"]);
}

#[test]
fn an_upgrade_goes_on_as_stream_1() {
    let request = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let server = [&switched[..], &settings(), &answer(1, 200, "up"), &answer(3, 404, "")].concat();
    let mut talk = Talk::new();
    let _advice = talk.client(request);
    for piece in server.chunks(7).take(12) {
        let _advice = talk.server(piece);
    }
    let _advice = talk.client([&PREFACE[..], &settings(), &get(3, "/next")].concat());
    for piece in server.chunks(7).skip(12) {
        let _advice = talk.server(piece);
    }
    assert_eq!(talk.finish(), ["GET /up 0 -> 200 2", "GET /next 0 -> 404 0"]);
}

#[test]
fn a_server_may_be_first() {
    let mut talk = Talk::new();
    let _advice = talk.server(settings());
    let _advice = talk.client([&PREFACE[..], &settings(), &get(1, "/")].concat());
    let _advice = talk.server(answer(1, 200, ""));
    assert_eq!(talk.finish(), ["GET / 0 -> 200 0"]);
}

#[test]
fn a_websocket_in_a_stream_is_a_handshake_and_counted_messages() {
    let connect = block(&[
        ":method: CONNECT",
        ":protocol: websocket",
        ":scheme: https",
        ":path: /chat",
        ":authority: a",
    ]);
    let mut talk = begun();
    let _advice = talk.client(frame(HEADERS, END_HEADERS, 1, connect));
    let _advice = talk.server(frame(HEADERS, END_HEADERS, 1, block(&[":status: 200"])));
    assert_eq!(talk.lines(), ["CONNECT /chat 0 -> 200 0"]);
    let _advice = talk.client(frame(DATA, 0, 1, b"\x81\x83mask\0\0\0"));
    let _advice = talk.server([frame(DATA, 0, 1, b"\x82\x04ab"), frame(DATA, END_STREAM, 1, "cd")].concat());
    let _advice = talk.client(frame(DATA, END_STREAM, 1, ""));
    let counters = talk.http.counters();
    assert_eq!((counters.websockets, counters.websocket_messages, counters.websocket_bytes), (1, 2, 7));
    assert_eq!(sockets(&talk), [[1, 1, 3, 1, 4]]);
    assert_eq!(talk.finish().len(), 1);
}

/// RFC 8441, section 4: `:protocol` has names of the registry of upgrade tokens, of which WebSocket is one.
#[test]
fn another_protocol_in_a_stream_is_no_websocket() {
    let mut talk = begun();
    let fields =
        [":method: CONNECT", ":protocol: connect-udp", ":scheme: https", ":path: /p", ":authority: a"];
    let _advice = talk.client(frame(HEADERS, END_HEADERS, 1, block(&fields)));
    let _advice = talk.server(frame(HEADERS, END_HEADERS, 1, block(&[":status: 200"])));
    let _advice = talk.client(frame(DATA, END_STREAM, 1, b"\x81\x80mask"));
    let _advice = talk.server(frame(DATA, END_STREAM, 1, "x"));
    assert_eq!(talk.lines(), ["CONNECT /p 6 -> 200 1"]);
    assert_eq!((talk.http.counters().websockets_opened, talk.http.counters().websockets), (0, 0));
}

#[test]
fn a_websocket_after_an_upgrade_is_a_handshake_and_counted_messages() {
    let mut talk = Talk::new();
    let _advice =
        talk.client("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    let _advice = talk.server([answer.as_bytes(), b"\x81\x02hi"].concat());
    assert_eq!(talk.lines(), ["GET /chat 0 -> 101 0"]);
    assert_eq!(talk.client(b"\x82\xff\0\0\0\0\0\x01\0\0mask"), Advice::Skip(65_536));
    let _advice = talk.missing(Side::Client, 65_536, Missing::NotCaptured);
    let _advice = talk.client(b"\x88\x80mask");
    talk.close(CloseCause::Fin);
    let counters = talk.http.counters();
    assert_eq!((counters.websockets, counters.websocket_messages, counters.websocket_bytes), (1, 2, 65_538));
    assert_eq!(sockets(&talk), [[1, 1, 65_536, 1, 2]]);
}

/// What came of WebSockets: number, messages and bytes of each side. Their handshakes had the same numbers.
fn sockets(talk: &Talk) -> Vec<[u64; 5]> {
    let told = told(talk);
    let mut numbers: Vec<u64> = told.iter().map(|told| told[0]).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, talk.http.sink().handshakes);
    told
}

fn told(talk: &Talk) -> Vec<[u64; 5]> {
    let sockets = talk.http.sink().sockets.iter();
    let sides = |client: Sent, server: Sent| [client.messages, client.bytes, server.messages, server.bytes];
    let told = sockets.map(|socket| (socket.number, sides(socket.client, socket.server)));
    told.map(|(number, [a, b, c, d])| [number, a, b, c, d]).collect()
}

/// Each stream is a socket of its own, however they end: by an end of both sides, a reset, or with the connection.
#[test]
fn websockets_in_streams_are_told_apart() {
    let fields = |path| {
        let path = format!(":path: {path}");
        block(&[":method: CONNECT", ":protocol: websocket", ":scheme: https", &path, ":authority: a"])
    };
    let mut talk = begun();
    for (stream, path) in [(1, "/a"), (3, "/b"), (5, "/c")] {
        let _advice = talk.client(frame(HEADERS, END_HEADERS, stream, fields(path)));
    }
    for stream in [5, 1, 3] {
        let _advice = talk.server(frame(HEADERS, END_HEADERS, stream, block(&[":status: 200"])));
    }
    let _advice =
        talk.client([frame(DATA, 0, 3, b"\x81\x82maskab"), frame(DATA, 0, 1, b"\x81\x80mask")].concat());
    let _advice = talk.server([frame(DATA, 0, 5, b"\x82\x01x"), frame(DATA, 0, 3, b"\x01\x03xyz")].concat());
    let _advice = talk.client(frame(RESET, 0, 3, [0, 0, 0, 8]));
    for side in [Side::Client, Side::Server] {
        let _advice = talk.data(side, frame(DATA, END_STREAM, 1, ""));
    }
    assert_eq!(told(&talk), [[3, 1, 2, 0, 3], [2, 1, 0, 0, 0]]);
    talk.close(CloseCause::Fin);
    assert_eq!(sockets(&talk), [[3, 1, 2, 0, 3], [2, 1, 0, 0, 0], [1, 0, 0, 1, 1]]);
}
