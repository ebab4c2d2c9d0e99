//! The families about who is behind exchanges.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, families};
use crate::identity::{Anomaly, Counters, Kind, Mechanism};

families! {
    /// Exchanges by source of the client address.
    CLIENTS: COUNTER "sensor_clients_identified_total";
    /// Exchanges by kind of credentials.
    PRINCIPALS: COUNTER "sensor_principals_total";
    /// Exchanges with faulty forwarding headers or credentials.
    ANOMALIES: COUNTER "sensor_identity_anomalies_total";
    /// Exchanges with a forwarding header from an untrusted peer.
    UNTRUSTED: COUNTER "sensor_forwarding_untrusted_total";
}

/// Every label from the start, so that a first finding is an increase.
pub(super) fn gather(counters: &Counters) -> Vec<MetricFamily> {
    let clients = Mechanism::ALL.into_iter().zip(counters.mechanisms);
    let clients =
        clients.map(|(mechanism, count)| CLIENTS.metric(&[("mechanism", mechanism.label())], count));
    let principals = Kind::ALL.into_iter().zip(counters.principals).filter(|(kind, _)| kind.is_principal());
    let principals = principals.map(|(kind, count)| PRINCIPALS.metric(&[("kind", kind.label())], count));
    let anomalies = Anomaly::ALL.into_iter().zip(counters.anomalies);
    let anomalies = anomalies.map(|(kind, count)| ANOMALIES.metric(&[("kind", kind.label())], count));
    let untrusted = [("header", counters.forwarded_untrusted), ("proxy_protocol", counters.proxy_untrusted)]
        .map(|(by, count)| UNTRUSTED.metric(&[("by", by)], count));
    vec![
        CLIENTS.with(clients.collect()),
        PRINCIPALS.with(principals.collect()),
        ANOMALIES.with(anomalies.collect()),
        UNTRUSTED.with(untrusted.to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_meet_their_labels() {
        let counters = Counters {
            exchanges: 21,
            forwarded_untrusted: 31,
            proxy_untrusted: 32,
            mechanisms: [1, 2, 3, 4, 5, 6],
            principals: [11, 12, 13, 14, 15, 0, 0],
            anomalies: [41, 42, 43, 44, 45, 46, 47, 48, 49],
        };
        let families = gather(&counters);
        let found: Vec<String> = families
            .iter()
            .flat_map(|family| family.get_metric().iter().map(move |metric| (family.name(), metric)))
            .map(|(name, metric)| {
                let label = &metric.get_label()[0];
                format!("{name}{{{}={}}} {}", label.name(), label.value(), metric.get_counter().get_value())
            })
            .collect();
        assert_eq!(found.len(), 6 + 5 + 9 + 2, "{found:#?}");
        for expected in [
            "sensor_clients_identified_total{mechanism=peer} 1",
            "sensor_clients_identified_total{mechanism=x_forwarded_for} 4",
            "sensor_principals_total{kind=jwt} 11",
            "sensor_principals_total{kind=session} 15",
            "sensor_identity_anomalies_total{kind=forwarded_malformed} 41",
            "sensor_identity_anomalies_total{kind=forwarded_spoof} 46",
            "sensor_identity_anomalies_total{kind=credentials_truncated} 49",
            "sensor_forwarding_untrusted_total{by=header} 31",
            "sensor_forwarding_untrusted_total{by=proxy_protocol} 32",
        ] {
            assert!(found.iter().any(|line| line == expected), "no {expected} in {found:#?}");
        }
    }
}
