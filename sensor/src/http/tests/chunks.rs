//! The chunked coding (RFC 9112, section 7.1).

use super::*;

fn chunked(body: &str) -> Vec<String> {
    of_request("Transfer-Encoding: chunked\r\n", body)
}

const FOLLOWED: &str = "GET /2 0 -> 200 0";

#[test]
fn extensions_and_trailers() {
    let table = [
        ("0\r\n\r\n", "0/5"),
        ("5\r\nhello\r\n0\r\n\r\n", "5/15"),
        ("5;a=b;c=\"d\"\r\nhello\r\n0;z\r\n\r\n", "5/27"),
        ("A\r\n0123456789\r\n00\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "10/37"),
        ("000000005\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "6/29"),
    ];
    for (body, lengths) in table {
        assert_eq!(chunked(body), [&format!("POST /1 {lengths} -> 200 0"), FOLLOWED], "{body:?}");
    }
}

#[test]
fn breaches_that_can_be_read() {
    let table = [
        ("+5\r\nhello\r\n0\r\n\r\n", "5/16", "chunk_size_sign"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "5/17", "chunk_size_prefix"),
        (" 5\r\nhello\r\n0\r\n\r\n", "5/16", "chunk_size_whitespace"),
        ("5 \r\nhello\r\n0\r\n\r\n", "5/16", "chunk_size_whitespace"),
        ("5\t;a\r\nhello\r\n0\r\n\r\n", "5/18", "chunk_size_whitespace"),
        ("5z\r\nhello\r\n0\r\n\r\n", "5/16", "invalid_chunk_size"),
        ("5\nhello\r\n0\r\n\r\n", "5/14", "chunk_bare_lf"),
        ("5\r\nhello\n0\r\n\r\n", "5/14", "chunk_bare_lf"),
        ("5\r\nhello\r\n0\r\n\n", "5/14", "chunk_bare_lf"),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", "5/19", "chunk_bare_cr"),
        ("5\r\nhello0\r\n\r\n", "5/13", "missing_chunk_end"),
        ("0\r\nnothing\r\n\r\n", "0/14", "invalid_trailer"),
        ("0\r\n: x\r\n\r\n", "0/10", "invalid_trailer"),
        ("0\r\na b: x\r\n\r\n", "0/13", "invalid_trailer"),
        ("0\r\nContent-Length: 5\r\n\r\n", "0/24", "forbidden_trailer"),
        ("0\r\ntransfer-encoding: x\r\n\r\n", "0/27", "forbidden_trailer"),
        ("0\r\nHOST: x\r\n\r\n", "0/14", "forbidden_trailer"),
    ];
    for (body, lengths, slug) in table {
        assert_eq!(chunked(body), [&format!("POST /1 {lengths} -> 200 0 {slug}"), FOLLOWED], "{body:?}");
    }
}

/// The end of such a body cannot be told; the message ends there, and the next one is looked for.
#[test]
fn breaches_that_end_the_reading() {
    let long = "a".repeat(5_000);
    let table = [
        ("-5\r\nhello\r\n".to_owned(), "chunk_size_sign"),
        ("z\r\nhello\r\n".to_owned(), "invalid_chunk_size"),
        ("\r\nhello\r\n".to_owned(), "invalid_chunk_size"),
        ("8000000000000000\r\n".to_owned(), "chunk_size_overflow"),
        ("fffffffffffffffff\r\n".to_owned(), "chunk_size_overflow"),
        (format!("5;{long}\r\n"), "chunk_line_too_long"),
        (format!("{}5\r\n", "0".repeat(5_000)), "chunk_line_too_long"),
        (format!("0\r\nX: {long}\r\nY: {long}\r\n"), "trailers_too_large"),
    ];
    for (body, slug) in table {
        let lines = chunked(&body);
        assert_eq!(lines, [&format!("POST /1 ?~ -> 200 0 {slug}"), FOLLOWED], "{body:?}");
    }
}

#[test]
fn chunk_size_of_63_bits_is_no_overflow() {
    let lines = of_response("Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\nhello");
    assert_eq!(lines, ["GET / 0 -> 200 5/23~ incomplete_body"]);
}

#[test]
fn framing_is_no_part_of_the_kept_body() {
    let mut talk = Talk::new();
    talk.http.sink_mut().verbose = true;
    let _advice = talk.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let _advice = talk.server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n");
    assert!(talk.lines()[0].contains("| 1.1 Wikipedia in \r\nchunks. Transfer"), "{:?}", talk.lines());
}
