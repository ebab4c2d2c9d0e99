//! The families about detectors, decisions, and what becomes of alerts.

use std::collections::BTreeMap;

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};
use super::http::histogram;
use crate::decide::{DeciderStats, Tripped};
use crate::detect::{Severity, Threat, Usage};
use crate::notify::{DenyStats, NotifyStats};
use crate::pipeline::Durations;
use crate::store::StoreStats;

/// Everything about detection, gathered at once.
#[derive(Clone, Debug, Default)]
pub struct Detection {
    /// Alerts since the start.
    pub alerts: BTreeMap<(Threat, Severity), u64>,
    /// Incidents that go on.
    pub open: BTreeMap<(Threat, Severity), u64>,
    /// Blocks made, deny file entries included.
    pub blocks: BTreeMap<Threat, u64>,
    /// Limits tightened since the start.
    pub limits: BTreeMap<Threat, u64>,
    /// Decisions that could not be applied.
    pub refused: u64,
    /// Open connections of blocked clients that were ended.
    pub connections_closed: u64,
    /// From the deciding byte to the alert.
    pub detection: Durations,
    /// From the deciding byte to the block.
    pub enforcement: Durations,
    /// Who decides.
    pub decider: DeciderStats,
    /// What detectors remember.
    pub detectors: Usage,
    /// Signals that did not reach who decides.
    pub signals_lost: u64,
    /// The event store, where there is one.
    pub store: Option<StoreStats>,
    /// Ways out of alerts.
    pub notify: NotifyStats,
    /// The deny file, where there is one.
    pub deny_file: Option<DenyStats>,
}

families! {
    /// Alerts, by detector and severity.
    ALERTS: COUNTER "sensor_alerts_total";
    /// Open incidents, by worst severity.
    INCIDENTS: GAUGE "sensor_incidents_open";
    /// Limits that detectors tightened, by detector.
    LIMITS: COUNTER "sensor_limits_decided_total";
    /// Decisions that could not be applied.
    REFUSED: COUNTER "sensor_decisions_refused_total";
    /// Open connections of blocked clients that were ended.
    CONNECTIONS_CLOSED: COUNTER "sensor_connections_closed_total";
    /// Blocks reduced to limits, by bound.
    SUPPRESSED: COUNTER "sensor_decisions_suppressed_total";
    /// Whether a kill switch is tripped.
    TRIPPED: GAUGE "sensor_kill_switch_tripped";
    /// Offenders spared as protected or allowed.
    PROTECTED: COUNTER "sensor_offenders_protected_total";
    /// Time from the deciding exchange to the alert.
    DETECTION: HISTOGRAM "sensor_detection_latency_seconds";
    /// Time from the deciding exchange to the kernel's block.
    ENFORCEMENT: HISTOGRAM "sensor_enforcement_latency_seconds";
    /// Entries in detectors' tables.
    ENTRIES: GAUGE "sensor_detector_entries";
    /// Capacity of detectors' tables.
    CAPACITY: GAUGE "sensor_detector_entries_max";
    /// Entries evicted early from full tables.
    EVICTED: COUNTER "sensor_detector_evicted_total";
    /// Detector signals lost to a full queue.
    SIGNALS_LOST: COUNTER "sensor_signals_lost_total";
    /// Records written to the event store, by kind.
    EVENTS: COUNTER "sensor_events_written_total";
    /// Failed writes to the event store; retried.
    EVENT_ERRORS: COUNTER "sensor_event_write_errors_total";
    /// Records the event store gave up on.
    EVENTS_LOST: COUNTER "sensor_events_lost_total";
    /// Records waiting to be written.
    EVENTS_WAITING: GAUGE "sensor_events_waiting";
    /// Alert lines, by outcome.
    LINES: COUNTER "sensor_alert_lines_total";
    /// Webhook alerts, by outcome.
    WEBHOOK: COUNTER "sensor_webhook_alerts_total";
    /// Clients in the deny file.
    DENIED: GAUGE "sensor_deny_file_entries";
    /// Failed writes of the deny file.
    DENY_ERRORS: COUNTER "sensor_deny_file_write_errors_total";
}

pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let Some(detection) = &snapshot.detection else { return Vec::new() };
    let mut families = about_decisions(detection);
    families.extend(about_alerts(detection));
    families
}

/// Alerts of every severity that a detector tells, from the start, so that a first one is an increase for whoever watches
/// them: for most detectors the first one is what matters.
fn about_decisions(detection: &Detection) -> Vec<MetricFamily> {
    let alerts = Threat::ALL.into_iter().flat_map(|threat| {
        Severity::ALL.into_iter().filter_map(move |severity| {
            let count = detection.alerts.get(&(threat, severity)).copied();
            let told = threat.mildest()..=threat.worst();
            let count = count.or(told.contains(&severity).then_some(0))?;
            Some(ALERTS.metric(&[("detector", threat.slug()), ("severity", severity.label())], count))
        })
    });
    // A gauge need not start at zero for a rule to see it rise, and no rule watches limits. But sums of no series are
    // none, so there is always one.
    let quiet = detection.open.is_empty().then_some(((Threat::Flood, Threat::Flood.worst()), 0));
    let open = detection.open.iter().map(|(key, count)| (*key, *count)).chain(quiet);
    let open = open.map(|((threat, severity), count)| {
        INCIDENTS.metric(&[("detector", threat.slug()), ("severity", severity.label())], count)
    });
    let quiet = detection.limits.is_empty().then_some((Threat::RequestRate, 0));
    let limits = detection.limits.iter().map(|(threat, count)| (*threat, *count)).chain(quiet);
    let limits = limits.map(|(threat, count)| LIMITS.metric(&[("detector", threat.slug())], count));
    let suppressed = Tripped::ALL
        .into_iter()
        .zip(detection.decider.suppressed)
        .map(|(bound, count)| SUPPRESSED.metric(&[("bound", bound.label())], count));
    let evicted = detection.detectors.evicted.saturating_add(detection.decider.evicted);
    vec![
        ALERTS.with(alerts.collect()),
        INCIDENTS.with(open.collect()),
        LIMITS.with(limits.collect()),
        REFUSED.one(detection.refused),
        CONNECTIONS_CLOSED.one(detection.connections_closed),
        SUPPRESSED.with(suppressed.collect()),
        TRIPPED.one(detection.decider.tripped.into()),
        PROTECTED.one(detection.decider.protected),
        DETECTION.with(vec![histogram(&detection.detection)]),
        ENFORCEMENT.with(vec![histogram(&detection.enforcement)]),
        ENTRIES.one(count(detection.detectors.entries)),
        CAPACITY.one(count(detection.detectors.capacity)),
        EVICTED.one(evicted),
        SIGNALS_LOST.one(detection.signals_lost),
    ]
}

fn about_alerts(detection: &Detection) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    if let Some(store) = &detection.store {
        let kinds = [
            ("alert", store.alerts),
            ("incident", store.incidents),
            ("decision", store.decisions),
            ("audit", store.audit),
        ];
        let written = kinds.map(|(kind, count)| EVENTS.metric(&[("kind", kind)], count));
        families.extend([
            EVENTS.with(written.to_vec()),
            EVENT_ERRORS.one(store.write_errors),
            EVENTS_LOST.one(store.lost),
            EVENTS_WAITING.one(store.depth),
        ]);
    }
    let (lines, webhook) = (detection.notify.lines, detection.notify.webhook);
    let of_lines = [("written", lines.written), ("failed", lines.failed), ("dropped", lines.dropped)];
    let of_webhook = [("sent", webhook.sent), ("failed", webhook.failed), ("dropped", webhook.dropped)];
    families.extend([
        LINES.with(of_lines.map(|(outcome, count)| LINES.metric(&[("outcome", outcome)], count)).to_vec()),
        WEBHOOK
            .with(of_webhook.map(|(outcome, count)| WEBHOOK.metric(&[("outcome", outcome)], count)).to_vec()),
    ]);
    if let Some(file) = &detection.deny_file {
        families.extend([DENIED.one(count(file.entries)), DENY_ERRORS.one(file.write_errors)]);
    }
    families
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
