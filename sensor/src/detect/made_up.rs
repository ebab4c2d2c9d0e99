//! Exchanges for the tests of detectors.

use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Timestamp;
use crate::event::{Event, Exchange};
use crate::identity::{Hasher, Key, KeyedHash, Kind};
use crate::prefix::ClientNet;

use super::config::Sources;
use super::{Detector, Signal, testing};

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

/// It as detectors know it.
pub(super) fn net(number: u32) -> ClientNet {
    ClientNet::of(client(number))
}

/// Clients and sites as by default.
pub(super) fn sources() -> Sources {
    super::Config::default().sources()
}

/// What a key stands for.
pub(super) fn api_key(number: u32) -> KeyedHash {
    Hasher::new(&Key::from_bytes([1; 32])).hash(Kind::ApiKey, &number.to_be_bytes())
}

/// A usual exchange of a client.
pub(super) fn exchange<'a>(ms: u64, from: u32, path: &'a str, route: &'a str, status: u16) -> Exchange<'a> {
    Exchange {
        client: client(from),
        server: client(1),
        path: Some(path.into()),
        route: Some(route),
        status: Some(status),
        user_agent: Some(BROWSER.into()),
        ..testing::exchange(at_ms(ms))
    }
}

/// What a detector says to an exchange.
pub(super) fn observe(detector: &mut impl Detector, exchange: &Exchange<'_>) -> Vec<Signal> {
    let mut signals = Vec::new();
    detector.observe(&Event::Exchange(exchange), &mut signals);
    signals
}
