//! From segments to exchanges: joins the preceding rooms. The daemon's ring and capture files use the same pipeline.
//!
//! Architecture invariant: no clock and no input or output; the same segments with the same configuration give
//! the same exchanges.

mod by_route;
mod connections;
mod latency;
mod tally;
#[cfg(test)]
mod tests;
mod totals;
mod twice;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub use by_route::{MAX_ROUTES, RECENT_WINDOW, RouteCounts, RouteLine, RouteTable};
pub use totals::{DURATION_BUCKETS, Durations, StatusClass, Totals};

use documented::DocumentedFields;
use tally::Tally;
use zeroize::Zeroizing;

use crate::capture::Segment;
use crate::capture::secret::Secret;
use crate::clock::Timestamp;
use crate::event::{
    Exchange, Findings, Further, Grpc, Held, Host, Http2Abuse, MediaType, Object, Path, Paths, QueryKeys,
    Redactor, Source, TlsFacts, UserAgent,
};
use crate::http::{self, Decoding, Http, Request};
use crate::identity::{self, Answered, Identifier, Key};
use crate::inspect::{self, Inspector};
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
    /// How paths are recorded. `redacted`: segments that look like tokens, keys, e-mail addresses, card or personal
    /// numbers are replaced by a keyed hash, such as `{token:1a2b3c4d5e6f7788}`. `raw`: as sent, including secrets.
    /// Queries, fragments and path parameters are omitted either way, and route templates never contain secrets.
    pub paths: Paths,
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
        Self { http: http::Counters::of_everything(), totals, ..Self::default() }
    }
}

/// Receives exchanges.
pub trait Observer {
    /// An exchange has finished.
    fn exchange(&mut self, exchange: &Exchange<'_>);

    /// A message has been in progress for long; called every few seconds while that lasts.
    fn held(&mut self, _held: &Held) {}

    /// A client did things to HTTP/2 itself.
    fn abuse(&mut self, _abuse: &Http2Abuse) {}
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
            tally: Tally::default(),
            inspector: Inspector::new(&config.inspect, key),
            redactor: Redactor::new(config.paths, key),
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
        }
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
        self.streams.protocol().inner().sink().tally.by_route.table(self.routes(), now)
    }

    /// Who is told.
    pub const fn observer(&self) -> &O {
        &self.streams.protocol().inner().sink().observer
    }

    /// Who is told.
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.streams.protocol_mut().inner_mut().sink_mut().observer
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

/// Turns messages, which hold secrets, into the record that holds none.
struct Finish<O> {
    identifier: Identifier,
    /// What nobody proves to have sent teaches them nothing.
    routes: Routes,
    tally: Tally,
    inspector: Inspector,
    redactor: Redactor,
    observer: O,
    /// Whether anything reads the bodies of requests.
    reads_bodies: bool,
    /// Holds the last one that had to be decoded until the next; wiped at the end.
    room: Zeroizing<Vec<u8>>,
}

impl<O: Observer> http::Sink for Finish<O> {
    fn exchange(&mut self, connection: &http::Connection, exchange: &http::Exchange<'_>) {
        let (request, status) = (exchange.request, exchange.status());
        let (outcome, proven, client) = (exchange.outcome(), connection.proven, connection.client.address());
        let proxied = connection.proxy().and_then(proxied_address);
        let headers = request.into_iter().flat_map(|request| request.message().headers());
        let query = request.and_then(|request| request.query()).unwrap_or_default();
        let told = request.filter(|request| request.has_line());
        let path = told.map(|request| request.path()).filter(|path| !path.is_empty());
        let place = path.map(|path| self.routes.observe(path, outcome.filter(|_| proven)));
        let route = place.map(|route| self.routes.text(route));
        let method = told.filter(|request| request.has_method()).map(|request| request.method_name());
        let answered = Answered { method: method.unwrap_or_default(), route, status: outcome, proven };
        let identity = self.identifier.identify(client, proxied, headers, query, &answered);
        let body = decoded(exchange, self.reads_bodies, &mut self.room);
        let login = self.identifier.login(exchange, body, route);
        let (read, uncounted) = self.identifier.further();
        let known = inspect::Known::of(connection, &identity, login.as_ref(), (route, status));
        let inspected = self.inspector.exchange(exchange, body.0, &known);
        let (duration, redactor) = (exchange.duration(), &self.redactor);
        let mut event = Exchange {
            ts: exchange.started(),
            client: identity.client,
            client_port: connection.client.port(),
            server: connection.server.address(),
            server_port: connection.server.port(),
            peer: identity.peer,
            named_by_peer: identity.named_by_peer,
            http_version: version(exchange),
            method,
            host: told.and_then(|request| request.host()).map(|host| Host::new(host, redactor)),
            path: path.map(|path| Path::new(path, redactor)),
            object: path.map(|path| Object::new(path, route, redactor)).unwrap_or_default(),
            route,
            query_keys: QueryKeys::of(query),
            status,
            grpc: exchange.grpc().map(Grpc::of),
            request_bytes: request.and_then(|request| request.message().body_wire_length()),
            response_bytes: exchange.response.and_then(|response| response.message().body_wire_length()),
            duration_us: duration.map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
            user_agent: user_agent(told, redactor),
            content_type: content_type(told, redactor),
            principal: identity.principal,
            login,
            further: Further { read, uncounted },
            cross_site: identity.cross_site && request.is_some_and(Identifier::browsers_send),
            source: if connection.tls().is_some() { Source::Tls } else { Source::Wire },
            tls: connection.tls().map(|facts| TlsFacts::new(facts, connection.is_unverified(), redactor)),
            gaps: exchange.gaps,
            proven,
            anomalies: Findings { http: exchange.all_anomalies(), identity: identity.anomalies },
            findings: inspected.findings,
            effects: inspected.effects,
            exposed: inspected.exposed,
            seen: exchange.ended(),
            seen_twice: false,
        };
        event.seen_twice = self.tally.note(&event, path, place, (request.map(Request::method), duration));
        self.observer.exchange(&event);
    }

    fn unfinished(&mut self, connection: &http::Connection, message: &http::Unfinished) {
        let trusts = |client| self.identifier.trusts(client);
        let held = connections::held(connection, message, trusts);
        self.observer.held(&held);
    }

    fn abuse(&mut self, connection: &http::Connection, abuse: &http::Abuse, time: Timestamp) {
        let trusts = |client| self.identifier.trusts(client);
        let abuse = connections::abuse(connection, abuse, time, trusts);
        self.observer.abuse(&abuse);
    }
}

/// The body of a request, decoded once for everything that reads it, and how far.
fn decoded<'b>(
    exchange: &'b http::Exchange<'b>,
    is_read: bool,
    room: &'b mut Vec<u8>,
) -> (&'b [u8], Decoding) {
    let has_body = exchange.request.is_some_and(|request| request.body_length() != Some(0));
    if is_read && has_body { exchange.decode_request(room) } else { (&[], Decoding::Identity) }
}

fn user_agent<'a>(request: Option<Request<'a>>, redactor: &'a Redactor) -> Option<UserAgent<'a>> {
    request?.user_agent().map(|agent| UserAgent::new(agent, redactor))
}

fn content_type<'a>(request: Option<Request<'a>>, redactor: &'a Redactor) -> Option<MediaType<'a>> {
    request?.message().content_type().map(|kind| MediaType::new(kind, redactor))
}

/// The version of the request, or of the response where there was none.
fn version(exchange: &http::Exchange<'_>) -> &'static str {
    let request = exchange.request.map(|request| request.version());
    request.or(exchange.response.map(|response| response.version())).map_or("", http::Version::label)
}

fn proxied_address(proxy: &http::ProxyHeader) -> Option<IpAddr> {
    proxy.addresses.map(|(source, _)| source.address())
}
