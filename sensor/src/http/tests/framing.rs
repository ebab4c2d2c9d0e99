//! Where messages end (RFC 9112, section 6.3), where all is well.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn keep_alive() {
    let mut talk = Talk::new();
    for _ in 0..3 {
        let _advice = talk.client(GET);
        let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }
    assert_eq!(talk.lines(), ["GET / 0 -> 200 5"; 3]);
    assert_eq!(talk.http.messages_held(), 0, "an idle connection holds no buffer");
}

#[test]
fn pipelining() {
    let responses =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
    let requests = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(exchanges(requests, responses), ["GET /1 0 -> 200 5", "GET /2 0 -> 404 0"]);
}

#[test]
fn until_close() {
    assert_eq!(of_response("", "hello, world"), ["GET / 0 -> 200 12"]);
    assert_eq!(of_response("Transfer-Encoding: gzip\r\n", "hello"), ["GET / 0 -> 200 5"]);
    assert_eq!(of_response("", ""), ["GET / 0 -> 200 0"]);
}

#[test]
fn head_has_no_body() {
    let requests = format!("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n{GET}");
    for framing in ["Content-Length: 500", "Transfer-Encoding: chunked"] {
        let responses = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{OK}");
        assert_eq!(exchanges(&requests, responses), ["HEAD / 0 -> 200 0", "GET / 0 -> 200 0"]);
    }
}

#[test]
fn not_modified_and_no_content_have_no_body() {
    for status in [
        "304 Not Modified\r\nContent-Length: 500",
        "304 Not Modified\r\nTransfer-Encoding: chunked",
        "204 No Content",
    ] {
        let responses = format!("HTTP/1.1 {status}\r\n\r\n{OK}");
        let lines = exchanges([GET, GET].concat(), responses);
        assert_eq!(lines, [format!("GET / 0 -> {} 0", &status[..3]), "GET / 0 -> 200 0".to_owned()]);
    }
}

/// RFC 9110, section 15.2: interim responses complete nothing.
#[test]
fn interim_responses() {
    let mut talk = Talk::new();
    let _advice =
        talk.client("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 100 Continue\r\n\r\n");
    let _advice = talk.client("hello");
    assert!(talk.lines().is_empty());
    let _advice = talk.server("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(talk.lines(), ["POST / 5 -> 201 2"]);
    assert_eq!(talk.http.counters().interim_responses, 3);
}

/// RFC 9110, section 10.1.1: a final response instead of 100, and the body never comes.
#[test]
fn expectation_failed() {
    let mut talk = Talk::new();
    let _advice =
        talk.client("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.finish(), ["POST / 0~ -> 417 0 incomplete_body"]);
}

/// RFC 9110, section 9.3.6.
#[test]
fn connect_becomes_a_tunnel() {
    let mut talk = Talk::new();
    let _advice = talk.client("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    let _advice = talk.client(b"\x16\x03\x01 too early");
    let advice = talk.server("HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x03");
    assert_eq!(advice, Advice::Stop);
    assert_eq!(talk.lines(), ["CONNECT a:443 0 -> 200 0"]);
    assert_eq!(talk.client("x"), Advice::Stop);
    assert_eq!(talk.http.counters().tunnelled, 1);
    assert_eq!(talk.http.messages_held(), 0);
}

#[test]
fn connect_refused_goes_on() {
    let mut talk = Talk::new();
    let _advice = talk.client("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["CONNECT a:443 0 -> 403 2", "GET / 0 -> 200 0"]);
}

/// RFC 9110, section 15.2.2.
#[test]
fn an_upgrade_is_read_no_further_as_http1() {
    let mut talk = Talk::new();
    let _advice =
        talk.client("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let advice = talk
        .server(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello");
    assert_eq!(advice, Advice::Whole);
    let _advice = talk.client(GET);
    assert_eq!(talk.lines(), ["GET /ws 0 -> 101 0"]);
    assert_eq!(talk.http.counters().upgraded, 1);
}

/// A client may send its first frame before the response is read here.
#[test]
fn while_a_websocket_is_asked_for_all_is_copied() {
    let asked = |protocol| {
        format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
    };
    let mut talk = Talk::new();
    assert_eq!(talk.client(asked("h2c")), Advice::Continue);
    assert_eq!(talk.server(OK), Advice::Continue);
    assert_eq!(talk.client(asked("WebSocket")), Advice::Whole);
    assert_eq!(talk.server("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), Advice::Beginnings);
    assert_eq!(talk.client(GET), Advice::Continue);
    assert_eq!(talk.finish().len(), 3);
}

#[test]
fn unrequested_upgrade() {
    let lines = exchanges(GET, "HTTP/1.1 101 Switching\r\n\r\n");
    assert_eq!(lines, ["GET / 0 -> 101 0 unrequested_upgrade"]);
}

/// RFC 9113, section 3.4.
#[test]
fn http2_preface() {
    let mut talk = Talk::new();
    assert_eq!(talk.client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0"), Advice::Whole);
    assert_eq!(talk.http.counters().http2, 1);
    assert!(talk.finish().is_empty());
    assert!(trickled("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "").is_empty());
}

#[test]
fn other_protocols_are_let_go() {
    let table: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"EHLO example.com\r\nMAIL FROM:<a@b>\r\n",
        b"\xff\xfb\x01",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    for bytes in table {
        let mut talk = Talk::new();
        assert_eq!(talk.client(bytes), Advice::Stop, "{bytes:?}");
        assert!(talk.lines().is_empty());
        assert_eq!(talk.http.counters().not_http, 1);
        let mut talk = Talk::new();
        let stops = bytes.iter().any(|byte| talk.client([*byte]) == Advice::Stop);
        assert!(stops, "in pieces, too: {bytes:?}");
    }
    let mut talk = Talk::new();
    assert_eq!(talk.server("220 mail.example.com ESMTP\r\n"), Advice::Stop, "the server speaks first");
}

/// RFC 9112, section 9.3.
#[test]
fn messages_after_close() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut talk = Talk::new();
    let _advice = talk.client([GET, GET].concat());
    let _advice = talk.server([close, OK].concat());
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0", "GET / 0 -> 200 0 message_after_close"]);
    let mut talk = Talk::new();
    let _advice = talk.client("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    let _advice = talk.server([OK, OK].concat());
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0", "GET / 0 -> 200 0 message_after_close"]);
    let mut talk = Talk::new();
    let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let _advice = talk.client([kept, kept].concat());
    let _advice = talk.server([OK, OK].concat());
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0"; 2]);
}

#[test]
fn several_requests_then_close() {
    assert_eq!(
        exchanges([GET, GET, GET].concat(), "HTTP/1.1 200 OK\r\n\r\nall the rest"),
        ["GET / 0 -> 200 12", "GET / 0 -> -", "GET / 0 -> -"]
    );
}

/// RFC 9112, section 8.
#[test]
fn incomplete_bodies() {
    assert_eq!(of_response("Content-Length: 10\r\n", "hello"), ["GET / 0 -> 200 5~ incomplete_body"]);
    let lines = of_response("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n");
    assert_eq!(lines, ["GET / 0 -> 200 5/10~ incomplete_body"]);
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\n\r\nhello");
    talk.close(CloseCause::Rst);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 5~ incomplete_body"]);
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\n\r\nhello");
    talk.close(CloseCause::EndOfCapture);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 5~ GAPS"], "the end was not seen");
}

/// RFC 9112, sections 6.3 and 11.1: what is left over when a response was longer than its length.
#[test]
fn leftovers_of_response_splitting() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok left over\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.lines()[0], "GET / 0 -> 200 2");
    assert_eq!(talk.lines()[1], "- -> 404 0 unsolicited_response data_between_messages");
    assert_eq!(talk.http.counters().resynchronisations, 1);
}

#[test]
fn leftovers_are_counted_without_a_next_message() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok left over");
    talk.close(CloseCause::Fin);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 2"]);
    assert_eq!(count(&talk.http, Anomaly::DataBetweenMessages), 1);
    assert_eq!(talk.http.counters().unparsed_bytes, 10);
}

#[test]
fn proxy_header_is_removed() {
    for cut in [0, 1, 3, 8, 20, 42] {
        let mut talk = Talk::new();
        talk.http.sink_mut().verbose = true;
        let (first, second) = "PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n".split_at(cut);
        if !first.is_empty() {
            let _advice = talk.client(first);
        }
        let _advice = talk.client(format!("{second}{GET}"));
        let _advice = talk.server(OK);
        let line = talk.lines()[0].to_owned();
        assert!(line.contains("GET / 0 -> 200 0 |"), "{line}");
        assert!(line.contains("(192.0.2.1:1234, 198.51.100.2:80)"), "{line}");
        assert_eq!(talk.http.counters().proxy_headers, 1);
    }
}

#[test]
fn proxy_header_of_version_2_with_extensions() {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x01\x00".to_vec();
    header.extend([192, 0, 2, 1, 198, 51, 100, 2, 0, 1, 0, 80]);
    header.extend([0x04; 244]);
    let mut talk = Talk::new();
    for byte in &header {
        let _advice = talk.client([*byte]);
    }
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0"]);
    assert_eq!(exchanges([&header, GET.as_bytes()].concat(), OK), ["GET / 0 -> 200 0"]);
}

#[test]
fn malformed_proxy_header() {
    let lines = exchanges(format!("PROXY TCP9 x\r\n{GET}"), OK);
    assert!(lines.is_empty(), "no HTTP, then: {lines:?}");
    let lines = exchanges("PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n", OK);
    assert_eq!(lines, ["PROXY /x 0 -> 200 0 invalid_proxy_header"]);
    assert_eq!(lines, trickled("PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n", OK));
    assert_eq!(exchanges("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", OK), ["PROPFIND / 0 -> 200 0"]);
    assert_eq!(trickled("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", OK), ["PROPFIND / 0 -> 200 0"]);
    assert_eq!(exchanges("PR", ""), ["PR  ?~ -> - incomplete_head"; 0], "nothing to tell");
}
