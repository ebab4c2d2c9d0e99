//! Connections that speak another protocol than HTTP/1, from the start or after an upgrade.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::connection::{Elsewhere, State};
use super::counters::add;
use super::engine::Http;
use super::exchange::Sink;
use super::h1::engine::Ending;
use super::h1::half::Phase;
use super::h2::{Conn, Flow};
use super::message::Message;
use super::websocket::Socket;
use crate::clock::Timestamp;
use crate::stream::{Advice, Look, Missing, Side};

/// Bytes of HTTP/2's preface that parse as an HTTP/1 request.
const REQUEST_OF_PREFACE: u8 = 18;

/// Maximum base64 length of a client's settings in an upgrade.
const MAX_SETTINGS: usize = 1_024;

impl<S: Sink> Http<S> {
    /// The client has sent the start of HTTP/2's preface.
    pub(super) fn begin_http2(&mut self, state: &mut State, time: Timestamp) {
        if let Elsewhere::Http2(conn) = &mut state.elsewhere {
            // The server's preface came first.
            conn.expect_preface(REQUEST_OF_PREFACE);
            state.client.phase = Phase::Elsewhere;
            return;
        }
        let early = state.server.phase == Phase::Head;
        let begun = if early { state.server.message.take() } else { None };
        self.switch(state, Elsewhere::Http2(Box::new(Conn::new(REQUEST_OF_PREFACE))));
        if let Some(begun) = begun {
            let _advice = self.receive(state, Side::Server, &begun.bytes, time);
            self.pool.give(begun);
        }
    }

    /// The connection speaks HTTP/2 from its start (by ALPN), or from before the first bytes seen (`midstream`).
    pub(super) fn expect_http2(&mut self, state: &mut State, midstream: bool) {
        let conn = if midstream { Conn::midstream() } else { Conn::new(0) };
        if midstream {
            add(&mut self.counters.http2, 1);
        }
        self.switch(state, Elsewhere::Http2(Box::new(conn)));
    }

    /// The server's first frame was seen before anything from the client.
    pub(super) fn server_speaks_http2(state: &mut State) {
        state.elsewhere = Elsewhere::Http2(Box::new(Conn::new(0)));
        state.server.phase = Phase::Elsewhere;
    }

    /// The server switches to HTTP/2 to answer the oldest request (RFC 7540, section 3.2).
    pub(super) fn upgrade_to_http2(&mut self, state: &mut State, response: Box<Message>) {
        add(&mut self.counters.interim_responses, 1);
        add(&mut self.counters.upgraded, 1);
        self.pool.give(response);
        let Some(mut request) = state.requests.pop(&mut self.pool) else { return };
        let encoded = request.header("http2-settings").filter(|text| text.len() <= MAX_SETTINGS);
        let settings = encoded.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
        if !request.state.finished {
            request.state.body_cut = true;
        }
        let conn = Conn::upgraded(request, &settings);
        self.switch(state, Elsewhere::Http2(Box::new(conn)));
    }

    /// A WebSocket is opened; returns its number.
    pub(super) const fn open_socket(&mut self) -> u64 {
        add(&mut self.counters.websockets_opened, 1);
        self.counters.websockets_opened
    }

    /// A WebSocket's handshake was completed and emitted.
    pub(super) fn begin_socket(&mut self, state: &mut State, number: u64, time: Timestamp) {
        self.switch(state, Elsewhere::WebSocket(Box::new(Socket::new(number, time))));
    }

    /// Ends the reading as HTTP/1.
    fn switch(&mut self, state: &mut State, elsewhere: Elsewhere) {
        // Waiting requests will not be answered; they are emitted.
        self.stop(state);
        state.elsewhere = elsewhere;
        state.spoke = true;
        for side in [Side::Client, Side::Server] {
            state.half(side).phase = Phase::Elsewhere;
        }
    }

    pub(super) fn receive_elsewhere(
        &mut self,
        state: &mut State,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
    ) -> Advice {
        match std::mem::take(&mut state.elsewhere) {
            Elsewhere::Nothing => Advice::Stop,
            Elsewhere::Http2(mut conn) => {
                let mut flow = Flow::new(self, state, &mut conn, side, time);
                if flow.read(bytes) {
                    let advice = flow.advice();
                    state.elsewhere = Elsewhere::Http2(conn);
                    return advice;
                }
                flow.close(Ending::Unseen);
                add(&mut self.counters.not_http, 1);
                self.stop(state);
                Advice::Stop
            }
            Elsewhere::WebSocket(mut socket) => {
                socket.read(side, bytes, &mut self.counters);
                state.elsewhere = Elsewhere::WebSocket(socket);
                self.advice_elsewhere(state, side)
            }
        }
    }

    pub(super) fn skip_elsewhere(
        &mut self,
        state: &mut State,
        side: Side,
        length: u64,
        why: Missing,
        time: Timestamp,
    ) {
        match std::mem::take(&mut state.elsewhere) {
            Elsewhere::Nothing => {}
            Elsewhere::Http2(mut conn) => {
                Flow::new(self, state, &mut conn, side, time).skip(length, why);
                state.elsewhere = Elsewhere::Http2(conn);
            }
            Elsewhere::WebSocket(mut socket) => {
                socket.skip(side, length, &mut self.counters);
                state.elsewhere = Elsewhere::WebSocket(socket);
            }
        }
    }

    pub(super) fn advice_elsewhere(&mut self, state: &mut State, side: Side) -> Advice {
        match std::mem::take(&mut state.elsewhere) {
            Elsewhere::Nothing => Advice::Stop,
            Elsewhere::Http2(mut conn) => {
                let advice = Flow::new(self, state, &mut conn, side, Timestamp::default()).advice();
                state.elsewhere = Elsewhere::Http2(conn);
                advice
            }
            Elsewhere::WebSocket(mut socket) => {
                let unwanted = socket.unwanted(side);
                state.elsewhere = Elsewhere::WebSocket(socket);
                if unwanted >= self.config.skip_bytes.max(1) { Advice::Skip(unwanted) } else { Advice::Whole }
            }
        }
    }

    /// The connection is over.
    pub(super) fn close_elsewhere(&mut self, state: &mut State, ending: Ending, time: Timestamp) {
        match std::mem::take(&mut state.elsewhere) {
            Elsewhere::Nothing => {}
            Elsewhere::Http2(mut conn) => Flow::new(self, state, &mut conn, Side::Client, time).close(ending),
            Elsewhere::WebSocket(socket) => self.tell_socket(state, &socket, time),
        }
    }

    pub(super) fn tell_socket(&mut self, state: &State, socket: &Socket, time: Timestamp) {
        let told = socket.told(time);
        add(&mut self.counters.websockets, 1);
        self.sink.socket(&state.connection, &told);
    }

    /// Reports an HTTP/2 message that has been in progress for too long.
    pub(super) fn look_elsewhere(&mut self, state: &State, look: &Look) {
        let Elsewhere::Http2(conn) = &state.elsewhere else { return };
        let found = conn.unfinished(look);
        if let Some(found) = found.filter(|found| look.time.since(found.since) >= self.config.held_after) {
            self.sink.unfinished(&state.connection, &found);
        }
    }
}
