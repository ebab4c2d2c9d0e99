//! DATA.

use super::flow::Flow;
use super::frame::{END_STREAM, Frame};
use crate::http::anomaly::Anomaly;
use crate::http::exchange::Sink;
use crate::stream::{Missing, Side};

impl<S: Sink> Flow<'_, S> {
    /// A DATA frame begins (section 6.1).
    pub(super) fn data_begins(&mut self, frame: Frame) {
        self.check(frame);
        match self.side {
            Side::Client => self.note_empty(frame.length == 0 && !frame.has(END_STREAM)),
            Side::Server => self.conn.tally.note_content(true),
        }
        let lost = self.state.half(self.side).lost;
        let side = self.side;
        let wrong = match self.conn.streams.get(frame.stream) {
            Some(stream) if stream.has_ended(side) => side == Side::Client,
            Some(stream) => {
                side == Side::Server && stream.response.is_none() && stream.socket.is_none() && !lost
            }
            // Frames of a closed stream may have been in flight.
            None => {
                let streams = &self.conn.streams;
                let is_idle = frame.stream > streams.newest;
                let is_closed = side == Side::Client && !streams.was_reset(frame.stream);
                frame.stream & 1 == 1 && !lost && (is_idle || is_closed)
            }
        };
        if wrong {
            self.flag(Anomaly::StreamState);
        }
    }

    /// Whether a stream's content is still needed.
    pub(super) fn wants(&mut self, id: u32) -> bool {
        let (side, most) = (self.side, self.http.config.body_bytes);
        let message = self.conn.streams.get(id).and_then(|stream| stream.message(side));
        message.is_some_and(|message| !message.state.body_cut && message.body().len() < most)
    }

    /// Content.
    #[inline]
    pub(super) fn data(&mut self, id: u32, content: &[u8]) {
        if content.is_empty() {
            return;
        }
        let side = self.side;
        let Some(stream) = self.conn.streams.get(id) else { return };
        if let Some(socket) = stream.socket.as_deref_mut() {
            socket.read(side, content, &mut self.http.counters);
            return;
        }
        if stream.has_ended(side) {
            return;
        }
        let Some(message) = stream.message(side) else { return };
        let http = &mut *self.http;
        let wanted = message.wants(content.len(), &http.config);
        if wanted > 0 && !http.pool.make_room(message, wanted, &mut http.counters) {
            message.state.body_cut = true;
        }
        message.take_data(content, &http.config);
    }

    /// Missing content.
    pub(super) fn skip_data(&mut self, id: u32, content: u64, certain: bool, why: Missing) {
        let side = self.side;
        let Some(stream) = self.conn.streams.get(id) else { return };
        if let Some(socket) = stream.socket.as_deref_mut() {
            socket.skip(side, content, &mut self.http.counters);
            return;
        }
        if let Some(message) = stream.message(side) {
            message.state.gaps |= why == Missing::Lost;
            message.state.length_unknown |= !certain;
            message.skip_data(content);
        }
    }

    /// A frame ends.
    pub(super) fn data_ends(&mut self, frame: Frame) {
        if frame.has(END_STREAM) {
            self.side_ends(frame.stream);
        }
    }
}
