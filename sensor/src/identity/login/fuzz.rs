//! Login recognition under any request and response.

use std::net::{IpAddr, Ipv4Addr};

use super::{Login, LoginConfig};
use crate::capture::Endpoint;
use crate::clock::Timestamp;
use crate::http::{self, Connection, Exchange, Http, Sink};
use crate::identity::{Config, Identifier, Key, Kind};
use crate::stream::{CloseCause, Opening, Protocol, Side};

/// Recognises each exchange twice.
struct Checker {
    identifier: Identifier,
}

impl Sink for Checker {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        let mut room = Vec::new();
        let body = exchange.decode_request(&mut room);
        let login = self.identifier.login(exchange, body, None);
        assert_eq!(login, self.identifier.login(exchange, body, None), "the same again");
        let request = exchange.request;
        assert!(login.is_none() || request.is_some(), "an attempt is a request");
        if let Some(request) = request {
            let is_bare = request.method() == http::Method::Get
                && request.query().is_none()
                && request.header("authorization").is_none();
            assert!(login.is_none() || !is_bare, "to look is no attempt");
        }
        check(login);
    }
}

fn check(login: Option<Login>) {
    let Some(login) = login else { return };
    assert!(login.user.is_none_or(|user| user.kind() == Kind::User));
    assert!(login.password.is_none_or(|password| password.kind() == Kind::Password));
    assert!(format!("{login:?}").len() < 256, "nothing of unbounded length is shown");
}

/// Takes the first byte as choices, then what the client sends and, after the first byte 0xFF, what the server
/// sends, and asserts that an attempt is the same when it is recognised again, and shows hashes of its kinds only.
///
/// # Panics
/// If that does not hold.
pub fn login(data: &[u8]) {
    let Some((choices, text)) = data.split_first() else { return };
    let rule = || {
        Some(super::LoginRule {
            route: "/a/**".parse().ok()?,
            user_field: (choices & 2 != 0).then(|| "u".to_owned()),
            password_field: (choices & 4 != 0).then(|| "p".to_owned()),
            success: super::Conditions { text: vec!["ok".to_owned()], ..Default::default() },
            failure: super::Conditions { redirect: vec!["x".to_owned()], ..Default::default() },
        })
    };
    let rules = if choices & 1 != 0 { rule().into_iter().collect() } else { Vec::new() };
    let config = Config {
        login: LoginConfig { rules, ..LoginConfig::default() },
        max_token: 256,
        ..Config::default()
    };
    let Ok(identifier) = Identifier::new(&config, &Key::from_bytes([1; 32])) else { return };
    let bounds = http::Config { inflate_bytes: 4 << 10, body_bytes: 2 << 10, ..http::Config::default() };
    let mut http = Http::new(bounds, Checker { identifier });
    let mut sides = text.splitn(2, |byte| *byte == 0xff);
    let (request, response) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
    run(&mut http, request, response);
}

/// A connection on which both sides send this and close.
pub(super) fn run<S: Sink>(http: &mut Http<S>, request: &[u8], response: &[u8]) {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let opening = Opening {
        client: Endpoint::new(address, 1),
        server: Endpoint::new(address, 2),
        time: Timestamp::from_unix_micros(0),
        interface: 0,
        midstream: false,
    };
    let mut state = http.open(&opening);
    for (side, bytes, time) in [(Side::Client, request, 1), (Side::Server, response, 2)] {
        let time = Timestamp::from_unix_micros(time);
        if !bytes.is_empty() {
            let _advice = http.data(&mut state, side, bytes, time);
        }
        http.end(&mut state, side, time);
    }
    http.close(state, CloseCause::Fin, Timestamp::from_unix_micros(3));
}
