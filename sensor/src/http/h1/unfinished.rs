//! Messages that have been in progress for long.

use super::half::Phase;
use crate::clock::Timestamp;
use crate::http::body::Framing;
use crate::http::connection::State;
use crate::http::engine::Http;
use crate::http::exchange::Sink;
use crate::http::message::Message;
use crate::stream::Look;

/// Which part of an exchange is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfinishedPart {
    /// The head of a request.
    RequestHead,
    /// The body of a request.
    RequestBody,
    /// The body of a response.
    ResponseBody,
}

/// A message in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which part of it.
    pub part: UnfinishedPart,
    /// When its first byte was seen.
    pub since: Timestamp,
    /// Its bytes so far.
    pub bytes: u64,
    /// Now.
    pub time: Timestamp,
}

impl<S: Sink> Http<S> {
    /// Reports a message in progress for [`Config::held_after`](crate::http::Config::held_after).
    pub(in crate::http) fn look_at(&mut self, state: &State, look: &Look) {
        let found = request(state, look).or_else(|| response(state, look));
        if let Some(found) = found.filter(|found| look.time.since(found.since) >= self.config.held_after) {
            self.sink.unfinished(&state.connection, &found);
        }
    }
}

/// A connection without any byte of a request does not count: browsers open them in advance.
fn request(state: &State, look: &Look) -> Option<Unfinished> {
    match state.client.phase {
        Phase::Head => {
            let message = state.client.message.as_deref().filter(|message| !message.state.tentative)?;
            let bytes = message.bytes.len() as u64;
            Some(of(UnfinishedPart::RequestHead, message, bytes, look))
        }
        Phase::Body => {
            let message = state.client.message.as_deref().or_else(|| state.requests.newest())?;
            // It is unknown how much has come of what is left out on purpose.
            (!look.client_skips && !message.state.gaps && !message.state.finished)
                .then(|| of(UnfinishedPart::RequestBody, message, whole(message), look))
        }
        Phase::Proxy
        | Phase::ProxyRest(_)
        | Phase::Start
        | Phase::Resync
        | Phase::Held
        | Phase::Stopped
        | Phase::Elsewhere => None,
    }
}

/// Only bodies of known length: others may be event streams, which are free to pause.
///
/// A client that shuts its window stops the server's bytes; that is what is seen here. Nothing is known of a body from
/// where on it is left out, that is after its first [`Config::body_bytes`](crate::http::Config::body_bytes): a reader that
/// slows down only then is not seen.
fn response(state: &State, look: &Look) -> Option<Unfinished> {
    let message = state.server.message.as_deref().filter(|_| state.server.phase == Phase::Body)?;
    let is_due = matches!(message.framing, Framing::Length(left) if left > 0) && !message.state.finished;
    (is_due && !look.server_skips && !message.state.gaps)
        .then(|| of(UnfinishedPart::ResponseBody, message, whole(message), look))
}

const fn whole(message: &Message) -> u64 {
    message.body_wire_length.saturating_add(message.head_length as u64)
}

const fn of(part: UnfinishedPart, message: &Message, bytes: u64, look: &Look) -> Unfinished {
    Unfinished { part, since: message.started, bytes, time: look.time }
}
