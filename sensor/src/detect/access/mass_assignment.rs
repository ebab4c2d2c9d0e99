//! `mass-assignment`: a request brings a field that says who somebody is, what something costs or whose it is, that nobody
//! sent to this function before, and is accepted (OWASP API3:2023, "Broken Object Property Level Authorization"; CWE-915).
//!
//! Which such fields a function is sent is learned from its accepted requests. A new one waits for some hours: if others
//! send it too, it is a new version of the client. What one alone sends is told: medium, and high if it tried several, or
//! was refused one before.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use documented::DocumentedFields;
use foldhash::fast::RandomState;

use super::Config as Detect;
use crate::clock::Timestamp;
use crate::config::Section;
use crate::detect::recent::{Distinct, Recent};
use crate::detect::{Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::event::Exchange;
use crate::identity::KeyedHash;
use crate::inspect::PowerField;
use crate::prefix::ClientNet;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Accepted requests with a body from which it is learned which fields a function is sent. No preset changes it.
    pub learn: u32,
    /// Different principals or clients among them. No preset changes it.
    pub senders: u32,
    /// Hours for which a new field waits to be sent by three others. No preset changes it.
    pub hours: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub const fn of(_preset: Preset) -> Self {
        Self { learn: 100, senders: 10, hours: 6 }
    }

    /// Reads `[detect.mass-assignment]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("learn", 10..=1_000_000, &mut config.learn);
        section.integer("senders", 1..=200, &mut config.senders);
        section.integer("hours", 1..=168, &mut config.hours);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// Functions that are remembered, and for how long without a request.
const FUNCTIONS: u32 = 2_048;
const KEEP: Duration = Duration::from_secs(60 * 86_400);
/// Fields of power that one function is sent. Whoever has more of them is an administration's form.
const FIELDS: usize = 24;
/// New fields that wait to be judged.
const WAITING: u32 = 4_096;
/// Senders of a field that make it one of the client.
const MANY: u32 = 3;

struct Function {
    accepted: u32,
    senders: Distinct<4>,
    fields: Vec<u64>,
}

impl Function {
    /// What is lost with it, where another one makes room: a function that accepted nothing may not exist.
    fn worth(&self) -> u32 {
        self.accepted.checked_ilog2().map_or(0, |power| power.saturating_add(1))
    }
}

/// A field that was new.
struct Waiting {
    since: Timestamp,
    class: &'static str,
    field: String,
    /// By whom it was sent with success.
    senders: Distinct<1>,
    /// Who sent it first.
    sender: u64,
    subject: Subject,
    offender: Offender,
    sample: Sample,
    requests: u32,
    /// Whether it was accepted at all.
    is_accepted: bool,
    /// Whether one with such a field was refused.
    was_refused: bool,
    told: Option<Severity>,
}

/// The detector.
pub(super) struct MassAssignment {
    config: Config,
    functions: Recent<u64, Function>,
    waiting: Recent<(u64, u64), Waiting>,
    /// What waits, by function and by who sent it first: as many of these as of what waits at most.
    tried: HashMap<(u64, u64), Tried, RandomState>,
}

/// Fields of one function that wait and that nobody but their first sender has sent with success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tried {
    fields: u32,
    /// Those of them with which a request was refused.
    refused: u32,
}

impl Waiting {
    fn new(
        exchange: &Exchange<'_>,
        power: &PowerField,
        sender: u64,
        (principal, client): (Option<KeyedHash>, ClientNet),
    ) -> Self {
        Self {
            since: exchange.seen,
            class: power.class,
            field: power.name.text().to_owned(),
            senders: Distinct::NONE,
            sender,
            subject: principal.map_or(Subject::Client(client), Subject::Principal),
            offender: Offender::of(client, exchange),
            sample: Sample::of(exchange),
            requests: 0,
            is_accepted: false,
            was_refused: false,
            told: None,
        }
    }

    /// What it adds to the fields that its sender tried.
    fn tried(&self) -> Tried {
        let is_alone = self.senders.at_least() <= 1;
        Tried { fields: is_alone.into(), refused: (is_alone && self.was_refused).into() }
    }
}

impl MassAssignment {
    pub(super) fn new(config: &Detect, seed: u64) -> Self {
        let config = config.mass_assignment.clone();
        let hours = Duration::from_secs(u64::from(config.hours).saturating_mul(3_600));
        Self {
            functions: Recent::new(FUNCTIONS, KEEP, seed),
            waiting: Recent::new(WAITING, hours.saturating_mul(4), seed),
            tried: HashMap::default(),
            config,
        }
    }

    /// An exchange of a function, by its hash, from a principal or client, by its hash.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        (function, sender): (u64, u64),
        (principal, client): (Option<KeyedHash>, ClientNet),
    ) -> Option<Signal> {
        let powers = exchange.exposed.powers;
        if !matches!(exchange.method, Some("POST" | "PUT" | "PATCH")) || exchange.request_bytes == Some(0) {
            return None;
        }
        let is_accepted = matches!(exchange.outcome()?, 200..=299 | 302 | 303);
        let now = exchange.seen;
        let fresh = || Function { accepted: 0, senders: Distinct::NONE, fields: Vec::new() };
        let known = self.functions.touch_beside(function, now, fresh, Function::worth)?;
        let is_learned =
            known.accepted >= self.config.learn && known.senders.estimate() >= self.config.senders;
        if is_accepted {
            known.accepted = known.accepted.saturating_add(1);
            known.senders.note(sender);
        }
        if !is_learned {
            let fields = powers.iter().filter(|_| is_accepted).map(|power| power.hash);
            for hash in fields {
                learn(known, hash);
            }
            return None;
        }
        let mut signal = None;
        let new: Vec<_> = powers.iter().filter(|power| !known.fields.contains(&power.hash)).collect();
        for power in new {
            let mut gone = None;
            let make = || Waiting::new(exchange, power, sender, (principal, client));
            let key = (function, power.hash);
            let told = |key, waiting| gone = Some((key, waiting));
            let waiting = self.waiting.touch_telling(key, now, make, |_| 0, told)?;
            let before = if waiting.requests == 0 { Tried::default() } else { waiting.tried() };
            // Refusals cost nobody anything: two of them, with credentials made up, would make a new version of a client.
            if is_accepted {
                waiting.senders.note(sender);
            }
            waiting.requests = waiting.requests.saturating_add(1);
            waiting.was_refused |= !is_accepted;
            if is_accepted && !waiting.is_accepted {
                waiting.is_accepted = true;
                waiting.sample = Sample::of(exchange);
            }
            let (by, after) = ((function, waiting.sender), waiting.tried());
            if let Some(((of, _), gone)) = gone {
                self.count((of, gone.sender), gone.tried(), Tried::default());
            }
            self.count(by, before, after);
            signal = signal.or_else(|| self.several(function, sender, power.hash, now));
        }
        signal.filter(|_| !exchange.cross_site)
    }

    /// What a sender tried changes by what one field adds to it.
    fn count(&mut self, by: (u64, u64), before: Tried, after: Tried) {
        if before == after {
            return;
        }
        let tried = self.tried.entry(by).or_default();
        tried.fields = tried.fields.saturating_add(after.fields).saturating_sub(before.fields);
        tried.refused = tried.refused.saturating_add(after.refused).saturating_sub(before.refused);
        if *tried == Tried::default() {
            self.tried.remove(&by);
        }
    }

    /// Whoever tries several fields of one function is no new version of a client.
    fn several(&mut self, function: u64, sender: u64, field: u64, now: Timestamp) -> Option<Signal> {
        let Tried { fields: tried, refused } =
            self.tried.get(&(function, sender)).copied().unwrap_or_default();
        let was_refused = refused > 0;
        let key = (function, field);
        let hash = self.waiting.hash(&key);
        let waiting = self.waiting.get(hash, &key, now)?;
        let is_attack = waiting.is_accepted && (tried >= 3 || was_refused) && waiting.sender == sender;
        if !is_attack || waiting.told >= Some(Severity::High) {
            return None;
        }
        waiting.told = Some(Severity::High);
        Some(signal(waiting, Severity::High, tried, now))
    }

    /// Time passes: fields that have waited are those of a new client, or are told.
    pub(super) fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.functions.sweep(now, 16, |_, _| {});
        if self.waiting.is_empty() {
            return;
        }
        let hours = Duration::from_secs(u64::from(self.config.hours).saturating_mul(3_600));
        let is_ripe =
            |waiting: &Waiting| now.since(waiting.since) >= hours || waiting.senders.at_least() >= MANY;
        let ripe: Vec<(u64, u64)> =
            self.waiting.iter().filter(|(_, waiting)| is_ripe(waiting)).map(|(key, _)| *key).collect();
        for key in ripe {
            let hash = self.waiting.hash(&key);
            let Some(waiting) = self.waiting.peek(hash, &key) else { continue };
            let (is_accepted, is_many) = (waiting.is_accepted, waiting.senders.at_least() >= MANY);
            if is_accepted && !is_many && waiting.told.is_none() {
                signals.push(signal(waiting, Severity::Medium, 1, now));
            }
            let (by, before) = ((key.0, waiting.sender), waiting.tried());
            self.count(by, before, Tried::default());
            self.waiting.remove(&key);
            // What was told, or is sent by many, is known from now on.
            let hash = self.functions.hash(&key.0);
            if is_accepted && let Some(known) = self.functions.peek(hash, &key.0) {
                learn(known, key.1);
            }
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.functions.usage().and(self.waiting.usage())
    }

    /// What is known of functions, for a file.
    pub(super) fn learned(&self) -> Vec<Kept> {
        self.functions
            .iter()
            .map(|(key, function)| {
                (*key, function.accepted, *function.senders.bits(), function.fields.clone())
            })
            .collect()
    }

    /// Takes it up.
    pub(super) fn restore(&mut self, learned: &serde_json::Value, now: Timestamp) -> Result<(), String> {
        let kept: Vec<Kept> =
            serde::Deserialize::deserialize(learned).map_err(|error| format!("mass-assignment: {error}"))?;
        for (key, accepted, senders, mut fields) in kept {
            fields.truncate(FIELDS);
            let function = Function { accepted, senders: Distinct::of_bits(senders), fields };
            self.functions.touch(key, now, || function);
        }
        Ok(())
    }
}

pub(super) type Kept = (u64, u32, [u64; 4], Vec<u64>);

fn learn(known: &mut Function, field: u64) {
    if known.fields.len() < FIELDS && !known.fields.contains(&field) {
        known.fields.push(field);
    }
}

fn signal(waiting: &Waiting, severity: Severity, tried: u32, now: Timestamp) -> Signal {
    let method = waiting.sample.method.as_deref().unwrap_or("a method");
    let route = waiting.sample.route.as_deref().unwrap_or("{other}");
    let says = match waiting.class {
        "role" => "who somebody is",
        "owner" => "whose something is",
        _ => "what something costs",
    };
    let is_high = severity >= Severity::High;
    let subject = waiting.subject.clone();
    Signal {
        at: now,
        threat: Threat::MassAssignment,
        severity,
        confidence: if is_high { 0.8 } else { 0.6 },
        summary: format!(
            "{subject} sent `{}` to {method} {route}, which says {says}, was never sent there before and was accepted",
            waiting.field
        ),
        subject,
        offenders: if is_high { vec![waiting.offender] } else { Vec::new() },
        evidence: Evidence::default()
            .with("field", waiting.field.as_str())
            .with("class", waiting.class)
            .with("requests", u64::from(waiting.requests))
            .with("new_fields", u64::from(tried))
            .with("refused_before", u64::from(waiting.was_refused))
            .showing([waiting.sample.clone()]),
        window: (waiting.since, now),
        decided: None,
        growth: Growth { attempts: waiting.requests.into(), by: Vec::new() },
    }
}
