//! What servers disagree about in lengths and transfer codings. One test a shape; which reading is followed is
//! seen from whether the GET after the message is found.

use super::*;

const FOLLOWED: &str = "GET /2 0 -> 200 0";

/// RFC 9112, section 6.3, item 5.
#[test]
fn conflicting_content_lengths_first_is_followed() {
    let lines = of_request("Content-Length: 5\r\nContent-Length: 6\r\n", "hello");
    assert_eq!(lines, ["POST /1 5 -> 200 0 conflicting_content_length", FOLLOWED]);
    let lines = of_request("Content-Length: 5, 6\r\n", "hello");
    assert_eq!(lines, ["POST /1 5 -> 200 0 conflicting_content_length", FOLLOWED]);
}

/// RFC 9112, section 6.3, item 5.
#[test]
fn duplicate_content_length() {
    let lines = of_request("Content-Length: 5\r\nContent-Length: 5\r\n", "hello");
    assert_eq!(lines, ["POST /1 5 -> 200 0 duplicate_content_length", FOLLOWED]);
}

/// RFC 9112, section 6.3, item 5.
#[test]
fn content_length_list() {
    let lines = of_request("Content-Length: 5, 5\r\n", "hello");
    assert_eq!(lines, ["POST /1 5 -> 200 0 content_length_list", FOLLOWED]);
}

/// RFC 9112, section 6.3, item 3: Transfer-Encoding overrides.
#[test]
fn transfer_encoding_and_content_length() {
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ] {
        let lines = of_request(headers, "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(lines, ["POST /1 5/15 -> 200 0 transfer_encoding_and_content_length", FOLLOWED]);
    }
}

/// RFC 9112, section 7: a coding that resembles chunked is another one.
#[test]
fn obfuscated_transfer_encoding_is_not_chunked() {
    for value in ["xchunked", "\"chunked\"", "chunked;q=1", "'chunked'", "[chunked]"] {
        let lines = of_request(&format!("Content-Length: 5\r\nTransfer-Encoding: {value}\r\n"), "hello");
        let expected = "POST /1 5 -> 200 0 transfer_encoding_and_content_length obfuscated_transfer_encoding \
                        chunked_not_final";
        assert_eq!(lines, [expected, FOLLOWED], "{value}");
    }
}

/// RFC 9110, section 5.5: a vertical tab is no whitespace.
#[test]
fn control_byte_before_chunked() {
    let lines = of_request("Content-Length: 5\r\nTransfer-Encoding: \x0bchunked\r\n", "hello");
    let expected = "POST /1 5 -> 200 0 control_byte transfer_encoding_and_content_length \
                    obfuscated_transfer_encoding chunked_not_final";
    assert_eq!(lines, [expected, FOLLOWED]);
}

/// RFC 9112, section 5.2: `chunked` on a line of its own is still the value.
#[test]
fn folded_chunked_is_chunked() {
    let lines = of_request("Transfer-Encoding:\r\n chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(lines, ["POST /1 5/15 -> 200 0 obs_fold", FOLLOWED]);
}

/// RFC 9112, section 5.1.
#[test]
fn space_before_colon_of_transfer_encoding_is_followed() {
    let lines = of_request("Transfer-Encoding : chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(lines, ["POST /1 5/15 -> 200 0 space_before_colon", FOLLOWED]);
}

/// RFC 9112, section 6.3, item 4: without a length such a request has no body that could be told.
#[test]
fn unknown_transfer_encoding() {
    let lines = of_request("Transfer-Encoding: cow\r\n", "");
    assert_eq!(lines, ["POST /1 0 -> 200 0 unknown_transfer_encoding chunked_not_final", FOLLOWED]);
    let lines = of_response("Transfer-Encoding: cow\r\nContent-Length: 3\r\n", "hello");
    let expected = "GET / 0 -> 200 5 transfer_encoding_and_content_length unknown_transfer_encoding";
    assert_eq!(lines, [expected], "a response like that goes on until close");
}

/// RFC 9112, sections 6.1 and 6.3, item 4.
#[test]
fn chunked_identity_is_chunked() {
    let lines = of_request("Transfer-Encoding: chunked, identity\r\n", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(lines, ["POST /1 5/15 -> 200 0 unknown_transfer_encoding chunked_not_final", FOLLOWED]);
    let lines = of_request("Transfer-Encoding: identity, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(lines, ["POST /1 5/15 -> 200 0 unknown_transfer_encoding", FOLLOWED]);
}

/// RFC 9112, section 6.1: chunked must not be applied twice.
#[test]
fn repeated_transfer_encoding() {
    for headers in [
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: Chunked\r\n",
    ] {
        let lines = of_request(headers, "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(lines, ["POST /1 5/15 -> 200 0 repeated_transfer_encoding", FOLLOWED]);
    }
}

/// RFC 9112, section 6.1: faulty, but still overrides.
#[test]
fn transfer_encoding_in_http10() {
    let client = "POST /1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(of_head(client), ["POST /1 5/15 -> 200 0 transfer_encoding_in_http10"]);
}

/// RFC 9112, section 6.1: other codings may come before.
#[test]
fn gzip_chunked_is_fine() {
    assert_eq!(
        of_request("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ["POST /1 0/5 -> 200 0", FOLLOWED]
    );
    assert_eq!(
        of_request("Transfer-Encoding:  , Chunked ,\r\n", "0\r\n\r\n"),
        ["POST /1 0/5 -> 200 0", FOLLOWED]
    );
}

/// RFC 9110, section 8.6: digits only.
#[test]
fn signs_in_content_length() {
    assert_eq!(
        of_request("Content-Length: +5\r\n", "hello"),
        ["POST /1 5 -> 200 0 content_length_sign", FOLLOWED]
    );
    assert_eq!(
        of_request("Content-Length: -5\r\n", ""),
        ["POST /1 0 -> 200 0 content_length_sign", FOLLOWED]
    );
}

/// RFC 9110, section 8.6.
#[test]
fn whitespace_in_content_length() {
    let expected = ["POST /1 5 -> 200 0 content_length_whitespace", FOLLOWED];
    assert_eq!(of_request("Content-Length: 5 5\r\n", "hello"), expected);
    assert_eq!(
        of_request("Content-Length:   5  \r\n", "hello"),
        ["POST /1 5 -> 200 0", FOLLOWED],
        "around it is fine"
    );
}

/// RFC 9110, section 8.6.
#[test]
fn non_digits_in_content_length() {
    for value in ["5x", "5;", "5.0", "5_0"] {
        let lines = of_request(&format!("Content-Length: {value}\r\n"), "hello");
        assert_eq!(lines, ["POST /1 5 -> 200 0 invalid_content_length", FOLLOWED], "{value}");
    }
    for value in ["x5", "", "five", ","] {
        let lines = of_request(&format!("Content-Length: {value}\r\n"), "");
        assert_eq!(lines, ["POST /1 0 -> 200 0 invalid_content_length", FOLLOWED], "{value}");
    }
    let lines = of_request("Content-Length: 0x5\r\n", "");
    assert_eq!(lines, ["POST /1 0 -> 200 0 invalid_content_length", FOLLOWED]);
}

/// RFC 9110, section 8.6: anticipate overflow.
#[test]
fn content_length_overflow() {
    for value in ["9223372036854775808", "18446744073709551616", "99999999999999999999999999"] {
        let lines = of_request(&format!("Content-Length: {value}\r\n"), "");
        assert_eq!(lines, ["POST /1 0 -> 200 0 content_length_overflow", FOLLOWED], "{value}");
    }
    let lines = of_response("Content-Length: 99999999999999999999\r\n", "hello");
    assert_eq!(lines, ["GET / 0 -> 200 5 content_length_overflow"], "as if there were none");
}

/// RFC 9112, section 6.3, item 5, and then an invalid one.
#[test]
fn first_valid_content_length_is_followed() {
    let lines = of_request("Content-Length: x\r\nContent-Length: 5\r\n", "hello");
    assert_eq!(lines, ["POST /1 5 -> 200 0 invalid_content_length", FOLLOWED]);
}

/// RFC 9110, section 9.3.1: content in a GET has no meaning, but a length.
#[test]
fn body_of_get() {
    let client = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(of_head(client), ["GET / 5 -> 200 0 unexpected_request_body"]);
    let client = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(of_head(client), ["GET / 0 -> 200 0"]);
}

/// RFC 9112, section 6.1; RFC 9110, section 8.6.
#[test]
fn framing_where_there_is_no_body() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let server = format!("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n{OK}");
    assert_eq!(
        exchanges([request, request].concat(), server),
        ["GET / 0 -> 204 0 framing_without_body", "GET / 0 -> 200 0"]
    );
    let server = format!("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n{OK}");
    assert_eq!(exchanges(request, server), ["GET / 0 -> 200 0 framing_without_body"]);
}

/// A request smuggled in the body of one whose lengths conflict is left over for who reads it the other way.
#[test]
fn smuggled_request_after_zero_length() {
    let client =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG";
    let after = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let lines = exchanges(format!("{client}{after}"), [OK, OK].concat());
    assert_eq!(
        lines,
        ["POST / 0/5 -> 200 0 transfer_encoding_and_content_length", "GGET / 0 -> 200 0"],
        "the G becomes part of the next method"
    );
}

/// No byte is skipped on the word of a length that others may read otherwise.
#[test]
fn ambiguous_lengths_are_read_byte_by_byte() {
    let mut talk = Talk::new();
    let body = vec![b'x'; 20_000];
    assert_eq!(
        talk.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +9000000\r\n\r\n"),
        Advice::Continue
    );
    assert_eq!(talk.client(&body), Advice::Continue);
}
