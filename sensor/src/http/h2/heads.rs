//! Header blocks: requests, responses, trailers, and those that only update the table.

use super::conn::Opened;
use super::fields::Fields;
use super::flow::Flow;
use super::hpack::{Block, Error};
use super::streams::Stream;
use crate::http::anomaly::Anomaly;
use crate::http::body::Framing;
use crate::http::counters::add;
use crate::http::exchange::Sink;
use crate::http::message::Message;
use crate::http::method::{Method, Version};
use crate::http::websocket::Socket;
use crate::stream::Side;

/// A list larger than the maximum head is a bomb if it is this many times as large as its block.
const BOMB_RATIO: u64 = 4;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
    Trailers,
    /// Decoded only to keep the table in step.
    Nothing,
}

impl<S: Sink> Flow<'_, S> {
    /// A complete block.
    pub(super) fn block(&mut self, opened: Opened, block: &[u8]) {
        match self.role(opened) {
            Role::Nothing => self.decode_blindly(block),
            Role::Trailers => self.trailers(opened, block),
            Role::Request | Role::Response => {
                let Some(mut message) = self.http.pool.take(opened.began, &mut self.http.counters) else {
                    self.decode_blindly(block);
                    self.state.half(self.side).lost = true;
                    return;
                };
                if self.decode_head(&mut message, block) {
                    self.head(opened, message);
                } else {
                    self.http.pool.give(message);
                    self.state.half(self.side).lost = true;
                }
            }
        }
    }

    /// A block of which only the first frame's header is known.
    pub(super) fn block_lost(&mut self, opened: Opened, too_long: bool) {
        self.conn.half(self.side).decoder.lose();
        let role = self.role(opened);
        match role {
            Role::Nothing => {}
            Role::Trailers => self.ends(opened),
            Role::Request | Role::Response => {
                let Some(mut message) = self.http.pool.take(opened.began, &mut self.http.counters) else {
                    self.state.half(self.side).lost = true;
                    return;
                };
                message.facts.version = Version::Http2;
                message.flag(if too_long { Anomaly::HeadTooLarge } else { Anomaly::HiddenFields });
                message.state.gaps = !too_long;
                self.head(opened, message);
            }
        }
    }

    /// Determines a block's role from its stream's state, and flags invalid states (section 5.1).
    fn role(&mut self, opened: Opened) -> Role {
        let id = opened.stream;
        if opened.pushed || self.side == Side::Server && id & 1 == 0 {
            return Role::Nothing;
        }
        if self.side == Side::Server {
            self.conn.tally.note_content(false);
        }
        let lost = self.state.half(self.side).lost;
        let streams = &mut self.conn.streams;
        let newest = streams.newest;
        let unseen = streams.may_be_unseen(id) || self.state.client.lost && id > newest;
        match (self.side, streams.get(id)) {
            (Side::Client, Some(stream)) if stream.client_ended => {
                self.flag(Anomaly::StreamState);
                Role::Nothing
            }
            (Side::Client, Some(_)) => Role::Trailers,
            (Side::Client, None) if id & 1 == 1 && id > newest => Role::Request,
            (Side::Client, None) => {
                if id & 1 == 0 {
                    self.flag(Anomaly::StreamId);
                } else if !streams.was_reset(id) && !lost {
                    self.flag(Anomaly::StreamState);
                }
                Role::Nothing
            }
            (Side::Server, Some(stream)) if stream.server_ended => Role::Nothing,
            (Side::Server, Some(stream)) if stream.response.is_some() || stream.socket.is_some() => {
                Role::Trailers
            }
            (Side::Server, Some(_)) => Role::Response,
            (Side::Server, None) if unseen => Role::Response,
            (Side::Server, None) => {
                if id > newest {
                    self.flag(Anomaly::StreamState);
                }
                Role::Nothing
            }
        }
    }

    fn decode_blindly(&mut self, block: &[u8]) {
        let mut scratch = std::mem::take(&mut self.http.scratch);
        scratch.clear();
        let told = self.conn.half(self.side).decoder.decode(block, &mut scratch, 0, |_, _| {});
        self.http.keep_scratch(scratch);
        if told.1.is_some() {
            self.flag(Anomaly::HpackError);
        }
    }

    /// Decodes the fields of a message; false if there is no room for it.
    fn decode_head(&mut self, message: &mut Message, block: &[u8]) -> bool {
        let mut scratch = std::mem::take(&mut self.http.scratch);
        scratch.clear();
        let config = &self.http.config;
        let Message { facts, spans, .. } = &mut *message;
        let mut fields = Fields::new(self.side, false, facts, spans, config.headers);
        let decoder = &mut self.conn.half(self.side).decoder;
        let (told, error) =
            decoder.decode(block, &mut scratch, config.head_bytes, |bytes, field| fields.field(bytes, field));
        let smuggles = fields.finish(&scratch, told.unknown == 0 && !told.cut && error.is_none());
        self.note_smuggling(smuggles);
        self.note_block(message, block, told, error);
        let has_room = self.http.pool.make_room(message, scratch.len(), &mut self.http.counters);
        if has_room {
            message.bytes.extend_from_slice(&scratch);
            message.head_length = scratch.len();
        }
        self.http.keep_scratch(scratch);
        has_room
    }

    /// Counts a request that HTTP/1 would give another meaning.
    pub(super) const fn note_smuggling(&mut self, smuggles: bool) {
        if smuggles {
            super::abuse::bump(&mut self.conn.tally.since_told.smuggling);
        }
    }

    /// Records the result of decoding a message's block.
    fn note_block(&mut self, message: &mut Message, block: &[u8], told: Block, error: Option<Error>) {
        if told.unknown > 0 {
            add(&mut self.http.counters.hidden_fields, told.unknown.into());
            message.flag(Anomaly::HiddenFields);
            message.state.gaps = true;
        }
        if error.is_some() {
            self.flag(Anomaly::HpackError);
        }
        if told.cut {
            message.flag(Anomaly::HeadTooLarge);
            let is_bomb = told.size > (block.len() as u64).saturating_mul(BOMB_RATIO);
            if is_bomb {
                message.flag(Anomaly::HpackBomb);
                if self.side == Side::Client {
                    super::abuse::bump(&mut self.conn.tally.since_told.bombs);
                }
            }
        }
    }

    /// A head has been read.
    fn head(&mut self, opened: Opened, mut message: Box<Message>) {
        self.state.spoke = true;
        let half = self.state.half(self.side);
        message.facts.anomalies.extend(std::mem::take(&mut half.carried));
        message.framing = if opened.ends { Framing::None } else { Framing::UntilClose };
        message.begin_grpc();
        match self.side {
            Side::Client => self.request(opened, message),
            Side::Server => self.response(opened, message),
        }
        if opened.ends {
            self.ends(opened);
        }
    }

    fn request(&mut self, opened: Opened, mut message: Box<Message>) {
        let half = &mut self.state.client;
        if half.lost {
            // Earlier requests may be missing.
            let streams = &mut self.conn.streams;
            streams.unseen = (streams.unseen.0.min(streams.newest), opened.stream);
            message.state.gaps = true;
            (half.lost, half.skipped) = (false, false);
        }
        if self.conn.streams.len() >= self.http.config.streams
            && let Some(mut oldest) = self.conn.streams.pop_oldest()
        {
            self.conn.streams.note_reset(oldest.id);
            add(&mut self.http.counters.pipeline_overflows, 1);
            oldest
                .message(Side::Client)
                .into_iter()
                .for_each(|request| request.flag(Anomaly::PipelineOverflow));
            self.tell(oldest);
        }
        self.conn.tally.note_stream();
        let mut stream = Stream::new(opened.stream, opened.began);
        stream.request = Some(message);
        self.conn.streams.push(stream);
    }

    fn response(&mut self, opened: Opened, mut message: Box<Message>) {
        let status = message.facts.status;
        if (100..200).contains(&status) && !opened.ends {
            add(&mut self.http.counters.interim_responses, 1);
            self.state.server.carried.extend(message.facts.anomalies);
            self.http.pool.give(message);
            return;
        }
        if (100..200).contains(&status) {
            // Section 8.1: an interim response cannot end the stream.
            message.flag(Anomaly::InvalidStatus);
        }
        if std::mem::take(&mut self.state.server.lost) {
            message.state.gaps = true;
        }
        let began = opened.began;
        if !self.conn.streams.has(opened.stream) {
            // Its request was not seen.
            message.state.gaps = true;
            let mut stream = Stream::new(opened.stream, began);
            stream.client_ended = true;
            self.conn.streams.push_unseen(stream);
        }
        let Some(stream) = self.conn.streams.get(opened.stream) else {
            self.http.pool.give(message);
            return;
        };
        let is_socket = stream.request.as_deref().is_some_and(|request| request.facts.asks_for_socket);
        if is_socket && (200..300).contains(&status) && !opened.ends {
            add(&mut self.http.counters.upgraded, 1);
            let number = self.http.open_socket();
            message.facts.socket = Some(number);
            stream.socket = Some(Box::new(Socket::new(number, began)));
        }
        let is_handshake = message.facts.socket.is_some();
        stream.response = Some(message);
        if is_handshake {
            self.tell_handshake(opened.stream);
        }
    }

    /// Section 8.1: trailers end their message.
    fn trailers(&mut self, opened: Opened, block: &[u8]) {
        let side = self.side;
        let stream = self.conn.streams.get(opened.stream);
        let taken = stream.and_then(|stream| match side {
            Side::Client => stream.request.take(),
            Side::Server => stream.response.take(),
        });
        let Some(mut message) = taken else {
            // Its exchange was emitted before.
            self.decode_blindly(block);
            if opened.ends {
                self.ends(opened);
            }
            return;
        };
        let mut scratch = std::mem::take(&mut self.http.scratch);
        scratch.clear();
        let Message { facts, spans, .. } = &mut *message;
        let mut fields = Fields::new(side, true, facts, spans, self.http.config.headers);
        let room = self.http.config.trailer_bytes as usize;
        let decoder = &mut self.conn.half(side).decoder;
        let (told, error) =
            decoder.decode(block, &mut scratch, room, |bytes, field| fields.field(bytes, field));
        let smuggles = fields.finish(&scratch, true);
        self.note_smuggling(smuggles);
        self.http.keep_scratch(scratch);
        if told.cut {
            message.flag(Anomaly::TrailersTooLarge);
        }
        self.note_block(&mut message, block, Block { cut: false, ..told }, error);
        if !opened.ends {
            message.flag(Anomaly::UnfinishedTrailers);
        }
        if let Some(stream) = self.conn.streams.get(opened.stream) {
            match side {
                Side::Client => stream.request = Some(message),
                Side::Server => stream.response = Some(message),
            }
        }
        if opened.ends {
            self.ends(opened);
        }
    }

    fn ends(&mut self, opened: Opened) {
        if opened.ends {
            self.side_ends(opened.stream);
        }
    }
}

/// Whether method and status permit content, so that `content-length` must match.
pub(super) fn may_have_content(side: Side, message: &Message, request: Option<Method>) -> bool {
    match side {
        Side::Client => true,
        Side::Server => request != Some(Method::Head) && !matches!(message.facts.status, 0 | 204 | 304),
    }
}
