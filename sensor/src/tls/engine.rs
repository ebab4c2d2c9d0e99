//! Maps the stream's calls to connections that may be in TLS.

use std::collections::{BTreeMap, VecDeque};

use super::cache::Cache;
use super::config::Config;
use super::counters::{Counters, Held, Outcome, bump};
use super::facts::Facts;
use super::flow::Flow;
use super::record::{HANDSHAKE, Header};
use super::secrets::{Ends, Secrets};
use super::session::{Session, Stage};
use crate::capture::secret::Secret;
use crate::clock::Timestamp;
use crate::stream::{Advice, CloseCause, Look, Missing, Opening, Protocol, Side};

/// The protocol inside TLS.
pub trait Application: Protocol {
    /// What follows was inside TLS. Called once, before the first of its bytes.
    fn secured(&mut self, state: &mut Self::State, facts: Box<Facts>);

    /// The next bytes were decrypted without authentication. Called once.
    fn unverified(&mut self, _state: &mut Self::State) {}

    /// How much of a side's message is still to come, if its length is known.
    fn remaining(&mut self, _state: &mut Self::State, _side: Side) -> Option<u64> {
        None
    }
}

/// Maximum ended connections kept because their secret may still arrive.
const MAX_LINGERING: usize = 4_096;

/// TLS as a protocol of the stream room, around another one.
#[derive(Debug)]
pub struct Tls<P: Protocol> {
    inner: P,
    shared: Shared,
    lingering: VecDeque<Lingering<P::State>>,
}

/// A connection that ended before its secret arrived: a key log is written independently, and read a moment later.
#[derive(Debug)]
struct Lingering<S> {
    state: State<S>,
    cause: CloseCause,
    closed: Timestamp,
    until: Timestamp,
}

/// State shared by all connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) counters: Counters,
    pub(super) secrets: Secrets,
    pub(super) cache: Cache,
    pub(super) held: Held,
    /// Buffer for the current record.
    pub(super) payload: Vec<u8>,
    /// Waiting connections, by their deadline.
    pub(super) deadlines: VecDeque<(Timestamp, Ends)>,
    next: u64,
}

/// A connection.
#[derive(Debug)]
pub struct State<S> {
    inner: S,
    layer: Layer,
    ends: Ends,
}

#[derive(Debug)]
enum Layer {
    /// Nothing was seen yet.
    Fresh,
    /// Nothing was seen yet, nor was the TCP handshake.
    Midstream,
    /// No TLS.
    Clear,
    Tls(Box<Session>),
}

impl<S> State<S> {
    /// Deadline for its secret, if it waits for one.
    fn waits_until(&self) -> Option<Timestamp> {
        let Layer::Tls(session) = &self.layer else { return None };
        if let Stage::Waiting(handshake) = &session.stage { Some(handshake.deadline) } else { None }
    }
}

impl<P: Application> Tls<P> {
    /// Hands the contents on to `inner`.
    pub fn new(config: Config, inner: P) -> Self {
        let shared = Shared {
            counters: Counters::default(),
            secrets: Secrets::new(&config),
            cache: Cache::new(config.expanded_keys),
            held: Held::new(config.waiting_bytes),
            payload: Vec::new(),
            deadlines: VecDeque::new(),
            next: 0,
            config,
        };
        Self { inner, shared, lingering: VecDeque::new() }
    }

    /// The protocol inside.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    /// The protocol inside.
    pub const fn inner_mut(&mut self) -> &mut P {
        &mut self.inner
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        let mut counters = self.shared.counters.clone();
        counters.refused_bytes = counters.refused_bytes.saturating_add(self.shared.held.refused);
        counters
    }

    /// Connections of QUIC by port, as a source counts them from some moment on; they are not read.
    pub fn note_quic(&mut self, counts: &BTreeMap<u16, u64>) {
        for (port, count) in counts {
            self.shared.counters.quic(*port, *count);
        }
    }

    /// Takes a secret; returns both ends of the connection that waits for it, which is to be woken.
    pub fn learn(&mut self, secret: Secret, now: Timestamp) -> Option<Ends> {
        let Shared { secrets, counters, .. } = &mut self.shared;
        secrets.expire(now, counters);
        let ends = secrets.learn(secret, now, counters)?;
        self.read_lingering(ends, now);
        Some(ends)
    }

    /// A secret has arrived for a connection between these ends. Successive connections may have used the same ports.
    fn read_lingering(&mut self, ends: Ends, now: Timestamp) {
        let mut from = 0_usize;
        while let Some(ahead) = self.lingering.iter().skip(from).position(|found| found.state.ends == ends) {
            let at = from.saturating_add(ahead);
            let Some(mut found) = self.lingering.remove(at) else { return };
            self.with(&mut found.state, |flow| flow.wake(now));
            if found.state.waits_until().is_some() {
                self.lingering.insert(at, found);
                from = at.saturating_add(1);
            } else {
                self.over(found);
                from = at;
            }
        }
    }

    fn over(&mut self, found: Lingering<P::State>) {
        let Lingering { mut state, cause, closed, .. } = found;
        self.with(&mut state, |flow| flow.close(closed));
        self.inner.close(state.inner, cause, closed);
    }

    /// No more secrets will arrive.
    pub fn finish(&mut self) {
        while let Some(found) = self.lingering.pop_front() {
            self.over(found);
        }
    }

    /// Sets whether there is a source of secrets from now on.
    pub const fn set_has_source(&mut self, has_source: bool) {
        self.shared.config.has_source = has_source;
    }

    /// A connection that has waited for its secret long enough and is to be woken.
    pub fn overdue(&mut self, now: Timestamp) -> Option<Ends> {
        let Shared { secrets, counters, .. } = &mut self.shared;
        secrets.expire(now, counters);
        while let Some(found) = self.lingering.pop_front_if(|found| found.until <= now) {
            self.over(found);
        }
        let (_, ends) = self.shared.deadlines.pop_front_if(|(deadline, _)| *deadline <= now)?;
        Some(ends)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) const fn held(&self) -> usize {
        self.shared.held.bytes()
    }

    /// Handles the first bytes of a connection.
    #[cold]
    fn first(&mut self, state: &mut State<P::State>, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        let is_midstream = matches!(state.layer, Layer::Midstream);
        let record = bytes.first_chunk().copied().and_then(Header::parse);
        let begins = side == Side::Client && bytes.first() == Some(&HANDSHAKE);
        if is_midstream && record.is_some() && !(begins && bytes.get(5) == Some(&1)) {
            let mut session = Session::new(0, state.ends);
            session.stage = Stage::Closed;
            session.outcome = Outcome::DarkBefore;
            self.shared.counters.port(state.ends.1.port(), |port| bump(&mut port.connections));
            state.layer = Layer::Tls(Box::new(session));
            return Advice::Stop;
        }
        if begins {
            self.shared.next = self.shared.next.saturating_add(1);
            state.layer = Layer::Tls(Box::new(Session::new(self.shared.next, state.ends)));
            return self.data(state, side, bytes, time);
        }
        if side == Side::Client
            && let Some((preamble, rest)) = preamble(bytes)
        {
            let advice = self.inner.data(&mut state.inner, side, preamble, time);
            if advice == Advice::Stop || rest.is_empty() {
                return advice;
            }
            // What follows may be TLS, but not a second header.
            if rest.first() == Some(&HANDSHAKE) {
                return self.first(state, side, rest, time);
            }
            state.layer = Layer::Clear;
            self.shared.counters.port(state.ends.1.port(), |port| bump(&mut port.clear));
            return self.inner.data(&mut state.inner, side, rest, time);
        }
        state.layer = Layer::Clear;
        self.shared.counters.port(state.ends.1.port(), |port| bump(&mut port.clear));
        self.inner.data(&mut state.inner, side, bytes, time)
    }

    fn with<T>(
        &mut self,
        state: &mut State<P::State>,
        work: impl FnOnce(&mut Flow<'_, P>) -> T,
    ) -> Option<T> {
        let Layer::Tls(session) = &mut state.layer else { return None };
        let mut flow = Flow::new(&mut self.inner, &mut state.inner, session, &mut self.shared);
        Some(work(&mut flow))
    }
}

impl<P: Application> Protocol for Tls<P> {
    type State = State<P::State>;

    fn open(&mut self, opening: &Opening) -> Self::State {
        State {
            inner: self.inner.open(opening),
            layer: if opening.midstream { Layer::Midstream } else { Layer::Fresh },
            ends: (opening.client, opening.server),
        }
    }

    #[inline]
    fn data(&mut self, state: &mut Self::State, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        match &mut state.layer {
            Layer::Clear => self.inner.data(&mut state.inner, side, bytes, time),
            Layer::Fresh | Layer::Midstream => self.first(state, side, bytes, time),
            Layer::Tls(_) => self.with(state, |flow| flow.data(side, bytes, time)).unwrap_or(Advice::Stop),
        }
    }

    fn missing(
        &mut self,
        state: &mut Self::State,
        side: Side,
        length: u64,
        why: Missing,
        time: Timestamp,
    ) -> Advice {
        match &state.layer {
            Layer::Tls(_) => {
                self.with(state, |flow| flow.missing(side, length, why, time)).unwrap_or(Advice::Stop)
            }
            Layer::Fresh => {
                // The client's first bytes are unknown.
                state.layer = Layer::Midstream;
                self.inner.missing(&mut state.inner, side, length, why, time)
            }
            Layer::Clear | Layer::Midstream => self.inner.missing(&mut state.inner, side, length, why, time),
        }
    }

    fn end(&mut self, state: &mut Self::State, side: Side, time: Timestamp) {
        if self.with(state, |flow| flow.end(side, time)).is_none() {
            self.inner.end(&mut state.inner, side, time);
        }
    }

    fn proven(&mut self, state: &mut Self::State) {
        self.inner.proven(&mut state.inner);
    }

    fn conflict(&mut self, state: &mut Self::State) {
        self.inner.conflict(&mut state.inner);
    }

    fn look(&mut self, state: &Self::State, look: &Look) {
        self.inner.look(&state.inner, look);
    }

    fn wake(&mut self, state: &mut Self::State, time: Timestamp) -> Advice {
        self.with(state, |flow| flow.wake(time)).unwrap_or(Advice::Continue)
    }

    fn close(&mut self, mut state: Self::State, cause: CloseCause, time: Timestamp) {
        let has_room = self.lingering.len() < MAX_LINGERING;
        if let Some(until) = state.waits_until().filter(|until| has_room && time < *until) {
            self.lingering.push_back(Lingering { state, cause, closed: time, until });
            return;
        }
        self.with(&mut state, |flow| flow.close(time));
        self.inner.close(state.inner, cause, time);
    }
}

/// A PROXY protocol header that is complete in these bytes, and what follows it.
fn preamble(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let length = if bytes.starts_with(b"PROXY ") {
        memchr::memchr(b'\n', bytes.get(..107).unwrap_or(bytes))?.checked_add(1)?
    } else if bytes.starts_with(SIGNATURE) {
        let length = bytes.get(14..16)?.try_into().ok().map(u16::from_be_bytes)?;
        usize::from(length).checked_add(16)?
    } else {
        return None;
    };
    bytes.split_at_checked(length)
}
