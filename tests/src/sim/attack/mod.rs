//! Attacks, from loud to patient, and real trouble; each with what should be said about it.

mod logins;
mod probing;
mod scenarios;

use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::detect::Threat;

use super::Actor;
use super::stage::Trouble;

pub use scenarios::SCENARIOS;

/// An attack that is ready to begin.
#[derive(Default)]
pub struct Attack {
    /// When.
    pub start: Timestamp,
    /// Who does it.
    pub actors: Vec<Box<dyn Actor>>,
    /// What it does to the site; of the anomalies that no client causes, all there is.
    pub trouble: Option<Trouble>,
}

/// What kind of attack it is; targets are set by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Stuffing, brute force or spraying from one address.
    SingleSource,
    /// Brute force or spraying from several, each with several attempts.
    SeveralSources,
    /// Stuffing from thousands of addresses with two attempts each, in ten minutes.
    Distributed,
    /// Stuffing with so few attempts of an address that none of them stands out.
    LowAndSlow,
    /// Walking through identifiers or probing for what is not there.
    Probing,
    /// Forged tokens, records of others, expensive documents.
    Exposure,
    /// Too much, or too slowly.
    Load,
    /// Something is wrong with the site.
    Anomaly,
}

/// An attack, and what should be said about it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// In a few words.
    pub name: &'static str,
    /// Its kind.
    pub class: Class,
    /// What it may rightly be called.
    pub threats: &'static [Threat],
    /// How long it goes on.
    pub lasts: Duration,
    make: fn(&Self) -> Attack,
}

impl Scenario {
    /// The attack, beginning at `start`.
    #[must_use]
    pub fn begin(&self, start: Timestamp) -> Attack {
        let mut attack = (self.make)(self);
        attack.start = start;
        if let Some(trouble) = &mut attack.trouble {
            trouble.window = (start, start.plus(self.lasts));
        }
        attack
    }

    /// The scenario of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}
