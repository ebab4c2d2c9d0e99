//! Handles the calls of `stream/` for HTTP/1, by each side's phase.

use crate::clock::Timestamp;
use crate::http::anomaly::Anomaly;
use crate::http::body::{Framing, Read};
use crate::http::connection::State;
use crate::http::counters::add;
use crate::http::engine::Http;
use crate::http::exchange::Sink;
use crate::http::preamble::pass_proxy;
use crate::stream::{Advice, Missing, Side};

use super::half::Phase;

impl<S: Sink> Http<S> {
    pub(in crate::http) fn receive(
        &mut self,
        state: &mut State,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
    ) -> Advice {
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
                Phase::Elsewhere => return self.receive_elsewhere(state, side, rest, time),
            };
        }
        self.advice(state, side)
    }

    pub(in crate::http) fn advice(&mut self, state: &mut State, side: Side) -> Advice {
        let phase = state.phase(side);
        if phase == Phase::Stopped {
            return Advice::Stop;
        }
        if phase == Phase::Elsewhere {
            return self.advice_elsewhere(state, side);
        }
        let receiving = if phase == Phase::Body { state.receiving(side) } else { None };
        match receiving.map_or(0, |message| message.unwanted(&self.config)) {
            unwanted if unwanted >= self.config.skip_bytes.max(1) => Advice::Skip(unwanted),
            // A client may send the first frame before the response to its request has been read here.
            _ if state.requests.oldest().is_some_and(|request| request.facts.asks_for_socket) => {
                state.whole = true;
                Advice::Whole
            }
            _ if std::mem::take(&mut state.whole) => Advice::Beginnings,
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

    /// The end of a message can no longer be determined, though no byte of it is missing.
    fn broken(&mut self, state: &mut State, side: Side) {
        if let Some(message) = state.receiving(side) {
            message.state.length_unknown = true;
        }
        self.complete(state, side, None);
        self.desynchronise(state, side);
    }

    pub(in crate::http) fn desynchronise(&mut self, state: &mut State, side: Side) {
        let half = state.half(side);
        if matches!(half.phase, Phase::Stopped | Phase::Held | Phase::Elsewhere) {
            return;
        }
        half.skipped = true;
        if half.phase != Phase::Resync {
            half.phase = Phase::Resync;
            add(&mut self.counters.desynchronisations, 1);
        }
    }

    /// Bytes are missing or unread, and no framing says what they were.
    pub(in crate::http) fn lose(&mut self, state: &mut State, side: Side, time: Timestamp) {
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
            Phase::Start | Phase::Resync | Phase::ProxyRest(_) | Phase::Held | Phase::Elsewhere => {}
        }
        if side == Side::Server {
            state.doubtful = u16::try_from(state.requests.before(time)).unwrap_or(u16::MAX);
        }
        state.half(side).lost = true;
        self.desynchronise(state, side);
    }

    pub(in crate::http) fn skip(
        &mut self,
        state: &mut State,
        side: Side,
        length: u64,
        why: Missing,
        time: Timestamp,
    ) {
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
                Phase::Elsewhere => return self.skip_elsewhere(state, side, left, why, time),
            }
        }
    }

    /// A side ends or is lost from view, in any phase.
    pub(in crate::http) fn finish(&mut self, state: &mut State, side: Side, time: Timestamp, ending: Ending) {
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
            Phase::Elsewhere => return,
        }
        if state.phase(side) != Phase::Stopped {
            state.half(side).phase = Phase::Held;
        }
    }
}

/// How a side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Ending {
    /// By FIN.
    Fin,
    /// By RST.
    Reset,
    /// It may continue unseen.
    Unseen,
}
