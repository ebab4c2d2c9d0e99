//! `stream-evasion`: a client whose copies of the same bytes differ, so that two readers see different things.
//!
//! TCP retransmits the same bytes (RFC 9293, section 3.8.1), and segments that the server's kernel drops for their
//! checksum do not count here. The rest comes from tools that try to be read differently by a sensor than by the server
//! (T. Ptacek and T. Newsham, "Insertion, Evasion, and Denial of Service", 1998). A single one may be a middlebox's
//! fault.

use std::time::Duration;

use documented::DocumentedFields;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::http::Anomaly;
use crate::prefix::ClientNet;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Exchanges per client within an hour in which two copies of the same bytes differ; four times as many are
    /// severity high. No preset changes it.
    pub conflicts: u32,
    /// Maximum such clients remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub const fn of(_preset: Preset) -> Self {
        Self { conflicts: 2, entries: 4_096 }
    }

    /// Reads `[detect.stream-evasion]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("conflicts", 1..=1_000_000, &mut config.conflicts);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// The unit of counting.
const WINDOW: Duration = Duration::from_secs(3_600);
/// This multiple of the threshold is severity high.
const MANY: u32 = 4;

struct Client {
    began: Timestamp,
    conflicts: u32,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

/// The detector.
pub struct StreamEvasion {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    ongoing: Ongoing,
}

impl StreamEvasion {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        let clients = Recent::new(config.entries, WINDOW, seed);
        Self { config: config.clone(), sources, clients, ongoing: Ongoing::default() }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        if !exchange.anomalies.http.contains(Anomaly::ConflictingRetransmission) {
            return;
        }
        let now = exchange.seen;
        let fresh = || Client { began: now, conflicts: 0, told: None, samples: Vec::new() };
        let offender = Offender::of(self.sources.client(exchange.client), exchange);
        let Some(client) = self.clients.touch(offender.client, now, fresh) else { return };
        if now.since(client.began) >= WINDOW {
            *client = fresh();
        }
        client.conflicts = client.conflicts.saturating_add(1);
        Sample::keep(&mut client.samples, exchange);
        let severity = match client.conflicts {
            count if count < self.config.conflicts => return,
            count if count < self.config.conflicts.saturating_mul(MANY) => Severity::Medium,
            _ => Severity::High,
        };
        let subject = Subject::Client(offender.client);
        let told = (&mut client.told, severity);
        if self.ongoing.is_news((Threat::StreamEvasion, subject), offender, told, now) {
            let signal = signal(&self.config, offender, client, severity, now);
            signals.push(self.ongoing.tell(signal, client.conflicts.into()));
        }
    }
}

fn signal(
    config: &Config,
    offender: Offender,
    client: &Client,
    severity: Severity,
    now: Timestamp,
) -> Signal {
    let address = offender.client;
    Signal {
        at: now,
        threat: Threat::StreamEvasion,
        severity,
        confidence: 0.8,
        subject: Subject::Client(address),
        offenders: vec![offender],
        summary: format!(
            "{address} sent conflicting copies of the same bytes in {} exchanges, an evasion technique",
            client.conflicts
        ),
        evidence: Evidence::default()
            .with("conflicts", u64::from(client.conflicts))
            .with("conflicts_threshold", u64::from(config.conflicts))
            .showing(client.samples.iter().cloned()),
        window: (client.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for StreamEvasion {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 256, |_, _| {});
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        self.clients.usage().and(self.ongoing.usage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::made_up;
    use crate::detect::testing::News;

    #[test]
    fn a_client_is_named_once_for_each_severity_and_never_for_one_conflict() {
        let mut detector =
            StreamEvasion::new(&Config::default(), crate::detect::Config::default().sources(), 1);
        let mut said = Vec::new();
        for second in 0..20 {
            let mut exchange = made_up::exchange(second * 1_000, 7, "/a", "/a", 200);
            detector.observe(&Event::Exchange(&exchange), &mut said);
            exchange.anomalies.http.insert(Anomaly::ConflictingRetransmission);
            let before = said.len();
            detector.observe(&Event::Exchange(&exchange), &mut said);
            assert!(second > 0 || said.len() == before, "one conflict names nobody");
        }
        let told: Vec<_> = News::of(&said)
            .iter()
            .map(|signal| (signal.severity, signal.evidence.numbers["conflicts"].clone()))
            .collect();
        let count = |count: u64| super::super::Number::Count(count);
        assert_eq!(told, [(Severity::Medium, count(2)), (Severity::High, count(8))]);
    }

    #[test]
    fn conflicts_of_many_hours_are_not_added_up() {
        let mut detector =
            StreamEvasion::new(&Config::default(), crate::detect::Config::default().sources(), 1);
        let mut said = Vec::new();
        for hour in 0..20 {
            let mut exchange = made_up::exchange(hour * 3_700_000, 7, "/a", "/a", 200);
            exchange.anomalies.http.insert(Anomaly::ConflictingRetransmission);
            detector.observe(&Event::Exchange(&exchange), &mut said);
        }
        assert!(said.is_empty(), "{said:?}");
    }
}
