//! What is kept of a connection: nothing but this while it is idle.

use super::anomaly::Anomalies;
use super::exchange::Connection;
use super::message::Message;
use super::pool::{Pool, Waiting};
use super::start_line::Method;
use crate::stream::{Opening, Side};

/// What the next bytes of a side are.
///
/// ```text
/// Proxy ---> Start <---> Head ---> Body ---> Start ...
///              \          |         /
///               `-------> Resync <-'          any ---> Held, Stopped
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Perhaps a PROXY protocol header; what came of it is in the message.
    Proxy,
    /// The rest of one, which is passed over: at most what 16 bits of length leave beyond the addresses.
    ProxyRest(u16),
    /// A message.
    Start,
    /// The rest of a head, whose beginning is in the message.
    Head,
    /// The rest of a body.
    Body,
    /// Anything: a message is looked for.
    Resync,
    /// Not known before the response to CONNECT is (RFC 9110, section 9.3.6), or nothing.
    Held,
    /// Of no interest.
    Stopped,
}

/// One side.
#[derive(Debug)]
pub(super) struct Half {
    pub phase: Phase,
    /// A message that is being read and is not among the waiting requests; of the server also one that is whole
    /// while its request is not.
    pub message: Option<Box<Message>>,
    /// What was seen before its last message, or since, may not be all.
    pub lost: bool,
    /// Bytes since its last message are missing or were passed over.
    pub skipped: bool,
    /// It has announced that it will send no more messages.
    pub closing: bool,
    /// Found since its last message, for the next one.
    pub carried: Anomalies,
}

/// The state of a connection. It holds buffers only while a message is read or waits for its response.
#[derive(Debug)]
pub struct State {
    pub(super) connection: Connection,
    pub(super) client: Half,
    pub(super) server: Half,
    pub(super) requests: Requests,
    /// Bytes passed over before the first message.
    pub(super) probed: u32,
    /// Responses to come that belong to requests given up.
    pub(super) forgotten: u32,
    /// Bytes that it may yet have decoded; see [`super::inflation`].
    pub(super) inflation: u32,
    /// Messages of the client after the one that announced the end, which the server has not answered.
    pub(super) after_close: u8,
    /// Requests, the oldest ones, whose responses may be among missing bytes.
    pub(super) doubtful: u16,
    /// A message has been read.
    pub(super) spoke: bool,
    /// The response being read answers the oldest request.
    pub(super) paired: bool,
    /// The client sent bytes while held.
    pub(super) held_bytes: bool,
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

/// Requests that wait for their response, in order. One alone needs no queue.
#[derive(Debug, Default)]
pub(super) struct Requests {
    oldest: Option<Box<Message>>,
    others: Option<Box<Waiting>>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.0.len());
        usize::from(self.oldest.is_some()).saturating_add(others)
    }

    pub(super) fn oldest(&self) -> Option<&Message> {
        self.oldest.as_deref()
    }

    pub(super) fn newest(&self) -> Option<&Message> {
        let others = self.others.as_ref().and_then(|others| others.0.back());
        others.or(self.oldest.as_ref()).map(|newest| &**newest)
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut Message> {
        match self.others.as_mut().and_then(|others| others.0.back_mut()) {
            Some(newest) => Some(newest),
            None => self.oldest.as_deref_mut(),
        }
    }

    /// How many, the oldest ones, began before a moment.
    pub(super) fn before(&self, time: crate::clock::Timestamp) -> usize {
        let others = self.others.iter().flat_map(|others| &others.0);
        self.oldest.iter().chain(others).take_while(|request| request.started < time).count()
    }

    pub(super) fn push(&mut self, request: Box<Message>, pool: &mut Pool) {
        if self.oldest.is_none() {
            self.oldest = Some(request);
            return;
        }
        let others = self.others.get_or_insert_with(|| pool.take_queue());
        others.0.push_back(request);
    }

    pub(super) fn pop(&mut self, pool: &mut Pool) -> Option<Box<Message>> {
        let oldest = self.oldest.take()?;
        if let Some(others) = &mut self.others {
            self.oldest = others.0.pop_front();
            if others.0.is_empty()
                && let Some(others) = self.others.take()
            {
                pool.give_queue(others);
            }
        }
        Some(oldest)
    }
}
