//! The families about CrowdSec, on hosts that pull its decisions.

use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};
use crate::crowdsec::{Left, PullCounts, PushCounts};

/// Everything about CrowdSec, gathered at once.
#[derive(Clone, Debug, Default)]
pub struct CrowdsecStats {
    /// Whether the last request was answered.
    pub connected: bool,
    /// Time since the last answer.
    pub age: Duration,
    /// Totals of requests.
    pub pulls: PullCounts,
    /// Totals of alerts, if they are pushed.
    pub pushes: Option<PushCounts>,
    /// Decisions that are known.
    pub decisions: u64,
    /// Of these, those that are in force here.
    pub blocks: u64,
}

families! {
    /// Whether CrowdSec answered the last request for decisions.
    CONNECTED: GAUGE "sensor_crowdsec_connected";
    /// Time since CrowdSec's last answer.
    AGE: GAUGE "sensor_crowdsec_age_seconds";
    /// Requests for decisions, by outcome.
    PULLS: COUNTER "sensor_crowdsec_pulls_total";
    /// Decisions in CrowdSec's answers, by what they say.
    CHANGES: COUNTER "sensor_crowdsec_changes_total";
    /// Decisions of CrowdSec that were not carried out, by cause.
    LEFT: COUNTER "sensor_crowdsec_decisions_left_total";
    /// Decisions of CrowdSec that are known.
    DECISIONS: GAUGE "sensor_crowdsec_decisions";
    /// Blocks in force because of CrowdSec.
    BLOCKS: GAUGE "sensor_crowdsec_blocks";
    /// Alerts for CrowdSec, by outcome.
    ALERTS: COUNTER "sensor_crowdsec_alerts_total";
}

/// Every cause from the start, so that a first one is an increase.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let Some(crowdsec) = &snapshot.crowdsec else { return Vec::new() };
    let pulls = &crowdsec.pulls;
    let outcomes = [("answered", pulls.pulls), ("failed", pulls.failures)]
        .map(|(outcome, count)| PULLS.metric(&[("outcome", outcome)], count));
    let changes = [("new", pulls.new), ("deleted", pulls.deleted)]
        .map(|(change, count)| CHANGES.metric(&[("change", change)], count));
    let left = Left::ALL
        .map(|why| LEFT.metric(&[("cause", why.label())], pulls.left.get(&why).copied().unwrap_or(0)));
    let mut families = vec![
        CONNECTED.one(crowdsec.connected.into()),
        AGE.one(crowdsec.age.as_secs()),
        PULLS.with(outcomes.to_vec()),
        CHANGES.with(changes.to_vec()),
        LEFT.with(left.to_vec()),
        DECISIONS.one(crowdsec.decisions),
        BLOCKS.one(crowdsec.blocks),
    ];
    if let Some(PushCounts { sent, allowed, lost, .. }) = crowdsec.pushes {
        let alerts = [("sent", sent), ("allowed", allowed), ("lost", lost)]
            .map(|(outcome, count)| ALERTS.metric(&[("outcome", outcome)], count));
        families.push(ALERTS.with(alerts.to_vec()));
    }
    families
}
