//! What the calls of the stream mean, by the phase that a side is in.

use super::anomaly::Anomaly;
use super::body::{Framing, Read};
use super::config::Config;
use super::connection::{Phase, State};
use super::counters::{Counters, add};
use super::exchange::Sink;
use super::inflation::Allowance;
use super::pool::Pool;
use super::preamble::pass_proxy;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Look, Missing, Opening, Protocol, Side};
use crate::tls::{self, Application};

/// HTTP/1 as a protocol of the stream room.
#[derive(Debug)]
pub struct Http<S> {
    pub(super) config: Config,
    pub(super) pool: Pool,
    pub(super) counters: Counters,
    pub(super) allowance: Allowance,
    pub(super) sink: S,
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

    /// Messages held now; at most [`Config::messages`].
    pub const fn messages_held(&self) -> usize {
        self.pool.in_use()
    }

    /// Bytes of heads and bodies allocated now, spare ones included; at most [`Config::buffer_bytes`] and some
    /// header offsets.
    pub const fn bytes_held(&self) -> usize {
        self.pool.bytes()
    }

    pub(super) fn receive(&mut self, state: &mut State, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match state.phase(side) {
                Phase::Start => self.start(state, side, rest, time),
                Phase::Body => self.body(state, side, rest, time),
                Phase::Head => self.head(state, side, rest, time),
                Phase::Resync => self.resync(state, side, rest, time),
                Phase::Proxy => self.proxy(state, rest, time),
                Phase::ProxyRest(left) => {
                    let passed = usize::from(left).min(rest.len());
                    pass_proxy(state, passed as u64);
                    rest.get(passed..).unwrap_or_default()
                }
                Phase::Held => {
                    state.held_bytes |= side == Side::Client;
                    return Advice::Continue;
                }
                Phase::Stopped => return Advice::Stop,
            };
        }
        self.advice(state, side)
    }

    fn advice(&self, state: &mut State, side: Side) -> Advice {
        let phase = state.phase(side);
        if phase == Phase::Stopped {
            return Advice::Stop;
        }
        let receiving = if phase == Phase::Body { state.receiving(side) } else { None };
        match receiving.map_or(0, |message| message.unwanted(&self.config)) {
            unwanted if unwanted >= self.config.skip_bytes.max(1) => Advice::Skip(unwanted),
            _ => Advice::Continue,
        }
    }

    fn body<'a>(&mut self, state: &mut State, side: Side, bytes: &'a [u8], time: Timestamp) -> &'a [u8] {
        let Some(message) = state.receiving(side) else {
            state.half(side).phase = Phase::Start;
            return bytes;
        };
        let wanted = message.wants(bytes.len(), &self.config);
        if wanted > 0 && !self.pool.make_room(message, wanted, &mut self.counters) {
            message.state.body_cut = true;
        }
        let (read, taken) = message.read_body(bytes, &self.config);
        match read {
            Read::More => {}
            Read::Whole => self.complete(state, side, Some(time)),
            Read::Broken => self.broken(state, side),
        }
        bytes.get(taken..).unwrap_or_default()
    }

    /// The end of a message cannot be told any more, but no byte of it is missing.
    fn broken(&mut self, state: &mut State, side: Side) {
        if let Some(message) = state.receiving(side) {
            message.state.length_unknown = true;
        }
        self.complete(state, side, None);
        self.desynchronise(state, side);
    }

    pub(super) fn desynchronise(&mut self, state: &mut State, side: Side) {
        let half = state.half(side);
        if matches!(half.phase, Phase::Stopped | Phase::Held) {
            return;
        }
        half.skipped = true;
        if half.phase != Phase::Resync {
            half.phase = Phase::Resync;
            add(&mut self.counters.desynchronisations, 1);
        }
    }

    /// Bytes are missing, or are not read, where no framing tells what they were.
    pub(super) fn lose(&mut self, state: &mut State, side: Side, time: Timestamp) {
        match state.phase(side) {
            Phase::Stopped => return,
            Phase::Head => self.cut_head(state, side, time, true),
            Phase::Body => {
                if let Some(message) = state.receiving(side) {
                    message.state.length_unknown = true;
                    message.state.gaps = true;
                }
                self.complete(state, side, None);
            }
            Phase::Proxy => {
                if let Some(message) = state.client.message.take() {
                    self.pool.give(message);
                }
            }
            Phase::Start | Phase::Resync | Phase::ProxyRest(_) | Phase::Held => {}
        }
        if side == Side::Server {
            state.doubtful = u16::try_from(state.requests.before(time)).unwrap_or(u16::MAX);
        }
        state.half(side).lost = true;
        self.desynchronise(state, side);
    }

    fn skip(&mut self, state: &mut State, side: Side, length: u64, why: Missing, time: Timestamp) {
        let mut left = length;
        while left > 0 {
            match state.phase(side) {
                Phase::Stopped => return,
                Phase::Held => {
                    state.held_bytes |= side == Side::Client;
                    return;
                }
                Phase::ProxyRest(rest) => {
                    let passed = left.min(u64::from(rest));
                    pass_proxy(state, passed);
                    left = left.saturating_sub(passed);
                }
                Phase::Body => {
                    let Some(message) = state.receiving(side) else {
                        state.half(side).phase = Phase::Start;
                        continue;
                    };
                    message.state.gaps |= why == Missing::Lost;
                    let (read, passed) = message.skip_body(left);
                    left = left.saturating_sub(passed);
                    match read {
                        Read::More => {}
                        Read::Whole => self.complete(state, side, Some(time)),
                        Read::Broken => {
                            add(&mut self.counters.gaps, 1);
                            self.lose(state, side, time);
                        }
                    }
                }
                Phase::Proxy | Phase::Start | Phase::Head => {
                    add(&mut self.counters.gaps, 1);
                    self.lose(state, side, time);
                }
                Phase::Resync => {
                    self.lose(state, side, time);
                    return;
                }
            }
        }
    }

    /// A side ends, or is not seen any more, in whatever phase it is.
    fn finish(&mut self, state: &mut State, side: Side, time: Timestamp, ending: Ending) {
        if state.phase(side) == Phase::Proxy
            && let Some(stash) = state.client.message.take()
        {
            state.client.phase = Phase::Start;
            let _advice = self.receive(state, Side::Client, &stash.bytes, stash.started);
            self.pool.give(stash);
        }
        match state.phase(side) {
            Phase::Stopped => return,
            Phase::Head => self.cut_head(state, side, time, ending == Ending::Unseen),
            Phase::Body => {
                let until_close = state
                    .receiving(side)
                    .is_some_and(|message| matches!(message.framing, Framing::UntilClose));
                if until_close && ending == Ending::Fin {
                    self.complete(state, side, Some(time));
                } else {
                    if let Some(message) = state.receiving(side) {
                        match ending {
                            Ending::Fin | Ending::Reset => message.flag(Anomaly::IncompleteBody),
                            Ending::Unseen => message.state.gaps = true,
                        }
                    }
                    self.complete(state, side, None);
                }
            }
            Phase::Proxy | Phase::ProxyRest(_) | Phase::Start | Phase::Resync | Phase::Held => {}
        }
        if state.phase(side) != Phase::Stopped {
            state.half(side).phase = Phase::Held;
        }
    }
}

/// How a side comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By FIN.
    Fin,
    /// By RST.
    Reset,
    /// It may go on unseen.
    Unseen,
}

impl<S: Sink> Application for Http<S> {
    fn secured(&mut self, state: &mut State, facts: Box<tls::Facts>) {
        state.connection.around().tls = Some(*facts);
    }

    fn unverified(&mut self, state: &mut State) {
        state.connection.around().unverified = true;
    }

    fn remaining(&mut self, state: &mut State, side: Side) -> Option<u64> {
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
        self.stop(&mut state);
        let mut carried = state.client.carried;
        carried.extend(state.server.carried);
        self.counters.note(carried);
    }
}
