//! HTTP as a protocol of `stream/`: dispatches to the version that a connection speaks.

use super::anomaly::{Anomalies, Anomaly};
use super::body::Framing;
use super::config::Config;
use super::connection::State;
use super::counters::{Counters, add};
use super::exchange::{Exchange, Sink};
use super::h1::engine::Ending;
use super::h1::half::Phase;
use super::h2::frame;
use super::inflation::Allowance;
use super::message::{Message, Request, Response};
use super::pool::Pool;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Look, Missing, Opening, Protocol, Side};
use crate::tls::{self, Application};

/// Maximum memory kept for the next header block.
const MAX_SCRATCH: usize = 256 << 10;

/// HTTP as a protocol of the stream room.
#[derive(Debug)]
pub struct Http<S> {
    pub(super) config: Config,
    pub(super) pool: Pool,
    pub(super) counters: Counters,
    pub(super) allowance: Allowance,
    pub(super) sink: S,
    /// Buffer for the current header block.
    pub(super) scratch: Vec<u8>,
}

impl<S: Sink> Http<S> {
    /// Hands exchanges to `sink`.
    pub fn new(config: Config, sink: S) -> Self {
        let config = config.bounded();
        Self {
            pool: Pool::new(&config),
            allowance: Allowance::new(&config),
            config,
            counters: Counters::default(),
            sink,
            scratch: Vec::new(),
        }
    }

    /// Totals since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where exchanges go.
    pub const fn sink(&self) -> &S {
        &self.sink
    }

    /// Where exchanges go.
    pub const fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Gives the sink back.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Keeps memory for the next header block.
    pub(super) fn keep_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() <= MAX_SCRATCH {
            self.scratch = scratch;
        }
    }

    /// Emits an exchange.
    pub(super) fn emit(&mut self, state: &mut State, request: Option<&Message>, response: Option<&Message>) {
        let mut anomalies = Anomalies::NONE;
        let mut gaps = false;
        for message in [request, response].into_iter().flatten() {
            anomalies.extend(message.facts.anomalies);
            gaps |= message.state.gaps;
            add(&mut self.counters.bodies_truncated, u64::from(message.state.body_cut));
        }
        let counters = &mut self.counters;
        add(&mut counters.exchanges, 1);
        add(&mut counters.gapped, u64::from(gaps));
        add(&mut counters.unpaired_requests, u64::from(response.is_none()));
        add(&mut counters.unpaired_responses, u64::from(request.is_none()));
        counters.note(anomalies);
        let ended = || {
            let times = [request, response].into_iter().flatten();
            times.map(|message| message.ended.unwrap_or(message.started)).max().unwrap_or_default()
        };
        let longest = self.config.inflate_bytes;
        let purse = self.allowance.open(longest, state.inflation, [request, response], ended);
        let exchange = Exchange {
            request: request.map(Request),
            response: response.map(Response),
            anomalies,
            gaps,
            purse: &purse,
        };
        self.sink.exchange(&state.connection, &exchange);
        state.inflation = self.allowance.close(&purse, &mut self.counters);
    }

    /// Whether the first bytes seen of a connection are HTTP/2 without a client's preface; if so, prepares to read it.
    #[cold]
    fn is_http2(&mut self, state: &mut State, side: Side, bytes: &[u8]) -> bool {
        match (state.phase(side), side) {
            (Phase::Start, Side::Server) if state.requests.len() == 0 && frame::is_server_preface(bytes) => {
                Self::server_speaks_http2(state);
                true
            }
            (Phase::Resync, _) if frame::is_probable(bytes) => {
                self.expect_http2(state, true);
                true
            }
            _ => false,
        }
    }

    /// Messages held now; at most [`Config::messages`].
    pub const fn messages_held(&self) -> usize {
        self.pool.in_use()
    }

    /// Bytes of heads and bodies allocated now, spare ones included; at most [`Config::buffer_bytes`] and some
    /// header offsets.
    pub const fn bytes_held(&self) -> usize {
        self.pool.bytes()
    }
}

impl<S: Sink> Application for Http<S> {
    fn secured(&mut self, state: &mut State, facts: Box<tls::Facts>) {
        let is_http2 = facts.alpn.as_deref() == Some(b"h2");
        state.connection.around().tls = Some(*facts);
        if is_http2 && !state.spoke {
            self.expect_http2(state, false);
        }
    }

    fn unverified(&mut self, state: &mut State) {
        state.connection.around().unverified = true;
    }

    fn remaining(&mut self, state: &mut State, side: Side) -> Option<u64> {
        if state.phase(side) == Phase::Elsewhere {
            // The end of a frame says nothing about what follows.
            return Some(u64::MAX);
        }
        if state.phase(side) != Phase::Body {
            return None;
        }
        match state.receiving(side)?.framing {
            Framing::Length(left) => Some(left),
            Framing::None | Framing::Chunked(_) | Framing::UntilClose => None,
        }
    }
}

impl<S: Sink> Protocol for Http<S> {
    type State = State;

    fn open(&mut self, opening: &Opening) -> State {
        State::new(opening, self.config.proxy_protocol)
    }

    fn data(&mut self, state: &mut State, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        if !state.spoke && self.is_http2(state, side, bytes) {
            return self.receive_elsewhere(state, side, bytes, time);
        }
        self.receive(state, side, bytes, time)
    }

    fn missing(
        &mut self,
        state: &mut State,
        side: Side,
        length: u64,
        why: Missing,
        time: Timestamp,
    ) -> Advice {
        match why {
            Missing::Lost => add(&mut self.counters.lost_bytes, length),
            Missing::NotCaptured => add(&mut self.counters.not_captured_bytes, length),
        }
        self.skip(state, side, length, why, time);
        self.advice(state, side)
    }

    fn end(&mut self, state: &mut State, side: Side, time: Timestamp) {
        self.finish(state, side, time, Ending::Fin);
    }

    fn proven(&mut self, state: &mut State) {
        state.connection.proven = true;
    }

    fn conflict(&mut self, state: &mut State) {
        let anomaly = Anomaly::ConflictingRetransmission;
        match state.receiving(Side::Client) {
            Some(message) => message.flag(anomaly),
            None => state.client.carried.insert(anomaly),
        }
    }

    fn look(&mut self, state: &State, look: &Look) {
        self.look_at(state, look);
        self.look_elsewhere(state, look);
    }

    fn close(&mut self, mut state: State, cause: CloseCause, time: Timestamp) {
        let ending = match cause {
            CloseCause::Fin => Ending::Fin,
            CloseCause::Rst => Ending::Reset,
            CloseCause::Idle
            | CloseCause::Evicted
            | CloseCause::Reused
            | CloseCause::Stopped
            | CloseCause::EndOfCapture => Ending::Unseen,
        };
        self.finish(&mut state, Side::Client, time, ending);
        self.finish(&mut state, Side::Server, time, ending);
        self.close_elsewhere(&mut state, ending, time);
        self.stop(&mut state);
        let mut carried = state.client.carried;
        carried.extend(state.server.carried);
        self.counters.note(carried);
    }
}
