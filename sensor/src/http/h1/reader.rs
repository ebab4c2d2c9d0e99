//! Finds heads, gathers their pieces, and reads them.

use super::half::Phase;
use super::head::{self, Parsed};
use super::lenient;
use super::start_line::{self, Start};
use crate::clock::Timestamp;
use crate::http::anomaly::Anomaly;
use crate::http::body::Framing;
use crate::http::connection::State;
use crate::http::counters::add;
use crate::http::engine::Http;
use crate::http::exchange::Sink;
use crate::http::header::Facts;
use crate::http::message::Message;
use crate::http::method::Version;
use crate::stream::Side;

impl<S: Sink> Http<S> {
    /// Reads at the expected start of a message. Usually the whole head is in these bytes, and is read in place.
    pub(in crate::http) fn start<'a>(
        &mut self,
        state: &mut State,
        side: Side,
        bytes: &'a [u8],
        time: Timestamp,
    ) -> &'a [u8] {
        if is_beyond_the_end(state, side) {
            return self.pass_after_close(state, bytes);
        }
        if let Some(b'\r' | b'\n') = bytes.first() {
            state.half(side).carried.insert(Anomaly::LeadingEmptyLine);
            let end = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
            return bytes.get(end..).unwrap_or_default();
        }
        if side == Side::Server && state.server.message.is_some() {
            self.answer_early(state);
        }
        let Some(mut message) = self.pool.take(time, &mut self.counters) else {
            add(&mut self.counters.unparsed_bytes, bytes.len() as u64);
            self.lose(state, side, time);
            return &[];
        };
        let parsed = head::parse(side, bytes, self.config.headers, &mut message.facts, &mut message.spans);
        match parsed {
            Parsed::Whole(length) if length <= self.config.head_bytes => {
                let (head, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                if !self.pool.make_room(&mut message, length, &mut self.counters) {
                    self.pool.give(message);
                    self.lose(state, side, time);
                    return rest;
                }
                message.bytes.extend_from_slice(head);
                message.head_length = length;
                self.head_done(state, side, message, false, time);
                rest
            }
            Parsed::Whole(_) | Parsed::Partial | Parsed::Refused => {
                message.reset(time);
                if begins(side, bytes) == Start::No {
                    return self.no_message(state, side, message, bytes);
                }
                state.half(side).message = Some(message);
                state.half(side).phase = Phase::Head;
                bytes
            }
        }
    }

    /// Gathers a head that is fragmented, too long, or invalid, up to its empty line.
    pub(in crate::http) fn head<'a>(
        &mut self,
        state: &mut State,
        side: Side,
        bytes: &'a [u8],
        time: Timestamp,
    ) -> &'a [u8] {
        let Some(mut message) = state.half(side).message.take() else {
            state.half(side).phase = Phase::Start;
            return bytes;
        };
        if !message.state.plausible {
            match begins_in_pieces(side, &message.bytes, bytes) {
                Start::Yes => message.state.plausible = true,
                Start::Maybe => {}
                Start::No => return self.no_message(state, side, message, bytes),
            }
        }
        let room = self.config.head_bytes.saturating_sub(message.bytes.len());
        let had_line = message.state.has_line;
        let (taken, is_whole) = scan(&mut message, side, bytes.get(..room).unwrap_or(bytes));
        let (more, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
        if !self.pool.make_room(&mut message, more.len(), &mut self.counters) {
            self.pool.give(message);
            self.lose(state, side, time);
            return rest;
        }
        message.bytes.extend_from_slice(more);
        if !had_line && message.state.has_line && !self.is_http(state, side, &message) {
            // Only the line is dropped.
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at.saturating_add(1));
            let rest = bytes.get(end..).unwrap_or_default();
            message.bytes.truncate(message.bytes.len().saturating_sub(taken.saturating_sub(end)));
            return self.no_message(state, side, message, rest);
        }
        if is_whole {
            self.finish_head(state, side, message, None, time);
        } else if message.bytes.len() >= self.config.head_bytes {
            if message.state.tentative && !message.state.has_line {
                return self.no_message(state, side, message, rest);
            }
            self.finish_head(state, side, message, Some(Anomaly::HeadTooLarge), time);
        } else {
            state.half(side).message = Some(message);
        }
        rest
    }

    /// Whether a start line may belong to HTTP: after a search for a message it must be beyond doubt, and a connection's
    /// first must name HTTP or be HTTP/0.9.
    fn is_http(&self, state: &State, side: Side, message: &Message) -> bool {
        if message.state.tentative {
            return looks_like(side, &message.bytes) == Start::Yes;
        }
        if state.spoke || side == Side::Server {
            return true;
        }
        let line = message.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        is_simple_request(line.iter()) || line.windows(5).any(|name| name.eq_ignore_ascii_case(b"HTTP/"))
    }

    /// The gathered bytes are not the start of a message.
    fn no_message<'a>(
        &mut self,
        state: &mut State,
        side: Side,
        mut message: Box<Message>,
        rest: &'a [u8],
    ) -> &'a [u8] {
        let answers_http09 = side == Side::Server
            && state.requests.oldest().is_some_and(|request| request.facts.version == Version::Http09);
        if answers_http09 && !message.state.tentative {
            // RFC 1945, section 6: a simple response consists of a body only.
            let body = std::mem::take(&mut message.bytes);
            message.facts.version = Version::Http09;
            message.framing = Framing::UntilClose;
            if self.pool.make_room(&mut message, body.len(), &mut self.counters) {
                let _read = message.read_body(&body, &self.config);
            }
            state.paired = true;
            state.server.message = Some(message);
            state.server.phase = Phase::Body;
            return rest;
        }
        add(&mut self.counters.unparsed_bytes, message.bytes.len() as u64);
        let tentative = message.state.tentative;
        self.pool.give(message);
        if tentative {
            state.half(side).phase = Phase::Resync;
            state.half(side).skipped = true;
        } else if state.spoke {
            state.half(side).carried.insert(Anomaly::DataBetweenMessages);
            self.desynchronise(state, side);
        } else {
            add(&mut self.counters.not_http, 1);
            self.stop(state);
            return &[];
        }
        rest
    }

    /// The head in progress will not be completed.
    pub(in crate::http) fn cut_head(
        &mut self,
        state: &mut State,
        side: Side,
        time: Timestamp,
        missing: bool,
    ) {
        let Some(mut message) = state.half(side).message.take() else { return };
        message.state.gaps |= missing;
        let readable = match side {
            Side::Client => message.state.plausible && !message.state.tentative,
            Side::Server => message.state.has_line,
        };
        if readable || message.state.has_line {
            self.finish_head(state, side, message, Some(Anomaly::IncompleteHead), time);
        } else {
            state.half(side).carried.insert(Anomaly::IncompleteHead);
            add(&mut self.counters.unparsed_bytes, message.bytes.len() as u64);
            self.pool.give(message);
            state.half(side).phase = Phase::Start;
        }
    }

    /// Reads a gathered head, which is complete unless `cut` says why not.
    fn finish_head(
        &mut self,
        state: &mut State,
        side: Side,
        mut message: Box<Message>,
        cut: Option<Anomaly>,
        time: Timestamp,
    ) {
        message.head_length = message.bytes.len();
        let max_headers = self.config.headers;
        if let Some(cut) = cut {
            message.read_leniently(side, max_headers);
            let facts = &mut message.facts;
            facts.flag(cut);
            // It may be in the unread part.
            facts.anomalies.remove(Anomaly::MissingHost);
            if !message.state.has_line {
                message.facts.anomalies.remove(Anomaly::Http09Request);
                message.facts.version = Version::Http11;
            }
        } else {
            message.read_whole(side, max_headers);
        }
        self.head_done(state, side, message, cut.is_some(), time);
    }

    fn head_done(
        &mut self,
        state: &mut State,
        side: Side,
        mut message: Box<Message>,
        is_cut: bool,
        time: Timestamp,
    ) {
        state.spoke = true;
        let half = state.half(side);
        message.facts.anomalies.extend(std::mem::take(&mut half.carried));
        message.state.gaps |= half.lost && half.skipped;
        let is_after_close = half.closing;
        if is_after_close {
            message.flag(Anomaly::MessageAfterClose);
            if side == Side::Client {
                state.after_close = state.after_close.saturating_add(1);
            }
        }
        if message.state.tentative {
            add(&mut self.counters.resynchronisations, 1);
        }
        match side {
            Side::Client => self.request_head(state, message, is_cut, time),
            Side::Server => self.response_head(state, message, is_cut, time),
        }
        let half = state.half(side);
        half.lost = false;
        half.skipped = false;
        if is_cut {
            self.desynchronise(state, side);
        }
    }

    /// Does not read what the client sends after the end that it had announced; should the server go on, the next
    /// message is looked for.
    fn pass_after_close<'a>(&mut self, state: &mut State, bytes: &'a [u8]) -> &'a [u8] {
        add(&mut self.counters.after_close_bytes, bytes.len() as u64);
        self.desynchronise(state, Side::Client);
        bytes.get(bytes.len()..).unwrap_or_default()
    }

    /// Looks for a message at the start of these bytes and after every line end.
    pub(in crate::http) fn resync<'a>(
        &mut self,
        state: &mut State,
        side: Side,
        bytes: &'a [u8],
        time: Timestamp,
    ) -> &'a [u8] {
        if is_beyond_the_end(state, side) {
            return self.pass_after_close(state, bytes);
        }
        let after_lines = memchr::memchr_iter(b'\n', bytes).map(|at| at.saturating_add(1));
        let found = std::iter::once(0).chain(after_lines).find(|at| {
            bytes.get(*at..).is_some_and(|rest| !rest.is_empty() && looks_like(side, rest) != Start::No)
        });
        let passed = found.unwrap_or(bytes.len());
        add(&mut self.counters.unparsed_bytes, passed as u64);
        state.half(side).skipped |= passed > 0;
        if !state.spoke {
            state.probed = state.probed.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            if state.probed > self.config.probe_bytes {
                add(&mut self.counters.not_http, 1);
                self.stop(state);
                return &[];
            }
        }
        let Some(at) = found else { return &[] };
        if side == Side::Server && state.server.message.is_some() {
            self.answer_early(state);
        }
        let Some(mut message) = self.pool.take(time, &mut self.counters) else {
            self.lose(state, side, time);
            return &[];
        };
        message.state.tentative = true;
        state.half(side).message = Some(message);
        state.half(side).phase = Phase::Head;
        bytes.get(at..).unwrap_or_default()
    }
}

impl Message {
    /// Reads the gathered head: by the grammar, and otherwise as far as it can be read.
    pub(in crate::http) fn read_whole(&mut self, side: Side, max_headers: usize) {
        let Self { bytes, facts, spans, .. } = self;
        if head::parse(side, bytes, max_headers, facts, spans) != Parsed::Whole(bytes.len()) {
            self.read_leniently(side, max_headers);
        }
    }

    fn read_leniently(&mut self, side: Side, max_headers: usize) {
        self.facts = Facts::default();
        self.spans.clear();
        let Self { bytes, facts, spans, .. } = self;
        let _is_sound = lenient::parse(side, bytes, max_headers, facts, spans);
    }
}

/// Messages that are read after the one that announced the end of the connection, until the server answers. It reads
/// none (RFC 9112, section 9.6), so what comes then is read for the sake of servers that know better, no longer than
/// they do: requests of HTTP/0.9, each of which announces the end, are seven bytes long.
const MAX_AFTER_CLOSE: u8 = 8;

fn is_beyond_the_end(state: &State, side: Side) -> bool {
    side == Side::Client && state.after_close >= MAX_AFTER_CLOSE
}

/// How many of these bytes belong to the head in progress, and whether they complete it.
fn scan(message: &mut Message, side: Side, bytes: &[u8]) -> (usize, bool) {
    let mut from = 0_usize;
    for at in memchr::memchr_iter(b'\n', bytes) {
        let part = bytes.get(from..at).unwrap_or_default();
        let is_empty = match message.state.line_length.saturating_add(part.len()) {
            0 => true,
            1 => message.state.line_is_cr || part == b"\r",
            _ => false,
        };
        from = at.saturating_add(1);
        let is_first = !std::mem::replace(&mut message.state.has_line, true);
        message.state.line_length = 0;
        // RFC 1945, section 4.1: a simple request has no headers and no empty line.
        let is_simple =
            is_first && side == Side::Client && is_simple_request(message.bytes.iter().chain(part));
        if is_empty || is_simple {
            return (from, true);
        }
    }
    let part = bytes.get(from..).unwrap_or_default();
    message.state.line_length = message.state.line_length.saturating_add(part.len());
    message.state.line_is_cr =
        message.state.line_length == 1 && part.last().map_or(message.state.line_is_cr, |byte| *byte == b'\r');
    (bytes.len(), false)
}

/// Whether a line is `GET target`, ignoring a CR at its end.
fn is_simple_request<'a>(mut line: impl Iterator<Item = &'a u8>) -> bool {
    let is_get = b"GET ".iter().all(|wanted| line.next() == Some(wanted));
    let mut length = 0_usize;
    is_get
        && line.all(|byte| {
            length = length.saturating_add(1);
            !matches!(byte, b' ' | b'\t')
        })
        && length > 1
}

fn begins(side: Side, bytes: &[u8]) -> Start {
    match side {
        Side::Client => start_line::begins_request(bytes),
        Side::Server => start_line::begins_response(bytes),
    }
}

/// As [`begins`], for bytes in two parts.
fn begins_in_pieces(side: Side, earlier: &[u8], bytes: &[u8]) -> Start {
    if earlier.is_empty() {
        return begins(side, bytes);
    }
    let mut start = [0; start_line::PROBE_BYTES];
    let mut length = 0_usize;
    for (place, byte) in start.iter_mut().zip(earlier.iter().chain(bytes)) {
        *place = *byte;
        length = length.saturating_add(1);
    }
    begins(side, start.get(..length).unwrap_or_default())
}

fn looks_like(side: Side, bytes: &[u8]) -> Start {
    match side {
        Side::Client => start_line::looks_like_request(bytes),
        Side::Server => start_line::looks_like_response(bytes),
    }
}
