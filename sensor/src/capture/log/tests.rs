//! Lines as servers write them, and formats as their configurations do.

use std::io::Write as _;

use proptest::prelude::*;

use super::lines::MAX_LINE;
use super::*;

fn read(format: &str, line: &str) -> Result<Recorded, Unreadable> {
    let mut out = Recorded::default();
    Layout::new(format).unwrap().read(line.as_bytes(), &mut out).map(|()| out)
}

/// Client, request line, version, status, bytes, and when it began and ended, as text.
fn told(recorded: &Recorded) -> String {
    format!(
        "{}:{} {:?} {:?} {:?} {:?} {} {}",
        recorded.client.unwrap(),
        recorded.client_port,
        String::from_utf8_lossy(&recorded.line),
        recorded.version,
        recorded.status,
        recorded.response_bytes,
        recorded.began(),
        recorded.ended(),
    )
}

/// A format, a line, what it tells, and its headers.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn all_tell(rows: &[Row]) {
    for (format, line, expected, headers) in rows {
        let recorded = read(format, line).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(told(&recorded), *expected, "{format}");
        assert_eq!(String::from_utf8_lossy(&recorded.headers), *headers, "{format}");
    }
}

#[test]
fn lines_of_nginx_and_apache() {
    all_tell(&[
        (
            "common",
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
            r#"127.0.0.1:0 "GET /apache_pb.gif" Some((1, 0)) Some(200) Some(2326) 2000-10-10T20:55:36.000000Z 2000-10-10T20:55:36.000000Z"#,
            "",
        ),
        (
            "combined",
            r#"2001:db8::7 - - [01/Jan/2026:00:00:00 +0000] "GET /a\"b?q=\xe4 HTTP/1.1" 404 - "-" "Mozilla \"5\"""#,
            "2001:db8::7:0 \"GET /a\\\"b?q=\u{fffd}\" Some((1, 1)) Some(404) None 2026-01-01T00:00:00.000000Z 2026-01-01T00:00:00.000000Z",
            "user-agent: Mozilla \"5\"\r\n",
        ),
        (
            "nginx",
            r#"198.51.100.7 - - [30/Nov/2026:01:02:03 +0100] "POST /login HTTP/2.0" 401 17 "https://example.com/" "curl/8\x22""#,
            r#"198.51.100.7:0 "POST /login" Some((2, 0)) Some(401) Some(17) 2026-11-30T00:02:03.000000Z 2026-11-30T00:02:03.000000Z"#,
            "referer: https://example.com/\r\nuser-agent: curl/8\"\r\n",
        ),
        (
            r#"%a %{usec}t %D "%m %U%q %H" %>s %B %{Host}i"#,
            r#"192.0.2.1 1700000000500000 1500 "GET /list?page=2 HTTP/1.1" 200 10 example.com:8443"#,
            r#"192.0.2.1:0 "GET /list?page=2" Some((1, 1)) Some(200) Some(10) 2023-11-14T22:13:20.500000Z 2023-11-14T22:13:20.501500Z"#,
            "host: example.com:8443\r\n",
        ),
    ]);
}

#[test]
fn of_the_same_thing_twice_the_first_counts() {
    all_tell(&[
        (
            "$remote_addr [$time_iso8601] $request_method $request_uri $uri $status $host $http_host",
            "192.0.2.1 [2026-01-02T03:04:05Z] GET /a%20b?q=1 /a 200 example.com example.com:8080",
            r#"192.0.2.1:0 "GET /a%20b?q=1" None Some(200) None 2026-01-02T03:04:05.000000Z 2026-01-02T03:04:05.000000Z"#,
            "host: example.com\r\n",
        ),
        (
            "$remote_addr [$time_iso8601] $request_method $request_uri $uri $status $host $http_host",
            "192.0.2.1 [2026-01-02T03:04:05Z] GET - /a 200 - example.com:8080",
            r#"192.0.2.1:0 "GET /a" None Some(200) None 2026-01-02T03:04:05.000000Z 2026-01-02T03:04:05.000000Z"#,
            "host: example.com:8080\r\n",
        ),
    ]);
}

#[test]
fn lines_of_proxies() {
    all_tell(&[
        (
            "envoy",
            r#"[2026-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80""#,
            r#"10.0.35.28:0 "POST /api/v1/locations" Some((2, 0)) Some(204) Some(0) 2026-04-15T20:17:00.310000Z 2026-04-15T20:17:00.536000Z"#,
            "user-agent: nsq2http\r\nx-request-id: cc21d9b0\r\nhost: locations\r\n",
        ),
        (
            "caddy",
            r#"{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","request":{"remote_ip":"127.0.0.1","remote_port":"41342","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/","headers":{"User-Agent":["curl/7.82.0"]}},"bytes_read":0,"duration":0.5,"size":10900,"status":200}"#,
            r#"127.0.0.1:41342 "GET /" Some((2, 0)) Some(200) Some(10900) 2022-03-09T21:30:01.024102Z 2022-03-09T21:30:01.524102Z"#,
            "user-agent: curl/7.82.0\r\nhost: localhost\r\n",
        ),
        (
            "traefik",
            r#"{"ClientHost":"203.0.113.9","ClientPort":"55000","DownstreamStatus":403,"DownstreamContentSize":9,"Duration":2000000,"RequestHost":"api","RequestMethod":"GET","RequestPath":"/v1?x=1","RequestProtocol":"HTTP/1.1","StartUTC":"2026-01-02T03:04:05.5Z"}"#,
            r#"203.0.113.9:55000 "GET /v1?x=1" Some((1, 1)) Some(403) Some(9) 2026-01-02T03:04:05.500000Z 2026-01-02T03:04:05.502000Z"#,
            "host: api\r\n",
        ),
        (
            "json time=@timestamp client=client.ip request=request status=http.response.status_code",
            r#"{"@timestamp":"2026-01-02T03:04:05Z","client":{"ip":"203.0.113.9"},"request":"GET /x HTTP/1.1","http.response.status_code":200}"#,
            r#"203.0.113.9:0 "GET /x" Some((1, 1)) Some(200) None 2026-01-02T03:04:05.000000Z 2026-01-02T03:04:05.000000Z"#,
            "",
        ),
    ]);
}

#[test]
fn haproxy_with_and_without_syslog_and_captures() {
    let rest = r#"10.0.1.2:33317 [06/Feb/2026:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html#22 HTTP/1.1""#;
    for before in ["", "Feb  6 12:14:14 localhost haproxy[14389]: "] {
        let recorded = read("haproxy", &format!("{before}{rest}")).unwrap();
        assert_eq!((recorded.client_port, recorded.status), (33_317, Some(200)));
        assert_eq!(recorded.line, b"GET /index.html\"");
        assert_eq!(recorded.duration, Some(Duration::from_millis(109)));
    }
    let refused = r#"::1:40000 [06/Feb/2026:12:14:14.655] in in/<NOSRV> -1/-1/-1/-1/0 -1 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>""#;
    let recorded = read("haproxy", refused).unwrap();
    assert_eq!((recorded.client.unwrap().to_string().as_str(), recorded.status), ("::1", None));
    assert_eq!(recorded.line, b"<BADREQ>");
}

#[test]
fn what_is_no_format_is_named() {
    for (format, expected) in [
        ("apache2", "neither the name of a log format"),
        ("$remote_addr $status", "has no time"),
        ("$msec $request $status", "has no client address"),
        ("$remote_addr $msec $request", "has no status"),
        ("$remote_addr $msec $request_method $status", "has no request line"),
        ("%h %t %r %>s%b", "nothing separates `status` from the next field"),
        // A variable that may be empty has no neighbour that could tell.
        (
            "$remote_addr $msec $request_uri$is_args$args $status",
            "nothing separates `target` from the next field",
        ),
        ("%h %t \"%r\" %>s %Z", "`%Z` is not known"),
        ("json client=a status=b", "has no time"),
        ("json client=a colour=b", "`colour=b` is not known"),
        ("%{User-Agent", "is not known"),
    ] {
        let error = Layout::new(format).unwrap_err().to_string();
        assert!(error.contains(expected), "{format}: {error}");
    }
    let long = "$remote_addr ".repeat(1_000);
    assert_eq!(Layout::new(&long), Err(LayoutError::TooLong));
}

#[test]
fn lines_of_other_formats_are_refused_and_counted() {
    let line =
        |address: &str| format!("{address} - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1\n");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for text in [
        line("192.0.2.1"),
        "\n".to_owned(),
        line("www.example.com"),
        "{}\n".to_owned(),
        format!("{}\n", "x".repeat(MAX_LINE + 1)),
        line("192.0.2.2").replace('\n', "\r\n"),
        line("192.0.2.3").trim_end().to_owned(),
    ] {
        file.write_all(text.as_bytes()).unwrap();
    }
    let mut log = LogFile::open(file.path(), Layout::new("common").unwrap()).unwrap();
    let mut clients = Vec::new();
    while let Some(recorded) = log.next_recorded().unwrap() {
        clients.push(recorded.client.unwrap().to_string());
    }
    assert_eq!(clients, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    let first = Some((3, Unreadable::Value("client's address")));
    assert_eq!(*log.counters(), LogCounters { lines: 6, unreadable: 3, first });
}

proptest! {
    #[test]
    fn any_lines(
        preset in prop::sample::select(&PRESETS[..]),
        format in "[ -~]{0,60}",
        line in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for format in [preset.0, preset.1, &format] {
            fuzz::access_log(&[format.as_bytes(), b"\n", &line].concat());
        }
    }

    /// Lines that are nearly right reach further than any bytes.
    #[test]
    fn damaged_lines(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let line = br#"combined
192.0.2.1 - - [30/Nov/2026:01:02:03 +0100] "GET /a?b=\x22 HTTP/1.1" 200 17 "-" "curl/8 \"x\"""#;
        let mut damaged = line.to_vec();
        *index.get_mut(&mut damaged) = byte;
        fuzz::access_log(&damaged);
        fuzz::access_log(&line[..index.index(line.len())]);
    }

    /// Whatever bytes a client sends, nginx's escapes are undone, and no value reaches beyond its quotes.
    #[test]
    fn what_nginx_escapes_comes_back(agent in prop::collection::vec(any::<u8>(), 1..80)) {
        prop_assume!(agent != b"-");
        let mut escaped = String::new();
        for byte in &agent {
            match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f.. => escaped.push_str(&format!("\\x{byte:02X}")),
                _ => escaped.push(char::from(*byte)),
            }
        }
        let line = format!(
            r#"192.0.2.1 - - [30/Nov/2026:01:02:03 +0100] "GET / HTTP/1.1" 200 17 "-" "{escaped}""#
        );
        let recorded = read("nginx", &line).unwrap();
        let expected: Vec<u8> =
            agent.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }).collect();
        prop_assert_eq!(&recorded.headers, &[b"user-agent: ", &expected[..], b"\r\n"].concat());
    }
}
