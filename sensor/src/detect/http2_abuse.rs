//! `http2-abuse`: attacks on HTTP/2 itself, which cost a server much and their sender little.
//!
//! What is counted, and what of it answers the server and is not, is said in [`Abuse`]. Each kind has a threshold for a
//! client within [`WINDOW`], and resets also a share of the streams: a client that cancels much of what it asks for, as
//! browsers and calls with deadlines do, still has most of it answered. Where servers have limits of their own for a
//! kind, the threshold lies at or above them, so that no client is named that its server would serve.

use std::time::Duration;

use documented::DocumentedFields;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Preset, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Http2Abuse};
use crate::http::Abuse;
use crate::prefix::ClientNet;

#[cfg(test)]
mod tests;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Streams per client within 30 s that were reset within a second of their request (rapid reset, CVE-2023-44487), or
    /// that the client made the server reset by breaking the protocol (CVE-2025-8671). They must be at least half of the
    /// client's streams. The default is Netty's limit on RST_STREAM frames.
    pub resets: u32,
    /// CONTINUATION frames per client within 30 s beyond the eighth of their header block (CVE-2024-27316,
    /// CVE-2024-27983 and others). nghttp2 allows eight.
    pub continuations: u32,
    /// Small header blocks per client within 30 s that expand to more than `max_head_bytes` (HPACK bombs,
    /// CVE-2016-6581).
    pub bombs: u32,
    /// SETTINGS frames, or PING frames without server data before them, per client within 30 s (CVE-2019-9512,
    /// CVE-2019-9515). Clients send a few; gRPC servers close a connection at the third such PING.
    pub pings_and_settings: u32,
    /// Empty frames per client within 30 s that end no stream or header block (CVE-2019-9518). Netty allows two in a
    /// row, Envoy one.
    pub empty_frames: u32,
    /// PRIORITY frames beyond 100 per stream, or WINDOW_UPDATE frames beyond 10 per DATA frame, per client within 30 s
    /// (CVE-2019-9511, CVE-2019-9513). Envoy allows the same.
    pub updates: u32,
    /// Requests per client within 30 s that a proxy would turn into other requests when forwarding them as HTTP/1: with
    /// line breaks or NUL in a field, with `transfer-encoding`, or with another length than announced (RFC 9113, section
    /// 10.3). No client sends them by mistake.
    pub smuggling: u32,
    /// Frames per client within 30 s that violate the protocol. Servers close the connection at the first.
    pub violations: u32,
    /// Maximum clients remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            resets: preset.scaled(200),
            continuations: preset.scaled(64),
            bombs: preset.scaled(4),
            pings_and_settings: preset.scaled(100),
            empty_frames: preset.scaled(64),
            updates: preset.scaled(1_000),
            smuggling: preset.scaled(4),
            violations: preset.scaled(32),
            entries: 16_384,
        }
    }

    /// Reads `[detect.http2-abuse]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("resets", 1..=1_000_000, &mut config.resets);
        section.integer("continuations", 1..=1_000_000, &mut config.continuations);
        section.integer("bombs", 1..=1_000_000, &mut config.bombs);
        section.integer("pings_and_settings", 1..=1_000_000, &mut config.pings_and_settings);
        section.integer("empty_frames", 1..=1_000_000, &mut config.empty_frames);
        section.integer("updates", 1..=1_000_000, &mut config.updates);
        section.integer("smuggling", 1..=1_000_000, &mut config.smuggling);
        section.integer("violations", 1..=1_000_000, &mut config.violations);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }

    /// What is most above its threshold, if anything is: its name in sentences, its count and the threshold.
    fn exceeded(&self, counts: &Abuse) -> Option<(&'static str, u32, u32)> {
        let resets = if u64::from(counts.resets).saturating_mul(2) < u64::from(counts.streams) {
            0
        } else {
            counts.resets
        };
        let kinds = [
            ("stream resets right after their requests", resets, self.resets),
            ("excess CONTINUATION frames", counts.continuations, self.continuations),
            ("HPACK bombs", counts.bombs, self.bombs),
            ("SETTINGS frames", counts.settings, self.pings_and_settings),
            ("PING frames", counts.pings, self.pings_and_settings),
            ("empty frames", counts.empty_frames, self.empty_frames),
            ("excess PRIORITY frames", counts.priorities, self.updates),
            ("excess WINDOW_UPDATE frames", counts.window_updates, self.updates),
            ("requests that smuggle others", counts.smuggling, self.smuggling),
            ("frames that violate the protocol", counts.violations, self.violations),
        ];
        let over = kinds.into_iter().filter(|(_, count, threshold)| count >= threshold);
        over.max_by_key(|(_, count, threshold)| count.checked_div(*threshold))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// What is counted together: Netty's window.
const WINDOW: Duration = Duration::from_secs(30);

struct Client {
    began: Timestamp,
    counts: Abuse,
    told: bool,
}

/// The detector.
pub struct Http2Abuses {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    ongoing: Ongoing,
}

impl Http2Abuses {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        let clients = Recent::new(config.entries, WINDOW, seed);
        Self { config: config.clone(), sources, clients, ongoing: Ongoing::default() }
    }

    fn abuse(&mut self, event: &Http2Abuse, signals: &mut Vec<Signal>) {
        let now = event.ts;
        let fresh = || Client { began: now, counts: Abuse::default(), told: false };
        let address = self.sources.client(event.client);
        let Some(client) = self.clients.touch(address, now, fresh) else { return };
        if now.since(client.began) >= WINDOW || now < client.began {
            *client = fresh();
        }
        client.counts.add(&event.abuse);
        let Some(exceeded) = self.config.exceeded(&client.counts) else { return };
        let offender = Offender { client: address, proxied: event.proxied };
        let subject = Subject::Client(address);
        let goes_on = self.ongoing.goes_on((Threat::Http2Abuse, subject), offender, now);
        if goes_on || !client.told {
            client.told = true;
            let signal = signal(offender, client, exceeded, now);
            signals.push(self.ongoing.tell(signal, exceeded.1.into()));
        }
    }
}

fn signal(
    offender: Offender,
    client: &Client,
    (what, count, threshold): (&str, u32, u32),
    now: Timestamp,
) -> Signal {
    let address = offender.client;
    let mut evidence = Evidence::default()
        .with("count", u64::from(count))
        .with("threshold", u64::from(threshold))
        .with("streams", u64::from(client.counts.streams));
    for (kind, count) in client.counts.kinds() {
        if count > 0 {
            evidence = evidence.with(kind, u64::from(count));
        }
    }
    Signal {
        at: now,
        threat: Threat::Http2Abuse,
        severity: Severity::High,
        confidence: 0.9,
        subject: Subject::Client(address),
        offenders: vec![offender],
        summary: format!("{address} sent {count} {what} within {} s", WINDOW.as_secs()),
        evidence,
        window: (client.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for Http2Abuses {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Http2Abuse(abuse) => self.abuse(abuse, signals),
            Event::Exchange(_) | Event::Held(_) | Event::LeakedPassword(_) => {}
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
