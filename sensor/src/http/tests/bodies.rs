//! Bodies: what is kept, and what is not asked for.

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn large_bodies_are_skipped() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    assert_eq!(talk.server(head), Advice::Continue, "the beginning is wanted");
    assert_eq!(talk.server([0; 16_000]), Advice::Continue);
    assert_eq!(talk.server([0; 1_000]), Advice::Skip(983_000));
    assert_eq!(talk.missing(Side::Server, 500_000, Missing::NotCaptured), Advice::Skip(483_000));
    assert_eq!(talk.server([0; 3_000]), Advice::Skip(480_000), "they may be delivered all the same");
    assert_eq!(talk.missing(Side::Server, 480_000, Missing::NotCaptured), Advice::Continue);
    assert_eq!(talk.lines(), ["GET / 0 -> 200 1000000"]);
    assert_eq!(talk.http.counters().bodies_truncated, 1);
}

#[test]
fn large_chunks_are_skipped() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
    assert_eq!(talk.server([0; 16_384]), Advice::Skip(0x10_0000 - 16_384));
    assert_eq!(talk.missing(Side::Server, 0x10_0000 - 16_384, Missing::NotCaptured), Advice::Continue);
    let _advice = talk.server("\r\n0\r\n\r\n");
    assert_eq!(talk.lines(), ["GET / 0 -> 200 1048576/1048591"]);
}

#[test]
fn little_is_not_worth_skipping() {
    let mut talk = Talk::new();
    let _advice = talk.client(GET);
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
    assert_eq!(talk.server([0; 20_000]), Advice::Continue);
}

#[test]
fn uploads_are_skipped_too() {
    let mut talk = Talk::new();
    let _advice = talk.client("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(talk.client([0; 20_000]), Advice::Skip(80_000));
}

#[test]
fn the_beginning_is_kept_up_to_the_first_hole() {
    let mut talk = Talk::with(Config { body_bytes: 8, ..Config::default() }, false);
    talk.http.sink_mut().verbose = true;
    let _advice = talk.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let _advice = talk.client("56789");
    let _advice = talk.server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab");
    let _advice = talk.missing(Side::Server, 2, Missing::NotCaptured);
    let _advice = talk.server("ef");
    let line = talk.lines()[0].to_owned();
    assert!(line.contains("| 1.1 01234567 Host") && line.contains("| 1.1 ab Content"), "{line}");
}
