//! Which response answers which request.
//!
//! Responses come in the order of the requests (RFC 9112, section 9.3.2), and a request is waiting from the end
//! of its head on, since a server may answer before it has read the body. Interim responses (1xx) answer
//! nothing.
//!
//! If bytes of the server are missing and no framing survives, they may include responses:
//!
//! * A response whose head was seen is certain of its request. It is reported, with `gaps`.
//! * The requests that were waiting before the loss become doubtful. When a response is found while a later
//!   request waits, too, the doubtful ones are reported without a response, with `gaps`, and the response goes
//!   to the later one: clients that do not pipeline, which are nearly all, had their answers before they sent
//!   it.
//! * While only doubtful requests wait, the response goes to the oldest, with `gaps`.
//!
//! If bytes of the client are missing, a response without a waiting request is reported alone, with `gaps`.

use super::half::Phase;
use crate::clock::Timestamp;
use crate::http::anomaly::Anomaly;
use crate::http::body::Framing;
use crate::http::connection::State;
use crate::http::counters::add;
use crate::http::engine::Http;
use crate::http::exchange::Sink;
use crate::http::header::Facts;
use crate::http::message::Message;
use crate::http::method::{Method, Version};
use crate::stream::Side;

impl<S: Sink> Http<S> {
    pub(in crate::http) fn request_head(
        &mut self,
        state: &mut State,
        mut message: Box<Message>,
        is_cut: bool,
        time: Timestamp,
    ) {
        if message.facts.version == Version::Http2 && message.span(message.facts.first) == b"PRI" {
            self.pool.give(message);
            return self.begin_http2(state, time);
        }
        message.begin_grpc();
        state.client.closing |= closes(&message.facts);
        message.state.length_unknown = is_cut;
        message.framing = if is_cut { Framing::None } else { Framing::of_request(&mut message.facts) };
        let is_connect = message.facts.method == Method::Connect;
        let has_body = !message.framing.is_none();
        if state.requests.len() >= self.config.pipeline {
            self.forget_oldest(state);
        }
        state.requests.push(message, &mut self.pool);
        state.client.phase = Phase::Body;
        if !has_body {
            self.complete(state, Side::Client, (!is_cut).then_some(time));
        }
        if is_connect && !is_cut && state.client.phase == Phase::Start {
            state.client.phase = Phase::Held;
            state.held_bytes = false;
        }
    }

    fn forget_oldest(&mut self, state: &mut State) {
        let Some(mut oldest) = state.requests.pop(&mut self.pool) else { return };
        add(&mut self.counters.pipeline_overflows, 1);
        oldest.flag(Anomaly::PipelineOverflow);
        if state.paired && state.server.message.is_some() {
            // Its response has begun, and continues without it.
            state.paired = false;
        } else {
            state.forgotten = state.forgotten.saturating_add(1);
        }
        state.doubtful = state.doubtful.saturating_sub(1);
        self.emit(state, Some(&oldest), None);
        self.pool.give(oldest);
    }

    pub(in crate::http) fn response_head(
        &mut self,
        state: &mut State,
        mut message: Box<Message>,
        is_cut: bool,
        time: Timestamp,
    ) {
        if matches!(message.facts.status, 100 | 102..200) {
            add(&mut self.counters.interim_responses, 1);
            let _none = Framing::of_response(&mut message.facts, Method::Other);
            state.server.carried.extend(message.facts.anomalies);
            self.pool.give(message);
            state.server.phase = Phase::Start;
            return;
        }
        if message.facts.status == 101
            && state.requests.oldest().is_some_and(|request| request.facts.upgrade)
            && message.header("upgrade").is_some_and(|name| name.eq_ignore_ascii_case(b"h2c"))
        {
            return self.upgrade_to_http2(state, message);
        }
        message.begin_grpc();
        state.after_close = 0;
        self.pair(state, &mut message, time);
        let method = if state.paired { state.method().unwrap_or_default() } else { Method::Other };
        let is_tunnel = method == Method::Connect && (200..300).contains(&message.facts.status);
        let is_upgrade = message.facts.status == 101;
        message.framing = Framing::of_response(&mut message.facts, method);
        if is_cut {
            message.framing = Framing::None;
            message.state.length_unknown = true;
        }
        state.server.closing |= closes(&message.facts) || matches!(message.framing, Framing::UntilClose);
        if is_upgrade && !state.requests.oldest().is_some_and(|request| request.facts.upgrade) {
            message.flag(Anomaly::UnrequestedUpgrade);
        }
        let is_socket = is_upgrade
            && message.header("upgrade").is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"));
        let socket = is_socket.then(|| self.open_socket());
        message.facts.socket = socket;
        let has_body = !message.framing.is_none();
        state.server.message = Some(message);
        state.server.phase = Phase::Body;
        if !has_body {
            self.complete(state, Side::Server, (!is_cut).then_some(time));
        }
        if is_tunnel || is_upgrade {
            let counter = if is_tunnel { &mut self.counters.tunnelled } else { &mut self.counters.upgraded };
            add(counter, 1);
            self.stop(state);
            if let Some(number) = socket {
                self.begin_socket(state, number, time);
            }
        } else if method == Method::Connect && state.client.phase == Phase::Held {
            state.client.phase = if state.held_bytes { Phase::Resync } else { Phase::Start };
            state.client.skipped |= state.held_bytes;
        }
    }

    /// Determines whether a response answers the oldest request.
    fn pair(&mut self, state: &mut State, message: &mut Message, time: Timestamp) {
        state.paired = false;
        if state.forgotten > 0 {
            state.forgotten = state.forgotten.saturating_sub(1);
            return;
        }
        if usize::from(state.doubtful) < state.requests.len() {
            while state.doubtful > 0 {
                state.doubtful = state.doubtful.saturating_sub(1);
                let Some(mut request) = state.requests.pop(&mut self.pool) else { break };
                request.state.gaps = true;
                self.emit(state, Some(&request), None);
                self.pool.give(request);
            }
        } else if state.doubtful > 0 {
            state.doubtful = state.doubtful.saturating_sub(1);
            message.state.gaps = true;
        }
        if state.requests.len() == 0 && state.client.phase == Phase::Head {
            // It is refused before it is complete: 400, 408, 431.
            self.cut_head(state, Side::Client, time, false);
        }
        state.paired = state.requests.len() > 0;
        if !state.paired {
            if state.client.lost {
                message.state.gaps = true;
            } else {
                message.flag(Anomaly::UnsolicitedResponse);
            }
        }
    }

    /// A side's current message is over: complete, or not if `ended` is `None`.
    pub(in crate::http) fn complete(&mut self, state: &mut State, side: Side, ended: Option<Timestamp>) {
        state.half(side).phase = Phase::Start;
        if side == Side::Client
            && let Some(message) = state.client.message.take()
        {
            // Its exchange has been reported.
            self.pool.give(message);
            return;
        }
        let Some(message) = state.receiving(side) else { return };
        message.ended = ended;
        message.state.finished = true;
        let response_is_finished =
            state.server.message.as_ref().is_some_and(|response| response.state.finished);
        if !response_is_finished {
            return;
        }
        if !state.paired {
            self.answer(state, None);
        } else if state.requests.oldest().is_none_or(|request| request.state.finished) {
            let request = state.requests.pop(&mut self.pool);
            self.answer(state, request);
        }
    }

    /// Reports the current response's exchange.
    fn answer(&mut self, state: &mut State, request: Option<Box<Message>>) {
        let response = state.server.message.take();
        state.paired = false;
        self.emit(state, request.as_deref(), response.as_deref());
        for message in [request, response].into_iter().flatten() {
            self.pool.give(message);
        }
    }

    /// Reports the exchange of a complete response to an incomplete request, because another response begins. The rest of
    /// the request is still read, for its framing.
    pub(in crate::http) fn answer_early(&mut self, state: &mut State) {
        let request = if state.paired { state.requests.pop(&mut self.pool) } else { None };
        state.paired = false;
        let response = state.server.message.take();
        self.emit(state, request.as_deref(), response.as_deref());
        if let Some(response) = response {
            self.pool.give(response);
        }
        if let Some(request) = request {
            if state.client.phase == Phase::Body && state.client.message.is_none() && !request.state.finished
            {
                state.client.message = Some(request);
            } else {
                self.pool.give(request);
            }
        }
    }

    /// Reports what waits, and stops reading the connection.
    pub(in crate::http) fn stop(&mut self, state: &mut State) {
        if state.server.phase == Phase::Head {
            // It was not read.
            let unread = state.server.message.take();
            unread.into_iter().for_each(|message| self.pool.give(message));
        }
        state.client.phase = Phase::Stopped;
        state.server.phase = Phase::Stopped;
        if state.server.message.is_some() {
            self.answer_early(state);
        }
        while let Some(mut request) = state.requests.pop(&mut self.pool) {
            request.state.gaps |= state.doubtful > 0;
            state.doubtful = state.doubtful.saturating_sub(1);
            self.emit(state, Some(&request), None);
            self.pool.give(request);
        }
        if let Some(message) = state.client.message.take() {
            self.pool.give(message);
        }
    }
}

/// Whether the connection ends after a message (RFC 9112, section 9.3).
fn closes(facts: &Facts) -> bool {
    match facts.version {
        Version::Http09 => true,
        Version::Http10 => !facts.keep_alive || facts.close,
        Version::Http11 | Version::Http2 => facts.close,
    }
}
