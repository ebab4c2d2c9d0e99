//! What a detector emits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use super::threat::{Severity, Threat};
use crate::clock::Timestamp;
use crate::event::{Exchange, LeakedPassword};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

/// What an alert is about. As text: the address or prefix itself, a keyed hash with its kind, `route /login`,
/// or `host`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One client.
    Client(ClientNet),
    /// A network.
    Network(IpNet),
    /// An account that is logged in to.
    Account(KeyedHash),
    /// The identity behind credentials.
    Principal(KeyedHash),
    /// A route template.
    Route(String),
    /// The whole host.
    Host,
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => client.fmt(out),
            Self::Network(network) => network.fmt(out),
            Self::Account(hash) | Self::Principal(hash) => hash.fmt(out),
            Self::Route(route) => write!(out, "route {route}"),
            Self::Host => out.write_str("host"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A client that action can be taken against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offender {
    /// Its network, or an IPv6 site of many clients.
    pub client: ClientNet,
    /// Whether it came through a trusted proxy, so that its packets have another source address.
    pub proxied: bool,
}

impl Offender {
    /// For a network: behind the exchange that led to the signal.
    #[must_use]
    pub const fn of(client: ClientNet, exchange: &Exchange<'_>) -> Self {
        Self { client, proxied: exchange.peer.is_some() }
    }
}

/// A value in evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// A count or a time in whole units.
    Count(u64),
    /// A ratio, a score.
    Ratio(f64),
    /// A name, such as that of a route.
    Text(String),
}

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<f64> for Number {
    fn from(ratio: f64) -> Self {
        Self::Ratio(ratio)
    }
}

impl From<&str> for Number {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A redacted exchange: what a person needs to verify the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it began.
    pub ts: Timestamp,
    /// Who asked.
    pub client: IpAddr,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// For what: the template, since a path may hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The path as records show it, where the template says nothing of it (`{other}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With what outcome.
    pub status: Option<u16>,
    /// The account, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The systemd unit or container that served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Sample {
    /// Of an exchange.
    #[must_use]
    pub fn of(exchange: &Exchange<'_>) -> Self {
        Self {
            ts: exchange.ts,
            client: exchange.client,
            method: exchange.method.map(shortened),
            route: exchange.route.map(shortened),
            path: exchange
                .route
                .filter(|route| route.ends_with("{other}"))
                .and_then(|_| exchange.path.as_ref()?.shown())
                .map(|path| shortened(&path)),
            status: exchange.status,
            user: exchange.login.and_then(|login| login.user).map(|user| user.to_string()),
            unit: exchange.unit.map(shortened),
        }
    }
}

impl Sample {
    /// Of a login whose password turned out to be leaked.
    #[must_use]
    pub fn of_leaked(login: &LeakedPassword) -> Self {
        Self {
            ts: login.ts,
            client: login.client,
            method: login.method.as_deref().map(shortened),
            route: login.route.as_deref().map(shortened),
            path: None,
            status: login.status,
            user: login.user.map(|user| user.to_string()),
            unit: login.unit.as_deref().map(shortened),
        }
    }

    /// Adds an exchange as an example, if there is room and it shows something new.
    pub(super) fn keep(samples: &mut Vec<Self>, exchange: &Exchange<'_>) {
        Self::keep_made(samples, || Self::of(exchange));
    }

    /// The same for one that is only made if there is room.
    pub(super) fn keep_made(samples: &mut Vec<Self>, make: impl FnOnce() -> Self) {
        if samples.len() < Evidence::MAX_SAMPLES {
            let sample = make();
            if !samples.iter().any(|kept| kept.is_like(&sample)) {
                samples.push(sample);
            }
        }
    }

    /// Whether another one differs only in its time.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Self { ts: other.ts, ..self.clone() } == *other
    }
}

/// Longest text of a sample, in characters: clients can invent all of it.
const MAX_TEXT: usize = 128;

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// Numbers and examples that a signal is based on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Numbers with the thresholds that they passed, by name: `failures` next to `failures_threshold`.
    #[serde(flatten)]
    pub numbers: BTreeMap<String, Number>,
    /// Some exchanges, at most [`Evidence::MAX_SAMPLES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Sample>,
}

impl Evidence {
    /// Most exchanges shown.
    pub const MAX_SAMPLES: usize = 5;

    /// Adds a number.
    #[must_use]
    pub fn with(mut self, name: &str, number: impl Into<Number>) -> Self {
        self.numbers.insert(name.to_owned(), number.into());
        self
    }

    /// The systemd units and containers that served the exchanges, in order.
    #[must_use]
    pub fn units(&self) -> Vec<String> {
        let units: BTreeSet<&String> =
            self.exchanges.iter().filter_map(|sample| sample.unit.as_ref()).collect();
        units.into_iter().cloned().collect()
    }

    /// Adds examples, as many as are shown. One that shows nothing new is left out.
    #[must_use]
    pub fn showing(mut self, samples: impl IntoIterator<Item = Sample>) -> Self {
        for sample in samples {
            if self.exchanges.len() >= Self::MAX_SAMPLES {
                break;
            }
            if !self.exchanges.iter().any(|shown| shown.is_like(&sample)) {
                self.exchanges.push(sample);
            }
        }
        self
    }
}

/// A detector's finding. The same threat to the same subject is one incident for as long as signals of it keep coming:
/// the decider alerts once, maintains the incident's record, and acts on its offenders.
#[derive(Clone, Debug)]
pub struct Signal {
    /// When it was known.
    pub at: Timestamp,
    /// What it is.
    pub threat: Threat,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f64,
    /// Its subject.
    pub subject: Subject,
    /// Whose packets would have to be dropped to end it; empty if that would help nobody. For an ongoing incident,
    /// those that joined or continued since the previous signal.
    pub offenders: Vec<Offender>,
    /// One sentence for people.
    pub summary: String,
    /// What it is based on.
    pub evidence: Evidence,
    /// The time covered.
    pub window: (Timestamp, Timestamp),
    /// When the last byte of the deciding event was seen; none if only time passed. Set by the caller of the detectors.
    pub decided: Option<Timestamp>,
    /// What happened since the previous signal.
    pub growth: Growth,
}

/// How much an incident has grown since its last signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Failed logins, requests, connections or packets; the threat determines what is counted.
    pub attempts: u64,
    /// Who made them, as far as the detector knows. Unlike offenders, no action is taken against them.
    pub by: Vec<(Offender, u64)>,
}
