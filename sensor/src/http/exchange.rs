//! The output of this room.

use std::time::Duration;

use super::anomaly::{Anomalies, Anomaly};
use super::decode::Decoding;
use super::grpc::Grpc;
use super::h1::unfinished::Unfinished;
use super::h2::Abuse;
use super::inflation::Purse;
use super::message::{Message, Request, Response};
use super::proxy_protocol::ProxyHeader;
use super::websocket::WebSocket;
use crate::capture::Endpoint;
use crate::clock::Timestamp;
use crate::tls;

/// The connection of an exchange.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client's endpoint.
    pub client: Endpoint,
    /// The server's endpoint.
    pub server: Endpoint,
    /// When its first segment was seen.
    pub opened: Timestamp,
    /// Index of the interface of that segment.
    pub interface: u32,
    /// Whether the client was shown to receive what the server sends, so nobody else can have sent this in its name.
    pub proven: bool,
    /// Whether it is the record of a log: there is no connection, and bodies and most headers are not known.
    pub recorded: bool,
    /// What surrounds the messages; nothing, for most connections.
    pub(super) around: Option<Box<Around>>,
}

/// What surrounds a connection's messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    pub(super) proxy: Option<ProxyHeader>,
    pub(super) tls: Option<tls::Facts>,
    pub(super) unverified: bool,
}

impl Connection {
    /// The PROXY protocol header that it began with. Whether its sender may be believed is not decided here.
    #[must_use]
    pub fn proxy(&self) -> Option<&ProxyHeader> {
        self.around.as_ref()?.proxy.as_ref()
    }

    /// Facts from TLS around it.
    #[must_use]
    pub const fn tls(&self) -> Option<&tls::Facts> {
        match &self.around {
            Some(around) => around.tls.as_ref(),
            None => None,
        }
    }

    /// Whether some of it was read in TLS without proof that it is what was sent: records whose tags were not captured.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.around.as_ref().is_some_and(|around| around.unverified)
    }

    pub(super) fn around(&mut self) -> &mut Around {
        self.around.get_or_insert_default()
    }
}

/// A request and its response, or one of them.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request; `None` for a response without one.
    pub request: Option<Request<'a>>,
    /// The final response, if one was seen.
    pub response: Option<Response<'a>>,
    /// Anomalies of either of them, or of the bytes before.
    pub anomalies: Anomalies,
    /// Whether bytes are missing from the messages, or so that their pairing is uncertain.
    pub gaps: bool,
    pub(super) purse: &'a Purse,
}

impl<'a> Exchange<'a> {
    /// From the first byte of the request to the first byte of the final response.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.response?.started().since(self.request?.started()))
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        let response = self.response.map(|response| response.started());
        self.request.map(|request| request.started()).or(response).unwrap_or_default()
    }

    /// When the last of it was seen.
    #[must_use]
    pub fn ended(&self) -> Timestamp {
        let of = |message: &Message| message.ended().unwrap_or_else(|| message.started());
        let messages = [self.request.map(Request::message), self.response.map(Response::message)];
        messages.into_iter().flatten().map(of).max().unwrap_or_default()
    }

    /// What gRPC tells of it, if it is a call of gRPC.
    #[must_use]
    pub fn grpc(&self) -> Option<Grpc> {
        let (request, response) = (self.request.map(Request::message), self.response.map(Response::message));
        let is_grpc = [request, response].into_iter().flatten().any(|message| message.grpc.is_on());
        let messages = |message: Option<&Message>| message.and_then(|message| message.grpc.messages());
        is_grpc.then(|| Grpc {
            status: self.response.and_then(Response::grpc_status),
            request: messages(request),
            response: messages(response),
        })
    }

    /// The number of the WebSocket that its response opens, if it opens one.
    #[must_use]
    pub fn socket(&self) -> Option<u64> {
        self.response?.message().facts.socket
    }

    /// The status of the response, where one was seen.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response.map(Response::status).filter(|status| *status != 0)
    }

    /// The status of the response as it is meant; see [`Response::outcome`].
    #[must_use]
    pub fn outcome(&self) -> Option<u16> {
        self.response.map(Response::outcome).filter(|status| *status != 0)
    }

    /// The anomalies, and what decoding its bodies has found since.
    #[must_use]
    pub fn all_anomalies(&self) -> Anomalies {
        let mut anomalies = self.anomalies;
        if self.purse.is_limited() {
            anomalies.insert(Anomaly::InflationLimited);
        }
        anomalies
    }

    /// The kept body of the request, decoded by its Content-Encoding into `out` (which is overwritten) up to
    /// [`Config::inflate_bytes`](super::Config::inflate_bytes), within a budget: ask for what is needed only.
    pub fn decode_request<'b>(&self, out: &'b mut Vec<u8>) -> (&'b [u8], Decoding)
    where
        'a: 'b,
    {
        self.decode(self.request.map(Request::message), out)
    }

    /// As [`Exchange::decode_request`], of the response.
    pub fn decode_response<'b>(&self, out: &'b mut Vec<u8>) -> (&'b [u8], Decoding)
    where
        'a: 'b,
    {
        self.decode(self.response.map(Response::message), out)
    }

    /// As [`Exchange::decode_response`], for who can do without: it takes nothing that an attempt to log in may need, and
    /// what is not decoded is no anomaly.
    pub fn decode_spare_response<'b>(&self, out: &'b mut Vec<u8>) -> (&'b [u8], Decoding)
    where
        'a: 'b,
    {
        let Some(response) = self.response else { return (&[], Decoding::Whole) };
        self.purse.decode_spare(response.message(), out)
    }

    fn decode<'b>(&self, message: Option<&'a Message>, out: &'b mut Vec<u8>) -> (&'b [u8], Decoding)
    where
        'a: 'b,
    {
        let Some(message) = message else { return (&[], Decoding::Whole) };
        self.purse.decode(message, out)
    }
}

/// Where exchanges go.
pub trait Sink {
    /// An exchange is over. Those of a connection come in the order of their responses, unanswered ones when
    /// the connection closes or their turn is known to have passed.
    fn exchange(&mut self, connection: &Connection, exchange: &Exchange<'_>);

    /// A message has been in progress for long; called every few seconds while that lasts.
    fn unfinished(&mut self, _connection: &Connection, _message: &Unfinished) {}

    /// A client did to HTTP/2 itself what conforming clients rarely do. Called in batches.
    fn abuse(&mut self, _connection: &Connection, _abuse: &Abuse, _time: Timestamp) {}

    /// A WebSocket is over, whose handshake came before as an exchange.
    fn socket(&mut self, _connection: &Connection, _socket: &WebSocket) {}
}
