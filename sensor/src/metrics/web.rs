//! The families about the endpoint that serves them.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};

/// Counts of the endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebStats {
    /// Connections now, that of the scrape included.
    pub connections: u64,
    /// Connections turned away since there were too many.
    pub refused_total: u64,
    /// Connections refused by user or address.
    pub refused_each: u64,
    /// Idle connections that made room for another.
    pub evicted: u64,
    /// Handshakes of TLS that failed or took too long.
    pub handshakes_failed: u64,
    /// Requests without credentials or with wrong ones.
    pub unauthorized: u64,
    /// Requests with unchecked credentials.
    pub busy: u64,
}

families! {
    /// Open connections to the metrics endpoint.
    CONNECTIONS: GAUGE "sensor_web_connections";
    /// Connections refused by the metrics endpoint, by bound.
    REFUSED: COUNTER "sensor_web_connections_refused_total";
    /// Failed TLS handshakes of the metrics endpoint.
    HANDSHAKES: COUNTER "sensor_web_handshakes_failed_total";
    /// Requests for metrics refused, by cause.
    UNAUTHORIZED: COUNTER "sensor_web_logins_refused_total";
}

/// Every label from the start, so that a first refusal is an increase.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let Some(web) = snapshot.web else { return Vec::new() };
    let refused = [("all", web.refused_total), ("per_address", web.refused_each), ("idle", web.evicted)]
        .map(|(bound, count)| REFUSED.metric(&[("bound", bound)], count));
    let logins = [("credentials", web.unauthorized), ("busy", web.busy)]
        .map(|(cause, count)| UNAUTHORIZED.metric(&[("cause", cause)], count));
    vec![
        CONNECTIONS.one(web.connections),
        REFUSED.with(refused.to_vec()),
        HANDSHAKES.one(web.handshakes_failed),
        UNAUTHORIZED.with(logins.to_vec()),
    ]
}
