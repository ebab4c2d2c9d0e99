//! The families about the fleet, on hosts that belong to one.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};
use crate::fleet::Refusal;
use crate::fleet::evidence::EvidenceCounts;
use crate::fleet::limits::LimitCounts;

/// Everything about the fleet, gathered at once.
#[derive(Clone, Debug, Default)]
pub struct FleetStats {
    /// Whether the server answers and has everything.
    pub connected: bool,
    /// Time since the server last answered.
    pub lag: Duration,
    /// Connections made again.
    pub reconnects: u64,
    /// Records that the server has.
    pub sent: u64,
    /// Records of other hosts that were news.
    pub taken: u64,
    /// Records that did not fit the queue.
    pub lost: u64,
    /// Records refused, by cause.
    pub refused: BTreeMap<Refusal, u64>,
    /// Records remembered.
    pub records: u64,
    /// Blocks in force because of other hosts.
    pub blocks: u64,
    /// Hosts enrolled and not expelled.
    pub hosts: u64,
    /// What hosts count together, and the age of the sums if this host makes any; none if it does not take part.
    pub evidence: Option<(EvidenceCounts, Option<Duration>)>,
    /// Limits that hold for all hosts together; none if there are none.
    pub limits: Option<LimitCounts>,
}

families! {
    /// Whether the fleet's server answers and has everything that this host decided.
    CONNECTED: GAUGE "sensor_fleet_connected";
    /// Time since the fleet's server last answered.
    LAG: GAUGE "sensor_fleet_lag_seconds";
    /// Failed connections to the fleet's server; each is tried again.
    RECONNECTS: COUNTER "sensor_fleet_reconnects_total";
    /// Records exchanged with the fleet, by direction.
    RECORDS: COUNTER "sensor_fleet_records_total";
    /// Records that did not fit the queue; they are sent after the next connection.
    DELAYED: COUNTER "sensor_fleet_records_delayed_total";
    /// Records of other hosts that were not applied, by cause.
    REFUSED: COUNTER "sensor_fleet_records_refused_total";
    /// Records of all hosts that this host remembers.
    REMEMBERED: GAUGE "sensor_fleet_records";
    /// Blocks in force because of other hosts.
    BLOCKS: GAUGE "sensor_fleet_blocks";
    /// Hosts enrolled and not expelled.
    HOSTS: GAUGE "sensor_fleet_hosts";
    /// Other hosts whose evidence was read within the last ten minutes.
    EVIDENCE_HOSTS: GAUGE "sensor_fleet_evidence_hosts";
    /// Time since the evidence of all hosts was last summed, at first since the start; absent where it is not.
    EVIDENCE_AGE: GAUGE "sensor_fleet_evidence_age_seconds";
    /// Login routes on which all hosts together see an attack.
    EVIDENCE_ATTACKED: GAUGE "sensor_fleet_evidence_attacked_routes";
    /// Records of evidence exchanged with the fleet, by direction.
    EVIDENCE_RECORDS: COUNTER "sensor_fleet_evidence_records_total";
    /// Records of evidence of other hosts that were refused.
    EVIDENCE_REFUSED: COUNTER "sensor_fleet_evidence_refused_total";
    /// Attempts that no other host heard of, by cause: too many at once, or no server and no room for ten minutes.
    EVIDENCE_LOST: COUNTER "sensor_fleet_evidence_attempts_lost_total";
    /// Requests charged to limits of principals, by scope: the fleet's, or this host's alone.
    LIMIT_REQUESTS: COUNTER "sensor_fleet_limit_requests_total";
    /// Calls of the server that charged them.
    LIMIT_CALLS: COUNTER "sensor_fleet_limit_calls_total";
    /// Answers that a principal is over its limit.
    LIMIT_OVER: COUNTER "sensor_fleet_limit_over_total";
}

/// Every cause from the start, so that a first refusal is an increase.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let Some(fleet) = &snapshot.fleet else { return Vec::new() };
    let records = [("sent", fleet.sent), ("received", fleet.taken)]
        .map(|(direction, count)| RECORDS.metric(&[("direction", direction)], count));
    let refused = Refusal::ALL
        .map(|why| REFUSED.metric(&[("cause", why.label())], fleet.refused.get(&why).copied().unwrap_or(0)));
    let mut families = vec![
        CONNECTED.one(fleet.connected.into()),
        LAG.one(fleet.lag.as_secs()),
        RECONNECTS.one(fleet.reconnects),
        RECORDS.with(records.to_vec()),
        DELAYED.one(fleet.lost),
        REFUSED.with(refused.to_vec()),
        REMEMBERED.one(fleet.records),
        BLOCKS.one(fleet.blocks),
        HOSTS.one(fleet.hosts),
    ];
    families.extend(fleet.evidence.iter().flat_map(|(counts, age)| gather_evidence(counts, *age)));
    families.extend(fleet.limits.iter().flat_map(gather_limits));
    families
}

fn gather_limits(limits: &LimitCounts) -> Vec<MetricFamily> {
    let requests = [("fleet", limits.charged), ("host", limits.lost)]
        .map(|(scope, count)| LIMIT_REQUESTS.metric(&[("scope", scope)], count));
    vec![LIMIT_REQUESTS.with(requests.to_vec()), LIMIT_CALLS.one(limits.calls), LIMIT_OVER.one(limits.over)]
}

fn gather_evidence(evidence: &EvidenceCounts, age: Option<Duration>) -> Vec<MetricFamily> {
    let records = [("sent", evidence.sent), ("received", evidence.taken)]
        .map(|(direction, count)| EVIDENCE_RECORDS.metric(&[("direction", direction)], count));
    let lost = [("queue", evidence.lost), ("server", evidence.unsaid)]
        .map(|(cause, count)| EVIDENCE_LOST.metric(&[("cause", cause)], count));
    let age = age.map(|age| EVIDENCE_AGE.metric(&[], age.as_secs()));
    vec![
        EVIDENCE_HOSTS.one(evidence.hosts),
        EVIDENCE_AGE.with(age.into_iter().collect()),
        EVIDENCE_ATTACKED.one(evidence.attacked),
        EVIDENCE_RECORDS.with(records.to_vec()),
        EVIDENCE_REFUSED.one(evidence.refused),
        EVIDENCE_LOST.with(lost.to_vec()),
    ]
}
