//! The state of a connection, and all there is of it while idle.

use super::anomaly::Anomalies;
use super::exchange::Connection;
use super::h1::half::{Half, Phase, Requests};
use super::h2::Conn;
use super::message::Message;
use super::method::Method;
use super::websocket::Socket;
use crate::stream::{Opening, Side};

/// The state of a connection. It holds buffers only while a message is read or waits for its response.
#[derive(Debug)]
pub struct State {
    pub(super) connection: Connection,
    pub(super) client: Half,
    pub(super) server: Half,
    pub(super) requests: Requests,
    /// Bytes skipped before the first message.
    pub(super) probed: u32,
    /// Expected responses to requests that were given up.
    pub(super) forgotten: u32,
    /// Remaining decoding budget in bytes; see [`super::inflation`].
    pub(super) inflation: u32,
    /// Unanswered messages of the client after one that announced the connection's end.
    pub(super) after_close: u8,
    /// Number of oldest requests whose responses may be missing.
    pub(super) doubtful: u16,
    /// A message has been read.
    pub(super) spoke: bool,
    /// The response being read answers the oldest request.
    pub(super) paired: bool,
    /// The client sent bytes while held.
    pub(super) held_bytes: bool,
    /// It was to be copied whole, in case that a WebSocket is opened.
    pub(super) whole: bool,
    /// The protocol spoken in [`Phase::Elsewhere`].
    pub(super) elsewhere: Elsewhere,
}

/// A protocol other than HTTP/1.
#[derive(Debug, Default)]
pub(super) enum Elsewhere {
    /// Nothing.
    #[default]
    Nothing,
    Http2(Box<Conn>),
    WebSocket(Box<Socket>),
}

impl State {
    pub(super) fn new(opening: &Opening, proxy_protocol: bool) -> Self {
        let (client, server) = match (opening.midstream, proxy_protocol) {
            (true, _) => (Phase::Resync, Phase::Resync),
            (false, true) => (Phase::Proxy, Phase::Start),
            (false, false) => (Phase::Start, Phase::Start),
        };
        let half = |phase| Half {
            phase,
            message: None,
            lost: opening.midstream,
            skipped: false,
            closing: false,
            carried: Anomalies::NONE,
        };
        Self {
            connection: Connection {
                client: opening.client,
                server: opening.server,
                opened: opening.time,
                interface: opening.interface,
                proven: false,
                recorded: false,
                around: None,
            },
            client: half(client),
            server: half(server),
            requests: Requests::default(),
            probed: 0,
            forgotten: 0,
            inflation: 0,
            after_close: 0,
            doubtful: 0,
            spoke: false,
            paired: false,
            held_bytes: false,
            whole: false,
            elsewhere: Elsewhere::Nothing,
        }
    }

    pub(super) const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(super) const fn phase(&self, side: Side) -> Phase {
        match side {
            Side::Client => self.client.phase,
            Side::Server => self.server.phase,
        }
    }

    /// The message whose body a side is sending.
    pub(super) fn receiving(&mut self, side: Side) -> Option<&mut Message> {
        match side {
            Side::Client if self.client.message.is_none() => self.requests.newest_mut(),
            Side::Client => self.client.message.as_deref_mut(),
            Side::Server => self.server.message.as_deref_mut(),
        }
    }

    /// The method that the response being read, or about to be, answers.
    pub(super) fn method(&self) -> Option<Method> {
        self.requests.oldest().map(|request| request.facts.method)
    }
}
