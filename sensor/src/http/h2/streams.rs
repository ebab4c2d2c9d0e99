//! A connection's streams whose exchanges are not over.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::http::message::Message;
use crate::http::websocket::Socket;
use crate::stream::Side;

/// A stream.
///
/// ```text
/// HEADERS of the client --> open --> END_STREAM of both, or RST_STREAM: emitted and removed
///                             `----> END_STREAM of the server only: emitted; the rest of the request is skipped
/// ```
#[derive(Debug)]
pub(super) struct Stream {
    pub id: u32,
    pub began: Timestamp,
    pub request: Option<Box<Message>>,
    /// The final response.
    pub response: Option<Box<Message>>,
    /// Each side has ended.
    pub client_ended: bool,
    pub server_ended: bool,
    /// Its exchange was emitted.
    pub told: bool,
    /// Some of its frames may be missing.
    pub gaps: bool,
    /// What it became by extended CONNECT (RFC 8441).
    pub socket: Option<Box<Socket>>,
}

impl Stream {
    pub(super) const fn new(id: u32, began: Timestamp) -> Self {
        Self {
            id,
            began,
            request: None,
            response: None,
            client_ended: false,
            server_ended: false,
            told: false,
            gaps: false,
            socket: None,
        }
    }

    pub(super) fn message(&mut self, side: Side) -> Option<&mut Message> {
        match side {
            Side::Client => self.request.as_deref_mut(),
            Side::Server => self.response.as_deref_mut(),
        }
    }

    pub(super) const fn has_ended(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client_ended,
            Side::Server => self.server_ended,
        }
    }
}

/// Reset streams remembered, because the peer's frames may have been in flight.
const RESETS: usize = 32;

/// The streams of a connection, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Streams {
    list: VecDeque<Stream>,
    /// Where the last one was found: frames of a stream come in a row.
    last: usize,
    resets: [u32; RESETS],
    next_reset: usize,
    /// The largest identifier of a client's stream.
    pub(super) newest: u32,
    /// Requests with identifiers between these two may be missing.
    pub(super) unseen: (u32, u32),
}

impl Default for Streams {
    fn default() -> Self {
        Self { list: VecDeque::new(), last: 0, resets: [0; RESETS], next_reset: 0, newest: 0, unseen: (0, 0) }
    }
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn has(&mut self, id: u32) -> bool {
        self.place(id).is_some()
    }

    #[inline]
    fn place(&mut self, id: u32) -> Option<usize> {
        if self.list.get(self.last).is_some_and(|stream| stream.id == id) {
            return Some(self.last);
        }
        let place = self.list.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.last = place;
        Some(place)
    }

    #[inline]
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id)?;
        self.list.get_mut(place)
    }

    /// Adds a stream with an identifier larger than any before.
    pub(super) fn push(&mut self, stream: Stream) {
        self.newest = self.newest.max(stream.id);
        self.push_unseen(stream);
    }

    /// Adds a stream whose request was not seen.
    pub(super) fn push_unseen(&mut self, stream: Stream) {
        if self.list.back().is_none_or(|newest| newest.id < stream.id) {
            self.last = self.list.len();
            self.list.push_back(stream);
            return;
        }
        let at = self.list.partition_point(|other| other.id < stream.id);
        self.last = at;
        self.list.insert(at, stream);
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let place = self.place(id)?;
        let stream = self.list.remove(place);
        if self.list.is_empty() && self.list.capacity() > 32 {
            self.list = VecDeque::new();
        }
        stream
    }

    pub(super) fn pop_oldest(&mut self) -> Option<Stream> {
        self.list.pop_front()
    }

    /// The newest stream's identifier, if it is larger than `id`.
    pub(super) fn beyond(&self, id: u32) -> Option<u32> {
        self.list.back().map(|stream| stream.id).filter(|newest| *newest > id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.list.iter_mut()
    }

    pub(super) fn note_reset(&mut self, id: u32) {
        if let Some(place) = self.resets.get_mut(self.next_reset) {
            *place = id;
        }
        self.next_reset = self.next_reset.saturating_add(1) % RESETS;
    }

    /// Whether frames of a closed stream may still arrive.
    pub(super) fn was_reset(&self, id: u32) -> bool {
        self.resets.contains(&id)
    }

    /// Whether a stream's request may be missing.
    pub(super) const fn may_be_unseen(&self, id: u32) -> bool {
        self.unseen.0 < id && id < self.unseen.1
    }

    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.list.capacity().saturating_mul(size_of::<Stream>())
    }
}
