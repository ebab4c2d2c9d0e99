//! Detectors: events in, signals out. One file a detector, tests beside it.
//!
//! Architecture invariants: a detector reads no clock and no bytes, knows nothing of policy, and its memory is
//! bounded whatever happens. What it has to forget, it counts.

pub mod access;
pub mod account_takeover;
pub mod baseline;
pub mod brute_force;
mod config;
#[cfg(test)]
mod cost;
pub mod credential_stuffing;
mod credentials;
pub mod data_exposure;
pub mod distributed;
#[cfg(test)]
mod evasion;
pub mod flood;
pub mod graphql;
pub mod http2_abuse;
pub mod injection;
pub mod key_exposure;
mod learning;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod made_up;
mod ongoing;
pub mod password_spraying;
mod posture;
mod recent;
pub mod request_rate;
pub mod scanner;
pub mod schema;
pub mod shared;
mod signal;
pub mod slow_attack;
pub mod spike;
pub mod stream_evasion;
#[cfg(test)]
pub(crate) mod testing;
mod threat;
pub mod token_misuse;
mod weather;
mod window;

pub use config::{Config, Preset, Response};
pub use learning::{Begun, Finish, Learning, Taken};
pub use signal::{Evidence, Growth, Number, Offender, Sample, Signal, Subject};
pub use threat::{Severity, Threat};

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::event::Event;

/// Something that watches events for one kind of threat, or for some that share their state.
pub trait Detector: Send {
    /// An event happened. Events come in the order in which they became known, which is nearly, not exactly, that
    /// of their times.
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>);

    /// Time passes, about every second. Civil time may jump either way.
    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>);

    /// Its bounds.
    fn usage(&self) -> Usage;

    /// Its name in the file of what was learned; needed where there is something.
    fn name(&self) -> &'static str {
        ""
    }

    /// There are other hosts to tell what happens, and to ask what they make of it.
    fn join(&mut self, _together: &shared::Together) {}

    /// Whether another host's answer about an event is to be expected soon.
    fn awaits(&self, _now: Timestamp) -> bool {
        false
    }

    /// Takes what other hosts answered. Called often while it awaits something.
    fn hear(&mut self, _now: Timestamp, _signals: &mut Vec<Signal>) {}

    /// What it has learned and needs after a restart; small. Whoever remembers more has [`Self::take`].
    fn learned(&self) -> Option<serde_json::Value> {
        None
    }

    /// Takes the next piece of what it has learned, so much as the thread that reads HTTP has time for. `begun` is what
    /// the piece before left.
    fn take(&mut self, _begun: Option<Begun>) -> Taken {
        let learned = self.learned();
        Taken::All(Box::new(|| learned))
    }

    /// Takes up what it had learned. What cannot be read is left out: it learns anew.
    ///
    /// # Errors
    /// If something was left out: what, and why.
    fn restore(&mut self, _learned: &serde_json::Value) -> Result<(), String> {
        Ok(())
    }
}

/// What a detector remembers, and what it could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries of its tables.
    pub entries: usize,
    /// Entries that it has room for.
    pub capacity: usize,
    /// Entries that were forgotten before their time, since there was no room.
    pub evicted: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            capacity: self.capacity.saturating_add(other.capacity),
            evicted: self.evicted.saturating_add(other.evicted),
        }
    }
}

/// Says in which country an address is (ISO 3166-1 alpha-2), if that is known. Asked rarely: it may take microseconds.
pub type CountryOf = Arc<dyn Fn(IpAddr) -> Option<[u8; 2]> + Send + Sync>;

/// All detectors that are on.
pub struct Detectors {
    detectors: Vec<Box<dyn Detector>>,
    /// What nobody wants to know of, of detectors that find several things.
    off: Vec<Threat>,
    signals: Vec<Signal>,
}

impl Detectors {
    /// The detectors that a configuration asks for, where nobody knows countries.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::in_countries(config, Arc::new(|_| None))
    }

    /// The detectors that a configuration asks for.
    #[must_use]
    pub fn in_countries(config: &Config, countries: CountryOf) -> Self {
        let seed = config.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let is_on = |threat| config.response(threat) != Response::Off;
        let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
        if let Some(credentials) = credentials::Credentials::new(config) {
            detectors.push(Box::new(credentials));
        }
        if is_on(Threat::RequestRate) && config.request_rate.limits_something() {
            detectors.push(Box::new(request_rate::RequestRate::new(
                &config.request_rate,
                config.sources(),
                seed,
            )));
        }
        if let Some(access) = access::Access::new(config, seed) {
            detectors.push(Box::new(access));
        }
        if is_on(Threat::Scanner) {
            detectors.push(Box::new(scanner::Scanner::new(&config.scanner, config.sources(), seed)));
        }
        if is_on(Threat::SlowAttack) {
            detectors.push(Box::new(slow_attack::SlowAttack::new(
                &config.slow_attack,
                config.sources(),
                seed,
            )));
        }
        if is_on(Threat::StreamEvasion) {
            detectors.push(Box::new(stream_evasion::StreamEvasion::new(
                &config.stream_evasion,
                config.sources(),
                seed,
            )));
        }
        if is_on(Threat::Http2Abuse) {
            detectors.push(Box::new(http2_abuse::Http2Abuses::new(
                &config.http2_abuse,
                config.sources(),
                seed,
            )));
        }
        if is_on(Threat::Injection) {
            detectors.push(Box::new(injection::Injection::new(&config.injection, config.sources(), seed)));
        }
        findings(config, (seed, countries), &mut detectors);
        if [Threat::RateSpike, Threat::ErrorSpike, Threat::LatencySpike].into_iter().any(is_on) {
            detectors.push(Box::new(spike::Spikes::new(config)));
        }
        let off = Threat::ALL.into_iter().filter(|threat| !is_on(*threat)).collect();
        Self { detectors, off, signals: Vec::new() }
    }

    /// An event happened; the signals that it gives rise to. One of a client that was not proven to be there gives rise to
    /// none and teaches nothing: anybody may have sent it. Nor does what was told before.
    pub fn observe(&mut self, event: &Event<'_>) -> std::vec::Drain<'_, Signal> {
        if event.is_proven() && !event.is_seen_twice() {
            for detector in &mut self.detectors {
                detector.observe(event, &mut self.signals);
            }
        }
        self.signals.retain(|signal| !self.off.contains(&signal.threat));
        let known = event.known();
        self.signals.iter_mut().for_each(|signal| signal.decided = Some(known));
        self.signals.drain(..)
    }

    /// Time passes.
    pub fn advance(&mut self, now: Timestamp) -> std::vec::Drain<'_, Signal> {
        for detector in &mut self.detectors {
            detector.advance(now, &mut self.signals);
        }
        self.signals.retain(|signal| !self.off.contains(&signal.threat));
        self.signals.drain(..)
    }

    /// Detectors that can share what they see with other hosts do so from now on.
    pub fn join(&mut self, together: &shared::Together) {
        self.detectors.iter_mut().for_each(|detector| detector.join(together));
    }

    /// Whether other hosts' answers are to be expected soon, which [`Self::hear`] takes.
    #[must_use]
    pub fn awaits(&self, now: Timestamp) -> bool {
        self.detectors.iter().any(|detector| detector.awaits(now))
    }

    /// Other hosts may have answered.
    pub fn hear(&mut self, now: Timestamp) -> std::vec::Drain<'_, Signal> {
        for detector in &mut self.detectors {
            detector.hear(now, &mut self.signals);
        }
        self.signals.retain(|signal| !self.off.contains(&signal.threat));
        self.signals.drain(..)
    }

    /// Gives them what an earlier run had learned; what of it could not be read, if anything.
    pub fn restore(&mut self, learned: &BTreeMap<String, serde_json::Value>) -> Option<String> {
        let mut unread = Vec::new();
        for detector in &mut self.detectors {
            if let Some(learned) = learned.get(detector.name()) {
                unread.extend(detector.restore(learned).err());
            }
        }
        (!unread.is_empty()).then(|| unread.join("; "))
    }

    /// Bounds of all detectors together.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.detectors.iter().map(|detector| detector.usage()).fold(Usage::default(), Usage::and)
    }
}

/// Those of what inspection finds.
fn findings(config: &Config, (seed, countries): (u64, CountryOf), detectors: &mut Vec<Box<dyn Detector>>) {
    let is_on = |threat: Threat| config.response(threat) != Response::Off;
    let sources = config.sources();
    if is_on(Threat::TokenMisuse) {
        let misuse = token_misuse::TokenMisuse::new(&config.token_misuse, sources, seed, countries);
        detectors.push(Box::new(misuse));
    }
    if is_on(Threat::KeyExposure) {
        detectors.push(Box::new(key_exposure::KeyExposure::new(&config.key_exposure, seed)));
    }
    if is_on(Threat::DataExposure) {
        detectors.push(Box::new(data_exposure::DataExposure::new(&config.data_exposure, sources, seed)));
    }
    if is_on(Threat::Graphql) {
        detectors.push(Box::new(graphql::Graphql::new(&config.graphql, sources, seed)));
    }
    if is_on(Threat::Schema) {
        detectors.push(Box::new(schema::Schema::new(&config.schema, sources, seed)));
    }
}
