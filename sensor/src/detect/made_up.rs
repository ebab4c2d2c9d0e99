//! Exchanges for the tests of detectors.

use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Timestamp;
use crate::event::{Event, Exchange, Findings, QueryKeys, Source};
use crate::identity::{Hasher, Key, KeyedHash, Kind};

use super::{Detector, Signal};

/// A browser.
pub(super) const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36";

/// A moment.
pub(super) fn at_ms(milliseconds: u64) -> Timestamp {
    Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + milliseconds * 1_000_000)
}

/// A client.
pub(super) fn client(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

/// What a key stands for.
pub(super) fn api_key(number: u32) -> KeyedHash {
    Hasher::new(&Key::from_bytes([1; 32])).hash(Kind::ApiKey, &number.to_be_bytes())
}

/// A usual exchange of a client.
pub(super) fn exchange<'a>(ms: u64, from: u32, path: &'a str, route: &'a str, status: u16) -> Exchange<'a> {
    Exchange {
        ts: at_ms(ms),
        client: client(from),
        client_port: 40_000,
        server: client(1),
        server_port: 80,
        peer: None,
        http_version: "1.1",
        method: Some("GET".into()),
        host: Some("api.example".into()),
        path: Some(path.into()),
        route: Some(route),
        query_keys: QueryKeys::default(),
        status: Some(status),
        request_bytes: Some(0),
        response_bytes: Some(100),
        duration_us: Some(1_000),
        user_agent: Some(BROWSER.into()),
        content_type: None,
        principal: None,
        login: None,
        source: Source::Wire,
        gaps: false,
        anomalies: Findings::default(),
        seen: at_ms(ms + 1),
    }
}

/// What a detector says to an exchange.
pub(super) fn observe(detector: &mut impl Detector, exchange: &Exchange<'_>) -> Vec<Signal> {
    let mut signals = Vec::new();
    detector.observe(&Event::Exchange(exchange), &mut signals);
    signals
}
