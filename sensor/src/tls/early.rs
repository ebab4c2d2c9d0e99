//! State needed only at the start of a TLS 1.3 connection: the server's extensions, and early data.

use super::counters::Outcome;
use super::engine::Application;
use super::flow::Flow;
use super::hello::{END_OF_EARLY_DATA, EncryptedExtensions};
use super::keys::Keys;
use super::record::{APPLICATION_DATA, HANDSHAKE, Header};
use super::session::Phase;
use crate::clock::Timestamp;
use crate::stream::Side;

/// Maximum early data held back until it is known whether the server accepts it. OpenSSL's default is as much.
const MAX_HELD: usize = 16_384;

/// Fate of early data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Unknown.
    Open,
    /// The server accepts it.
    Accepted,
    /// The server skips it; the client sends it again.
    Rejected,
}

/// At the start.
#[derive(Debug)]
pub(super) struct Start {
    /// For the server's first record, which has its extensions.
    pub(super) server: Option<Keys>,
    /// For what the client sends before the handshake is complete.
    pub(super) early: Option<Keys>,
    pub(super) sequence: u64,
    pub(super) fate: Fate,
    /// Early data whose fate is unknown.
    pub(super) held: Vec<u8>,
}

impl Start {
    pub(super) const fn new(server: Option<Keys>, early: Option<Keys>) -> Self {
        Self { server, early, sequence: 0, fate: Fate::Open, held: Vec::new() }
    }
}

impl<P: Application> Flow<'_, P> {
    /// A TLS 1.3 record before any was read: handshake, early data, or the first one after that.
    pub(super) fn handshake_record(
        &mut self,
        side: Side,
        header: Header,
        payload: &mut [u8],
        time: Timestamp,
    ) {
        let kept = self.session.start.is_some().then(|| payload.to_vec());
        if let Some((contents, kind)) = self.open_record(side, 0, header, payload) {
            self.session.half(side).phase = Phase::Open;
            self.leave_start(side, kind, time);
            return self.take_record(side, 0, payload.get(contents).unwrap_or_default(), kind, time);
        }
        // Decryption in place may have changed it.
        let Some(mut payload) = kept else { return };
        match side {
            Side::Server => self.server_extensions(header, &mut payload, time),
            Side::Client => self.early_record(header, &mut payload, time),
        }
    }

    /// The server's first record after its hello contains its extensions.
    fn server_extensions(&mut self, header: Header, payload: &mut [u8], time: Timestamp) {
        let Some(start) = &mut self.session.start else { return };
        let Some(keys) = start.server.take() else { return };
        let expanded = keys.expand();
        let Some((contents, HANDSHAKE)) = keys.open(expanded.as_ref(), 0, header, payload) else { return };
        self.extensions(payload.get(contents).unwrap_or_default(), time);
    }

    pub(super) fn extensions(&mut self, message: &[u8], time: Timestamp) {
        let Some(extensions) = EncryptedExtensions::parse(message) else { return };
        if let (Some(facts), Some(protocol)) = (&mut self.session.facts, extensions.protocol) {
            facts.alpn = Some(protocol);
        }
        self.decide(if extensions.early_data { Fate::Accepted } else { Fate::Rejected }, time);
    }

    /// A client record that is not application data from after the handshake.
    fn early_record(&mut self, header: Header, payload: &mut [u8], time: Timestamp) {
        let Some(start) = &mut self.session.start else { return };
        let Some(keys) = &start.early else { return };
        let expanded = keys.expand();
        let opened = keys.open(expanded.as_ref(), start.sequence, header, payload);
        let Some((contents, kind)) = opened else { return };
        start.sequence = start.sequence.saturating_add(1);
        let contents = payload.get(contents).unwrap_or_default();
        match (kind, start.fate) {
            (HANDSHAKE, _) if contents.first() == Some(&END_OF_EARLY_DATA) => {
                self.decide(Fate::Accepted, time);
            }
            (APPLICATION_DATA, Fate::Accepted) => self.deliver(Side::Client, contents, time),
            (APPLICATION_DATA, Fate::Open) => {
                let room = MAX_HELD.saturating_sub(start.held.len());
                if room < contents.len() {
                    self.session.outcome = Outcome::Partly;
                }
                start.held.extend_from_slice(contents.get(..room).unwrap_or(contents));
            }
            _ => {}
        }
    }

    /// Whether the server accepts early data; only the first answer counts.
    fn decide(&mut self, fate: Fate, time: Timestamp) {
        let Some(start) = &mut self.session.start else { return };
        if start.fate != Fate::Open {
            return;
        }
        start.fate = fate;
        let held = std::mem::take(&mut start.held);
        if fate == Fate::Accepted && !held.is_empty() {
            self.deliver(Side::Client, &held, time);
        }
    }

    /// A side has switched to its own keys. A server that answers before the client's handshake is complete answers
    /// early data.
    pub(super) fn leave_start(&mut self, side: Side, kind: u8, time: Timestamp) {
        match side {
            Side::Client => {
                self.decide(Fate::Rejected, time);
                self.session.start = None;
            }
            Side::Server if kind == APPLICATION_DATA => self.decide(Fate::Accepted, time),
            Side::Server => {}
        }
    }
}
