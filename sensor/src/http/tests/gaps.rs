//! Missing bytes.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn response(status: u16) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn within_a_body_of_known_length() {
    for (why, mark) in [(Missing::Lost, " GAPS"), (Missing::NotCaptured, "")] {
        let mut talk = Talk::new();
        let _advice = talk.client(GET);
        let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
        let _advice = talk.missing(Side::Server, 5, why);
        let _advice = talk.server("xyz");
        assert_eq!(talk.lines(), [format!("GET / 0 -> 200 10{mark}")]);
    }
}

#[test]
fn at_the_end_of_a_body_of_known_length() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    let _advice = talk.missing(Side::Server, 10, Missing::NotCaptured);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 10"]);
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines()[1], "GET / 0 -> 200 0");
}

#[test]
fn within_a_chunk() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01");
    let _advice = talk.missing(Side::Server, 8, Missing::NotCaptured);
    let _advice = talk.server("\r\n0\r\n\r\n");
    assert_eq!(talk.lines(), ["GET / 0 -> 200 10/20"]);
}

#[test]
fn beyond_a_chunk() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01");
    let _advice = talk.missing(Side::Server, 9, Missing::NotCaptured);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 ?~ GAPS"], "the framing is among what is missing");
    let _advice = talk.server("\n3\r\nabc\r\n0\r\n\r\n");
    let _advice = talk.client(get("/2"));
    let _advice = talk.server(response(201));
    assert_eq!(talk.lines()[1], "GET /2 0 -> 201 0 GAPS", "what came before it is missing");
    assert_eq!(talk.http.counters().resynchronisations, 1);
    let _advice = talk.client(get("/3"));
    let _advice = talk.server(response(202));
    assert_eq!(talk.lines()[2], "GET /3 0 -> 202 0");
}

#[test]
fn until_close_survives() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\n\r\nab");
    let _advice = talk.missing(Side::Server, 100, Missing::Lost);
    let _advice = talk.server("xyz");
    assert_eq!(talk.finish(), ["GET / 0 -> 200 105 GAPS"]);
}

#[test]
fn beyond_a_body_into_the_next_message() {
    let mut talk = Talk::new();
    let _advice = talk.client("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab");
    let _advice = talk.missing(Side::Client, 20, Missing::Lost);
    let _advice = talk.client(format!("Accept: x\r\n\r\n{}", get("/3")));
    let _advice = talk.server([response(200), response(201)].concat());
    assert_eq!(talk.lines()[0], "POST /1 10 -> 200 0 GAPS");
    assert_eq!(talk.lines()[1], "GET /3 0 -> 201 0 GAPS");
}

#[test]
fn lost_request() {
    let mut talk = Talk::new();
    let _advice = talk.missing(Side::Client, 50, Missing::Lost);
    let _advice = talk.server(response(200));
    assert_eq!(talk.lines(), ["- -> 200 0 GAPS"]);
    let _advice = talk.client(get("/2"));
    let _advice = talk.server(response(201));
    let _advice = talk.client(get("/3"));
    let _advice = talk.server(response(202));
    assert_eq!(talk.lines()[1..], ["GET /2 0 -> 201 0 GAPS", "GET /3 0 -> 202 0"]);
}

#[test]
fn end_of_a_request_head_is_lost() {
    let mut talk = Talk::new();
    let _advice = talk.client("GET /1 HTTP/1.1\r\nHost: a\r\nCoo");
    let _advice = talk.missing(Side::Client, 50, Missing::Lost);
    let _advice = talk.server(response(200));
    assert_eq!(talk.lines(), ["GET /1 ?~ -> 200 0 incomplete_head GAPS"]);
}

#[test]
fn lost_response_does_not_shift_the_next_one() {
    let mut talk = Talk::new();
    let _advice = talk.client(get("/1"));
    let _advice = talk.missing(Side::Server, 80, Missing::Lost);
    let _advice = talk.client(get("/2"));
    let _advice = talk.server(response(202));
    let _advice = talk.client(get("/3"));
    let _advice = talk.server(response(203));
    assert_eq!(talk.lines(), ["GET /1 0 -> - GAPS", "GET /2 0 -> 202 0 GAPS", "GET /3 0 -> 203 0"]);
}

/// The loss is noticed by the very segment that brings the next request.
#[test]
fn loss_noticed_with_the_next_request() {
    let mut talk = Talk::new();
    let _advice = talk.client(get("/1"));
    let time = Timestamp::from_unix_micros(100);
    let state = talk.state.as_mut().unwrap();
    let _advice = talk.http.data(state, Side::Client, get("/2").as_bytes(), time);
    let _advice = talk.http.missing(state, Side::Server, 80, Missing::Lost, time);
    let _advice = talk.server(response(202));
    assert_eq!(talk.lines(), ["GET /1 0 -> - GAPS", "GET /2 0 -> 202 0 GAPS"]);
}

#[test]
fn loss_within_a_response_head() {
    let mut talk = Talk::new();
    let _advice = talk.client(get("/1"));
    let _advice = talk.server("HTTP/1.1 200 OK\r\nServer: x\r\n");
    let _advice = talk.missing(Side::Server, 80, Missing::Lost);
    assert_eq!(talk.lines(), ["GET /1 0 -> 200 ?~ incomplete_head GAPS"]);
    let _advice = talk.client(get("/2"));
    let _advice = talk.server(response(202));
    assert_eq!(talk.lines()[1], "GET /2 0 -> 202 0 GAPS");
}

#[test]
fn only_doubtful_requests_wait() {
    let mut talk = Talk::new();
    let _advice = talk.client([get("/1"), get("/2")].concat());
    let _advice = talk.missing(Side::Server, 80, Missing::Lost);
    let _advice = talk.server(response(201));
    let _advice = talk.server(response(202));
    assert_eq!(talk.lines(), ["GET /1 0 -> 201 0 GAPS", "GET /2 0 -> 202 0 GAPS"]);
}

#[test]
fn picked_up_between_messages() {
    let mut talk = Talk::midstream();
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0"], "nothing of it is missing");
}

#[test]
fn picked_up_within_a_response() {
    let mut talk = Talk::midstream();
    let _advice = talk.server("half of a body\r\nGET x\r\n");
    let _advice = talk.server("the other half HTTP/1.1 is mentioned\r\n");
    let _advice = talk.client(GET);
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0 GAPS"]);
    assert!(talk.http.counters().unparsed_bytes > 0);
}

#[test]
fn picked_up_between_request_and_response() {
    let mut talk = Talk::midstream();
    let _advice = talk.server(OK);
    assert_eq!(talk.lines(), ["- -> 200 0 GAPS"], "its request came before");
}

#[test]
fn picked_up_trickling() {
    let mut talk = Talk::midstream();
    for byte in format!("of a body\r\nGETTING it /\r\nPOST /nothing\r\n{GET}").bytes() {
        let _advice = talk.client([byte]);
    }
    for byte in format!("junk\r\nHTTP/1.x\r\n{OK}").bytes() {
        let _advice = talk.server([byte]);
    }
    assert_eq!(talk.lines(), ["GET / 0 -> 200 0 GAPS"]);
}

#[test]
fn picked_up_and_no_http() {
    let mut talk = Talk::midstream();
    let stopped = (0..100).position(|_| talk.server([0x17; 20_000]) == Advice::Stop);
    assert_eq!(stopped, Some(52), "after a mebibyte");
    assert_eq!(talk.http.counters().not_http, 1);
}

#[test]
fn loss_while_a_message_is_looked_for() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 204 No Content\r\n\r\njunk");
    let _advice = talk.client(GET);
    let _advice = talk.missing(Side::Server, 1, Missing::Lost);
    let _advice = talk.server("TTP/1.1 205 X\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(talk.finish(), ["GET / 0 -> 204 0", "GET / 0 -> - GAPS"]);
}
