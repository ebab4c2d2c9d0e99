//! WebSockets: what their handshakes told, until they end.

use std::collections::BTreeMap;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::finish::{micros, source_of};
use crate::clock::Timestamp;
use crate::event::{
    Exchange, Findings, Host, Object, Path, QueryKeys, Redactor, TlsFacts, UnitId, Units, WebSocketEnd,
};
use crate::http::{self, WebSocket};
use crate::identity::{FLEET_KEYS, KeyedHash};
use crate::route::{Route, Routes};

/// Handshakes remembered. With the longest paths they take 32 MiB, with usual ones a tenth of that.
const MAX_OPEN: usize = 16_384;
/// Longest path or host remembered. Longer ones are left out: cut, a secret at their end would no longer look like one.
const MAX_TEXT: usize = 1_024;

/// What a handshake told.
#[derive(Debug)]
struct Handshake {
    ts: Timestamp,
    client: IpAddr,
    peer: Option<IpAddr>,
    http_version: &'static str,
    host: Option<Box<[u8]>>,
    path: Option<Zeroizing<Vec<u8>>>,
    route: Option<Route>,
    unit: Option<UnitId>,
    principal: Option<KeyedHash>,
    seen_twice: bool,
}

/// WebSockets that are open, by their numbers, which rise.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<u64, Handshake>,
    /// Handshakes forgotten while their sockets were open, because there were too many.
    pub(super) forgotten: u64,
}

/// What a record is made with.
pub(super) struct With<'a> {
    pub(super) routes: &'a Routes,
    pub(super) units: &'a Units,
    pub(super) redactor: &'a Redactor,
}

impl Sockets {
    /// An exchange was told; remembers it if it opened a WebSocket.
    pub(super) fn note(
        &mut self,
        event: &Exchange<'_>,
        exchange: &http::Exchange<'_>,
        (path, route, unit): (Option<&[u8]>, Option<Route>, Option<UnitId>),
    ) {
        let Some(number) = exchange.socket() else { return };
        let fits = |text: &&[u8]| text.len() <= MAX_TEXT;
        let host = exchange.request.and_then(|request| request.host());
        let handshake = Handshake {
            ts: event.ts,
            client: event.client,
            peer: event.peer,
            http_version: event.http_version,
            host: host.filter(fits).map(Into::into),
            path: path.filter(fits).map(|path| Zeroizing::new(path.to_vec())),
            route,
            unit,
            principal: event.principal,
            seen_twice: event.seen_twice,
        };
        self.remember(number, handshake);
    }

    fn remember(&mut self, number: u64, handshake: Handshake) {
        if self.open.len() >= MAX_OPEN {
            let _oldest = self.open.pop_first();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.open.insert(number, handshake);
    }

    /// A WebSocket is over: has its record shown.
    pub(super) fn end(
        &mut self,
        connection: &http::Connection,
        socket: &WebSocket,
        with: &With<'_>,
        show: impl FnOnce(&Exchange<'_>),
    ) {
        let known = self.open.remove(&socket.number);
        show(&record(connection, socket, known.as_ref(), with));
    }

    /// A WebSocket is over that nobody is told of.
    pub(super) fn forget(&mut self, socket: &WebSocket) {
        let _handshake = self.open.remove(&socket.number);
    }
}

fn record<'a>(
    connection: &'a http::Connection,
    socket: &WebSocket,
    known: Option<&'a Handshake>,
    with: &With<'a>,
) -> Exchange<'a> {
    let path = known.and_then(|known| known.path.as_ref()).map(|path| path.as_slice());
    let host = known.and_then(|known| known.host.as_deref());
    let route = known.and_then(|known| known.route).map(|route| with.routes.text(route));
    let tls = connection.tls();
    Exchange {
        ts: socket.closed,
        client: known.map_or_else(|| connection.client.address().to_canonical(), |known| known.client),
        client_port: connection.client.port(),
        server: connection.server.address(),
        server_port: connection.server.port(),
        unit: known.and_then(|known| known.unit).and_then(|unit| with.units.name(unit)),
        peer: known.and_then(|known| known.peer),
        named_by_peer: false,
        http_version: known.map_or("", |known| known.http_version),
        method: None,
        host: host.map(|host| Host::new(host, with.redactor)),
        path: path.map(|path| Path::new(path, with.redactor)),
        object: path.map(|path| Object::new(path, route, with.redactor)).unwrap_or_default(),
        route,
        query_keys: QueryKeys::default(),
        status: None,
        grpc: None,
        request_bytes: None,
        response_bytes: None,
        duration_us: None,
        user_agent: None,
        content_type: None,
        principal: known.and_then(|known| known.principal),
        fleet_principal: [0; FLEET_KEYS],
        login: None,
        further: <_>::default(),
        cross_site: false,
        source: source_of(connection),
        tls: tls.map(|facts| TlsFacts::new(facts, connection.is_unverified(), with.redactor)),
        websocket: Some(end_of(socket, known.map_or(socket.opened, |known| known.ts))),
        seen_twice: known.is_some_and(|known| known.seen_twice),
        gaps: socket.partial,
        proven: connection.proven,
        anomalies: Findings::default(),
        findings: &[],
        effects: <_>::default(),
        exposed: <_>::default(),
        seen: socket.closed,
    }
}

fn end_of(socket: &WebSocket, opened: Timestamp) -> WebSocketEnd {
    WebSocketEnd {
        opened,
        duration_us: micros(socket.closed.since(socket.opened)),
        client_messages: socket.client.messages,
        client_bytes: socket.client.bytes,
        client_control_frames: socket.client.control,
        server_messages: socket.server.messages,
        server_bytes: socket.server.bytes,
        server_control_frames: socket.server.control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut sockets = Sockets::default();
        let most = u64::try_from(MAX_OPEN).unwrap();
        for number in 1..=most + 2 {
            let handshake = Handshake {
                ts: Timestamp::from_unix_micros(number),
                client: IpAddr::from([192, 0, 2, 1]),
                peer: None,
                http_version: "1.1",
                host: None,
                path: None,
                route: None,
                unit: None,
                principal: None,
                seen_twice: false,
            };
            sockets.remember(number, handshake);
        }
        assert_eq!((sockets.open.len(), sockets.forgotten), (MAX_OPEN, 2));
        assert_eq!(sockets.open.keys().next(), Some(&3));
    }
}
