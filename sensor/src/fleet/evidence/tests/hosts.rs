//! Hosts in one process, and people and bots that log in on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::*;
use super::{FLEET, MINUTE, OLD};
use crate::clock::Timestamp;
use crate::detect::distributed::tests::{Site, attack};
use crate::detect::shared::{Thresholds, Together};
use crate::detect::testing::{Attempt, Names, Random, millis, offenders, only_credentials};
use crate::detect::{Config, Detectors, Severity, Signal, Subject, Threat};
use crate::event::Event;
use crate::fleet::key::{PublicKey, SigningKey, key};

/// A host without a kernel, a network or a task.
pub(super) struct Host {
    pub(super) detectors: Detectors,
    pub(super) counter: Counter,
    pub(super) ledger: Ledger,
    pub(super) key: SigningKey,
    pub(super) said: Vec<(u64, Signal)>,
    /// By how many milliseconds its clock is ahead.
    pub(super) ahead: u64,
}

impl Host {
    pub(super) fn new(number: u8, keys: &str) -> Self {
        let mut detectors = Detectors::new(&only_credentials(&Config::default()));
        let (desk, counter) = desk();
        detectors.join(&Together { evidence: Some(Arc::new(desk)), limits: None });
        let thresholds = Thresholds { evidence: 25.0, accounts: 20 };
        let ledger = Ledger::new(FleetKeys::parse(keys.as_bytes()).unwrap(), thresholds);
        Self { detectors, counter, ledger, key: key(number), said: Vec::new(), ahead: 0 }
    }

    pub(super) fn count(&mut self, now: Timestamp) {
        self.ledger.advance(now);
        while let Ok(told) = self.counter.inbox.try_recv() {
            self.ledger.count(&told);
        }
    }

    fn post(&mut self, outlook: Option<Outlook>) {
        *self.counter.board.lock().unwrap() = outlook.map(Arc::new);
    }
}

/// Records by slot and host, as the server has them.
type Server = BTreeMap<u64, BTreeMap<PublicKey, Vec<u8>>>;

/// A second's exchange of all hosts.
fn exchange(hosts: &mut [Host], server: &mut Server, at: u64) {
    for host in hosts.iter_mut() {
        let now = millis(at + host.ahead);
        host.count(now);
        let records = host.ledger.records(now, FLEET, &host.key);
        host.ledger.said(&records);
        for (number, blob) in records {
            server.entry(number).or_default().insert(host.key.public(), blob);
        }
    }
    for host in hosts.iter_mut() {
        let now = millis(at + host.ahead);
        let wanted = host.ledger.wanted(false).filter_map(|number| Some((number, server.get(&number)?)));
        let wanted: Vec<_> = wanted.collect();
        for (number, records) in wanted {
            for (by, blob) in records.iter().filter(|(by, _)| **by != host.key.public()) {
                host.ledger.take(*by, number, blob, FLEET).unwrap();
            }
        }
        let outlook = host.ledger.outlook(now);
        host.post(Some(outlook));
    }
}

/// Hosts behind a load balancer that sends each attempt to any of them.
pub(super) struct Fleet {
    pub(super) hosts: Vec<Host>,
    server: Server,
    /// When the server can be reached, in milliseconds.
    pub(super) away: std::ops::Range<u64>,
    /// From when on hosts exchange every second; before, every ten.
    closely: u64,
    /// So many times as much traffic as the others has the first host.
    pub(super) first: u64,
    /// From when on the last host has any.
    pub(super) joins: u64,
    /// Whether an attempt goes to the first host, whatever the load balancer does.
    pub(super) is_for_first: fn(&Attempt) -> bool,
}

impl Fleet {
    pub(super) fn new(hosts: u8, closely: u64) -> Self {
        let hosts = (1..=hosts).map(|number| Host::new(number, OLD)).collect();
        Self {
            hosts,
            server: Server::new(),
            away: 0..0,
            closely,
            first: 1,
            joins: 0,
            is_for_first: |_| false,
        }
    }

    /// Hosts see attempts, and time passes.
    pub(super) fn run(&mut self, attempts: &mut [Attempt]) {
        attempts.sort_by_key(|attempt| attempt.at);
        let (names, mut random, mut second) = (Names::new(), Random::new(99), 0);
        for attempt in attempts {
            while second < attempt.at / 1_000 {
                second += 1;
                self.tick(second);
            }
            let hosts = self.hosts.len() as u64 - u64::from(attempt.at < self.joins);
            let place = random.below(hosts + self.first - 1).saturating_sub(self.first - 1);
            let place = if (self.is_for_first)(attempt) { 0 } else { place };
            let host = &mut self.hosts[usize::try_from(place).unwrap()];
            let there = Attempt { at: attempt.at + host.ahead, ..*attempt };
            let exchange = there.exchange(&names);
            let said = host.detectors.observe(&Event::Exchange(&exchange));
            host.said.extend(said.map(|signal| (attempt.at, signal)));
        }
        (1..4).for_each(|more| self.tick(second + more));
    }

    pub(super) fn tick(&mut self, second: u64) {
        let at = second * 1_000;
        if self.away.contains(&at) {
            for host in &mut self.hosts {
                host.count(millis(at + host.ahead));
                host.post(None);
            }
        } else if at >= self.closely || second.is_multiple_of(10) {
            exchange(&mut self.hosts, &mut self.server, at);
        }
        for host in &mut self.hosts {
            let said = host.detectors.advance(millis(at + host.ahead));
            host.said.extend(said.map(|signal| (at, signal)));
        }
    }

    /// When each host knew of an attack on the route.
    pub(super) fn found(&self, from: u64) -> Vec<Option<u64>> {
        self.found_as(from, Severity::Info)
    }

    /// The same for reports that are at least as severe.
    pub(super) fn found_as(&self, from: u64, severity: Severity) -> Vec<Option<u64>> {
        let is_about = |signal: &Signal| {
            signal.threat == Threat::CredentialStuffing
                && matches!(signal.subject, Subject::Route(_))
                && signal.severity >= severity
        };
        let first =
            |host: &Host| host.said.iter().find(|(_, signal)| is_about(signal)).map(|(at, _)| at - from);
        self.hosts.iter().map(first).collect()
    }

    pub(super) fn offenders(&self) -> BTreeSet<IpAddr> {
        self.hosts.iter().flat_map(|host| offenders(&host.said)).collect()
    }

    pub(super) fn alarms(&self) -> usize {
        let all = self.hosts.iter().flat_map(|host| &host.said);
        all.filter(|(_, signal)| signal.severity >= Severity::High).count()
    }
}

/// The site's people, and then the first minutes of an attack of ten.
pub(super) fn traffic(history: u64, addresses: u64, each: u64, minutes: u64) -> Vec<Attempt> {
    let until = history + minutes * MINUTE;
    let mut attempts = Site::new(1).visits(0, until, 50);
    attempts.extend(attack(1, addresses, each, history, 10 * MINUTE, |_| 77));
    attempts.retain(|attempt| attempt.at < until);
    attempts
}

/// Addresses of bots in some traffic.
pub(super) fn bots_in(attempts: &[Attempt]) -> BTreeSet<IpAddr> {
    attempts.iter().filter(|attempt| attempt.program == 77).map(|attempt| attempt.client).collect()
}
