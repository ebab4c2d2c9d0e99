//! From messages to records of exchanges.

use std::iter;
use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::leaked::Waiting;
use super::sockets::{Sockets, With};
use super::tally::Tally;
use super::{Claim, Observer, connections};
use crate::clock::Timestamp;
use crate::event::{
    Exchange, Findings, Grpc, Host, MediaType, Object, Path, QueryKeys, Redactor, Source, TlsFacts, UnitId,
    Units, UserAgent,
};
use crate::http::{self, Decoding, Request};
use crate::identity::{Answered, Identifier};
use crate::inspect::{self, Inspector};
use crate::posture::{Inventory, Seen};
use crate::route::{Route, Routes};

/// Turns messages, which hold secrets, into the record that holds none.
pub(super) struct Finish<O> {
    pub(super) identifier: Identifier,
    /// What nobody proves to have sent teaches them nothing.
    pub(super) routes: Routes,
    pub(super) tally: Tally,
    pub(super) inspector: Inspector,
    pub(super) inventory: Inventory,
    pub(super) redactor: Redactor,
    pub(super) units: Units,
    /// An interface whose exchanges count only behind a proxy that is trusted.
    pub(super) proving: Option<u32>,
    /// Logins whose password is being looked up.
    pub(super) waiting: Waiting,
    /// WebSockets that are open.
    pub(super) sockets: Sockets,
    pub(super) observer: O,
    /// Whether anything reads the bodies of requests.
    pub(super) reads_bodies: bool,
    /// Holds the last body that had to be decoded until the next; wiped at the end.
    pub(super) room: Zeroizing<Vec<u8>>,
}

impl<O> Finish<O> {
    /// Whether what happens on a connection is told: programs of this host that ask each other are nobody's clients.
    fn counts(&self, connection: &http::Connection) -> bool {
        self.proving != Some(connection.interface) || self.identifier.trusts(connection.client.address())
    }
}

impl<O: Observer> Finish<O> {
    /// Passwords that could not be looked up in the list of leaked ones.
    pub(super) const fn unchecked_passwords(&self) -> u64 {
        self.identifier.unchecked_passwords().saturating_add(self.waiting.lost)
    }

    /// Whom a peer on this host says that it asks for.
    fn claim(&mut self, connection: &http::Connection, exchange: &http::Exchange<'_>) {
        let peer = connection.client.address();
        let Some(request) = exchange.request.filter(|_| connection.proven) else { return };
        if !self.identifier.proves_itself(peer) {
            return;
        }
        let proxied = proxied_by(connection);
        let client = self.identifier.claim(peer, proxied, request.message().headers());
        let (server_port, seen) = (connection.server.port(), exchange.ended());
        self.observer.claim(&Claim { peer: peer.to_canonical(), client, server_port, seen });
    }

    /// The path of a request, and its route, which learns from the outcome.
    fn place<'m>(
        &mut self,
        request: Option<Request<'m>>,
        outcome: Option<u16>,
    ) -> (Option<&'m [u8]>, Option<Route>) {
        let path = request.map(Request::path).filter(|path| !path.is_empty());
        (path, path.map(|path| self.routes.observe(path, outcome)))
    }

    /// Takes up what was found out about passwords since.
    pub(super) fn looked_up(&mut self) {
        while let Some((password, found)) = self.identifier.looked_up() {
            for late in self.waiting.take(password) {
                let Some(is_leaked) = found else { continue };
                self.tally.totals.count_looked_up(is_leaked);
                if late.is_first {
                    self.inventory.note_looked_up(&late.login, late.method, is_leaked);
                }
                if is_leaked {
                    self.observer.leaked_password(&late.login);
                }
            }
        }
    }

    fn tell(&mut self, connection: &http::Connection, exchange: &http::Exchange<'_>) {
        let (request, status) = (exchange.request, exchange.status());
        let (outcome, proven, peer) = (exchange.outcome(), connection.proven, connection.client.address());
        let (told, (headers, query)) = (request.filter(|one| one.has_line()), headers_and_query(request));
        let (path, place) = self.place(told, outcome.filter(|_| proven));
        let (route, method) = (place.map(|place| self.routes.text(place)), method_of(told));
        let answered = Answered { method: method.unwrap_or_default(), route, status: outcome, proven };
        let identity = self.identifier.identify(peer, proxied_by(connection), headers, query, &answered);
        let body = decoded(exchange, self.reads_bodies, &mut self.room);
        let (login, further) = (self.identifier.login(exchange, body, route), self.identifier.further());
        let known = inspect::Known::of(connection, &identity, login.as_ref(), (route, status));
        let inspected = self.inspector.exchange(exchange, body, &known);
        let (unit, redactor) = (unit_of(&self.units, connection), &self.redactor);
        let mut event = Exchange {
            ts: exchange.started(),
            client: identity.client,
            client_port: connection.client.port(),
            server: connection.server.address(),
            server_port: connection.server.port(),
            unit: unit.and_then(|unit| self.units.name(unit)),
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
            duration_us: duration_us(connection, exchange),
            user_agent: user_agent(told, redactor),
            content_type: content_type(told, redactor),
            principal: identity.principal,
            fleet_principal: identity.fleet_principal,
            login,
            further: further.into(),
            cross_site: identity.cross_site && request.is_some_and(Identifier::browsers_send),
            source: source_of(connection),
            tls: connection.tls().map(|facts| TlsFacts::new(facts, connection.is_unverified(), redactor)),
            gaps: exchange.gaps,
            proven,
            anomalies: Findings { http: exchange.all_anomalies(), identity: identity.anomalies },
            findings: inspected.findings,
            effects: inspected.effects,
            exposed: inspected.exposed,
            seen: exchange.ended(),
            seen_twice: false,
            websocket: None,
        };
        event.seen_twice = self.tally.note(&event, path, (place, unit), exchange);
        self.sockets.note(&event, exchange, (path, place, unit));
        wait_for_answers(&self.identifier, &mut self.waiting, &event, exchange);
        self.inventory.note(&Seen { event: &event, exchange, route: place, redactor });
        self.observer.exchange(&event);
    }
}

/// The method, if it was seen.
fn method_of(told: Option<Request<'_>>) -> Option<&'static str> {
    told.filter(|request| request.has_method()).map(|request| request.method_name())
}

/// Keeps what is needed of logins whose password is being looked up.
fn wait_for_answers(
    identifier: &Identifier,
    waiting: &mut Waiting,
    event: &Exchange<'_>,
    exchange: &http::Exchange<'_>,
) {
    let Some(login) = event.login.filter(|_| !event.seen_twice) else { return };
    let method = exchange.request.map_or(http::Method::Other, Request::method);
    let all = iter::once((&login, true)).chain(event.further.read.iter().zip(iter::repeat(false)));
    for late in all.filter(|(login, _)| identifier.awaits(login)) {
        waiting.add(event, method, late);
    }
}

impl<O: Observer> http::Sink for Finish<O> {
    fn exchange(&mut self, connection: &http::Connection, exchange: &http::Exchange<'_>) {
        self.claim(connection, exchange);
        if self.counts(connection) {
            self.tell(connection, exchange);
        }
    }

    fn unfinished(&mut self, connection: &http::Connection, message: &http::Unfinished) {
        if !self.counts(connection) {
            return;
        }
        let trusts = |client| self.identifier.trusts(client);
        let held = connections::held(connection, message, trusts);
        self.observer.held(&held);
    }

    fn abuse(&mut self, connection: &http::Connection, abuse: &http::Abuse, time: Timestamp) {
        if !self.counts(connection) {
            return;
        }
        let trusts = |client| self.identifier.trusts(client);
        let abuse = connections::abuse(connection, abuse, time, trusts);
        self.observer.abuse(&abuse);
    }

    fn socket(&mut self, connection: &http::Connection, socket: &http::WebSocket) {
        if !self.counts(connection) {
            return self.sockets.forget(socket);
        }
        let Self { routes, units, redactor, sockets, observer, .. } = self;
        sockets
            .end(connection, socket, &With { routes, units, redactor }, |record| observer.websocket(record));
    }
}

fn headers_and_query(request: Option<Request<'_>>) -> (impl Iterator<Item = (&[u8], &[u8])> + Clone, &[u8]) {
    let headers = request.into_iter().flat_map(|request| request.message().headers());
    (headers, request.and_then(Request::query).unwrap_or_default())
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

fn unit_of(units: &Units, connection: &http::Connection) -> Option<UnitId> {
    units.of(connection.server.address(), connection.server.port())
}

pub(super) const fn source_of(connection: &http::Connection) -> Source {
    match (connection.recorded, connection.tls()) {
        (true, _) => Source::Log,
        (false, Some(_)) => Source::Tls,
        (false, None) => Source::Wire,
    }
}

/// Of a recorded exchange, none is none.
fn duration_us(connection: &http::Connection, exchange: &http::Exchange<'_>) -> Option<u64> {
    exchange.duration().filter(|time| !(connection.recorded && time.is_zero())).map(micros)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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

/// The source address of the connection's PROXY protocol header.
fn proxied_by(connection: &http::Connection) -> Option<IpAddr> {
    connection.proxy()?.addresses.map(|(source, _)| source.address())
}
