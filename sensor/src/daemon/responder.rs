//! From a signal to the action, its report and its record.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::claims::Claims;
use super::config::Config;
use super::engine::Engine;
use crate::clock::Timestamp;
use crate::decide::{
    Alert, AuditEntry, Cause, Change, Decider, DeciderStats, Decision, Ids, Incident, Measure, Step, Update,
};
use crate::detect::{self, Response, Severity, Threat};
use crate::enforce::{BlockRule, DecidedLimits, Origin, Policy};
use crate::kernel::Closer;
use crate::notify::{DenyFile, Notifier};
use crate::pipeline::Durations;
use crate::store::{EventStore, MOST_RECORDS, Reader, Which};

/// What responds to signals: the decider, the store, and delivery.
pub(super) struct Responder {
    pub(super) detect: detect::Config,
    pub(super) decider: Decider,
    pub(super) events: Option<EventStore>,
    pub(super) notifier: Option<Notifier>,
    pub(super) deny_file: Option<DenyFile>,
    /// Clients named by proxies on this host.
    pub(super) claims: Claims,
    /// Decisions in force, for writing again to a new database.
    active: BTreeMap<(IpNet, Measure), Decision>,
    generation: u64,
    /// Ends connections of blocked clients, if the kernel can.
    pub(super) closer: Option<Closer>,
    pub(super) counts: ResponseCounts,
}

/// Totals since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseCounts {
    pub(super) alerts: BTreeMap<(Threat, Severity), u64>,
    pub(super) blocks: BTreeMap<Threat, u64>,
    pub(super) limits: BTreeMap<Threat, u64>,
    /// Decisions refused by the kernel.
    pub(super) refused: u64,
    /// Open connections of blocked clients that were ended.
    pub(super) connections_closed: u64,
    pub(super) detection: Durations,
    pub(super) enforcement: Durations,
}

impl Responder {
    /// Opens the event store; without it, alerts are delivered anyway.
    pub(super) fn open(config: &Config, now: Timestamp) -> Self {
        let events = EventStore::prepare(&config.paths.state_dir, &config.store, now);
        let mut instance = [0; 2];
        if let Err(error) = getrandom::fill(&mut instance) {
            warn!(%error, "no random number for identifiers");
        }
        Self {
            detect: config.detect.clone(),
            decider: Decider::new(config.decide.clone(), Ids::new(u16::from_ne_bytes(instance))),
            events: Some(events),
            notifier: None,
            deny_file: config.notify.deny_file.clone().map(DenyFile::new),
            claims: Claims::default(),
            active: BTreeMap::new(),
            generation: 0,
            closer: None,
            counts: ResponseCounts::default(),
        }
    }

    /// Starts everything with threads or tasks, in a runtime, once capabilities are dropped.
    pub(super) fn start(&mut self, config: &Config) {
        if let Some(events) = &mut self.events
            && let Err(error) = events.start()
        {
            error!(%error, "cannot start the event store's thread: nothing is stored");
            self.events = None;
        }
        let notifier = Notifier::start(&config.notify, &Handle::current(), jitter);
        self.notifier = notifier.inspect_err(|error| error!(%error, "alerts are not delivered")).ok();
    }

    /// Applies the part of a configuration that can change while the daemon runs.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.detect.responses.clone_from(&config.detect.responses);
        self.decider.reconfigure(config.decide.clone());
    }

    /// Restores the detectors' decisions from before a restart into the policy.
    pub(super) fn restore(&mut self, policy: &mut Policy, config: &Config, now: Timestamp) {
        let Some(reader) = self.events.as_ref().map(EventStore::reader) else { return };
        let since = now.minus(config.decide.forget_after);
        let past = reader.decisions_since(since, MOST_RECORDS).and_then(|past| {
            // Those in force are among them, unless there are too many.
            let active = if past.len() < MOST_RECORDS {
                past.iter().filter(|decision| decision.is_active(now)).cloned().collect()
            } else {
                reader.decisions_active(now)?
            };
            Ok((past, active))
        });
        let (past, active) = match past {
            Ok(found) => found,
            Err(error) => return warn!(%error, "detectors' decisions could not be restored"),
        };
        // The last one started last, and counts.
        self.decider.restore(past.into_iter().rev());
        for decision in active {
            self.put(policy, &decision, config);
            self.active.insert((decision.prefix, decision.measure), decision);
        }
        let open = reader.incidents(&Which::Open, MOST_RECORDS).and_then(|open| {
            open.into_iter().map(|incident| reader.with_participants(incident)).collect::<Result<Vec<_>, _>>()
        });
        match open {
            Ok(open) => open.into_iter().for_each(|incident| self.decider.restore_incident(incident)),
            Err(error) => warn!(%error, "open incidents could not be restored"),
        }
    }

    /// Adds a decision to the desired policy; returns whether there was room.
    pub(super) fn put(&mut self, policy: &mut Policy, decision: &Decision, config: &Config) -> bool {
        let reason = format!("{}, alert {}", decision.threat.slug(), decision.alert_id);
        match decision.measure {
            Measure::Block => {
                let (until, since) = (decision.until, decision.since);
                let rule = BlockRule { until, reason: Some(reason), origin: Origin::Detector, since };
                policy.set_decided_block(decision.prefix, rule);
                self.deny(decision, false);
                true
            }
            Measure::Limit => {
                let limits = DecidedLimits { limits: config.decided_limits, until: decision.until, reason };
                policy.set_decided_limits(decision.prefix, limits)
            }
            Measure::Deny => {
                self.deny(decision, true);
                true
            }
        }
    }

    /// Decisions in force.
    pub(super) const fn active(&self) -> &BTreeMap<(IpNet, Measure), Decision> {
        &self.active
    }

    fn deny(&mut self, decision: &Decision, proxied: bool) {
        if let Some(file) = &mut self.deny_file {
            file.deny(decision.prefix, proxied, decision.until);
        }
    }

    /// Stores an entry of the audit trail.
    pub(super) fn audit(
        &mut self,
        now: Timestamp,
        what: Change,
        subject: &impl ToString,
        cause: Cause,
        detail: Details,
    ) {
        let id = self.decider.next_id(now);
        let Details { alert_id, until, detail } = detail;
        let subject = subject.to_string();
        let entry = AuditEntry { id, ts: now, what, subject, cause, alert_id, until, detail };
        if let Some(events) = &self.events {
            events.audit(entry);
        }
    }

    /// Stores incidents that changed, and reports those that are due.
    pub(super) fn keep_incidents(&mut self, updates: impl IntoIterator<Item = Update>) {
        for Update { incident, step } in updates {
            if let Some(step) = step {
                let Incident { id, attempts, clients, .. } = incident;
                let (detector, severity) = (incident.detector.slug(), incident.severity.label());
                info!(%id, detector, severity, attempts, clients, state = incident.state.label(), ?step, "incident");
            }
            if let Some(notifier) = &self.notifier {
                if step == Some(Step::Over) {
                    notifier.resolved(&incident);
                }
                notifier.goes_on(&incident, incident.last);
            }
            if let Some(events) = &self.events {
                events.incident(incident);
            }
        }
    }

    pub(super) fn keep(&mut self, decision: Decision) {
        if let Some(events) = &self.events {
            events.decision(decision.clone());
        }
        self.active.insert((decision.prefix, decision.measure), decision);
    }

    /// Drops what has expired, and writes what is in force to a new database.
    fn refresh(&mut self, now: Timestamp) {
        self.active.retain(|_, decision| decision.until.is_none_or(|until| until > now));
        let Some(events) = &self.events else { return };
        let generation = events.stats().generation;
        if generation != self.generation {
            self.generation = generation;
            self.active.values().for_each(|decision| events.decision(decision.clone()));
            self.decider.open_records().into_iter().for_each(|incident| events.incident(incident));
        }
    }

    /// A reader of the store.
    pub(super) fn reader(&self) -> Result<Reader, String> {
        let events = self.events.as_ref().ok_or("the event store is not available; see the log")?;
        Ok(events.reader())
    }

    /// Alerts that were not delivered.
    pub(super) fn undelivered(&self) -> u64 {
        let ways = self.notifier.as_ref().map(Notifier::ways).unwrap_or_default();
        ways.iter().fold(0, |sum: u64, way| sum.saturating_add(way.lost))
    }

    /// Totals of the decider.
    pub(super) fn decider_stats(&self) -> DeciderStats {
        self.decider.stats()
    }

    pub(super) fn tell(&mut self, alert: &Alert) {
        let count = self.counts.alerts.entry((alert.detector, alert.severity)).or_default();
        *count = count.saturating_add(1);
        let (id, detector, severity) = (alert.id, alert.detector.slug(), alert.severity.label());
        if alert.severity >= Severity::High {
            warn!(%id, detector, severity, action = ?alert.action, "{}", alert.summary);
        } else {
            info!(%id, detector, severity, action = ?alert.action, "{}", alert.summary);
        }
        if let Some(notifier) = &self.notifier {
            notifier.alert(alert);
        }
        if let Some(events) = &self.events {
            events.alert(alert.clone());
        }
    }
}

fn jitter() -> u16 {
    let mut random = [0; 2];
    // Without one, this host retries in step with others: harmless.
    let _result = getrandom::fill(&mut random);
    u16::from_ne_bytes(random)
}

/// Further text of an audit entry.
#[derive(Default)]
pub(super) struct Details {
    pub(super) alert_id: Option<crate::decide::RecordId>,
    pub(super) until: Option<Timestamp>,
    pub(super) detail: Option<String>,
}

impl Engine {
    /// Whether a detector's decision about a prefix is in force.
    pub(super) fn is_decided(&self, prefix: &IpNet, measure: Measure) -> bool {
        self.responder.active.contains_key(&(*prefix, measure))
    }

    /// Records that a person lifted detectors' measures against a prefix.
    pub(super) fn note_lifted(&mut self, prefix: &IpNet, measures: &[Measure], now: Timestamp) {
        let updates = self.responder.decider.lift(prefix, now);
        self.responder.keep_incidents(updates);
        self.end_decisions(prefix, measures, now);
    }

    /// Lifts decisions of detectors whose response is no longer `enforce`. People's blocks stay.
    pub(super) fn lift_unwanted(&mut self, now: Timestamp) {
        let Responder { active, detect, .. } = &self.responder;
        let is_unwanted =
            |one: &&Decision| one.is_active(now) && detect.response(one.threat) != Response::Enforce;
        let unwanted: Vec<Decision> = active.values().filter(is_unwanted).cloned().collect();
        if unwanted.is_empty() {
            return;
        }
        let lifted = self.change(now, |policy| {
            for Decision { prefix, measure, .. } in &unwanted {
                match measure {
                    Measure::Block => policy.lift_decided_block(prefix),
                    Measure::Limit => policy.lift_decided_limits(prefix),
                    Measure::Deny => {}
                }
            }
        });
        if let Err(error) = lifted {
            return error!(error, "detectors' decisions could not be lifted");
        }
        for Decision { prefix, measure, threat, alert_id, .. } in unwanted {
            self.responder.decider.forget(&prefix);
            self.end_decisions(&prefix, &[measure, Measure::Deny], now);
            let what = match measure {
                Measure::Block => Change::BlockRemoved,
                Measure::Limit => Change::LimitUnset,
                Measure::Deny => Change::DenyRemoved,
            };
            let detail = Some(format!("[detect.{}] response is no longer enforce", threat.slug()));
            let details = Details { alert_id: Some(alert_id), until: None, detail };
            self.responder.audit(now, what, &prefix, Cause::Configuration, details);
        }
    }

    /// Drops decisions about a prefix, also in the deny file.
    fn end_decisions(&mut self, prefix: &IpNet, measures: &[Measure], now: Timestamp) {
        if measures.contains(&Measure::Deny)
            && let Some(file) = &mut self.responder.deny_file
        {
            file.lift(prefix);
            file.sync(now);
        }
        for measure in measures {
            let Some(decision) = self.responder.active.remove(&(*prefix, *measure)) else { continue };
            if let Some(member) = &mut self.fleet.member {
                member.lift((*prefix, *measure), false, now);
            }
            if let Some(events) = &self.responder.events {
                events.decision(Decision { lifted: true, ..decision });
            }
        }
    }

    /// Runs every second for the detectors' decisions.
    pub(super) fn tick_decisions(&mut self, now: Timestamp) {
        let clients = self.dataplane.clients();
        let over = self.responder.decider.advance(now, || clients.count());
        self.responder.keep_incidents(over);
        let ended = self.policy.expire_limits(now);
        if !ended.is_empty()
            && let Err(error) = self.enforcer.apply_limits(&mut self.dataplane, &self.policy, now)
        {
            warn!(%error, "expired limits could not be removed");
        }
        for prefix in &ended {
            self.responder.audit(now, Change::LimitExpired, prefix, Cause::Expiry, Details::default());
        }
        let Some(file) = &mut self.responder.deny_file else { return };
        for prefix in file.sync(now) {
            self.responder.audit(now, Change::DenyExpired, &prefix, Cause::Expiry, Details::default());
        }
    }

    /// Runs every minute: removes expired records.
    pub(super) fn retain_events(&mut self, now: Timestamp) {
        self.responder.refresh(now);
        if let Some(events) = &self.responder.events {
            events.retain(now);
        }
    }
}

/// How long shutdown waits for storage and delivery.
pub(super) const GRACE: Duration = Duration::from_secs(2);
