//! The state of each side of an HTTP/1 connection.

use crate::http::anomaly::Anomalies;
use crate::http::message::Message;
use crate::http::pool::{Pool, Waiting};

/// What the next bytes of a side are.
///
/// ```text
/// Proxy ---> Start <---> Head ---> Body ---> Start ...
///              \          |         /
///               `-------> Resync <-'          any ---> Held, Stopped, Elsewhere
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Phase {
    /// Possibly a PROXY protocol header; its bytes so far are in the message.
    Proxy,
    /// The rest of one, which is skipped: at most what a 16-bit length leaves after the addresses.
    ProxyRest(u16),
    /// A message.
    Start,
    /// The rest of a head, whose beginning is in the message.
    Head,
    /// The rest of a body.
    Body,
    /// Unknown: the next message is to be found.
    Resync,
    /// Unknown until the response to CONNECT is (RFC 9110, section 9.3.6), or nothing.
    Held,
    /// Of no interest.
    Stopped,
    /// Another protocol: see [`crate::http::connection::Elsewhere`].
    Elsewhere,
}

/// One side.
#[derive(Debug)]
pub(in crate::http) struct Half {
    pub phase: Phase,
    /// The message being read, if it is not among the waiting requests. The server's may be complete while its request is
    /// not.
    pub message: Option<Box<Message>>,
    /// Something before or after its last message may be missing.
    pub lost: bool,
    /// Bytes since its last message are missing or were skipped.
    pub skipped: bool,
    /// It has announced its last message.
    pub closing: bool,
    /// Anomalies since its last message, which the next one carries.
    pub carried: Anomalies,
}

/// Requests that wait for their response, in order. One alone needs no queue.
#[derive(Debug, Default)]
pub(in crate::http) struct Requests {
    oldest: Option<Box<Message>>,
    others: Option<Box<Waiting>>,
}

impl Requests {
    pub(in crate::http) fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.0.len());
        usize::from(self.oldest.is_some()).saturating_add(others)
    }

    pub(in crate::http) fn oldest(&self) -> Option<&Message> {
        self.oldest.as_deref()
    }

    pub(in crate::http) fn newest(&self) -> Option<&Message> {
        let others = self.others.as_ref().and_then(|others| others.0.back());
        others.or(self.oldest.as_ref()).map(|newest| &**newest)
    }

    pub(in crate::http) fn newest_mut(&mut self) -> Option<&mut Message> {
        match self.others.as_mut().and_then(|others| others.0.back_mut()) {
            Some(newest) => Some(newest),
            None => self.oldest.as_deref_mut(),
        }
    }

    /// Number of oldest requests that began before a given time.
    pub(in crate::http) fn before(&self, time: crate::clock::Timestamp) -> usize {
        let others = self.others.iter().flat_map(|others| &others.0);
        self.oldest.iter().chain(others).take_while(|request| request.started < time).count()
    }

    pub(in crate::http) fn push(&mut self, request: Box<Message>, pool: &mut Pool) {
        if self.oldest.is_none() {
            self.oldest = Some(request);
            return;
        }
        let others = self.others.get_or_insert_with(|| pool.take_queue());
        others.0.push_back(request);
    }

    pub(in crate::http) fn pop(&mut self, pool: &mut Pool) -> Option<Box<Message>> {
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
