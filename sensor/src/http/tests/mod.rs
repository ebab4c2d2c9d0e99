//! Tests by subject. A conversation is written down, and what became of it is compared as text.

mod ambiguity;
mod bodies;
mod bounds;
mod chunks;
mod coded;
mod framing;
mod gaps;
mod heads;
mod inflation;
mod pairing;
mod property;

use std::fmt::Write as _;

use super::{Anomaly, Config, Connection, Exchange, Http, Message, Sink, State, WebSocket};
use crate::capture::Endpoint;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Missing, Opening, Protocol, Side};

/// Writes exchanges down.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub lines: Vec<String>,
    /// The numbers of WebSockets whose handshakes came, and what came of them.
    pub handshakes: Vec<u64>,
    pub sockets: Vec<WebSocket>,
    /// With bodies, header names and times.
    pub verbose: bool,
}

fn length(message: &Message) -> String {
    match (message.body_length(), message.body_wire_length()) {
        (Some(length), Some(wire)) if length == wire => format!("{length}"),
        (Some(length), Some(wire)) => format!("{length}/{wire}"),
        _ => "?".to_owned(),
    }
}

fn unfinished(message: &Message) -> &'static str {
    if message.ended().is_some() { "" } else { "~" }
}

impl Sink for Journal {
    fn socket(&mut self, _connection: &Connection, socket: &WebSocket) {
        self.sockets.push(*socket);
    }

    fn exchange(&mut self, connection: &Connection, exchange: &Exchange<'_>) {
        self.handshakes.extend(exchange.socket());
        let mut line = String::new();
        match exchange.request {
            Some(request) => {
                let method = String::from_utf8_lossy(request.method_bytes());
                let target = String::from_utf8_lossy(request.target());
                write!(line, "{method} {target} {}{}", length(&request), unfinished(&request)).unwrap();
            }
            None => line.push('-'),
        }
        match exchange.response {
            Some(response) => {
                write!(line, " -> {} {}{}", response.status(), length(&response), unfinished(&response))
                    .unwrap();
            }
            None => line.push_str(" -> -"),
        }
        for anomaly in exchange.anomalies.iter() {
            write!(line, " {}", anomaly.label()).unwrap();
        }
        if exchange.gaps {
            line.push_str(" GAPS");
        }
        if self.verbose {
            let messages = [
                exchange.request.map(|request| request.message()),
                exchange.response.map(|response| response.message()),
            ];
            for message in messages.into_iter().flatten() {
                write!(line, " | {} {}", message.version().label(), String::from_utf8_lossy(message.body()))
                    .unwrap();
                for (name, value) in message.headers() {
                    write!(line, " {}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
                        .unwrap();
                }
            }
            write!(line, " | {:?}", connection.proxy()).unwrap();
        }
        self.lines.push(line);
    }
}

/// One connection.
pub(super) struct Talk {
    pub http: Http<Journal>,
    pub state: Option<State>,
    pub now: u64,
}

pub(super) fn opening(midstream: bool) -> Opening {
    let address = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Opening {
        client: Endpoint::new(address, 1),
        server: Endpoint::new(address, 2),
        time: Timestamp::from_unix_micros(0),
        interface: 3,
        midstream,
    }
}

impl Talk {
    pub(super) fn with(config: Config, midstream: bool) -> Self {
        let mut http = Http::new(config, Journal::default());
        let state = Some(http.open(&opening(midstream)));
        Self { http, state, now: 0 }
    }

    pub(super) fn new() -> Self {
        Self::with(Config::default(), false)
    }

    pub(super) fn midstream() -> Self {
        Self::with(Config::default(), true)
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_unix_micros(self.now)
    }

    pub(super) fn data(&mut self, side: Side, bytes: impl AsRef<[u8]>) -> Advice {
        let time = self.tick();
        self.http.data(self.state.as_mut().unwrap(), side, bytes.as_ref(), time)
    }

    pub(super) fn client(&mut self, bytes: impl AsRef<[u8]>) -> Advice {
        self.data(Side::Client, bytes)
    }

    pub(super) fn server(&mut self, bytes: impl AsRef<[u8]>) -> Advice {
        self.data(Side::Server, bytes)
    }

    pub(super) fn missing(&mut self, side: Side, length: u64, why: Missing) -> Advice {
        let time = self.tick();
        self.http.missing(self.state.as_mut().unwrap(), side, length, why, time)
    }

    pub(super) fn end(&mut self, side: Side) {
        let time = self.tick();
        self.http.end(self.state.as_mut().unwrap(), side, time);
    }

    pub(super) fn close(&mut self, cause: CloseCause) {
        let time = self.tick();
        self.http.close(self.state.take().unwrap(), cause, time);
        assert_eq!(self.http.messages_held(), 0, "every message is given back");
    }

    /// The exchanges so far.
    pub(super) fn lines(&self) -> Vec<&str> {
        self.http.sink().lines.iter().map(String::as_str).collect()
    }

    /// Both sides end and the connection closes.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.end(Side::Client);
        self.end(Side::Server);
        self.close(CloseCause::Fin);
        self.http.into_sink().lines
    }
}

/// The exchanges of what client and server send, whole.
pub(super) fn exchanges(client: impl AsRef<[u8]>, server: impl AsRef<[u8]>) -> Vec<String> {
    let mut talk = Talk::new();
    let _advice = talk.client(client);
    if !server.as_ref().is_empty() {
        let _advice = talk.server(server);
    }
    talk.finish()
}

/// As [`exchanges`], a byte at a time.
pub(super) fn trickled(client: impl AsRef<[u8]>, server: impl AsRef<[u8]>) -> Vec<String> {
    let mut talk = Talk::new();
    for byte in client.as_ref() {
        let _advice = talk.client([*byte]);
    }
    for byte in server.as_ref() {
        let _advice = talk.server([*byte]);
    }
    talk.finish()
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A request with these headers (each with its line end) and this body: the exchanges of it and of a plain GET
/// after it, both answered. Whole and trickled must agree.
pub(super) fn of_request(headers: &str, body: &str) -> Vec<String> {
    let client =
        format!("POST /1 HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let server = [OK, OK].concat();
    let whole = exchanges(&client, &server);
    assert_eq!(whole, trickled(&client, &server), "cuts change nothing");
    whole
}

/// As [`of_request`], of a response.
pub(super) fn of_response(headers: &str, body: &str) -> Vec<String> {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let server = format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");
    let whole = exchanges(request, &server);
    assert_eq!(whole, trickled(request, &server), "cuts change nothing");
    whole
}

/// Two requests with this request head first: whole and trickled must agree.
pub(super) fn of_head(head: &str) -> Vec<String> {
    let whole = exchanges(head, OK);
    assert_eq!(whole, trickled(head, OK), "cuts change nothing");
    whole
}

pub(super) fn count(http: &Http<Journal>, anomaly: Anomaly) -> u64 {
    http.counters().anomalies().find(|(each, _)| *each == anomaly).map_or(0, |(_, count)| count)
}
