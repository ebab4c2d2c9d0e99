//! Interprets the bytes of a connection, frame by frame.

use super::abuse::bump;
use super::conn::{Block, Conn, Opened, Partial};
use super::frame::{self, END_HEADERS, END_STREAM, Frame, Kind, PADDED, PRIORITY};
use super::reader::{Skipped, Step};
use crate::clock::Timestamp;
use crate::http::anomaly::Anomaly;
use crate::http::connection::State;
use crate::http::counters::add;
use crate::http::engine::Http;
use crate::http::exchange::Sink;
use crate::stream::{Advice, Missing, Side};

/// Maximum bytes kept of a fragmented header block; a longer one is not read.
const BLOCK: usize = 64 << 10;
/// The same for SETTINGS: 256 of them.
const SETTINGS: usize = 6 * 256;
/// The same for other frames: their fixed part.
const FIXED: usize = 16;

/// One call from `stream/`, with its context.
pub(in crate::http) struct Flow<'a, S> {
    pub(super) http: &'a mut Http<S>,
    pub(super) state: &'a mut State,
    pub(super) conn: &'a mut Conn,
    pub(super) side: Side,
    pub(super) time: Timestamp,
}

impl<'a, S: Sink> Flow<'a, S> {
    pub(in crate::http) const fn new(
        http: &'a mut Http<S>,
        state: &'a mut State,
        conn: &'a mut Conn,
        side: Side,
        time: Timestamp,
    ) -> Self {
        Self { http, state, conn, side, time }
    }

    /// Reads bytes; false if they are not HTTP/2.
    pub(in crate::http) fn read(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        loop {
            match self.conn.half(self.side).reader.step(&mut rest) {
                Step::More => break,
                Step::Data(stream, content) => self.data(stream, content),
                Step::Frame(frame, payload) => self.frame(frame, payload, self.time),
                Step::Begins(frame) => self.data_begins(frame),
                Step::Ends(frame) => self.data_ends(frame),
                Step::Part(frame, part, is_last) => self.part(frame, part, is_last),
                Step::TooPadded(frame) => {
                    self.data_begins(frame);
                    self.flag(Anomaly::FramePadding);
                }
                Step::Preface => add(&mut self.http.counters.http2, 1),
                Step::NoPreface => {
                    self.flag(Anomaly::InvalidPreface);
                    return false;
                }
                Step::Lost => match frame::find(rest) {
                    Some(at) => {
                        add(&mut self.http.counters.unparsed_bytes, at as u64);
                        add(&mut self.http.counters.resynchronisations, 1);
                        rest = rest.get(at..).unwrap_or_default();
                        self.conn.half(self.side).reader.begin(None);
                    }
                    None => {
                        add(&mut self.http.counters.unparsed_bytes, rest.len() as u64);
                        break;
                    }
                },
            }
        }
        self.tell_abuse(false);
        true
    }

    /// Skips missing bytes.
    pub(in crate::http) fn skip(&mut self, length: u64, why: Missing) {
        let mut left = length;
        while left > 0 {
            let (skipped, passed) = self.conn.half(self.side).reader.skip(left);
            left = left.saturating_sub(passed);
            match skipped {
                Skipped::Data { frame, content, certain, ends } => {
                    self.skip_data(frame.stream, content, certain, why);
                    if ends {
                        self.data_ends(frame);
                    }
                }
                Skipped::Part(frame, ends) => {
                    self.conn.half(self.side).partial.cut = true;
                    if ends {
                        self.part(frame, &[], true);
                    }
                }
                Skipped::Lost => self.lose(),
            }
        }
    }

    /// What is needed of the next bytes.
    pub(in crate::http) fn advice(&mut self) -> Advice {
        match self.conn.half(self.side).reader.data_left() {
            Some((stream, left)) if left >= self.http.config.skip_bytes.max(1) && !self.wants(stream) => {
                Advice::Skip(left)
            }
            // Streams are interleaved, and a frame can only be found from the one before it.
            _ => Advice::Whole,
        }
    }

    /// Records an anomaly of the connection, or of a frame outside any message: the side's next message carries it.
    pub(super) fn flag(&mut self, anomaly: Anomaly) {
        self.state.half(self.side).carried.insert(anomaly);
        if self.side == Side::Client {
            bump(&mut self.conn.tally.since_told.violations);
        }
    }

    /// A part of a fragmented payload.
    fn part(&mut self, frame: Frame, bytes: &[u8], is_last: bool) {
        let time = self.time;
        let mut partial = std::mem::take(&mut self.conn.half(self.side).partial);
        let began = *partial.began.get_or_insert(time);
        let kept = if partial.bytes.is_none() && !partial.cut {
            self.http.pool.take(began, &mut self.http.counters)
        } else {
            partial.bytes
        };
        partial.bytes = kept;
        partial.cut |= partial.bytes.is_none();
        if let Some(message) = partial.bytes.as_deref_mut().filter(|_| !partial.cut) {
            let bound = bound(frame.kind);
            let room = bound.saturating_sub(message.bytes.len());
            let part = bytes.get(..room).unwrap_or(bytes);
            if self.http.pool.make_room(message, part.len(), &mut self.http.counters) {
                message.bytes.extend_from_slice(part);
                partial.cut |= part.len() < bytes.len() && bound > FIXED;
            } else {
                partial.cut = true;
            }
        }
        if !is_last {
            self.conn.half(self.side).partial = partial;
            return;
        }
        let Partial { bytes, cut, .. } = partial;
        match bytes.as_deref().filter(|_| !cut) {
            Some(message) => self.frame(frame, &message.bytes, began),
            None => self.frame_cut(frame, began),
        }
        bytes.into_iter().for_each(|message| self.http.pool.give(message));
    }

    /// A frame whose payload is unknown.
    fn frame_cut(&mut self, frame: Frame, began: Timestamp) {
        self.conn.half(self.side).is_fresh = false;
        match frame.kind {
            Kind::Headers | Kind::PushPromise => {
                self.drop_block();
                let opened = opened(frame, began);
                self.conn.half(self.side).block = Some(Box::new(Block {
                    opened,
                    bytes: None,
                    too_long: frame.length as usize > BLOCK,
                    continuations: 0,
                }));
                self.block_ends(frame);
            }
            Kind::Continuation => {
                if let Some(block) = self.conn.half(self.side).block.as_deref_mut() {
                    block.too_long |= frame.length as usize > BLOCK;
                    let bytes = block.bytes.take();
                    bytes.into_iter().for_each(|message| self.http.pool.give(message));
                }
                self.block_ends(frame);
            }
            Kind::ResetStream => self.reset(frame.stream, 0),
            Kind::Data
            | Kind::Priority
            | Kind::Settings
            | Kind::Ping
            | Kind::GoAway
            | Kind::WindowUpdate
            | Kind::Other => {}
        }
    }

    /// A frame other than DATA.
    fn frame(&mut self, frame: Frame, payload: &[u8], began: Timestamp) {
        self.check(frame);
        if !frame.has_right_stream() || !frame.has_right_length() {
            if matches!(frame.kind, Kind::Headers | Kind::PushPromise | Kind::Continuation) {
                self.conn.half(self.side).decoder.lose();
            }
            return;
        }
        match frame.kind {
            Kind::Headers => self.headers(frame, payload, began),
            Kind::Continuation => self.continuation(frame, payload),
            Kind::PushPromise => self.push_promise(frame, payload, began),
            Kind::Priority => self.priority(frame, payload),
            Kind::ResetStream => self.reset(frame.stream, number(payload)),
            Kind::Settings => self.settings(frame, payload),
            Kind::Ping => self.ping(frame),
            Kind::GoAway => self.go_away(payload),
            Kind::WindowUpdate => self.window_update(frame, payload),
            Kind::Data | Kind::Other => {}
        }
    }

    /// Anomalies visible in a frame's header (sections 3.4, 4.2, 5.1.1, 6 and 6.10).
    pub(super) fn check(&mut self, frame: Frame) {
        let lost = self.state.half(self.side).lost;
        let half = self.conn.half(self.side);
        if std::mem::take(&mut half.is_fresh) && (frame.kind != Kind::Settings || frame.has(frame::ACK)) {
            self.flag(Anomaly::InvalidPreface);
        }
        let half = self.conn.half(self.side);
        let is_too_long = frame.length > half.max_length;
        let block = half.block.as_deref().map(|block| block.opened.stream);
        if is_too_long || !frame.has_right_length() {
            self.flag(Anomaly::FrameSize);
        }
        if !frame.has_right_stream() {
            self.flag(Anomaly::StreamId);
        }
        let goes_on = frame.kind == Kind::Continuation && block == Some(frame.stream);
        let is_alone = frame.kind == Kind::Continuation && block.is_none();
        if block.is_some() && !goes_on || is_alone && !lost {
            self.flag(Anomaly::Continuation);
        }
        if block.is_some() && !goes_on {
            self.drop_block();
        }
    }

    /// A block was interrupted, so what it would have inserted into the table is unknown.
    pub(super) fn drop_block(&mut self) {
        let half = self.conn.half(self.side);
        if let Some(block) = half.block.take() {
            half.decoder.lose();
            block.bytes.into_iter().for_each(|message| self.http.pool.give(message));
        }
    }

    /// Section 6.2.
    fn headers(&mut self, frame: Frame, payload: &[u8], began: Timestamp) {
        let Some(mut fragment) = unpadded(frame, payload) else {
            self.flag(Anomaly::FramePadding);
            self.conn.half(self.side).decoder.lose();
            return;
        };
        if frame.has(PRIORITY) {
            match fragment.split_first_chunk::<5>() {
                Some((priority, rest)) => {
                    self.dependency(frame.stream, priority);
                    fragment = rest;
                }
                None => {
                    self.flag(Anomaly::FrameSize);
                    self.conn.half(self.side).decoder.lose();
                    return;
                }
            }
        }
        self.begin_block(opened(frame, began), frame, fragment);
    }

    /// Section 6.6.
    fn push_promise(&mut self, frame: Frame, payload: &[u8], began: Timestamp) {
        if self.side == Side::Client {
            self.flag(Anomaly::UnexpectedPush);
        }
        let promised = unpadded(frame, payload).and_then(|rest| rest.split_first_chunk::<4>());
        let Some((stream, fragment)) = promised else {
            self.flag(Anomaly::FramePadding);
            self.conn.half(self.side).decoder.lose();
            return;
        };
        // Section 5.1.1: streams of a server have even identifiers.
        let stream = number(stream) & 0x7fff_ffff;
        if stream == 0 || stream & 1 == 1 {
            self.flag(Anomaly::StreamId);
        }
        self.begin_block(Opened { pushed: true, ends: false, ..opened(frame, began) }, frame, fragment);
    }

    fn begin_block(&mut self, opened: Opened, frame: Frame, fragment: &[u8]) {
        if frame.has(END_HEADERS) {
            self.block(opened, fragment);
            return;
        }
        self.note_empty(fragment.is_empty());
        let bytes = self.http.pool.take(opened.began, &mut self.http.counters);
        let mut block = Box::new(Block { opened, bytes, too_long: false, continuations: 0 });
        self.append(&mut block, fragment);
        self.conn.half(self.side).block = Some(block);
    }

    fn append(&mut self, block: &mut Block, fragment: &[u8]) {
        let Some(message) = block.bytes.as_deref_mut() else { return };
        let length = message.bytes.len().saturating_add(fragment.len());
        block.too_long |= length > BLOCK;
        if !block.too_long && self.http.pool.make_room(message, fragment.len(), &mut self.http.counters) {
            message.bytes.extend_from_slice(fragment);
            return;
        }
        let bytes = block.bytes.take();
        bytes.into_iter().for_each(|message| self.http.pool.give(message));
    }

    /// Section 6.10.
    fn continuation(&mut self, frame: Frame, payload: &[u8]) {
        let Some(mut block) = self.conn.half(self.side).block.take() else {
            // Its start was not seen.
            self.conn.half(self.side).decoder.lose();
            return;
        };
        bump(&mut block.continuations);
        if self.side == Side::Client && block.continuations > super::abuse::USUAL_CONTINUATIONS {
            bump(&mut self.conn.tally.since_told.continuations);
        }
        self.note_empty(payload.is_empty() && !frame.has(END_HEADERS));
        self.append(&mut block, payload);
        self.conn.half(self.side).block = Some(block);
        self.block_ends(frame);
    }

    /// Completes the block if the frame has END_HEADERS.
    fn block_ends(&mut self, frame: Frame) {
        if !frame.has(END_HEADERS) {
            return;
        }
        let Some(block) = self.conn.half(self.side).block.take() else { return };
        match block.bytes {
            Some(message) => {
                self.block(block.opened, &message.bytes);
                self.http.pool.give(message);
            }
            None => self.block_lost(block.opened, block.too_long),
        }
    }

    /// Counts a client's frame without payload that ends nothing.
    pub(super) fn note_empty(&mut self, is_empty: bool) {
        if is_empty && self.side == Side::Client {
            bump(&mut self.conn.tally.since_told.empty_frames);
        }
    }

    /// Reports the client's abuse counts if they are due.
    pub(super) fn tell_abuse(&mut self, is_over: bool) {
        if self.conn.is_quiet() {
            return;
        }
        if let Some(abuse) = self.conn.tally.due(is_over) {
            self.http.sink.abuse(&self.state.connection, &abuse, self.time);
        }
    }
}

fn opened(frame: Frame, began: Timestamp) -> Opened {
    Opened { stream: frame.stream, ends: frame.has(END_STREAM), pushed: false, began }
}

/// A payload without its padding (section 6.1).
fn unpadded(frame: Frame, payload: &[u8]) -> Option<&[u8]> {
    if !frame.has(PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

/// The 32-bit number at the start of a payload.
pub(super) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

const fn bound(kind: Kind) -> usize {
    match kind {
        Kind::Headers | Kind::Continuation | Kind::PushPromise => BLOCK,
        Kind::Settings => SETTINGS,
        Kind::Data
        | Kind::Priority
        | Kind::ResetStream
        | Kind::Ping
        | Kind::GoAway
        | Kind::WindowUpdate
        | Kind::Other => FIXED,
    }
}
