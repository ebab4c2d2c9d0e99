//! What may come before the first message of a client: a PROXY protocol header, perhaps in pieces.

use super::anomaly::Anomaly;
use super::connection::State;
use super::counters::add;
use super::engine::Http;
use super::exchange::Sink;
use super::h1::half::Phase;
use super::proxy_protocol;
use crate::clock::Timestamp;
use crate::stream::Side;

impl<S: Sink> Http<S> {
    /// Reads the first bytes of a client. They are stashed while it is open what they are.
    pub(super) fn proxy<'a>(&mut self, state: &mut State, bytes: &'a [u8], time: Timestamp) -> &'a [u8] {
        let Some(mut stash) = state.client.message.take() else {
            if proxy_protocol::parse(bytes) == proxy_protocol::Parsed::Other {
                state.client.phase = Phase::Start;
                return bytes;
            }
            state.client.message = self.pool.take(time, &mut self.counters);
            if state.client.message.is_none() {
                self.lose(state, Side::Client, time);
                return &[];
            }
            return bytes;
        };
        let before = stash.bytes.len();
        let more = bytes.get(..proxy_protocol::MAX_BYTES.saturating_sub(before)).unwrap_or(bytes);
        if !self.pool.make_room(&mut stash, more.len(), &mut self.counters) {
            self.pool.give(stash);
            self.lose(state, Side::Client, time);
            return &[];
        }
        stash.bytes.extend_from_slice(more);
        match proxy_protocol::parse(&stash.bytes) {
            proxy_protocol::Parsed::Partial => {
                state.client.message = Some(stash);
                bytes.get(more.len()..).unwrap_or_default()
            }
            proxy_protocol::Parsed::Header(header, end) => {
                add(&mut self.counters.proxy_headers, 1);
                state.connection.around().proxy = Some(header);
                self.pool.give(stash);
                let here = end.saturating_sub(before);
                let left = u16::try_from(here.saturating_sub(bytes.len())).unwrap_or(u16::MAX);
                state.client.phase = if left == 0 { Phase::Start } else { Phase::ProxyRest(left) };
                bytes.get(here..).unwrap_or_default()
            }
            parsed @ (proxy_protocol::Parsed::Other | proxy_protocol::Parsed::Invalid) => {
                if parsed == proxy_protocol::Parsed::Invalid {
                    state.client.carried.insert(Anomaly::InvalidProxyHeader);
                }
                state.client.phase = Phase::Start;
                let earlier = stash.bytes.get(..before).unwrap_or_default();
                let _advice = self.receive(state, Side::Client, earlier, stash.started);
                self.pool.give(stash);
                bytes
            }
        }
    }
}

/// Passes over bytes of a header that has been read as far as it is of interest.
pub(super) fn pass_proxy(state: &mut State, passed: u64) {
    if let Phase::ProxyRest(left) = state.client.phase {
        let left = left.saturating_sub(u16::try_from(passed).unwrap_or(u16::MAX));
        state.client.phase = if left == 0 { Phase::Start } else { Phase::ProxyRest(left) };
    }
}
