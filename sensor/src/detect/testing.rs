//! Events for the tests of detectors: an exchange in which everything is ordinary, to be changed field by field.
//!
//! ```text
//! let exchange = Exchange { client: address(7), status: Some(401), ..exchange(seconds(3)) };
//! detectors.observe(&Event::Exchange(&exchange));
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Timestamp;
use crate::event::{
    Effects, Event, Exchange, Exposed, Finding, Findings, Further, Login, LoginOutcome, Object, QueryKeys,
    Source,
};
use crate::identity::{FLEET_KEYS, FleetHashes, Hasher, Key, KeyedHash};
use crate::inspect::{self, Confidence, FieldName, Side};
pub(crate) use crate::random::Random;
use crate::values::Place;

use super::window::hash_of;
use super::{Config, Detectors, Offender, Response, Severity, Signal, Subject, Threat};

/// Milliseconds after a moment in 2026.
pub(crate) fn millis(millis: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_790_000_000_000_000 + millis * 1_000)
}

/// The address with a number, in a network of its own for each 200.
pub(crate) fn address(number: u64) -> IpAddr {
    ip((11 << 24) + (number / 200) * 256 + 1 + number % 200)
}

/// Addresses that are far from each other.
pub(crate) fn scattered(number: u64) -> IpAddr {
    ip((100 << 24) + number.wrapping_mul(2_654_435_761) % (1 << 24))
}

fn ip(bits: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap()))
}

/// A successful GET of `/things/{id}` that took a millisecond.
pub(crate) fn exchange(ts: Timestamp) -> Exchange<'static> {
    Exchange {
        ts,
        client: address(0),
        client_port: 40_000,
        server: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        server_port: 80,
        unit: None,
        peer: None,
        named_by_peer: false,
        seen_twice: false,
        websocket: None,
        http_version: "1.1",
        method: Some("GET"),
        host: Some("example.org".into()),
        path: Some("/things/1".into()),
        object: Object::default(),
        route: Some("/things/{id}"),
        query_keys: QueryKeys::default(),
        status: Some(200),
        grpc: None,
        request_bytes: Some(0),
        response_bytes: Some(100),
        duration_us: Some(1_000),
        user_agent: Some("test".into()),
        content_type: None,
        principal: None,
        fleet_principal: [0; FLEET_KEYS],
        login: None,
        further: Further::default(),
        cross_site: false,
        source: Source::Wire,
        tls: None,
        gaps: false,
        proven: true,
        anomalies: Findings::default(),
        findings: &[],
        effects: Effects::default(),
        exposed: Exposed::default(),
        seen: Timestamp::from_unix_nanos(ts.unix_nanos() + 1_000_000),
    }
}

/// A finding of which a detector needs to know no more.
pub(crate) fn finding(kind: inspect::Kind, side: Side, class: &'static str, rule: &'static str) -> Finding {
    let (name, confidence) = (FieldName::of(b""), Confidence::percent(90));
    Finding { kind, class, side, place: Place::Body, name, rule, confidence, field: 1 }
}

/// Makes names and passwords into what events have.
pub(crate) struct Names(Hasher);

impl Names {
    pub(crate) fn new() -> Self {
        Self(Hasher::new(&Key::from_bytes([7; 32])))
    }

    pub(crate) fn user(&self, number: u64) -> KeyedHash {
        self.0.user(format!("user{number}").as_bytes())
    }

    pub(crate) fn password(&self, number: u64) -> KeyedHash {
        self.0.password(format!("secret{number}").as_bytes())
    }
}

/// As if hashed with the one key of a fleet.
fn fleet_hashes(user: u64, password: u64) -> FleetHashes {
    let hash = |what: u64, number: u64| [hash_of((what, number)), 0];
    FleetHashes { account: hash(1, user), password: hash(2, password) }
}

/// An attempt to log in at `POST /login`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: u64,
    pub(crate) client: IpAddr,
    pub(crate) user: u64,
    pub(crate) password: u64,
    pub(crate) succeeds: bool,
    pub(crate) program: u64,
}

impl Attempt {
    pub(crate) fn exchange(&self, names: &Names) -> Exchange<'static> {
        let outcome = if self.succeeds { LoginOutcome::Success } else { LoginOutcome::Failure };
        Exchange {
            client: self.client,
            method: Some("POST"),
            path: Some("/login".into()),
            route: Some("/login"),
            status: Some(if self.succeeds { 200 } else { 401 }),
            login: Some(Login {
                leaked: None,
                fleet: fleet_hashes(self.user, self.password),
                session: None,
                unread: false,
                user: Some(names.user(self.user)),
                password: Some(names.password(self.password)),
                outcome,
                fingerprint: self.program,
            }),
            ..exchange(millis(self.at))
        }
    }
}

/// Runs the detectors of credentials on attempts, which it puts in order, with a look at the clock each second in which something
/// happens; what they say, with the milliseconds at which they say it.
pub(crate) fn run(config: &Config, attempts: &mut [Attempt]) -> Vec<(u64, Signal)> {
    attempts.sort_by_key(|attempt| attempt.at);
    let names = Names::new();
    let mut detectors = Detectors::new(&only_credentials(config));
    let (mut said, mut second) = (Vec::new(), 0);
    for attempt in attempts {
        if attempt.at / 1_000 > second {
            second = attempt.at / 1_000;
            said.extend(detectors.advance(millis(second * 1_000)).map(|signal| (second * 1_000, signal)));
        }
        let exchange = attempt.exchange(&names);
        said.extend(detectors.observe(&Event::Exchange(&exchange)).map(|signal| (attempt.at, signal)));
    }
    said.extend(
        detectors.advance(millis(second * 1_000 + 2_000)).map(|signal| (second * 1_000 + 2_000, signal)),
    );
    let mut news = News::default();
    said.retain_mut(|(_, signal)| news.is_news(signal));
    said
}

/// The same configuration with no detectors but those of credentials.
pub(crate) fn only_credentials(config: &Config) -> Config {
    let mut config = config.clone();
    let others = [Threat::RateSpike, Threat::ErrorSpike, Threat::LatencySpike, Threat::RequestRate];
    let others = others.into_iter().chain([
        Threat::Enumeration,
        Threat::Scanner,
        Threat::SlowAttack,
        Threat::StreamEvasion,
        Threat::Http2Abuse,
        Threat::Injection,
        Threat::TokenMisuse,
        Threat::KeyExposure,
        Threat::DataExposure,
        Threat::Graphql,
        Threat::Schema,
        Threat::Bola,
        Threat::Bfla,
        Threat::Unauthenticated,
        Threat::MassAssignment,
        Threat::BusinessFlow,
    ]);
    config.responses.extend(others.map(|threat| (threat, Response::Off)));
    config
}

/// Leaves out signals that only tell how much an attack has grown, and offenders that were told before.
#[derive(Default)]
pub(crate) struct News(BTreeMap<(Threat, Subject), (Severity, BTreeSet<Offender>)>);

impl News {
    pub(crate) fn is_news(&mut self, signal: &mut Signal) -> bool {
        let key = (signal.threat, signal.subject.clone());
        let is_new = !self.0.contains_key(&key);
        let (severity, told) = self.0.entry(key).or_insert((signal.severity, BTreeSet::new()));
        let is_worse = is_new || signal.severity > *severity;
        *severity = (*severity).max(signal.severity);
        let known = told.clone();
        told.extend(signal.offenders.iter().copied());
        if !is_worse {
            signal.offenders.retain(|offender| !known.contains(offender));
        }
        is_worse || !signal.offenders.is_empty()
    }

    /// Of a list.
    pub(crate) fn of(signals: &[Signal]) -> Vec<Signal> {
        let (mut news, mut signals) = (Self::default(), signals.to_vec());
        signals.retain_mut(|signal| news.is_news(signal));
        signals
    }
}

/// Clients that signals would have blocked, by their first addresses.
pub(crate) fn offenders(said: &[(u64, Signal)]) -> BTreeSet<IpAddr> {
    said.iter().flat_map(|(_, signal)| &signal.offenders).map(|offender| offender.client.address()).collect()
}

/// Signals of a threat.
pub(crate) fn of(said: &[(u64, Signal)], threat: Threat) -> Vec<&(u64, Signal)> {
    said.iter().filter(|(_, signal)| signal.threat == threat).collect()
}

/// Signals that wake somebody up.
pub(crate) fn alarms(said: &[(u64, Signal)]) -> Vec<&(u64, Signal)> {
    said.iter().filter(|(_, signal)| signal.severity >= Severity::High).collect()
}
