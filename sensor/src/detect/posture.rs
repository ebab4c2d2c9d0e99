//! What is wrong with a route whoever asks: told once in a while, however often it is seen.

use std::time::Duration;

use super::recent::Recent;
use super::signal::{Growth, Sample, Subject};
use super::{Evidence, Severity, Signal, Threat, Usage};
use crate::clock::Timestamp;
use crate::event::Exchange;

/// Until the same is told of the same route again.
const AGAIN: Duration = Duration::from_secs(24 * 3_600);
/// Routes and classes that are remembered.
const ENTRIES: u32 = 4_096;

/// What was told of which route.
pub(super) struct Posture {
    threat: Threat,
    told: Recent<(u64, &'static str), Told>,
}

struct Told {
    at: Option<(Timestamp, Severity)>,
    seen: u64,
}

/// Something to be told of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'c> {
    /// A short stable word; what is told is told once for each.
    pub(super) class: &'static str,
    pub(super) rule: &'c str,
    /// The name of the field, where there is one.
    pub(super) field: &'c str,
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    /// After `route /a `.
    pub(super) says: &'c str,
}

impl Posture {
    /// Of a threat.
    pub(super) fn new(threat: Threat, seed: u64) -> Self {
        Self { threat, told: Recent::new(ENTRIES, AGAIN, seed) }
    }

    /// Notes a case of an exchange's route; the signal, where it was not told lately. One that is worse is told again.
    pub(super) fn note(&mut self, exchange: &Exchange<'_>, case: Case<'_>) -> Option<Signal> {
        self.note_at((exchange.route, exchange.ts, exchange.seen), || Sample::of(exchange), case)
    }

    /// The same of a route, from when the first byte of an exchange was seen until the last was.
    pub(super) fn note_at(
        &mut self,
        (route, began, now): (Option<&str>, Timestamp, Timestamp),
        sample: impl FnOnce() -> Sample,
        case: Case<'_>,
    ) -> Option<Signal> {
        let route = route.unwrap_or("{other}");
        let key = (self.told.hash_of(route.as_bytes()), case.class);
        let told = self.told.touch(key, now, || Told { at: None, seen: 0 })?;
        told.seen = told.seen.saturating_add(1);
        let is_known = told
            .at
            .is_some_and(|(at, severity)| severity >= case.severity && now.since(at) < AGAIN && now >= at);
        if is_known {
            return None;
        }
        told.at = Some((now, case.severity));
        let mut evidence = Evidence::default()
            .with("class", case.class)
            .with("rule", case.rule)
            .with("seen", told.seen)
            .showing([sample()]);
        if !case.field.is_empty() {
            evidence = evidence.with("field", case.field);
        }
        let subject = Subject::Route(route.chars().take(128).collect());
        Some(Signal {
            at: now,
            threat: self.threat,
            severity: case.severity,
            confidence: case.confidence,
            summary: format!("{subject} {}", case.says),
            subject,
            offenders: Vec::new(),
            evidence,
            window: (began, now),
            decided: None,
            growth: Growth { attempts: 1, by: Vec::new() },
        })
    }

    /// Time passes.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.told.sweep(now, 64, |_, _| {});
    }

    /// Its bounds.
    pub(super) fn usage(&self) -> Usage {
        self.told.usage()
    }
}
