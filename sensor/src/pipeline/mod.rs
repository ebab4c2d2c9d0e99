//! From segments to exchanges: joins the preceding rooms. The daemon's ring and capture files use the same pipeline.
//!
//! Architecture invariant: no clock and no input or output; the same segments with the same configuration give
//! the same exchanges.

mod by_route;
mod by_unit;
mod connections;
mod finish;
mod latency;
mod leaked;
mod sockets;
mod tally;
#[cfg(test)]
mod tests;
mod totals;
mod twice;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub use by_route::{MAX_ROUTES, RECENT_WINDOW, RouteCounts, RouteLine, RouteTable};
pub use by_unit::{ClassCounts, MAX_UNITS_TOLD};
pub use totals::{DURATION_BUCKETS, Durations, StatusClass, Totals};

use documented::DocumentedFields;
use finish::Finish;
use leaked::Waiting;
use sockets::Sockets;
use tally::Tally;
use zeroize::Zeroizing;

use crate::capture::Segment;
use crate::capture::log::Recorded;
use crate::capture::secret::Secret;
use crate::clock::Timestamp;
use crate::event::{Exchange, Held, Http2Abuse, LeakedPassword, Paths, Redactor, Units};
use crate::http::{self, Http};
use crate::identity::{self, Identifier, Key};
use crate::inspect::{self, Inspector};
use crate::posture::{self, Inventory};
use crate::route::{self, Routes};
use crate::stream::{self, Instruction, Streams};
use crate::tls::{self, Tls};

/// What the rooms are told.
#[derive(Clone, Debug, Default, PartialEq, DocumentedFields)]
pub struct Config {
    /// Reassembly.
    pub streams: stream::Config,
    /// TLS.
    pub tls: tls::Config,
    /// HTTP.
    pub http: http::Config,
    /// Clients and principals.
    pub identity: identity::Config,
    /// Templates.
    pub routes: route::Config,
    /// What is inspected.
    pub inspect: inspect::Config,
    /// What is recorded of routes.
    pub posture: posture::Config,
    /// How paths are recorded. `redacted`: segments that look like tokens, keys, e-mail addresses, card or personal
    /// numbers are replaced by a keyed hash, such as `{token:1a2b3c4d5e6f7788}`. `raw`: as sent, including secrets.
    /// Queries, fragments and path parameters are omitted either way, and route templates never contain secrets.
    pub paths: Paths,
    /// Whether metrics count exchanges by the systemd unit or container that served them
    /// (`sensor_unit_exchanges_total`): at most 32 of them, then `other`; `unknown` if nobody is known.
    pub unit_metrics: bool,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Of clients or principals.
    #[error(transparent)]
    Identity(#[from] identity::ConfigError),
    /// A route pattern.
    #[error(transparent)]
    Routes(#[from] route::PatternError),
}

/// The totals of all rooms.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Of reassembly.
    pub streams: stream::Counters,
    /// Of HTTP.
    pub http: http::Counters,
    /// Of who is behind exchanges.
    pub identities: identity::Counters,
    /// Of what was recognised in exchanges.
    pub inspected: inspect::Counters,
    /// Of exchanges.
    pub totals: Totals,
    /// Templates.
    pub routes: usize,
    /// Connections that began in TLS, by the server's port.
    pub tls_ports: BTreeMap<u16, tls::PortCounts>,
    /// Of TLS.
    pub tls: tls::Counters,
    /// Peers that report other clients' addresses and are not trusted proxies, busiest first.
    pub forwarders: Vec<identity::Forwarder>,
    /// Whether passwords are looked up in a list of leaked ones.
    pub looks_up_passwords: bool,
    /// Passwords that could not be looked up in it.
    pub unchecked_passwords: u64,
    /// Whether exchanges are compared with an OpenAPI document.
    pub has_document: bool,
    /// WebSockets whose handshake was forgotten before they ended.
    pub websockets_forgotten: u64,
    /// Rows of the inventory by who is answered.
    pub inventory: posture::Rows,
    /// Exchanges by who served them, if they are counted.
    pub by_unit: Vec<(String, ClassCounts)>,
}

impl Snapshot {
    /// With an exchange and an anomaly of each kind, as a sample.
    #[must_use]
    pub fn of_everything() -> Self {
        let mut totals = Totals::default();
        for version in http::Version::ALL {
            for method in http::Method::ALL {
                for status in [None, Some(100), Some(200), Some(300), Some(400), Some(500), Some(999)] {
                    totals.count(version.label(), method.label(), status, None);
                }
            }
        }
        totals.count_looked_up(true);
        let inventory = posture::Rows::of_everything();
        let http = http::Counters::of_everything();
        Self {
            http,
            totals,
            inventory,
            looks_up_passwords: true,
            has_document: true,
            websockets_forgotten: 1,
            by_unit: vec![("nginx.service".to_owned(), [1; StatusClass::ALL.len()])],
            ..Self::default()
        }
    }
}

/// Receives exchanges.
pub trait Observer {
    /// An exchange has finished.
    fn exchange(&mut self, exchange: &Exchange<'_>);

    /// A WebSocket is over; its handshake was an exchange. The record is no exchange.
    fn websocket(&mut self, _record: &Exchange<'_>) {}

    /// A message has been in progress for long; called every few seconds while that lasts.
    fn held(&mut self, _held: &Held) {}

    /// A client did things to HTTP/2 itself.
    fn abuse(&mut self, _abuse: &Http2Abuse) {}

    /// A peer on this host that nobody configured as a proxy made a request, perhaps for a client.
    fn claim(&mut self, _claim: &Claim) {}

    /// The password of a login turned out to be leaked, after its exchange was told.
    fn leaked_password(&mut self, _login: &LeakedPassword) {}
}

/// Whom a peer on this host says that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The peer.
    pub peer: IpAddr,
    /// The client that it names as its own peer; none if it names none.
    pub client: Option<IpAddr>,
    /// The port that it asked.
    pub server_port: u16,
    /// When the last byte of the exchange was seen.
    pub seen: Timestamp,
}

/// The rooms, joined.
pub struct Pipeline<O: Observer> {
    streams: Streams<Tls<Http<Finish<O>>>>,
    /// When connections are next checked for messages that do not end.
    look: Timestamp,
}

/// Interval between checks.
const LOOK: Duration = Duration::from_secs(1);

impl<O: Observer> Pipeline<O> {
    /// A pipeline that hashes with `key`.
    ///
    /// # Errors
    /// If names of headers or cookies, or route patterns, are invalid.
    pub fn new(config: &Config, key: &Key, observer: O) -> Result<Self, ConfigError> {
        let finish = Finish {
            identifier: Identifier::new(&config.identity, key)?,
            routes: Routes::new(&config.routes)?,
            tally: Tally::new(config.unit_metrics),
            inspector: Inspector::new(&config.inspect, key),
            inventory: Inventory::new(&config.posture),
            redactor: Redactor::new(config.paths, key),
            units: Units::default(),
            proving: None,
            waiting: Waiting::default(),
            sockets: Sockets::default(),
            observer,
            reads_bodies: config.identity.login.enabled || config.inspect.enabled,
            room: Zeroizing::default(),
        };
        let http = Http::new(config.http.clone(), finish);
        let tls = Tls::new(config.tls.clone(), http);
        Ok(Self { streams: Streams::new(config.streams.clone(), tls), look: Timestamp::default() })
    }

    /// Takes the next segment; returns an instruction for its source.
    pub fn segment(&mut self, segment: &Segment<'_>) -> Option<Instruction> {
        self.look(segment.time);
        self.streams.segment(segment)
    }

    /// Takes an exchange that a log recorded.
    pub fn recorded(&mut self, recorded: &Recorded) {
        self.streams.protocol_mut().inner_mut().recorded(recorded);
    }

    /// Whether access logs are followed beside the network: an exchange in both counts once.
    pub fn expect_lines(&mut self, are_expected: bool) {
        self.streams.protocol_mut().inner_mut().sink_mut().tally.expect_lines(are_expected);
    }

    /// Whether there is a source of secrets.
    pub const fn expect_secrets(&mut self, are_expected: bool) {
        self.streams.protocol_mut().set_has_source(are_expected);
    }

    /// Takes a secret; returns an instruction for the segments' source about the connection that waited for it.
    pub fn secret(&mut self, secret: Secret, now: Timestamp) -> Option<Instruction> {
        let (client, server) = self.streams.protocol_mut().learn(secret, now)?;
        self.streams.wake(client, server, now)
    }

    /// Lets time pass without segments.
    pub fn advance(&mut self, now: Timestamp) {
        self.streams.advance(now);
        self.streams.protocol_mut().inner_mut().sink_mut().looked_up();
        while let Some((client, server)) = self.streams.protocol_mut().overdue(now) {
            // A flow that is stopped late costs copies, and is instructed again when it continues.
            let _instruction = self.streams.wake(client, server, now);
        }
        self.look(now);
    }

    /// Reports messages that do not end. Driven by segment times, too: a capture file has no other clock.
    fn look(&mut self, now: Timestamp) {
        // Civil time may have been set back.
        if now >= self.look || self.look.since(now) > LOOK {
            self.look = now.plus(LOOK);
            self.streams.look(now);
        }
    }

    /// The source ended: what is under way is told as it is.
    pub fn finish(&mut self, now: Timestamp) {
        self.streams.finish(now);
        self.streams.protocol_mut().finish();
    }

    /// All totals, as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            streams: self.streams().clone(),
            http: self.http().clone(),
            identities: *self.identities(),
            inspected: *self.streams.protocol().inner().sink().inspector.counters(),
            totals: self.totals().clone(),
            routes: self.routes().len(),
            tls_ports: self.streams.protocol().counters().ports().clone(),
            tls: self.streams.protocol().counters(),
            forwarders: self.streams.protocol().inner().sink().identifier.forwarders(),
            looks_up_passwords: self.streams.protocol().inner().sink().identifier.looks_up_passwords(),
            unchecked_passwords: self.streams.protocol().inner().sink().unchecked_passwords(),
            has_document: self.streams.protocol().inner().sink().inspector.has_document(),
            websockets_forgotten: self.streams.protocol().inner().sink().sockets.forgotten,
            inventory: self.inventory().by_access(),
            by_unit: self.by_unit(),
        }
    }

    /// Connections of QUIC by port, as a source counts them.
    pub fn note_quic(&mut self, counts: &BTreeMap<u16, u64>) {
        self.streams.protocol_mut().note_quic(counts);
    }

    /// Totals of reassembly.
    pub const fn streams(&self) -> &stream::Counters {
        self.streams.counters()
    }

    /// Totals of HTTP.
    pub const fn http(&self) -> &http::Counters {
        self.streams.protocol().inner().counters()
    }

    /// Totals of TLS.
    pub fn tls(&self) -> tls::Counters {
        self.streams.protocol().counters()
    }

    /// Totals of identities.
    pub const fn identities(&self) -> &identity::Counters {
        self.streams.protocol().inner().sink().identifier.counters()
    }

    /// Totals of exchanges.
    pub const fn totals(&self) -> &Totals {
        &self.streams.protocol().inner().sink().tally.totals
    }

    /// Totals by method and route, as they are at this time.
    #[must_use]
    pub fn by_route(&self, now: Timestamp) -> RouteTable {
        let sink = self.streams.protocol().inner().sink();
        sink.tally.by_route.table(&sink.routes, &sink.units, now)
    }

    fn by_unit(&self) -> Vec<(String, ClassCounts)> {
        let sink = self.streams.protocol().inner().sink();
        sink.tally.by_unit.told(&sink.units)
    }

    /// What was seen of routes.
    pub const fn inventory(&self) -> &Inventory {
        &self.streams.protocol().inner().sink().inventory
    }

    /// The same, to give it what an earlier run had recorded.
    pub const fn inventory_mut(&mut self) -> &mut Inventory {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().inventory
    }

    /// Who is told.
    pub const fn observer(&self) -> &O {
        &self.streams.protocol().inner().sink().observer
    }

    /// Who is told.
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().observer
    }

    /// On this interface, exchanges count only behind a proxy that is trusted; of others only claims are told.
    pub const fn set_proving(&mut self, interface: Option<u32>) {
        self.streams.protocol_mut().inner_mut().sink_mut().proving = interface;
    }

    /// Who is identified, and how.
    pub const fn identifier_mut(&mut self) -> &mut Identifier {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().identifier
    }

    /// Who serves which port.
    pub const fn units_mut(&mut self) -> &mut Units {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().units
    }

    /// The templates.
    pub const fn routes(&self) -> &Routes {
        &self.streams.protocol().inner().sink().routes
    }

    /// The templates, to give them what an earlier run had learned.
    pub const fn routes_mut(&mut self) -> &mut Routes {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().routes
    }
}
