//! Labels of families, for descriptions: told by a snapshot in which everything has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus::proto::MetricFamily;
use sensor_common::abi::Counter;

use super::access_logs::AccessLogStats;
use super::crowdsec::CrowdsecStats;
use super::detection::Detection;
use super::families::{Snapshot, gather};
use super::fleet::FleetStats;
use super::sensing::{Capacities, Sensing};
use super::surroundings::InterfacePresence;
use super::web::WebStats;
use crate::crowdsec::PushCounts;
use crate::detect::{Severity, Threat};
use crate::fleet::evidence::EvidenceCounts;
use crate::fleet::limits::LimitCounts;
use crate::kernel::{LabelledCounter, XdpMode, combinations};
use crate::notify::{DeliveryStats, DenyStats};
use crate::pipeline;
use crate::store::StoreStats;

/// What stands for an interface's name.
const INTERFACE: &str = "INTERFACE";

/// What stands for the path of a log.
const PATH: &str = "PATH";

/// The labels of each family in the order in which they are written, with all values that are known beforehand; none
/// of one that names interfaces, files or versions.
#[must_use]
pub fn labels() -> BTreeMap<String, Vec<(String, BTreeSet<String>)>> {
    gather(&everything()).iter().map(|family| (family.name().to_owned(), of_family(family))).collect()
}

fn of_family(family: &MetricFamily) -> Vec<(String, BTreeSet<String>)> {
    let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
    for pair in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
        let (name, value) = (pair.name(), pair.value());
        let place = found.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            found.push((name.to_owned(), BTreeSet::new()));
            found.len().saturating_sub(1)
        });
        let is_open = [INTERFACE, PATH].contains(&value) || family.name() == "sensor_build_info";
        if let Some((_, values)) = found.get_mut(place).filter(|_| !is_open) {
            values.insert(value.to_owned());
        }
    }
    found
}

/// Everything has happened once.
fn everything() -> Snapshot {
    let counter = Counter { packets: 1, bytes: 1 };
    let counted =
        |(family, verdict, reason)| LabelledCounter { interface: 0, family, verdict, reason, counter };
    let counters: Vec<LabelledCounter> = combinations().map(counted).collect();
    let interfaces = XdpMode::ALL.map(|mode| (INTERFACE.to_owned(), mode, counters.clone()));
    Snapshot {
        interfaces: interfaces.to_vec(),
        presence: [false, true]
            .map(|is_inner| InterfacePresence {
                interface: INTERFACE.to_owned(),
                is_inner,
                ..InterfacePresence::default()
            })
            .to_vec(),
        http: Some(pipeline::Snapshot::of_everything()),
        sensing: Some(Sensing::default()),
        capacities: Some(Capacities::default()),
        webhook: Some(DeliveryStats::default()),
        syslog: Some(DeliveryStats::default()),
        fleet: Some(FleetStats {
            evidence: Some((EvidenceCounts::default(), Some(Duration::ZERO))),
            limits: Some(LimitCounts::default()),
            ..FleetStats::default()
        }),
        crowdsec: Some(CrowdsecStats { pushes: Some(PushCounts::default()), ..CrowdsecStats::default() }),
        web: Some(WebStats::default()),
        access_logs: vec![AccessLogStats { path: PATH.to_owned(), ..AccessLogStats::default() }],
        detection: Some(Detection {
            store: Some(StoreStats::default()),
            deny_file: Some(DenyStats::default()),
            ..every_detector()
        }),
        ..Snapshot::default()
    }
}

/// Every detector has raised alerts of each severity, and those that accuse clients have acted.
fn every_detector() -> Detection {
    let mut detection = Detection::default();
    for threat in Threat::ALL {
        let severities =
            Severity::ALL.into_iter().filter(|one| (threat.mildest()..=threat.worst()).contains(one));
        for severity in severities {
            detection.alerts.insert((threat, severity), 1);
            detection.open.insert((threat, severity), 1);
        }
        if threat.accuses() {
            detection.blocks.insert(threat, 1);
            detection.limits.insert(threat, 1);
        }
    }
    detection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_described() {
        let labels = labels();
        for family in crate::metrics::families() {
            assert!(labels.contains_key(family.name), "{}: extend `everything`", family.name);
        }
        let of = |family: &str, label: &str| {
            let found = labels[family].iter().find(|(name, _)| name == label);
            found.map(|(_, values)| values.iter().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };
        assert_eq!(of("sensor_packets_total", "verdict"), "answer drop pass would_drop");
        assert_eq!(of("sensor_packets_total", "interface"), "");
        assert_eq!(of("sensor_logins_total", "outcome"), "failure success unknown");
        assert!(of("sensor_http_exchanges_total", "status_class").contains("2xx"));
        assert!(!of("sensor_http_parse_errors_total", "kind").is_empty());
    }
}
