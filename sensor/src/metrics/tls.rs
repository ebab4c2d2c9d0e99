//! The families about TLS.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, families};
use crate::tls::{Counters, Outcome};

families! {
    /// Closed TLS connections; dark ones were not read.
    TLS_CONNECTIONS: COUNTER "sensor_tls_connections_total";
    /// Open TLS connections being decrypted.
    TLS_OPEN: GAUGE "sensor_tls_connections_decrypted";
    /// Those waiting for a secret.
    TLS_WAITING: GAUGE "sensor_tls_connections_waiting";
    /// TLS records; `prefix`: truncated.
    TLS_RECORDS: COUNTER "sensor_tls_records_total";
    /// TLS session secrets: `taken`, or unused.
    TLS_SECRETS: COUNTER "sensor_tls_secrets_total";
    /// Resyncs after a gap.
    TLS_RESYNCHRONISATIONS: COUNTER "sensor_tls_resynchronisations_total";
    /// Encrypted bytes dropped: no room.
    TLS_REFUSED_BYTES: COUNTER "sensor_tls_refused_bytes_total";
}

/// Their values.
pub(super) fn gather(counters: &Counters) -> Vec<MetricFamily> {
    let connections = counters.outcomes().map(|(outcome, count): (Outcome, u64)| {
        TLS_CONNECTIONS.metric(&[("outcome", outcome.label())], count)
    });
    let records =
        [("whole", counters.records), ("prefix", counters.prefixes), ("unreadable", counters.unreadable)];
    let records = records.map(|(kind, count)| TLS_RECORDS.metric(&[("kind", kind)], count));
    let secrets = [
        ("taken", counters.secrets),
        ("expired", counters.secrets_expired),
        ("evicted", counters.secrets_evicted),
    ];
    let secrets = secrets.map(|(fate, count)| TLS_SECRETS.metric(&[("fate", fate)], count));
    vec![
        TLS_CONNECTIONS.with(connections.collect()),
        TLS_OPEN.one(counters.open),
        TLS_WAITING.one(counters.waiting),
        TLS_RECORDS.with(records.to_vec()),
        TLS_SECRETS.with(secrets.to_vec()),
        TLS_RESYNCHRONISATIONS.one(counters.resynchronised),
        TLS_REFUSED_BYTES.one(counters.refused_bytes),
    ]
}
