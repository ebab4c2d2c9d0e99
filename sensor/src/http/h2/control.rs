//! Frames that are not part of a message: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PRIORITY, RST_STREAM.

use super::abuse::bump;
use super::conn::Conn;
use super::flow::{Flow, number};
use super::frame::{ACK, Frame};
use crate::http::anomaly::Anomaly;
use crate::http::exchange::Sink;
use crate::stream::Side;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// Error codes with which a server resets a stream because its client broke a rule (section 7): PROTOCOL_ERROR,
/// FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR. A client that provokes them makes the server do the resetting
/// (CVE-2025-8671).
const PROVOKED: [u32; 4] = [1, 3, 5, 6];

impl Conn {
    /// Applies a side's settings to the other direction; false if a value is invalid (section 6.5.2).
    pub(super) fn apply(&mut self, side: Side, payload: &[u8]) -> bool {
        let other = self.half(side.other());
        let mut is_valid = true;
        let (settings, _rest) = payload.as_chunks::<6>();
        for [a, b, c, d, e, f] in settings {
            let value = u32::from_be_bytes([*c, *d, *e, *f]);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => other.decoder.allow(value),
                ENABLE_PUSH => is_valid &= value <= u32::from(side == Side::Client),
                INITIAL_WINDOW_SIZE => is_valid &= value <= 0x7fff_ffff,
                MAX_FRAME_SIZE => {
                    is_valid &= (16_384..=0x00ff_ffff).contains(&value);
                    // Frames in flight may still have the size allowed before.
                    other.max_length = other.max_length.max(value);
                }
                _ => {}
            }
        }
        is_valid
    }
}

impl<S: Sink> Flow<'_, S> {
    /// Section 6.5.
    pub(super) fn settings(&mut self, frame: Frame, payload: &[u8]) {
        if frame.has(ACK) {
            return;
        }
        if self.side == Side::Client {
            bump(&mut self.conn.tally.since_told.settings);
        }
        if !self.conn.apply(self.side, payload) {
            self.flag(Anomaly::InvalidSetting);
        }
    }

    /// Section 6.7.
    pub(super) fn ping(&mut self, frame: Frame) {
        if !frame.has(ACK) && self.side == Side::Client {
            self.conn.tally.note_ping();
        }
    }

    /// Section 6.8: the server has not processed streams beyond the last one that it names.
    pub(super) fn go_away(&mut self, payload: &[u8]) {
        if self.side == Side::Client {
            return;
        }
        let last = number(payload) & 0x7fff_ffff;
        while let Some(id) = self.conn.streams.beyond(last) {
            self.conn.streams.note_reset(id);
            self.over(id);
        }
    }

    /// Section 6.9.
    pub(super) fn window_update(&mut self, frame: Frame, payload: &[u8]) {
        if number(payload) & 0x7fff_ffff == 0 {
            self.flag(Anomaly::InvalidWindowUpdate);
        }
        if self.is_idle(frame.stream) {
            self.flag(Anomaly::StreamState);
        }
        if self.side == Side::Client {
            self.conn.tally.note_window_update();
        }
    }

    /// Section 6.3.
    pub(super) fn priority(&mut self, frame: Frame, payload: &[u8]) {
        if self.side == Side::Client {
            self.conn.tally.note_priority();
        }
        if let Some(priority) = payload.first_chunk() {
            self.dependency(frame.stream, priority);
        }
    }

    /// RFC 7540, section 5.3.1: a stream cannot depend on itself.
    pub(super) fn dependency(&mut self, stream: u32, priority: &[u8; 5]) {
        if number(priority) & 0x7fff_ffff == stream {
            self.flag(Anomaly::InvalidPriority);
        }
    }

    /// Whether the client has not opened a stream of its own yet: frames of it other than HEADERS and PRIORITY break the
    /// protocol (section 5.1).
    pub(super) fn is_idle(&mut self, id: u32) -> bool {
        let streams = &mut self.conn.streams;
        id & 1 == 1 && id > streams.newest && !streams.has(id) && !self.state.client.lost
    }

    /// Section 6.4.
    pub(super) fn reset(&mut self, id: u32, code: u32) {
        if self.is_idle(id) {
            self.flag(Anomaly::StreamState);
        }
        let Some(stream) = self.conn.streams.get(id) else { return };
        let (began, ended) = (stream.began, stream.server_ended);
        let is_the_clients = self.side == Side::Client || PROVOKED.contains(&code);
        if is_the_clients && !ended {
            self.conn.tally.note_reset(began, self.time);
        }
        self.conn.streams.note_reset(id);
        self.over(id);
    }
}
