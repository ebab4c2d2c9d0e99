//! A running connection: its records and their contents.

use std::ops::Range;

use super::cache::Owner;
use super::counters::{Outcome, PortCounts, bump};
use super::engine::{Application, Shared};
use super::hello::KEY_UPDATE;
use super::record::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Header, Taken};
use super::schedule;
use super::session::{Doubt, Phase, Session, Stage};
use crate::clock::Timestamp;
use crate::kernel::Guarded;
use crate::stream::{Advice, Missing, Side};

/// Unreadable records after which a connection is given up. Its receiver gives up after one.
const MAX_FAILURES: u8 = 32;

/// A connection, and what it needs to process bytes.
pub(super) struct Flow<'a, P: Application> {
    inner: &'a mut P,
    state: &'a mut P::State,
    pub(super) session: &'a mut Session,
    pub(super) shared: &'a mut Shared,
    stopped: bool,
}

impl<'a, P: Application> Flow<'a, P> {
    pub(super) const fn new(
        inner: &'a mut P,
        state: &'a mut P::State,
        session: &'a mut Session,
        shared: &'a mut Shared,
    ) -> Self {
        Self { inner, state, session, shared, stopped: false }
    }

    pub(super) fn note_port(&mut self, change: impl FnOnce(&mut PortCounts)) {
        self.shared.counters.port(self.session.ends.1.port(), change);
    }

    pub(super) fn data(&mut self, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        match std::mem::replace(&mut self.session.stage, Stage::Closed) {
            Stage::Open => {
                self.session.stage = Stage::Open;
                self.session.earn(bytes.len());
                self.read(side, bytes, time);
                self.advice(side)
            }
            Stage::Hello(handshake) | Stage::Waiting(handshake) => {
                self.before_open(handshake, side, bytes, time)
            }
            Stage::Closed => Advice::Stop,
        }
    }

    pub(super) fn missing(&mut self, side: Side, length: u64, why: Missing, time: Timestamp) -> Advice {
        match std::mem::replace(&mut self.session.stage, Stage::Closed) {
            Stage::Open => {
                self.session.stage = Stage::Open;
                self.hole(side, length, why, time);
                self.advice(side)
            }
            Stage::Hello(handshake) | Stage::Waiting(handshake) => {
                self.missing_before_open(handshake, side, (length, why), time)
            }
            Stage::Closed => Advice::Stop,
        }
    }

    pub(super) fn end(&mut self, side: Side, time: Timestamp) {
        match std::mem::replace(&mut self.session.stage, Stage::Closed) {
            Stage::Open => {
                self.session.stage = Stage::Open;
                self.close_half(side, time);
                self.inner.end(self.state, side, time);
            }
            Stage::Hello(handshake) | Stage::Waiting(handshake) => {
                self.end_before_open(handshake, side, time);
            }
            Stage::Closed => {}
        }
    }

    pub(super) fn wake(&mut self, time: Timestamp) -> Advice {
        match std::mem::replace(&mut self.session.stage, Stage::Closed) {
            Stage::Waiting(handshake) => {
                let advice = self.look_again(handshake, time);
                if self.stopped { Advice::Stop } else { advice }
            }
            other @ (Stage::Hello(_) | Stage::Open | Stage::Closed) => {
                self.session.stage = other;
                Advice::Continue
            }
        }
    }

    /// The connection is closed: counts its outcome.
    pub(super) fn close(&mut self, time: Timestamp) {
        match std::mem::replace(&mut self.session.stage, Stage::Closed) {
            Stage::Hello(handshake) => {
                let _stop = self.give_up(Some(handshake), Outcome::Incomplete);
            }
            Stage::Waiting(handshake) => {
                let has_source = self.shared.config.has_source;
                let outcome = if has_source { Outcome::DarkSecret } else { Outcome::DarkLibrary };
                let _stop = self.give_up(Some(handshake), outcome);
            }
            Stage::Open => {
                self.close_half(Side::Client, time);
                self.close_half(Side::Server, time);
            }
            Stage::Closed => {}
        }
        let outcome = self.session.outcome;
        if matches!(outcome, Outcome::Decrypted | Outcome::Partly) {
            let open = &mut self.shared.counters.open;
            *open = open.saturating_sub(1);
        }
        self.shared.cache.forget(self.session.id);
        self.shared.counters.conclude(outcome);
        self.note_port(|port| match outcome {
            Outcome::DarkBefore => bump(&mut port.dark_before),
            Outcome::DarkLibrary => bump(&mut port.dark_library),
            Outcome::DarkSecret => bump(&mut port.dark_secret),
            Outcome::Decrypted | Outcome::Partly | Outcome::Incomplete | Outcome::Quic => {}
        });
    }

    fn close_half(&mut self, side: Side, time: Timestamp) {
        let half = self.session.half(side);
        if std::mem::replace(&mut half.ended, true) {
            // What came after the end is not part of the stream.
            half.framing.clear(&mut self.shared.held);
            return;
        }
        if let Some(doubt) = &mut half.doubt {
            // Bytes that might have become a record count as unknown.
            doubt.lost = doubt.lost.saturating_add(half.framing.gathered() as u64);
        }
        half.framing.clear(&mut self.shared.held);
        self.end_of_doubt(side, time);
    }

    /// The instruction for the source after bytes of a side.
    fn advice(&mut self, side: Side) -> Advice {
        if self.stopped {
            self.shut();
            return Advice::Stop;
        }
        let half = self.session.half(side);
        // The same number of stream bytes carries less content, so nothing needed is left out.
        let unwanted = half.unwanted.saturating_sub(half.framing.buffered() as u64);
        if half.doubt.is_none() && unwanted > 0 { Advice::Skip(unwanted) } else { self.copying() }
    }

    /// How much of long segments the protocol inside needs. Before it has seen any bytes, that is not known.
    pub(super) const fn copying(&self) -> Advice {
        match &self.session.facts {
            Some(_) => Advice::Continue,
            None if self.session.needs_whole => Advice::Whole,
            None => Advice::Beginnings,
        }
    }

    /// Stops reading, and drops all state.
    pub(super) fn shut(&mut self) {
        self.session.stage = Stage::Closed;
        self.session.client.framing.clear(&mut self.shared.held);
        self.session.server.framing.clear(&mut self.shared.held);
    }

    /// Reads bytes of the stream.
    pub(super) fn read(&mut self, side: Side, bytes: &[u8], time: Timestamp) {
        let mut rest = bytes;
        let mut payload = std::mem::take(&mut self.shared.payload);
        while !rest.is_empty() && !self.stopped {
            let half = self.session.half(side);
            if half.framing.is_between()
                && let Some(doubt) = &mut half.doubt
            {
                let found = super::record::candidate(rest).unwrap_or(rest.len());
                doubt.lost = doubt.lost.saturating_add(found as u64);
                rest = rest.get(found..).unwrap_or_default();
                if rest.is_empty() {
                    break;
                }
            }
            match half.framing.take(&mut rest, &mut payload, &mut self.shared.held) {
                Taken::Record(header) => self.record(side, header, &mut payload, time),
                Taken::More => {}
                Taken::NotOne => self.not_one(side, &payload.clone(), time),
            }
        }
        self.shared.payload = payload;
    }

    /// A record header was expected and not found. Searches the rest of these bytes.
    fn not_one(&mut self, side: Side, bytes: &[u8], time: Timestamp) {
        self.doubt(side).lost = self.doubt(side).lost.saturating_add(1);
        self.read(side, bytes.get(1..).unwrap_or_default(), time);
    }

    /// From here on, record boundaries are unknown.
    pub(super) fn doubt(&mut self, side: Side) -> &mut Doubt {
        self.session.half(side).doubt.get_or_insert_default()
    }

    fn record(&mut self, side: Side, header: Header, payload: &mut [u8], time: Timestamp) {
        let half = self.session.half(side);
        let is_12 = half.keys.as_ref().is_some_and(|keys| keys.is_12);
        if half.doubt.is_some() {
            return self.settle(side, header, payload, time);
        }
        match half.phase {
            Phase::Clear if header.kind == CHANGE_CIPHER_SPEC => half.phase = Phase::Open,
            // In TLS 1.3 it is meaningless (RFC 8446, appendix D.4), and unprotected bytes are not data.
            Phase::Clear => {}
            Phase::Handshake | Phase::Open if !is_12 && header.kind != APPLICATION_DATA => {}
            Phase::Handshake => self.handshake_record(side, header, payload, time),
            Phase::Open => {
                let sequence = half.sequence;
                match self.open_record(side, sequence, header, payload) {
                    Some((contents, kind)) => {
                        self.take_record(
                            side,
                            sequence,
                            payload.get(contents).unwrap_or_default(),
                            kind,
                            time,
                        );
                    }
                    None => self.unreadable(side, header),
                }
            }
        }
    }

    /// A record that cannot be read where it should be. The next one may help.
    pub(super) fn unreadable(&mut self, side: Side, header: Header) {
        bump(&mut self.shared.counters.unreadable);
        self.session.outcome = Outcome::Partly;
        self.session.failures = self.session.failures.saturating_add(1);
        self.stopped |= self.session.failures > MAX_FAILURES;
        let doubt = self.doubt(side);
        doubt.lost = doubt.lost.saturating_add(u64::from(header.length).saturating_add(5));
        doubt.is_loss = true;
    }

    /// Decrypts a whole record with the keys of a side.
    pub(super) fn open_record(
        &mut self,
        side: Side,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
    ) -> Option<(Range<usize>, u8)> {
        let owner = self.owner(side);
        let keys = self.session.half(side).keys.as_deref()?;
        let expanded = self.shared.cache.get(owner, keys);
        keys.open(expanded, sequence, header, payload)
    }

    /// Decrypts the start of one.
    pub(super) fn open_prefix(
        &mut self,
        side: Side,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
    ) -> Option<Range<usize>> {
        let owner = self.owner(side);
        let keys = self.session.half(side).keys.as_deref()?;
        let expanded = self.shared.cache.get(owner, keys);
        keys.open_prefix(expanded, sequence, header, payload)
    }

    fn owner(&mut self, side: Side) -> Owner {
        Owner { session: self.session.id, side, generation: self.session.half(side).generation }
    }

    /// Handles the contents of an authenticated record.
    pub(super) fn take_record(
        &mut self,
        side: Side,
        sequence: u64,
        contents: &[u8],
        kind: u8,
        time: Timestamp,
    ) {
        bump(&mut self.shared.counters.records);
        let half = self.session.half(side);
        half.sequence = sequence.saturating_add(1);
        match kind {
            APPLICATION_DATA => self.deliver(side, contents, time),
            HANDSHAKE => self.messages(side, contents),
            _ => {}
        }
    }

    /// Messages after the handshake; only a change of keys matters (RFC 8446, section 4.6.3).
    fn messages(&mut self, side: Side, contents: &[u8]) {
        let half = self.session.half(side);
        let mut rest = contents;
        let going_on = usize::try_from(half.message).unwrap_or(usize::MAX).min(rest.len());
        half.message = half.message.saturating_sub(u32::try_from(going_on).unwrap_or(u32::MAX));
        rest = rest.get(going_on..).unwrap_or_default();
        let mut updates = false;
        while let Some(([kind, a, b, c], after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes([0, *a, *b, *c]);
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(after.len());
            half.message = length.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
            updates |= *kind == KEY_UPDATE;
            rest = after.get(here..).unwrap_or_default();
        }
        if updates {
            self.update_keys(side);
        }
    }

    /// Advances to the next keys; returns whether there are any.
    pub(super) fn update_keys(&mut self, side: Side) -> bool {
        let hash = self.session.hash;
        let half = self.session.half(side);
        let Some(next) = half.secret.as_ref().and_then(|secret| schedule::update(hash, secret)) else {
            return false;
        };
        let Some(keys) = half.keys.as_ref().and_then(|keys| schedule::rekey(hash, keys, &next)) else {
            return false;
        };
        half.keys = Some(Guarded::new(keys));
        half.secret = Some(next);
        half.generation = half.generation.saturating_add(1);
        half.sequence = 0;
        true
    }

    /// Hands the contents on.
    pub(super) fn deliver(&mut self, side: Side, contents: &[u8], time: Timestamp) {
        if let Some(facts) = self.session.facts.take() {
            if facts.alpn.as_deref() == Some(b"h2") {
                self.note_port(|port| bump(&mut port.http2));
            }
            self.inner.secured(self.state, facts);
        }
        if contents.is_empty() {
            return;
        }
        let advice = self.inner.data(self.state, side, contents, time);
        self.heed(side, advice);
    }

    /// As [`Flow::deliver`], for contents decrypted without a tag.
    pub(super) fn deliver_unverified(&mut self, side: Side, contents: &[u8], time: Timestamp) {
        bump(&mut self.shared.counters.prefixes);
        self.deliver(side, &[], time);
        self.inner.unverified(self.state);
        self.deliver(side, contents, time);
    }

    /// Reports missing contents.
    pub(super) fn lack(&mut self, side: Side, length: u64, why: Missing, time: Timestamp) {
        if length > 0 {
            let advice = self.inner.missing(self.state, side, length, why, time);
            self.heed(side, advice);
        }
    }

    /// How much of the application's message is still to come.
    pub(super) fn remaining(&mut self, side: Side) -> Option<u64> {
        self.inner.remaining(self.state, side)
    }

    fn heed(&mut self, side: Side, advice: Advice) {
        self.session.half(side).unwanted = match advice {
            Advice::Continue => 0,
            Advice::Whole | Advice::Beginnings => {
                self.session.needs_whole = advice == Advice::Whole;
                0
            }
            Advice::Skip(unwanted) => unwanted,
            Advice::Stop => {
                self.stopped = true;
                0
            }
        };
    }
}
