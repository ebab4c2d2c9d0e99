//! Which response answers which request.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn request_without_response() {
    assert_eq!(exchanges(GET, ""), ["GET / 0 -> -"]);
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    talk.close(CloseCause::Idle);
    assert_eq!(talk.lines(), ["GET / 0 -> -"]);
    assert_eq!(talk.http.counters().unpaired_requests, 1);
}

/// RFC 9112, section 9.2.
#[test]
fn response_without_request() {
    let mut talk = Talk::new();
    let _advice = talk.server("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.lines(), ["- -> 408 0 unsolicited_response"]);
    assert_eq!(talk.http.counters().unpaired_responses, 1);
}

/// RFC 9112, section 9.3: a server may answer before it has read the body.
#[test]
fn response_before_the_request_is_complete() {
    let mut talk = Talk::new();
    let _advice = talk.client("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let _advice = talk.server("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    assert!(talk.lines().is_empty(), "its size is not known yet");
    let _advice = talk.client("world");
    assert_eq!(talk.lines(), ["POST /big 10 -> 413 0"]);
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines()[1], "GET / 0 -> 200 0");
}

#[test]
fn second_response_before_the_first_request_is_complete() {
    let mut talk = Talk::new();
    let _advice = talk.client("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let _advice = talk.server(OK);
    let _advice = talk.server("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.lines(), ["POST /1 5~ -> 200 0", "- -> 408 0 unsolicited_response"]);
    let _advice = talk.client(format!("world{GET}"));
    let _advice = talk.server(OK);
    assert_eq!(talk.lines()[2], "GET / 0 -> 200 0", "the rest of the first request was still framed");
}

#[test]
fn refused_before_its_head_is_complete() {
    let mut talk = Talk::new();
    let _advice = talk.client("GET /slow HTTP/1.1\r\nHost: a\r\nX-");
    let _advice = talk.server("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.lines(), ["GET /slow ?~ -> 408 0 incomplete_head"]);
}

#[test]
fn too_many_waiting() {
    let mut talk = Talk::with(Config { pipeline: 2, ..Config::default() }, false);
    for number in 0..4 {
        let _advice = talk.client(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    assert_eq!(talk.lines(), ["GET /0 0 -> - pipeline_overflow", "GET /1 0 -> - pipeline_overflow"]);
    for status in 200..204 {
        let _advice = talk.server(format!("HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n"));
    }
    let expected = ["- -> 200 0", "- -> 201 0", "GET /2 0 -> 202 0", "GET /3 0 -> 203 0"];
    assert_eq!(talk.lines()[2..], expected, "the others keep their responses");
    assert_eq!(talk.http.counters().pipeline_overflows, 2);
}

#[test]
fn overflow_while_a_response_is_under_way() {
    let mut talk = Talk::with(Config { pipeline: 1, ..Config::default() }, false);
    let _advice = talk.client("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
    let _advice = talk.client("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let _advice = talk.server("lfHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.lines(), ["GET /1 0 -> - pipeline_overflow", "- -> 200 4", "GET /2 0 -> 404 0"]);
}

#[test]
fn deep_pipeline_in_order() {
    let requests: String =
        (0..128).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let lines = exchanges(requests, OK.repeat(128));
    let expected: Vec<_> = (0..128).map(|number| format!("GET /{number} 0 -> 200 0")).collect();
    assert_eq!(lines, expected);
}
