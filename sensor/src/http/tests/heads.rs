//! Heads that break the grammar: one test a shape.

use proptest::prelude::*;

use super::super::h1::lenient;
use super::super::header::Facts;
use super::*;

fn found(head: &str, expected: &str) {
    assert_eq!(of_head(head), [expected], "{head:?}");
}

/// RFC 9112, section 2.2.
#[test]
fn bare_lf() {
    found("GET / HTTP/1.1\nHost: a\n\n", "GET / 0 -> 200 0 bare_lf");
    found("GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / 0 -> 200 0 bare_lf");
    found("GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / 0 -> 200 0 bare_lf");
    found("GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / 0 -> 200 0 bare_lf");
    found("GET / HTTP/1.1\r\nA: b\nHost: a\r\n\r\n", "GET / 0 -> 200 0 bare_lf");
    assert_eq!(
        exchanges("GET / HTTP/1.1\r\nHost: a\r\n\r\n", OK.replace('\r', "")),
        ["GET / 0 -> 200 0 bare_lf"]
    );
}

/// RFC 9112, section 2.2.
#[test]
fn bare_cr() {
    found("GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", "GET / 0 -> 200 0 bare_cr invalid_host");
    found("GET / HTTP/1.1\r\nHost: a\r\nX: \r\r\n\r\n", "GET / 0 -> 200 0 bare_cr");
}

/// RFC 9112, section 5.2.
#[test]
fn obs_fold() {
    found("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", "GET / 0 -> 200 0 obs_fold");
    let mut talk = Talk::new();
    talk.http.sink_mut().verbose = true;
    let _advice = talk.client("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n  c\r\n d \r\nY: z\r\n\r\n");
    let _advice = talk.server(OK);
    assert!(talk.lines()[0].contains(" X=b    c   d Y=z "), "{:?}", talk.lines());
}

/// RFC 9112, section 5.1.
#[test]
fn space_before_colon() {
    found("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / 0 -> 200 0 space_before_colon");
}

/// RFC 9112, section 2.2: such lines are consumed without being read.
#[test]
fn space_before_first_header() {
    let expected = "GET / 0 -> 200 0 space_before_first_header missing_host";
    found("GET / HTTP/1.1\r\n Host: a\r\nX: b\r\n\r\n", expected);
}

/// RFC 9112, section 2.2.
#[test]
fn leading_empty_lines() {
    found("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 leading_empty_line");
    found("\n\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 leading_empty_line");
}

/// RFC 9112, section 5.
#[test]
fn header_without_colon() {
    found("GET / HTTP/1.1\r\nHost: a\r\njunk\r\n\r\n", "GET / 0 -> 200 0 header_without_colon");
}

/// RFC 9110, section 5.1.
#[test]
fn invalid_header_name() {
    found("GET / HTTP/1.1\r\nHost: a\r\n(x): y\r\n\r\n", "GET / 0 -> 200 0 invalid_header_name");
    found("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", "GET / 0 -> 200 0 invalid_header_name");
    found("GET / HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n", "GET / 0 -> 200 0 invalid_header_name");
}

/// RFC 9110, section 5.5.
#[test]
fn control_bytes() {
    found("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", "GET / 0 -> 200 0 nul_byte");
    found("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "GET / 0 -> 200 0 control_byte");
    found("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "GET / 0 -> 200 0 control_byte");
    found("GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", "GET / 0 -> 200 0");
}

/// RFC 9112, section 3.2.
#[test]
fn hosts() {
    found("GET / HTTP/1.1\r\n\r\n", "GET / 0 -> 200 0 missing_host");
    found("GET / HTTP/1.0\r\n\r\n", "GET / 0 -> 200 0");
    found("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "GET / 0 -> 200 0 multiple_hosts");
    found("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET / 0 -> 200 0 invalid_host");
    found("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "GET / 0 -> 200 0 invalid_host");
    found("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / 0 -> 200 0");
}

/// RFC 9112, section 3.2.2.
#[test]
fn absolute_form() {
    found("GET http://A.b/ HTTP/1.1\r\nHost: a.B\r\n\r\n", "GET http://A.b/ 0 -> 200 0");
    found("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://b/ 0 -> 200 0 host_mismatch");
    found("GET http://b HTTP/1.1\r\n\r\n", "GET http://b 0 -> 200 0 missing_host");
}

/// RFC 9110, section 9.1.
#[test]
fn methods() {
    found("get / HTTP/1.1\r\nHost: a\r\n\r\n", "get / 0 -> 200 0 lowercase_method");
    found("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "G(T / 0 -> 200 0 invalid_method invalid_request_line");
    found("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND / 0 -> 200 0");
}

/// RFC 9112, sections 3 and 3.2.
#[test]
fn request_lines() {
    found("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b 0 -> 200 0 invalid_target space_in_target");
    found("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 start_line_whitespace");
    found("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 start_line_whitespace");
    found("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 start_line_whitespace");
    found("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 start_line_whitespace");
    found("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "GET a 0 -> 200 0 invalid_target invalid_request_line");
    found("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /#x 0 -> 200 0 invalid_target");
}

/// RFC 9112, section 2.3.
#[test]
fn versions() {
    found("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 invalid_version");
    found("GET / http/1.1\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 invalid_version");
    found("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 invalid_version");
    found("GET / HTTP/\r\nHost: a\r\n\r\n", "GET / 0 -> 200 0 invalid_version");
}

/// RFC 9112, section 4.
#[test]
fn status_lines() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let table = [
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 0"),
        ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 0"),
        ("HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", "200 0 start_line_whitespace"),
        ("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "20 0 invalid_status"),
        ("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", "999 0 invalid_status"),
        ("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "2000 0 invalid_status"),
        ("HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n", "200 0 invalid_status"),
        ("HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", "0 0 invalid_status_line invalid_status"),
    ];
    for (response, expected) in table {
        let lines = exchanges(request, response);
        assert_eq!(lines, [format!("GET / 0 -> {expected}")], "{response:?}");
        assert_eq!(lines, trickled(request, response));
    }
}

/// RFC 1945, section 4.1.
#[test]
fn http_09() {
    found("GET /old\r\n", "GET /old 0 -> 200 0 http09_request");
    let lines = exchanges("GET /old\r\n", "<html>old</html>");
    assert_eq!(lines, ["GET /old 0 -> 0 16 http09_request"]);
    assert_eq!(lines, trickled("GET /old\r\n", "<html>old</html>"));
    assert_eq!(exchanges("GET /old\r\n", "HTML"), ["GET /old 0 -> 0 4 http09_request"]);
}

#[test]
fn head_too_large() {
    let long = "x".repeat(70_000);
    let lines = of_head(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"));
    assert_eq!(lines, ["GET / ?~ -> 200 0 head_too_large"]);
}

#[test]
fn too_many_headers() {
    let many: String = (0..120).map(|number| format!("X-{number}: y\r\n")).collect();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{many}Content-Length: 2\r\n\r\nhi");
    found(&head, "POST / 2 -> 200 0 too_many_headers");
}

/// RFC 9112, section 8.
#[test]
fn incomplete_heads() {
    assert_eq!(exchanges("GET /a HTTP/1.1\r\nHost: a\r\nX", ""), ["GET /a ?~ -> - incomplete_head"]);
    assert_eq!(exchanges("GET /a", ""), ["GET /a ?~ -> - incomplete_head"]);
    let late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchanges("GET /a HTTP/1.1\r\nHost: a\r\nX", late), ["GET /a ?~ -> 408 0 incomplete_head"]);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(exchanges(request, "HTTP/1.1 200 OK\r\nServer"), ["GET / 0 -> 200 ?~ incomplete_head"]);
}

#[test]
fn accessors() {
    struct Check(usize);
    impl Sink for Check {
        fn exchange(&mut self, connection: &Connection, exchange: &Exchange<'_>) {
            let (request, response) = (exchange.request.unwrap(), exchange.response.unwrap());
            assert_eq!(request.path(), b"/p");
            assert_eq!(request.query(), Some(&b"q=1"[..]));
            assert_eq!(request.host(), Some(&b"Shop.Example:8080"[..]));
            assert_eq!(request.host_lowercase(&mut Vec::new()), Some(&b"shop.example:8080"[..]));
            assert_eq!(request.user_agent(), Some(&b"curl"[..]));
            assert_eq!(request.content_type(), Some(&b"text/plain"[..]));
            assert_eq!(request.header("x-EMPTY"), Some(&b""[..]));
            assert_eq!(request.header("absent"), None);
            assert_eq!(request.body(), b"b0dy");
            assert!(request.body_is_whole());
            assert_eq!(response.reason(), b"Not Found");
            assert_eq!(response.content_encoding(), Some(&b"gzip"[..]));
            assert_eq!(exchange.duration(), Some(std::time::Duration::from_micros(1)));
            assert_eq!(exchange.started(), Timestamp::from_unix_micros(1));
            assert_eq!(connection.interface, 3);
            let shown = format!("{exchange:?}");
            for secret in ["b0dy", "curl", "q=1", "Shop"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            self.0 += 1;
        }
    }
    let mut http = Http::new(Config::default(), Check(0));
    let mut state = http.open(&opening(false));
    let time = Timestamp::from_unix_micros;
    let request = "POST /p?q=1 HTTP/1.1\r\nHost: Shop.Example:8080\r\nuser-agent: curl\r\nX-Empty:\r\n\
                   Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nb0dy";
    let _advice = http.data(&mut state, Side::Client, request.as_bytes(), time(1));
    let response = "HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n";
    let _advice = http.data(&mut state, Side::Server, response.as_bytes(), time(2));
    assert_eq!(http.sink().0, 1);
}

#[test]
fn fingerprints_follow_names_and_order_only() {
    let print = |names: &[&str]| super::super::header::fingerprint(names.iter().map(|name| name.as_bytes()));
    assert_eq!(print(&["Host", "User-Agent"]), print(&["hOST", "user-agent"]));
    assert_ne!(print(&["Host", "User-Agent"]), print(&["User-Agent", "Host"]));
    assert_ne!(print(&["Host", "Accept"]), print(&["HostAccept"]));
    assert_ne!(print(&["a"]), print(&["a", ""]));
    assert_eq!(print(&["Host", "Accept-Encoding"]), 13_859_711_314_546_346_809, "stable across versions");
}

#[test]
fn slugs_are_unique_and_snake_case() {
    let labels: std::collections::BTreeSet<_> = Anomaly::ALL.iter().map(|anomaly| anomaly.label()).collect();
    assert_eq!(labels.len(), Anomaly::ALL.len());
    for label in labels {
        assert!(
            label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{label}"
        );
    }
}

proptest! {
    /// However a value is folded: its lines are joined, each line end become as many spaces (RFC 9112, section 5.2).
    #[test]
    fn folded_lines_are_joined_by_spaces(
        first in "[ a]{0,3}",
        lines in prop::collection::vec(("[ \t][ \ta-c]{0,4}", prop::sample::select(vec!["\r\n", "\n"])), 0..12),
    ) {
        let start = "GET / HTTP/1.1\r\nX:";
        let folded: String = lines.iter().map(|(line, end)| format!("{line}{end}")).collect();
        let mut head = format!("{start}{first}\r\n{folded}\r\n").into_bytes();
        let plain = |text: &str| text.replace(['\r', '\n', '\t'], " ").trim_matches(' ').to_owned();
        let expected = plain(&format!("{first}\r\n{folded}"));
        let (mut facts, mut spans) = (Facts::default(), Vec::new());
        lenient::parse(Side::Client, &mut head, 10, &mut facts, &mut spans);
        let value = String::from_utf8_lossy(spans[0].value.of(&head)).into_owned();
        prop_assert!(!value.contains(['\r', '\n']));
        prop_assert_eq!(plain(&value), expected);
    }
}
