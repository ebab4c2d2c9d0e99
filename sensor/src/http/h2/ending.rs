//! Ends of streams, where exchanges are emitted.

use super::conn::Conn;
use super::flow::Flow;
use super::heads::may_have_content;
use super::streams::Stream;
use crate::http::anomaly::Anomaly;
use crate::http::counters::add;
use crate::http::exchange::Sink;
use crate::http::h1::engine::Ending;
use crate::stream::{Look, Side};

use crate::http::{Unfinished, UnfinishedPart};

impl<S: Sink> Flow<'_, S> {
    /// A side ends a stream.
    pub(super) fn side_ends(&mut self, id: u32) {
        let (side, time) = (self.side, self.time);
        let mut smuggles = false;
        let Some(stream) = self.conn.streams.get(id) else { return };
        if stream.has_ended(side) {
            return;
        }
        let method = stream.request.as_deref().map(|request| request.facts.method);
        if let Some(message) = stream.message(side) {
            message.ended = Some(time);
            message.state.finished = true;
            // Section 8.1.1.
            let is_wrong = message.facts.content_length.is_some_and(|length| length != message.body_length);
            if is_wrong && !message.state.length_unknown && may_have_content(side, message, method) {
                message.flag(Anomaly::ContentLengthMismatch);
                smuggles = side == Side::Client;
            }
            if side == Side::Client
                && message.body_length > 0
                && !message.facts.method.may_have_body()
                && !message.facts.is_extended_connect
            {
                message.flag(Anomaly::UnexpectedRequestBody);
            }
        }
        match side {
            Side::Client => stream.client_ended = true,
            Side::Server => stream.server_ended = true,
        }
        let is_over = stream.client_ended && stream.server_ended;
        let is_answered = stream.server_ended && !stream.told;
        self.note_smuggling(smuggles);
        if is_over {
            self.over(id);
        } else if is_answered {
            // Whatever else the client sends no longer matters.
            self.tell_now(id);
        }
    }

    /// A stream is over.
    pub(super) fn over(&mut self, id: u32) {
        if let Some(stream) = self.conn.streams.remove(id) {
            self.tell(stream);
        }
    }

    /// Emits the exchange of a stream that stays open.
    fn tell_now(&mut self, id: u32) {
        let Some(stream) = self.conn.streams.get(id) else { return };
        stream.told = true;
        let (request, response, gaps) = (stream.request.take(), stream.response.take(), stream.gaps);
        let told = Stream { request, response, gaps, ..Stream::new(id, stream.began) };
        self.tell(told);
    }

    /// Emits a handshake whose stream continues as another protocol.
    pub(super) fn tell_handshake(&mut self, id: u32) {
        let time = self.time;
        if let Some(stream) = self.conn.streams.get(id) {
            for side in [Side::Client, Side::Server] {
                if let Some(message) = stream.message(side) {
                    message.ended = Some(time);
                    message.state.finished = true;
                }
            }
        }
        self.tell_now(id);
    }

    /// Emits the exchange of a removed stream, unless that was done before.
    pub(super) fn tell(&mut self, stream: Stream) {
        let Stream { mut request, response, gaps, socket, .. } = stream;
        if let Some(socket) = socket {
            self.http.tell_socket(self.state, &socket, self.time);
        }
        if let Some(request) = request.as_deref_mut() {
            request.state.gaps |= gaps;
        }
        if request.is_some() || response.is_some() {
            self.http.emit(self.state, request.as_deref(), response.as_deref());
        }
        [request, response].into_iter().flatten().for_each(|message| self.http.pool.give(message));
    }

    /// Bytes of a side are missing, so the start of its next frame is unknown.
    pub(super) fn lose(&mut self) {
        let side = self.side;
        add(&mut self.http.counters.gaps, 1);
        add(&mut self.http.counters.desynchronisations, 1);
        self.drop_block();
        let half = self.conn.half(side);
        half.decoder.lose();
        half.is_fresh = false;
        let partial = std::mem::take(&mut half.partial);
        partial.bytes.into_iter().for_each(|message| self.http.pool.give(message));
        let lost = self.state.half(side);
        (lost.lost, lost.skipped) = (true, true);
        let newest = self.conn.streams.newest;
        if side == Side::Client {
            self.conn.streams.unseen = (newest, u32::MAX);
        }
        for stream in self.conn.streams.iter_mut().filter(|stream| !stream.has_ended(side)) {
            stream.gaps = true;
            if let Some(socket) = stream.socket.as_deref_mut() {
                socket.skip(side, u64::MAX, &mut self.http.counters);
            }
            if let Some(message) = stream.message(side) {
                message.state.gaps = true;
                message.state.length_unknown = true;
                message.state.body_cut = true;
            }
        }
    }

    /// The connection is over: emits unfinished exchanges as they are.
    pub(in crate::http) fn close(&mut self, ending: Ending) {
        for side in [Side::Client, Side::Server] {
            self.side = side;
            self.drop_block();
            let partial = std::mem::take(&mut self.conn.half(side).partial);
            partial.bytes.into_iter().for_each(|message| self.http.pool.give(message));
        }
        while let Some(mut stream) = self.conn.streams.pop_oldest() {
            for side in [Side::Client, Side::Server] {
                let has_ended = stream.has_ended(side);
                if let Some(message) = stream.message(side).filter(|_| !has_ended) {
                    match ending {
                        Ending::Fin | Ending::Reset => message.flag(Anomaly::IncompleteBody),
                        Ending::Unseen => message.state.gaps = true,
                    }
                }
            }
            self.tell(stream);
        }
        self.tell_abuse(true);
    }
}

impl Conn {
    /// The oldest unfinished message of known length.
    pub(in crate::http) fn unfinished(&self, look: &Look) -> Option<Unfinished> {
        let block = self.client.block.as_deref().map(|block| Unfinished {
            part: UnfinishedPart::RequestHead,
            since: block.opened.began,
            bytes: block.bytes.as_deref().map_or(0, |message| message.bytes.len() as u64),
            time: look.time,
        });
        block.or_else(|| self.streams.iter().find_map(|stream| unfinished_body(stream, look)))
    }
}

/// Only bodies of known length: others may be streams, which are free to pause.
fn unfinished_body(stream: &Stream, look: &Look) -> Option<Unfinished> {
    let sides = [
        (stream.request.as_deref(), stream.client_ended, look.client_skips, UnfinishedPart::RequestBody),
        (stream.response.as_deref(), stream.server_ended, look.server_skips, UnfinishedPart::ResponseBody),
    ];
    sides.into_iter().find_map(|(message, ended, skips, part)| {
        let message = message.filter(|_| !ended && !skips)?;
        let is_due = message.facts.content_length.is_some_and(|length| length > message.body_length);
        (is_due && !message.state.gaps).then_some(Unfinished {
            part,
            since: message.started(),
            bytes: (message.head_length as u64).saturating_add(message.body_length),
            time: look.time,
        })
    })
}
