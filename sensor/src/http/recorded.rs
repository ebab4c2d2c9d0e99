//! Exchanges that others recorded: a line of an access log.
//!
//! Its head is what the log tells of it, read by the parsers that read it from the wire, so nothing above this room
//! needs to know. Bodies were not recorded: their lengths may be known, their bytes are not.

use super::anomaly::Anomaly;
use super::connection::State;
use super::counters::add;
use super::engine::Http;
use super::exchange::Sink;
use super::h1::head;
use super::message::Message;
use super::method::Version;
use crate::capture::Endpoint;
use crate::capture::log::Recorded;
use crate::stream::{Opening, Side};

/// What completes a request line; the logged version is set afterwards.
const END_OF_LINE: &[u8] = b" HTTP/1.1\r\n";

impl<S: Sink> Http<S> {
    /// Takes an exchange that was recorded elsewhere.
    pub fn recorded(&mut self, recorded: &Recorded) {
        let Some(client) = recorded.client else { return };
        let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
        let server = Endpoint::new(recorded.server.unwrap_or(unspecified), recorded.server_port);
        let client = Endpoint::new(client, recorded.client_port);
        let mut state = State::new(
            &Opening { client, server, time: recorded.began(), interface: 0, midstream: false },
            false,
        );
        // A server writes down whom it answered.
        state.connection.proven = true;
        state.connection.recorded = true;
        let Some(mut request) = self.pool.take(recorded.began(), &mut self.counters) else { return };
        if self.compose(&mut request, recorded) {
            let response = recorded.status.and_then(|status| self.response(status, recorded));
            self.emit(&mut state, Some(&request), response.as_deref());
            response.into_iter().for_each(|response| self.pool.give(response));
        } else {
            add(&mut self.counters.unparsed_bytes, recorded.line.len() as u64);
        }
        self.pool.give(request);
    }

    /// Writes the request's head and reads it; false if there is no room for it.
    fn compose(&mut self, request: &mut Message, recorded: &Recorded) -> bool {
        let length = recorded.line.len().saturating_add(recorded.headers.len()).saturating_add(16);
        if length > self.config.head_bytes || !self.pool.make_room(request, length, &mut self.counters) {
            return false;
        }
        for part in [&recorded.line, END_OF_LINE, &recorded.headers, b"\r\n"] {
            request.bytes.extend_from_slice(part);
        }
        request.read_whole(Side::Client, self.config.headers);
        // Logs may lack it.
        request.facts.anomalies.remove(Anomaly::MissingHost);
        request.facts.version = match recorded.version {
            Some((0, _)) => Version::Http09,
            Some((1, 0)) => Version::Http10,
            Some((2, _)) => Version::Http2,
            _ => Version::Http11,
        };
        request.head_length = request.bytes.len();
        request.end_recorded(recorded.request_bytes, recorded.ended());
        true
    }

    fn response(&mut self, status: u16, recorded: &Recorded) -> Option<Box<Message>> {
        // What is known of its duration is when it ended.
        let mut response = self.pool.take(recorded.ended(), &mut self.counters)?;
        head::status(&mut response.facts, status);
        response.end_recorded(recorded.response_bytes, recorded.ended());
        Some(response)
    }
}

impl Message {
    /// Nothing of its body was recorded but perhaps its length.
    fn end_recorded(&mut self, length: Option<u64>, ended: crate::clock::Timestamp) {
        self.ended = Some(ended);
        self.state.finished = true;
        self.state.length_unknown = length.is_none();
        self.state.body_cut = length != Some(0);
        self.body_length = length.unwrap_or_default();
        self.body_wire_length = self.body_length;
    }
}
