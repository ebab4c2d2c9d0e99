//! Receivers of the pipeline's exchanges: the detectors, the exchange log, and requests to the daemon.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;

use super::deciding::Signals;
use super::failures::Failures;
use super::proofs::Proofs;
use super::served::{ServedBy, ServedNotes};
use crate::clock::{self, Timestamp};
use crate::detect::Detectors;
use crate::event::{Event, Exchange, Held, Http2Abuse, LeakedPassword, Source};
use crate::kernel::ClientPrefixes;
use crate::pipeline::{Claim, Observer, StatusClass};
use crate::printable::{to_json, write_json};

/// Of these, the maximum between two [`PUBLISH`]es: more would be serialised for nobody.
const RECENT_EACH: usize = 64;

/// Keeps what requests to the daemon ask for.
pub(super) struct Watcher {
    pub(super) detectors: Detectors,
    pub(super) signals: Signals,
    pub(super) fresh: Vec<String>,
    pub(super) failures: Failures,
    served: ServedNotes,
    clients: ClientPrefixes,
    pub(super) log: Option<BufWriter<File>>,
    pub(super) log_errors: u64,
    /// Server ports that answered in HTTP since the last check.
    pub(super) confirmed: BTreeSet<u16>,
    proofs: Proofs,
    /// Proxies on this host that are believed, where that has changed since the last check.
    pub(super) believed: Option<Vec<IpAddr>>,
}

impl Watcher {
    pub(super) fn new(
        detectors: Detectors,
        clients: ClientPrefixes,
        served: ServedBy,
        signals: Signals,
        log: Option<BufWriter<File>>,
    ) -> Self {
        Self {
            detectors,
            signals,
            fresh: Vec::new(),
            failures: Failures::new(clients),
            served: ServedNotes::new(clients, served),
            clients,
            log,
            log_errors: 0,
            confirmed: BTreeSet::new(),
            proofs: Proofs::default(),
            believed: None,
        }
    }

    /// Takes what other hosts answered, if answers are awaited; returns whether they are.
    pub(super) fn hear(&mut self, now: Timestamp) -> bool {
        let awaits = self.detectors.awaits(now);
        if awaits {
            self.detectors.hear(now).for_each(|signal| self.signals.send(signal));
        }
        awaits
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.detectors.advance(now).for_each(|signal| self.signals.send(signal));
    }
}

impl Watcher {
    /// Keeps a record for those who ask, and in the log.
    fn record(&mut self, record: &Exchange<'_>) {
        if self.fresh.len() < RECENT_EACH {
            self.fresh.extend(to_json(record).ok());
        }
        if let Some(log) = &mut self.log {
            let written = write_json(&mut *log, record).map_err(io::Error::from);
            if written.and_then(|()| log.write_all(b"\n")).is_err() {
                self.log_errors = self.log_errors.saturating_add(1);
            }
        }
    }
}

impl Observer for Watcher {
    fn websocket(&mut self, record: &Exchange<'_>) {
        self.record(record);
    }

    fn held(&mut self, held: &Held) {
        self.detectors.observe(&Event::Held(held)).for_each(|signal| self.signals.send(signal));
    }

    fn abuse(&mut self, abuse: &Http2Abuse) {
        self.detectors.observe(&Event::Http2Abuse(abuse)).for_each(|signal| self.signals.send(signal));
    }

    fn leaked_password(&mut self, login: &LeakedPassword) {
        self.detectors.observe(&Event::LeakedPassword(login)).for_each(|signal| self.signals.send(signal));
    }

    fn claim(&mut self, claim: &Claim) {
        let Claim { peer, client, server_port, seen } = *claim;
        if client.is_some() {
            // It speaks HTTP, though its exchanges may not count yet.
            self.confirmed.insert(server_port);
        }
        let Self { proofs, clients, signals, .. } = self;
        let client = client.map(|client| clients.net_of(client));
        let now = clock::now();
        let is_connected = |client| signals.claims.is_connected_after(client, seen, now);
        if proofs.note(peer, client, now, is_connected) {
            self.believed = Some(proofs.proven().collect());
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        if let Some(proxy) = exchange.peer
            && exchange.named_by_peer
            && exchange.proven
        {
            let client = self.clients.net_of(exchange.client);
            self.signals.claims.note(client, proxy, exchange.seen);
        }
        self.detectors.observe(&Event::Exchange(exchange)).for_each(|signal| self.signals.send(signal));
        self.record(exchange);
        let is_heard = exchange.source != Source::Log;
        if is_heard && (exchange.method.is_some() || exchange.status.is_some()) {
            self.confirmed.insert(exchange.server_port);
        }
        if exchange.proven && !exchange.seen_twice && StatusClass::of(exchange.outcome()).is_failure() {
            self.failures.count(exchange.client);
        }
        if let Some(unit) = exchange.unit.filter(|_| exchange.proven) {
            self.served.note(exchange.client, unit);
        }
    }
}
