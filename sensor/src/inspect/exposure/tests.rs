//! Requests and answers as they are on the wire, and what is found in them.

use std::fmt::Write as _;

use base64::Engine as _;

use super::*;
use crate::capture::Endpoint;
use crate::http::{self, Connection, Http, Sink};
use crate::stream::{CloseCause, Opening, Protocol as _, Side as Way};

/// What was found: of each exchange its findings as `class rule name`, and what else there was.
struct Journal {
    exposure: Exposure,
    known: Known<'static>,
    found: Vec<String>,
    document: Option<Document>,
    token: Option<Token>,
    records: [u16; 5],
    fields: Vec<String>,
}

impl Sink for Journal {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        let body = exchange.request.map(|request| request.message().body()).unwrap_or_default();
        let target = exchange.request.map(|request| request.path_and_query()).unwrap_or_default();
        let (found, mut room) = (&mut self.found, Vec::new());
        let exposed = self.exposure.exchange(
            exchange,
            (target, body, &mut false),
            &self.known,
            &mut room,
            &mut |finding| {
                found.push(
                    format!("{} {} {}", finding.class, finding.rule, finding.name.text()).trim().to_owned(),
                );
            },
        );
        self.document = exposed.document;
        self.token = exposed.token;
        if let Some(answer) = exposed.answer {
            self.records = answer.records;
            self.fields = answer.fields.iter().map(|field| field.name.text().to_owned()).collect();
        }
    }
}

fn limits() -> Limits {
    Limits {
        responses: true,
        response_bytes_per_second: 1 << 20,
        public_keys: vec!["sk_live_shown".to_owned()],
        weak_secrets: vec!["changeme".to_owned()],
    }
}

fn journal(known: Known<'static>, request: &str, response: &str) -> Journal {
    let exposure = Exposure::new(limits());
    let (document, token, fields) = (None, None, Vec::new());
    let journal = Journal { exposure, known, found: Vec::new(), document, token, records: [0; 5], fields };
    let mut http = Http::new(http::Config::default(), journal);
    let address = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let time = |second: u64| Timestamp::from_unix_micros((1_790_000_000 + second) * 1_000_000);
    let opening = Opening {
        client: Endpoint::new(address, 1),
        server: Endpoint::new(address, 2),
        time: time(0),
        interface: 0,
        midstream: false,
    };
    let mut state = http.open(&opening);
    for (side, bytes, at) in [(Way::Client, request, 1), (Way::Server, response, 2)] {
        let _advice = http.data(&mut state, side, bytes.as_bytes(), time(at));
        http.end(&mut state, side, time(at));
    }
    http.close(state, CloseCause::Fin, time(3));
    http.into_sink()
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

fn post(body: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(kind: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn found(request: &str, response: &str) -> Vec<String> {
    journal(Known::default(), request, response).found
}

fn jwt(header: &str, claims: &str) -> String {
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

const KEY: &str = "8f14e45fceea167a5a36dedd4bea2543";

#[test]
fn requests() {
    let none = answer("text/plain", "x");
    let forged = jwt(r#"{"alg":"none"}"#, "{}");
    let good = jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iat":1790000000,"exp":1790003600}"#);
    for (target, headers, expected) in [
        ("/a", format!("Authorization: Bearer {forged}\r\n"), vec!["forged unsigned"]),
        ("/a", format!("Cookie: a=b; session={forged}; c=d\r\n"), vec!["forged unsigned"]),
        ("/a", format!("Authorization: Bearer {good}\r\n"), vec![]),
        (
            "/a?api_key=8f14e45fceea167a5a36dedd4bea2543",
            String::new(),
            vec!["in-url credential-parameter api_key"],
        ),
        ("/a?x=AKIAQYLPMN5HFIQR7XYA", String::new(), vec!["in-url aws-access-key x"]),
        ("/a?key=sk_live_shown4eC39HqLyjWDarjtT1", String::new(), vec![]),
        ("/reset?token=8f14e45fceea167a5a36dedd4bea2543", String::new(), vec![]),
        (
            "/a",
            format!("Referer: https://b/c?access_token={KEY}#x\r\n"),
            vec!["in-referer credential-parameter access_token"],
        ),
        ("/a", "Authorization: Basic YTpi\r\n".to_owned(), vec![]),
    ] {
        assert_eq!(found(&get(target, &headers), &none), expected, "{target} {headers}");
    }
    let basic = get("/a", "Authorization: Basic YTpi\r\n");
    let clear = Known { is_clear: true, has_password: true, ..Known::default() };
    assert_eq!(
        journal(clear, &basic, &none).found,
        ["cleartext basic-over-http authorization", "cleartext password-over-http"]
    );
    let secured = get("/a", "Authorization: Basic YTpi\r\nX-Forwarded-Proto: https\r\n");
    assert!(journal(clear, &secured, &none).found.is_empty(), "a balancer ended TLS");
}

#[test]
fn tokens_that_are_accepted() {
    let none = answer("text/plain", "x");
    let accepted = Known { is_accepted: true, ..Known::default() };
    let bearer = |token: &str| get("/a", &format!("Authorization: Bearer {token}\r\n"));
    let expired = bearer(&jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iat":1789990000,"exp":1789999000}"#));
    assert_eq!(journal(accepted, &expired, &none).found, ["accepted expired-accepted"]);
    assert!(
        journal(Known::default(), &expired, &none).found.is_empty(),
        "sent, and refused or not looked at"
    );
    let endless = bearer(&jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iat":1780000000}"#));
    assert_eq!(journal(accepted, &endless, &none).found, ["lifetime endless"]);
    let signed = {
        let token = jwt(r#"{"alg":"HS256"}"#, r#"{"iss":"a"}"#);
        let (signed, _) = token.rsplit_once('.').unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"changeme");
        let signature = ring::hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature))
    };
    assert_eq!(journal(accepted, &bearer(&signed), &none).found, ["weak weak-secret"]);
    let secret = bearer(&jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"a","aws":"AKIAQYLPMN5HFIQR7XYA"}"#));
    assert_eq!(found(&secret, &none), ["secret secret-inside"]);
    assert_eq!(
        journal(accepted, &bearer(&signed), &none).token.map(|token| token.signing),
        Some(Signing::Shared)
    );
}

#[test]
fn answers() {
    let ask = get("/a", "");
    for (kind, body, expected) in [
        ("application/json", r#"{"a":"AKIAQYLPMN5HFIQR7XYA"}"#, vec!["cloud-key aws-access-key a"]),
        (
            "application/json",
            r#"{"client_secret":"8f14e45fceea167a5a36dedd4bea2543"}"#,
            vec!["named secret-name client_secret"],
        ),
        (
            "application/json",
            r#"{"password":"5f4dcc3b5aa765d61d8327deb882cf99"}"#,
            vec!["password-hash password-hash"],
        ),
        ("application/json", r#"{"card":"4556 7375 8689 9855"}"#, vec!["card card"]),
        ("text/plain", "APP_KEY=base64:abcdef\nDB_PASSWORD=hunter22\n", vec!["file env"]),
        ("application/octet-stream", "ref: refs/heads/main\n", vec!["file git-head"]),
        ("text/html", "<title>Index of /</title>", vec!["directory-listing apache"]),
        ("text/html", "<pre>SQLSTATE[42000]: x", vec!["database-error pdo"]),
        ("image/png", "AKIAQYLPMN5HFIQR7XYA", vec![]),
        (
            "application/json",
            r#"{"access_token":"8f14e45fceea167a5a36dedd4bea2543","etag":"5f4dcc3b5aa765d61d8327deb882cf99"}"#,
            vec![],
        ),
        ("application/json", r#"{"key":"AIzaSyA1234567890abcdefghijklmnopqrstuv"}"#, vec![]),
    ] {
        assert_eq!(found(&ask, &answer(kind, body)), expected, "{body}");
    }
    let many = journal(
        Known::default(),
        &ask,
        &answer(
            "application/json",
            r#"[{"iban":"DE89370400440532013000","mail":"a@b.org"},{"iban":"GB82WEST12345698765432","mail":"a@b.org"}]"#,
        ),
    );
    assert_eq!(many.records, [0, 2, 0, 0, 1], "different ones");
    assert_eq!(many.fields, ["iban", "mail"]);
}

#[test]
fn documents() {
    let none = answer("application/json", "{}");
    let document = |body: &str| journal(Known::default(), &post(body), &none).document;
    let one = document(r#"{"query":"query($n:Int){a(first:$n){b{c}}}","variables":{"n":100}}"#).unwrap();
    assert_eq!((one.batch, one.depth, one.cost), (1, 3, 201));
    let two = document(r#"[{"query":"{a}"},{"query":"{\n b }"}]"#).unwrap();
    assert_eq!((two.batch, two.fields), (2, 2));
    for other in [r#"{"query":{"match_all":{}}}"#, r#"{"query":"shoes {red}"}"#, r#"{"q":"{a}"}"#, "[1]", "{"]
    {
        assert_eq!(document(other), None, "{other}");
    }
    let by_address = journal(Known::default(), &get("/graphql?query=%7Ba%7Bb%7D%7D", ""), &none).document;
    assert_eq!(by_address.map(|document| document.depth), Some(2));
    let hint = answer(
        "application/json",
        r#"{"errors":[{"message":"Cannot query field \"a\". Did you mean \"b\"?"}]}"#,
    );
    assert_eq!(found(&post(r#"{"query":"{a}"}"#), &hint), ["schema suggestions"]);
    let cycle = post(r#"{"query":"{...A}fragment A on B{...A}"}"#);
    assert_eq!(found(&cycle, &none), ["document cycle"]);
    let mut batch = String::from("[");
    (0..500).for_each(|_| write!(batch, "{{\"query\":\"{{a}}\"}},").unwrap());
    let batch = batch.trim_end_matches(',').to_owned() + "]";
    assert_eq!(document(&batch).map(|document| document.batch), Some(500));
}
