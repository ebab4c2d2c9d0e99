//! `slow-attack`: connections held open by slow messages: slow headers, slow bodies, slow reads.
//!
//! One slow connection may be a bad network's. An attack shows in how many of them a client, or all clients together,
//! hold at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use documented::DocumentedFields;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Preset, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Held, HeldBy};
use crate::prefix::ClientNet;

#[cfg(test)]
mod tests;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Concurrent slow connections from one client; twice as many are severity high. Browsers open six to a host in
    /// HTTP/1.1.
    pub connections: u32,
    /// Concurrent slow connections from all clients. The default is below the number of requests that Apache serves at
    /// once (`MaxRequestWorkers`: 256 for the prefork module, 400 for the event module).
    pub total: u32,
    /// Age at which a message can count as slow. The default is when Apache's `mod_reqtimeout` starts to require a rate
    /// for heads (`header=20-40,MinRate=500`) and bodies (`body=20,MinRate=500`); nginx waits 60 s between two reads
    /// (`client_header_timeout`, `client_body_timeout`). No preset changes it.
    pub after: Duration,
    /// Bytes per second below which a message is slow. The default is `mod_reqtimeout`'s. No preset changes it.
    pub min_rate: u32,
    /// Maximum clients with slow connections remembered. At most eight times as many connections are remembered in
    /// total.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            connections: preset.scaled(10),
            total: preset.scaled(150),
            after: Duration::from_secs(20),
            min_rate: 500,
            entries: 16_384,
        }
    }

    /// Reads `[detect.slow-attack]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("connections", 1..=1_000_000, &mut config.connections);
        section.integer("total", 1..=1_000_000, &mut config.total);
        section.duration("after", Duration::from_secs(1), &mut config.after);
        section.integer("min_rate", 1..=1_000_000, &mut config.min_rate);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// A connection without a report for this long is no longer held. Ongoing messages are reported every few seconds.
const STALE: Duration = Duration::from_secs(15);

/// Connections remembered per client: enough for any reasonable threshold.
const EACH: usize = 512;

/// An incident is over after this time without a slow connection.
const CALM: Duration = Duration::from_secs(60);

/// Clients that take part in an attack of many, at most this many reported at a time.
const MAX_OFFENDERS: usize = 256;

#[derive(Clone, Copy)]
struct Slow {
    port: (u16, u16),
    by: HeldBy,
    told: Timestamp,
    since: Timestamp,
    bytes: u64,
}

struct Holder {
    proxied: bool,
    slow: Vec<Slow>,
    began: Timestamp,
    told: Option<Severity>,
    /// Reported as one of many.
    named: bool,
}

/// The detector.
pub struct SlowAttack {
    config: Config,
    sources: Sources,
    holders: Recent<ClientNet, Holder>,
    /// Sites that hold too many, with the worst report so far.
    sites: BTreeMap<ClientNet, Severity>,
    /// Connections remembered.
    connections: usize,
    /// Not remembered, because there were too many.
    dropped: u64,
    /// Since when all clients together have held too many.
    flood: Option<Timestamp>,
    looked: Timestamp,
    ongoing: Ongoing,
}

impl SlowAttack {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            sites: BTreeMap::new(),
            holders: Recent::new(config.entries, CALM, seed),
            connections: 0,
            dropped: 0,
            flood: None,
            looked: Timestamp::default(),
            ongoing: Ongoing::default(),
        }
    }

    fn held(&mut self, held: &Held, signals: &mut Vec<Signal>) {
        if !self.is_slow(held) {
            return;
        }
        let now = held.ts;
        let room = self.room();
        let fresh =
            || Holder { proxied: held.proxied, slow: Vec::new(), began: now, told: None, named: false };
        let Some(holder) = self.holders.touch(self.sources.client(held.client), now, fresh) else { return };
        let before = holder.slow.len();
        if !holder.note(held, room) {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.connections = self.connections.saturating_add(holder.slow.len()).saturating_sub(before);
        let is_new = holder.slow.len() > before;
        let count = u32::try_from(holder.slow.len()).unwrap_or(u32::MAX);
        if count < self.config.connections {
            return;
        }
        let many = count >= self.config.connections.saturating_mul(2);
        let severity = if many { Severity::High } else { Severity::Medium };
        let client = self.sources.client(held.client);
        let (subject, offender) = (Subject::Client(client), Offender { client, proxied: holder.proxied });
        let goes_on = is_new && self.ongoing.goes_on((Threat::SlowAttack, subject.clone()), offender, now);
        if goes_on || holder.told.is_none_or(|told| told < severity) {
            holder.told = holder.told.max(Some(severity));
            let signal = one_client(&self.config, client, held, holder, severity);
            signals.push(self.ongoing.tell(signal, count.into()));
        } else {
            self.ongoing.lasts(Threat::SlowAttack, subject, now);
        }
    }

    fn is_slow(&self, held: &Held) -> bool {
        let age = held.ts.since(held.since);
        let due = u128::from(self.config.min_rate).saturating_mul(age.as_millis()) / 1_000;
        age >= self.config.after && u128::from(held.bytes) < due
    }

    fn room(&self) -> usize {
        let most = usize::try_from(self.config.entries).unwrap_or(usize::MAX).saturating_mul(8);
        most.saturating_sub(self.connections)
    }

    /// Drops connections that are no longer held, and evaluates all clients together.
    fn look(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        let mut total = 0_usize;
        for (_, holder) in self.holders.iter_mut() {
            holder.slow.retain(|slow| now.since(slow.told) <= STALE && slow.told.since(now) <= STALE);
            if holder.slow.is_empty() {
                holder.slow.shrink_to_fit();
                (holder.told, holder.named) = (None, false);
            }
            total = total.saturating_add(holder.slow.len());
        }
        self.connections = total;
        self.look_at_sites(now, signals);
        let threshold = usize::try_from(self.config.total).unwrap_or(usize::MAX);
        if total < threshold {
            if total < threshold / 2 {
                self.flood = None;
            }
            return;
        }
        let is_new = self.flood.is_none();
        let began = *self.flood.get_or_insert(now);
        let offenders = self.participants();
        if is_new || !offenders.is_empty() {
            let signal = all_clients(&self.config, total, offenders, (began, now));
            signals.push(self.ongoing.tell(signal, u64::try_from(total).unwrap_or(u64::MAX)));
        } else {
            self.ongoing.lasts(Threat::SlowAttack, Subject::Host, now);
        }
    }

    /// Sites whose clients together hold too many, none of them too many itself. Only slow connections are visible
    /// here, so it is unknown who else is in such a network: it is reported, and nobody is named.
    fn look_at_sites(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        let mut held: BTreeMap<ClientNet, (u32, Timestamp)> = BTreeMap::new();
        for (client, holder) in self.holders.iter().filter(|(_, holder)| holder.told.is_none()) {
            let Some(site) = self.sources.site(*client).filter(|_| !holder.slow.is_empty()) else { continue };
            let count = u32::try_from(holder.slow.len()).unwrap_or(u32::MAX);
            let of_site = held.entry(site).or_insert((0, holder.began));
            *of_site = (of_site.0.saturating_add(count), of_site.1.min(holder.began));
        }
        let threshold = self.sources.scaled(self.config.connections);
        held.retain(|_, (count, _)| *count >= threshold);
        self.sites.retain(|site, _| held.contains_key(site));
        for (site, (count, began)) in held {
            let many = count >= threshold.saturating_mul(2);
            let severity = if many { Severity::High } else { Severity::Medium };
            if self.sites.get(&site).is_none_or(|told| *told < severity) {
                self.sites.insert(site, severity);
                let signal = one_site(site, (count, threshold), severity, (began, now));
                signals.push(self.ongoing.tell(signal, count.into()));
            } else {
                self.ongoing.lasts(Threat::SlowAttack, Subject::Network(site.prefix()), now);
            }
        }
    }

    /// Clients with more than one slow connection that were not reported before. A single one may be a bad network's.
    fn participants(&mut self) -> Vec<Offender> {
        let mut offenders = BTreeSet::new();
        for (client, holder) in self.holders.iter_mut() {
            if holder.slow.len() > 1
                && !holder.named
                && holder.told.is_none()
                && offenders.len() < MAX_OFFENDERS
            {
                holder.named = true;
                offenders.insert(Offender { client: *client, proxied: holder.proxied });
            }
        }
        offenders.into_iter().collect()
    }
}

impl Holder {
    /// Records a connection; false if there is no room.
    fn note(&mut self, held: &Held, room: usize) -> bool {
        let port = (held.client_port, held.server_port);
        let slow = Slow { port, by: held.by, told: held.ts, since: held.since, bytes: held.bytes };
        self.proxied |= held.proxied;
        self.slow.retain(|known| held.ts.since(known.told) <= STALE || known.port == port);
        if self.slow.is_empty() {
            (self.told, self.began) = (None, held.ts);
        }
        if let Some(known) = self.slow.iter_mut().find(|known| known.port == port) {
            *known = slow;
        } else if self.slow.len() < EACH && room > 0 {
            self.slow.push(slow);
        } else {
            return false;
        }
        true
    }
}

fn one_client(
    config: &Config,
    client: ClientNet,
    held: &Held,
    holder: &Holder,
    severity: Severity,
) -> Signal {
    let by = |kind| holder.slow.iter().filter(|slow| slow.by == kind).count();
    let age = |slow: &Slow| held.ts.since(slow.since).as_secs();
    let oldest = holder.slow.iter().map(age).max().unwrap_or_default();
    let bytes = holder.slow.iter().fold(0_u64, |sum, slow| sum.saturating_add(slow.bytes));
    let seconds = holder.slow.iter().map(age).fold(0_u64, u64::saturating_add).max(1);
    let count = holder.slow.len();
    let evidence = Evidence::default()
        .with("connections", count)
        .with("connections_threshold", u64::from(config.connections))
        .with("slow_headers", by(HeldBy::SlowHeaders))
        .with("slow_bodies", by(HeldBy::SlowBody))
        .with("slow_reads", by(HeldBy::SlowRead))
        .with("bytes_per_second", bytes.checked_div(seconds).unwrap_or_default())
        .with("bytes_per_second_threshold", u64::from(config.min_rate))
        .with("oldest_seconds", oldest);
    Signal {
        at: held.ts,
        threat: Threat::SlowAttack,
        severity,
        confidence: if severity == Severity::High { 0.9 } else { 0.7 },
        subject: Subject::Client(client),
        offenders: vec![Offender { client, proxied: holder.proxied }],
        summary: format!("{client} holds {count} connections open, mostly by {}", held.by.label()),
        evidence,
        window: (holder.began, held.ts),
        decided: None,
        growth: Growth::default(),
    }
}

fn one_site(
    site: ClientNet,
    (count, threshold): (u32, u32),
    severity: Severity,
    window: (Timestamp, Timestamp),
) -> Signal {
    Signal {
        at: window.1,
        threat: Threat::SlowAttack,
        severity,
        confidence: 0.7,
        subject: Subject::Network(site.prefix()),
        offenders: Vec::new(),
        summary: format!("clients in {site} hold {count} connections open with very slow messages"),
        evidence: Evidence::default()
            .with("connections", u64::from(count))
            .with("connections_threshold", u64::from(threshold)),
        window,
        decided: None,
        growth: Growth::default(),
    }
}

fn all_clients(
    config: &Config,
    total: usize,
    offenders: Vec<Offender>,
    window: (Timestamp, Timestamp),
) -> Signal {
    Signal {
        at: window.1,
        threat: Threat::SlowAttack,
        severity: Severity::High,
        confidence: 0.7,
        subject: Subject::Host,
        summary: format!("{total} connections are held open by very slow messages"),
        evidence: Evidence::default()
            .with("connections", total)
            .with("connections_threshold", u64::from(config.total))
            .with("new_clients", offenders.len()),
        offenders,
        window,
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for SlowAttack {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
            Event::Held(held) => self.held(held, signals),
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        if now.since(self.looked) >= Duration::from_secs(1) || now < self.looked {
            self.looked = now;
            self.look(now, signals);
            self.holders.sweep(now, 1_024, |_, _| {});
            self.ongoing.advance(now, signals);
        }
    }

    fn usage(&self) -> Usage {
        let clients = self.holders.usage().and(self.ongoing.usage());
        Usage { evicted: clients.evicted.saturating_add(self.dropped), ..clients }
    }
}
