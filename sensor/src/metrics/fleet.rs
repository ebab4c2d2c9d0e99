//! The families about the fleet, on hosts that belong to one.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};
use crate::fleet::Refusal;

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
}

/// Every cause from the start, so that a first refusal is an increase.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let Some(fleet) = &snapshot.fleet else { return Vec::new() };
    let records = [("sent", fleet.sent), ("received", fleet.taken)]
        .map(|(direction, count)| RECORDS.metric(&[("direction", direction)], count));
    let refused = Refusal::ALL
        .map(|why| REFUSED.metric(&[("cause", why.label())], fleet.refused.get(&why).copied().unwrap_or(0)));
    vec![
        CONNECTED.one(fleet.connected.into()),
        LAG.one(fleet.lag.as_secs()),
        RECONNECTS.one(fleet.reconnects),
        RECORDS.with(records.to_vec()),
        DELAYED.one(fleet.lost),
        REFUSED.with(refused.to_vec()),
        REMEMBERED.one(fleet.records),
        BLOCKS.one(fleet.blocks),
        HOSTS.one(fleet.hosts),
    ]
}
