//! From segments on the wire to the record.

use std::net::{IpAddr, Ipv4Addr};

use super::{Config, Observer, Pipeline};
use crate::capture::{Endpoint, Flags, Segment};
use crate::clock::Timestamp;
use crate::event::{Exchange, LoginOutcome};
use crate::identity::Key;

/// Keeps records as JSON.
#[derive(Default)]
pub(super) struct Records(pub(super) Vec<String>);

impl Observer for Records {
    fn websocket(&mut self, record: &Exchange<'_>) {
        self.exchange(record);
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.0.push(serde_json::to_string(exchange).unwrap());
    }
}

/// A connection in which each side has said so many bytes.
pub(super) struct Wire {
    pub(super) pipeline: Pipeline<Records>,
    client: u32,
    server: u32,
    pub(super) now: u64,
}

impl Wire {
    pub(super) fn new() -> Self {
        let pipeline =
            Pipeline::new(&Config::default(), &Key::from_bytes([7; 32]), Records::default()).unwrap();
        Self { pipeline, client: 100, server: 500, now: 1_000_000 }
    }

    pub(super) fn send(&mut self, from_client: bool, flags: Flags, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);
        let server = Endpoint::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), 80);
        let length = u32::try_from(payload.len()).unwrap();
        self.now += 1_000;
        let segment = Segment {
            time: Timestamp::from_unix_micros(self.now),
            source: if from_client { client } else { server },
            destination: if from_client { server } else { client },
            interface: 0,
            direction: None,
            sequence: if from_client { self.client } else { self.server },
            acknowledgement: if from_client { self.server } else { self.client },
            flags,
            urgent: 0,
            length,
            payload,
            ..Segment::default()
        };
        let _instruction = self.pipeline.segment(&segment);
        let sent = length + u32::from(flags.has(Flags::SYN));
        *(if from_client { &mut self.client } else { &mut self.server }) += sent;
    }

    /// Bytes of a side that nobody saw.
    pub(super) const fn lose(&mut self, from_client: bool, length: u32) {
        let next = if from_client { &mut self.client } else { &mut self.server };
        *next += length;
    }

    /// A request with these headers, and its answer.
    fn get(&mut self, headers: &str, query: &str) {
        self.exchange(
            &format!("GET /search?{query} HTTP/1.1\r\n{headers}\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        );
    }

    pub(super) fn open(&mut self) {
        self.send(true, Flags::SYN, "");
        self.send(false, Flags(Flags::SYN.0 | Flags::ACK.0), "");
        self.send(true, Flags::ACK, "");
    }

    pub(super) fn exchange(&mut self, request: &str, response: &str) {
        self.send(true, Flags::ACK, request);
        self.send(false, Flags::ACK, response);
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn logins_come_from_the_wire_to_the_record() {
    let mut wire = Wire::new();
    wire.open();
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let done = "HTTP/1.1 302 Found\r\nLocation: /home\r\nContent-Length: 0\r\n\r\n";
    wire.exchange(&post("username=Alice&password=hunter2pw"), refused);
    wire.exchange(&post("username=alice&password=Tr0ub4dor"), done);
    wire.exchange("GET /home HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    let records = wire.pipeline.observer().0.join("\n");
    let logins: Vec<serde_json::Value> =
        wire.pipeline.observer().0.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    assert_eq!(logins[0]["login"]["outcome"], "failure", "{records}");
    assert_eq!(logins[1]["login"]["outcome"], "success", "{records}");
    assert_eq!(logins[0]["login"]["user"], logins[1]["login"]["user"]);
    assert!(logins[0]["login"]["user"].as_str().is_some_and(|user| user.starts_with("user:")));
    assert!(logins[2].get("login").is_none(), "{records}");
    for secret in ["Alice", "alice", "hunter2pw", "Tr0ub4dor"] {
        assert!(!records.contains(secret), "{secret} in {records}");
    }
    assert_eq!(logins[0]["findings"][0]["rule"], "password-over-http", "{records}");
    assert_eq!(LoginOutcome::ALL.map(|outcome| wire.pipeline.totals().logins(outcome)), [1, 1, 0]);
}

/// A body in many segments, after a head that came alone, and one after a large upload that is not read.
#[test]
fn bodies_come_in_pieces() {
    let mut wire = Wire::new();
    wire.open();
    let upload = "x".repeat(30_000);
    wire.send(true, Flags::ACK, "POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
    wire.send(true, Flags::ACK, &upload);
    wire.send(false, Flags::ACK, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    for piece in post("username=alice&password=hunter2pw").as_bytes().chunks(7) {
        wire.send(true, Flags::ACK, std::str::from_utf8(piece).unwrap());
    }
    wire.send(false, Flags::ACK, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    assert_eq!(LoginOutcome::ALL.map(|outcome| wire.pipeline.totals().logins(outcome)), [0, 1, 0]);
}

/// What a request says of others: that another site's page made a browser send it, who its subject is, and how many
/// attempts it is.
#[test]
fn claims_come_from_the_wire_to_the_record() {
    let mut wire = Wire::new();
    wire.open();
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let get = |more: &str| {
        format!("GET /x HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 X\r\n{more}\r\n")
    };
    // {"sub":"alice"} between a head and a signature.
    let token = |signature: &str| {
        get(&format!("Authorization: Bearer eyJhIjoxfQ.eyJzdWIiOiJhbGljZSJ9.{signature}\r\n"))
            .replace("/x ", "/mine ")
    };
    let pair = r#"{"username":"a","password":"b"},{"username":"c","password":"d"}"#;
    let batch = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n[{pair}]",
        pair.len() + 2
    );
    let told = get("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n");
    let tool = told.replace("Mozilla/5.0 X", "curl/8");
    let put = told.replace("GET", "PUT");
    for (request, response) in [
        (told, ok),
        (tool, ok),
        (put, ok),
        (get("Referer: http://evil.example/\r\n"), ok),
        (get("Referer: http://shop.example/\r\n"), ok),
        // Until somebody is refused there, a success is no proof.
        (token("good-signature"), ok),
        (get("").replace("/x ", "/mine "), refused),
        (token("good-signature"), ok),
        (token("forged"), refused),
        (batch, refused),
    ] {
        wire.exchange(&request, response);
    }
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    let records: Vec<serde_json::Value> =
        wire.pipeline.observer().0.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    let cross_site: Vec<_> = records.iter().map(|record| record.get("cross_site").is_some()).collect();
    assert_eq!(cross_site, [true, false, false, true, false, false, false, false, false, false]);
    let kind = |record: &serde_json::Value| {
        record["principal"].as_str().map(|text| text.split(':').next().unwrap().to_owned())
    };
    let kinds: Vec<_> = records[5..9].iter().map(kind).collect();
    let [bearer, jwt] = ["bearer", "jwt"].map(|kind| Some(kind.to_owned()));
    assert_eq!(kinds, [bearer.clone(), None, jwt, bearer]);
    let attempts: Vec<_> =
        records.iter().map(|record| record.get("attempts").and_then(|n| n.as_u64())).collect();
    assert_eq!(attempts[7..], [None, None, Some(2)]);
    assert_eq!(wire.pipeline.totals().logins(LoginOutcome::Failure), 2);
}

#[test]
fn an_attack_is_on_the_record_with_its_effect_and_without_its_value() {
    let mut wire = Wire::new();
    wire.open();
    let (body, answer) =
        ("name=x&q=1%27+union+select+pass77word+from+users--", "syntax error at or near \"union\"");
    wire.exchange(
        &format!(
            "POST /search HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        &format!("HTTP/1.1 500 Error\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()),
    );
    wire.exchange(
        "GET /search?q=chairs HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    let records = &wire.pipeline.observer().0;
    let record: serde_json::Value = serde_json::from_str(&records[0]).unwrap();
    let finding = &record["findings"][0];
    let of = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (of("kind"), of("class"), of("place"), of("name"), of("rule")),
        ("injection".into(), "sqli".into(), "form".into(), "q".into(), "sql-union".into()),
        "{record}"
    );
    assert_eq!(record["effects"], serde_json::json!(["server-error", "database-error"]));
    assert!(!records[0].contains("pass77word"), "{record}");
    assert!(!records[1].contains("findings") && !records[1].contains("effects"), "{}", records[1]);
    assert!(wire.pipeline.snapshot().inspected.findings.iter().sum::<u64>() > 0);
}

/// What is remembered of headers changes no finding: many requests on one connection tell what each tells alone.
#[test]
fn findings_do_not_depend_on_what_was_seen_before() {
    let blocks = [
        "Host: h\r\nUser-Agent: curl/8",
        "Host: h\r\nUser-Agent: () { :;}; /bin/id",
        "Host: h\r\nCookie: a=1; b=%27%20or%201%3D1--",
        "Host: h\r\nCookie: a=1; b=2",
        "Host: h\r\nReferer: http://x/?q=<script>alert(1)</script>",
        "Host: h\r\nReferer: http://x/?access_token=8f14e45fceea167a5a36",
        "Host: h\r\nAuthorization: Basic YTpi",
        "Host: h\r\nX-Data: eyJhIjoiJyBvciAxPTEtLSJ9",
    ];
    let alone = |headers: &str, query: &str| {
        let mut wire = Wire::new();
        wire.open();
        wire.get(headers, query);
        findings(&wire.pipeline.observer().0[0])
    };
    let mut wire = Wire::new();
    wire.open();
    let mut expected = Vec::new();
    for _ in 0..3 {
        for headers in blocks {
            for query in ["q=1", "q=1%27%20union%20select%201,2--"] {
                wire.get(headers, query);
                expected.push(alone(headers, query));
            }
        }
    }
    let told: Vec<_> = wire.pipeline.observer().0.iter().map(|record| findings(record)).collect();
    assert_eq!(told, expected);
    assert!(expected.iter().filter(|findings| findings.is_null()).count() < expected.len() / 2);
}

fn findings(record: &str) -> serde_json::Value {
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    record["findings"].clone()
}
