//! Marked secrets in every part of requests and responses, through everything that a replay and the daemon share: no
//! output may contain one. The running daemon's output, with its files and sockets, is tested in
//! `tests/tests/e2e/canaries.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::{alerts, output, watch::Watch};
use crate::capture::{Endpoint, Flags, Segment};
use crate::clock::Timestamp;
use crate::daemon::Config;
use crate::decide::Alert;
use crate::event::{Event, Exchange, Held, Http2Abuse};
use crate::identity::Key;
use crate::pipeline::{Observer, Pipeline};
use crate::printable::to_json;

/// Secret by its position, whatever it looks like: no letter of it may get out.
const WORD: &str = "mellonfriend";

/// Secret by its form.
const SHAPED: &[&str] = &[
    "MELLON42FRIEND",
    "bot123456:MELLON43FRIEND",
    "AKIAMELLONFRIEND4444",
    "ghp_mellonFriend45xYz0987QqWw",
    "sk_live_mellonFriend46AbCd",
    "eyJhbGciOiJNRUxMT040NyJ9.eyJzdWIiOiJNRUxMT040NyJ9.bWVsbG9u",
    "mellonfriend@example.org",
    "mellon%40example.org",
    "6d656c6c6f6e667269656e64deadbeef",
];

/// Parts of [`SHAPED`] that would reveal them.
const TRACES: &[&str] = &["mellon", "TRVUxMT0", "eyJhbG", "6d656c6c6f6e", "AKIA"];

/// Positions for words: each is a whole request, followed by the server's response and its status.
const PLACES: &[(&str, u16)] = &[
    ("GET /a?x={} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?x=1&&{}&y HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?token%3D{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?token%3D{}=1 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?x=1;password={};{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a?x=1#{} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a#access_token={} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a#{}?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a;jsessionid={} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a;{}/b;v={} HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("GET /a%3Bjsessionid%3D{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a%23access_token%3D{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a%3Ftoken%253D{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET http://user:{}@api.example/a HTTP/1.1\r\nHost: api.example\r\n\r\n", 200),
    ("GET http://{}@api.example/a?{} HTTP/1.1\r\nHost: {}:{}@api.example\r\n\r\n", 200),
    ("GET //user:{}@api.example/a HTTP/1.1\r\nHost: api.example\r\n\r\n", 404),
    ("CONNECT user:{}@api.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("GET /a HTTP/1.1\r\nHost: user:{}@api.example\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: a b {}\r\n\r\n", 400),
    ("GET /a HTTP/1.1\r\nHost: a\r\nReferer: https://x/?t={}\r\nCookie: sid={}; {}\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nX-Api-Key: {}\r\n\r\n", 401),
    ("GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {}\r\nForwarded: for={}\r\nVia: {}\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: a\r\n{}: {}\r\n {}\r\n{}\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: app/1 token={}\r\n\r\n", 200),
    (
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary={}\r\nContent-Length: 12\r\n\r\n{}",
        200,
    ),
    (
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\nc;{}\r\n{}\r\n0\r\nX: {}\r\n\r\n",
        200,
    ),
    ("{} /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\n\r\n", 400),
    ("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n{} /x\r\nHost: {}\r\n\r\n", 400),
    (
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nuser=bob&password={} HTTP/1.1\r\n\r\n",
        400,
    ),
    (
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nuser=bob&password={} x HTTP/1.1\r\nHost: {}\r\n\r\n",
        400,
    ),
    ("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n{\"username\":\"{}\",\"password\":\"{}\"}",
        401,
    ),
    (
        "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 84\r\n\r\n{\"query\":\"mutation{login(email:\\\"{}\\\",password:\\\"{}\\\"){token}}\"}",
        200,
    ),
    ("GET /a\x1b]0;{}\x07 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\x1b[31m token={}\r\n\r\n", 404),
];

/// Positions for what looks like a secret.
const SHAPED_PLACES: &[(&str, u16)] = &[
    ("GET /reset/{} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /{}/sendMessage HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /{}/{}/{} HTTP/1.1\r\nHost: a\r\n\r\n", 401),
    ("GET /hooks/T000/B000/{} HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("GET /.env/{} HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("GET /files/{}.pdf HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /files/report-{}.3f2a1b9c.js HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a%2F{}%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET http://a/x/{}?{}={} HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: app/{} (+{})\r\n\r\n", 200),
    ("GET /a HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("CONNECT {}:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
];

/// All output, in all forms.
struct Told {
    text: String,
    watch: Watch,
    alerts: Vec<Alert>,
}

impl Observer for Told {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let json = to_json(exchange).unwrap();
        let line = output::exchange(exchange);
        writeln!(self.text, "{json}\n{line}\n{exchange:?}").unwrap();
        self.alerts.extend(self.watch.observe(&Event::Exchange(exchange)));
    }

    fn abuse(&mut self, abuse: &Http2Abuse) {
        self.alerts.extend(self.watch.observe(&Event::Http2Abuse(abuse)));
    }

    fn held(&mut self, held: &Held) {
        self.alerts.extend(self.watch.observe(&Event::Held(held)));
    }
}

/// Requests on connections of their own.
struct Wire {
    pipeline: Pipeline<Told>,
    now: u64,
    port: u16,
}

impl Wire {
    fn new() -> Self {
        let config = Config::default();
        let told = Told { text: String::new(), watch: Watch::new(&config), alerts: Vec::new() };
        let pipeline = Pipeline::new(&config.sense.pipeline, &Key::from_bytes([7; 32]), told).unwrap();
        Self { pipeline, now: 1_790_000_000_000_000, port: 1_024 }
    }

    fn exchange(&mut self, client: &str, request: &str, status: u16) {
        self.port += 1;
        self.now += 100_000;
        let client = Endpoint::new(client.parse().unwrap(), self.port);
        let server: IpAddr =
            if client.address().is_ipv4() { "192.0.2.80" } else { "2001:db8::80" }.parse().unwrap();
        let server = Endpoint::new(server, 80);
        let body = format!("{{\"token\":\"{WORD}\",\"error\":\"{WORD}\"}}");
        let answer = format!(
            "HTTP/1.1 {status} {WORD}\r\nSet-Cookie: sid={WORD}\r\nLocation: /x?t={WORD}\r\n{WORD}: {WORD}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (asked, said) =
            (100 + u32::try_from(request.len()).unwrap(), 500 + u32::try_from(answer.len()).unwrap());
        let (syn, ack, fin) = (Flags::SYN, Flags::ACK, Flags(Flags::FIN.0 | Flags::ACK.0));
        for (up, flags, sequence, acknowledgement, payload) in [
            (true, syn, 99, 0, ""),
            (false, Flags(syn.0 | ack.0), 499, 100, ""),
            (true, ack, 100, 500, ""),
            (true, ack, 100, 500, request),
            (false, ack, 500, asked, answer.as_str()),
            (true, fin, asked, said, ""),
            (false, fin, said, asked + 1, ""),
            (true, ack, asked + 1, said + 1, ""),
        ] {
            self.now += 100;
            let segment = Segment {
                time: Timestamp::from_unix_micros(self.now),
                source: if up { client } else { server },
                destination: if up { server } else { client },
                interface: 0,
                direction: None,
                sequence,
                acknowledgement,
                flags,
                urgent: 0,
                length: u32::try_from(payload.len()).unwrap(),
                payload: payload.as_bytes(),
                ..Segment::default()
            };
            let _instruction = self.pipeline.segment(&segment);
        }
    }

    /// All output, with alerts, templates and totals in every form.
    fn told(mut self) -> (String, Vec<Alert>) {
        let now = Timestamp::from_unix_micros(self.now + 1_000_000);
        self.pipeline.finish(now);
        let routes = self.pipeline.routes().export();
        let table = self.pipeline.by_route(now);
        let snapshot = self.pipeline.snapshot();
        let told = self.pipeline.observer_mut();
        let late = told.watch.advance(now);
        told.alerts.extend(late);
        let mut text = std::mem::take(&mut told.text);
        writeln!(text, "{}\n{table:?}\n{snapshot:?}", to_json(&routes).unwrap()).unwrap();
        for alert in &told.alerts {
            writeln!(text, "{}\n{}\n{alert:?}", to_json(alert).unwrap(), alerts::line(alert)).unwrap();
        }
        (text, std::mem::take(&mut told.alerts))
    }
}

fn assert_silent(text: &str) {
    for trace in TRACES {
        let found = text.lines().find(|line| line.to_lowercase().contains(&trace.to_lowercase()));
        assert_eq!(found, None, "{trace} got out");
    }
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(steers), "{:?}", text.lines().find(|line| line.contains(steers)));
}

#[test]
fn no_word_gets_out_from_where_secrets_stand() {
    for (place, status) in PLACES.iter().copied() {
        let mut wire = Wire::new();
        for client in ["198.51.100.7", "2001:db8::7"] {
            wire.exchange(client, &place.replace("{}", WORD), status);
        }
        let (text, _) = wire.told();
        assert!(
            text.contains("192.0.2.80") && text.contains("2001:db8::80"),
            "{place:?}: nothing was told: {text}"
        );
        let found = text.lines().find(|line| line.contains(WORD));
        assert_eq!(found, None, "{place:?}");
        assert_silent(&text);
    }
}

#[test]
fn nothing_that_looks_like_a_secret_gets_out() {
    for shaped in SHAPED {
        let mut wire = Wire::new();
        for (place, status) in SHAPED_PLACES.iter().copied() {
            for client in ["198.51.100.7", "2001:db8::7"] {
                wire.exchange(client, &place.replace("{}", shaped), status);
            }
        }
        assert_silent(&wire.told().0);
    }
}

fn detectors(alerts: &[Alert]) -> BTreeSet<&'static str> {
    alerts.iter().map(|alert| alert.detector.slug()).collect()
}

/// Attacks with a canary in each request: their evidence contains none.
#[test]
fn alerts_tell_no_secret() {
    let mut wire = Wire::new();
    for number in 0..200_u32 {
        for client in ["198.51.100.7", "2001:db8::7"] {
            let tool = format!("User-Agent: sqlmap/1 k={WORD}");
            let probe =
                format!("GET /wp-{number}.php;{WORD}?{WORD} HTTP/1.1\r\nHost: {WORD}@a\r\n{tool}\r\n\r\n");
            wire.exchange(client, &probe, 404);
            let probe = format!("GET /.env{number}/MELLON{number:03}FRIEND HTTP/1.1\r\nHost: a\r\n\r\n");
            wire.exchange(client, &probe, 404);
            let (user, password) = (format!("{WORD}{number}@mellon.example"), format!("{WORD}{number}"));
            wire.exchange(client, &login(&user, &password), 401);
            wire.exchange(client, &login(WORD, &password), 401);
        }
    }
    let (text, alerts) = wire.told();
    let found = detectors(&alerts);
    assert!(found.contains("scanner") && found.contains("credential-stuffing"), "{found:?}");
    assert_silent(&text);
}

/// Detectors see what records hide: objects whose names are tokens are counted.
#[test]
fn enumeration_of_what_is_hidden_is_told() {
    let mut wire = Wire::new();
    for number in 0..100_u32 {
        let ask = |number: u32| format!("GET /orders/MELLON{number:03}FRIEND HTTP/1.1\r\nHost: a\r\n\r\n");
        for other in 0..4 {
            wire.exchange(&format!("203.0.{number}.{other}"), &ask(other), 200);
        }
        wire.exchange("198.51.100.7", &ask(number), 403);
    }
    let (text, alerts) = wire.told();
    assert!(detectors(&alerts).contains("enumeration"), "{:?}", detectors(&alerts));
    assert!(text.contains("/orders/{token:"));
    assert_silent(&text);
}

fn login(user: &str, password: &str) -> String {
    let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
