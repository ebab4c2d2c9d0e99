//! Each anomaly of RFC 9113, sections 3 to 8, by what breaks it.

use super::*;

/// The anomalies of the exchange that begins with a path, after this was sent by the client, and a GET of `/next` after it.
fn of_client(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let client = [bytes.as_ref(), &get(101, "/next")].concat();
    told(&exchanges(client, answer(101, 200, "")))
}

fn of_server(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let server = [bytes.as_ref(), &answer(3, 200, "")].concat();
    told(&exchanges([get(1, "/first"), get(3, "/next")].concat(), server))
}

fn told(lines: &[String]) -> Vec<String> {
    let mut found: Vec<String> = lines
        .iter()
        .flat_map(|line| {
            line.split(' ').filter(|word| Anomaly::ALL.iter().any(|anomaly| anomaly.label() == *word))
        })
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A request of these fields.
fn request(fields: &[&str]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields))
}

const USUAL: [&str; 4] = [":method: GET", ":scheme: https", ":path: /", ":authority: a"];

fn usual_and(more: &[&str]) -> Vec<u8> {
    request(&[&USUAL, more].concat())
}

#[test]
fn what_is_as_it_should_be_is_no_anomaly() {
    assert_eq!(of_client(usual_and(&["te: trailers", "x: y", "empty: "])), [""; 0]);
    assert_eq!(of_client(frame(77, 0xff, 9, "an extension")), [""; 0]);
    assert_eq!(of_client(frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 100, 0xff, 0, 1, 1, 1, 1])), [""; 0]);
    assert_eq!(of_server(answer(1, 200, "abc")), [""; 0]);
}

#[test]
fn section_3_4_prefaces() {
    let mut talk = Talk::new();
    let _advice = talk.client(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert_eq!(count(&talk.http, Anomaly::InvalidPreface), 0);
    talk.close(CloseCause::Fin);
    assert_eq!(count(&talk.http, Anomaly::InvalidPreface), 1);
    let mut talk = Talk::new();
    let _advice = talk.client([&PREFACE[..], &get(1, "/")].concat());
    let _advice = talk.server([settings(), answer(1, 200, "")].concat());
    assert_eq!(talk.finish(), ["GET / 0 -> 200 0 h2_preface"]);
}

#[test]
fn section_4_and_6_frames() {
    let table: [(&str, Vec<u8>); 28] = [
        ("h2_frame_size", frame(DATA, END_STREAM, 1, [0; 16_385])),
        ("h2_frame_size", frame(PRIORITY_FRAME, 0, 1, [0; 4])),
        ("h2_frame_size", frame(RESET, 0, 1, [0; 3])),
        ("h2_frame_size", frame(SETTINGS, 0, 0, [0; 5])),
        ("h2_frame_size", frame(SETTINGS, ACK, 0, [0; 6])),
        ("h2_frame_size", frame(PING, 0, 0, [0; 7])),
        ("h2_frame_size", frame(GO_AWAY, 0, 0, [0; 7])),
        ("h2_frame_size", frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])),
        ("h2_frame_size", frame(HEADERS, END_HEADERS | PRIORITY, 1, [0; 4])),
        ("h2_padding", frame(DATA, PADDED, 1, [5, 0, 0, 0, 0])),
        ("h2_padding", frame(DATA, PADDED, 1, [])),
        ("h2_padding", frame(HEADERS, END_HEADERS | PADDED, 1, [9, 0])),
        ("h2_stream_id", frame(DATA, 0, 0, "a")),
        ("h2_stream_id", frame(HEADERS, END_HEADERS, 0, block(&USUAL))),
        ("h2_stream_id", frame(PRIORITY_FRAME, 0, 0, [0; 5])),
        ("h2_stream_id", frame(RESET, 0, 0, [0; 4])),
        ("h2_stream_id", frame(SETTINGS, 0, 1, [])),
        ("h2_stream_id", frame(PING, 0, 1, [0; 8])),
        ("h2_stream_id", frame(GO_AWAY, 0, 1, [0; 8])),
        ("h2_setting", frame(SETTINGS, 0, 0, [0, 2, 0, 0, 0, 2])),
        ("h2_setting", frame(SETTINGS, 0, 0, [0, 4, 0x80, 0, 0, 0])),
        ("h2_setting", frame(SETTINGS, 0, 0, [0, 5, 0, 0, 0x3f, 0xff])),
        ("h2_window_update", frame(WINDOW_UPDATE, 0, 0, [0; 4])),
        ("h2_priority", frame(PRIORITY_FRAME, 0, 9, [0, 0, 0, 9, 0])),
        ("h2_push", frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])),
        ("h2_continuation", frame(CONTINUATION, END_HEADERS, 1, [])),
        ("h2_continuation", [frame(HEADERS, 0, 1, block(&USUAL)), frame(PING, 0, 0, [0; 8])].concat()),
        (
            "h2_continuation",
            [frame(HEADERS, 0, 1, block(&USUAL)), frame(CONTINUATION, END_HEADERS, 3, [])].concat(),
        ),
    ];
    for (expected, bytes) in table {
        let told = of_client(&bytes);
        assert!(told.iter().any(|found| found == expected), "{expected}: {told:?}");
    }
    assert_eq!(of_server(frame(SETTINGS, 0, 0, [0, 2, 0, 0, 0, 1])), ["h2_setting"]);
    assert_eq!(of_server(frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])), [""; 0]);
    assert_eq!(of_server(frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 3])), ["h2_stream_id"]);
}

#[test]
fn section_5_1_states() {
    let post = post(1, "/", &[]);
    let ended = [&post[..], &frame(DATA, END_STREAM, 1, "")].concat();
    let table: [(&str, Vec<u8>); 9] = [
        ("h2_stream_state", frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1])),
        ("h2_stream_state", frame(DATA, 0, 1, "of an idle stream")),
        ("h2_stream_state", frame(RESET, 0, 1, [0; 4])),
        ("h2_stream_state", [&ended[..], &frame(DATA, 0, 1, "more")].concat()),
        ("h2_stream_state", [&ended[..], &frame(HEADERS, END_HEADERS | END_STREAM, 1, [])].concat()),
        ("h2_stream_id", get(2, "/even")),
        ("h2_stream_state", [get(9, "/"), get(7, "/older")].concat()),
        ("h2_trailers", [&post[..], &frame(HEADERS, END_HEADERS, 1, block(&["a: b"]))].concat()),
        (
            "h2_pseudo_invalid",
            [&post[..], &frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&[":path: /"]))].concat(),
        ),
    ];
    for (expected, bytes) in table {
        assert!(of_client(&bytes).contains(&expected.to_owned()), "{expected}: {:?}", of_client(&bytes));
    }
    assert_eq!(of_server(frame(DATA, 0, 1, "before its head")), ["h2_stream_state"]);
    assert_eq!(of_server(answer(99, 200, "")), ["h2_stream_state"], "of an idle stream");
}

#[test]
fn a_stream_that_the_server_reset_may_still_be_sent_to() {
    let mut talk = begun();
    let _advice = talk.client(post(1, "/", &[]));
    let _advice = talk.server(frame(RESET, 0, 1, 0_u32.to_be_bytes()));
    let _advice = talk.client([frame(DATA, END_STREAM, 1, "under way"), get(3, "/")].concat());
    let _advice = talk.server(answer(3, 200, ""));
    assert_eq!(talk.finish(), ["POST / 0~ -> -", "GET / 0 -> 200 0"]);
}

#[test]
fn section_8_2_and_8_3_fields() {
    let table: [(&str, Vec<u8>); 34] = [
        ("h2_uppercase_name", usual_and(&["X-Upper: 1"])),
        ("invalid_header_name", usual_and(&["a b: 1"])),
        ("invalid_header_name", usual_and(&["a\u{e9}: 1"])),
        ("nul_byte", usual_and(&["a: b\0c"])),
        ("h2_line_break", usual_and(&["a: b\r\nsmuggled: 1"])),
        ("h2_line_break", usual_and(&["a: b\rc"])),
        (
            "h2_line_break",
            request(&[":method: GET", ":scheme: https", ":path: / HTTP/1.1\nx: y", ":authority: a"]),
        ),
        ("h2_value_whitespace", usual_and(&["a:  b"])),
        ("h2_value_whitespace", usual_and(&["a: b\t"])),
        ("h2_connection_header", usual_and(&["connection: close"])),
        ("h2_connection_header", usual_and(&["transfer-encoding: chunked"])),
        ("h2_connection_header", usual_and(&["keep-alive: 5"])),
        ("h2_connection_header", usual_and(&["proxy-connection: close"])),
        ("h2_connection_header", usual_and(&["upgrade: websocket"])),
        ("h2_connection_header", usual_and(&["te: gzip"])),
        (
            "h2_pseudo_order",
            request(&[":method: GET", ":scheme: https", "a: b", ":path: /", ":authority: a"]),
        ),
        ("h2_pseudo_duplicate", usual_and(&[]).into_iter().chain([]).collect::<Vec<_>>()),
        ("h2_pseudo_invalid", request(&[&USUAL[..], &[":status: 200"]].concat())),
        ("h2_pseudo_invalid", request(&[&USUAL[..], &[":version: 2"]].concat())),
        ("h2_pseudo_invalid", request(&[&USUAL[..], &[":protocol: websocket"]].concat())),
        ("h2_pseudo_invalid", request(&[":method: CONNECT", ":authority: a:1", ":path: /"])),
        ("h2_pseudo_missing", request(&[":scheme: https", ":path: /", ":authority: a"])),
        ("h2_pseudo_missing", request(&[":method: GET", ":path: /", ":authority: a"])),
        ("h2_pseudo_missing", request(&[":method: GET", ":scheme: https", ":authority: a"])),
        ("h2_pseudo_missing", request(&[":method: CONNECT"])),
        ("missing_host", request(&[":method: GET", ":scheme: https", ":path: /"])),
        ("host_mismatch", usual_and(&["host: b"])),
        ("invalid_host", request(&[":method: GET", ":scheme: https", ":path: /", ":authority: u@a"])),
        ("invalid_target", request(&[":method: GET", ":scheme: https", ":path: ", ":authority: a"])),
        ("invalid_target", request(&[":method: GET", ":scheme: https", ":path: *", ":authority: a"])),
        ("invalid_target", request(&[":method: GET", ":scheme: https", ":path: http://b/", ":authority: a"])),
        ("invalid_method", request(&[":method: G T", ":scheme: https", ":path: /", ":authority: a"])),
        ("h2_content_length", usual_and(&["content-length: 4"])),
        (
            "h2_content_length",
            [post(1, "/", &["content-length: 4"]), frame(DATA, END_STREAM, 1, "abc")].concat(),
        ),
    ];
    for (expected, bytes) in table {
        let bytes = if expected == "h2_pseudo_duplicate" {
            request(&[":method: GET", ":method: POST", ":scheme: https", ":path: /", ":authority: a"])
        } else {
            bytes
        };
        let told = of_client(&bytes);
        assert!(told.iter().any(|found| found == expected), "{expected}: {told:?}");
    }
}

#[test]
fn section_8_3_2_and_8_1_1_responses() {
    let head = |fields: &[&str]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields));
    let table: [(&str, Vec<u8>); 9] = [
        ("invalid_status", head(&[":status: 2x0"])),
        ("invalid_status", head(&[":status: 103"])),
        ("h2_pseudo_missing", head(&["a: b"])),
        ("h2_pseudo_invalid", head(&[":status: 200", ":path: /"])),
        ("invalid_status", head(&[":status: 2000"])),
        ("invalid_status", head(&[":status: 101"])),
        ("h2_uppercase_name", head(&[":status: 200", "Server: a"])),
        ("h2_content_length", head(&[":status: 200", "content-length: 3"])),
        ("h2_connection_header", head(&[":status: 200", "connection: close"])),
    ];
    for (expected, bytes) in table {
        assert_eq!(of_server(&bytes), [expected]);
    }
    let mut talk = begun();
    let fields = block(&[":method: HEAD", ":scheme: https", ":path: /", ":authority: a"]);
    let _advice = talk.client(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields));
    let _advice = talk.server(head(&[":status: 200", "content-length: 3"]));
    assert_eq!(talk.finish(), ["HEAD / 0 -> 200 0"]);
}

#[test]
fn hpack_errors_are_told_and_the_table_is_not_trusted_any_more() {
    let mut talk = begun();
    let _advice =
        talk.client([frame(HEADERS, END_HEADERS | END_STREAM, 1, [0xff, 0x00]), get(3, "/")].concat());
    let _advice = talk.client(frame(HEADERS, END_HEADERS | END_STREAM, 5, [0x82, 0x84, 0x87, 0xbe]));
    let lines = talk.finish();
    assert!(lines[1].contains("hpack_error") || lines[0].contains("hpack_error"), "{lines:?}");
    assert!(lines[2].contains("hpack_hidden_fields"), "{lines:?}");
}
