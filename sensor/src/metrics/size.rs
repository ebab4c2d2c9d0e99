//! How large a scrape can become.

use std::collections::BTreeSet;
use std::time::Duration;

use sensor_common::abi::{Counter, Verdict};

use super::{Capacities, CrowdsecStats, Detection, FleetStats, Sensing, Snapshot, WebStats, render};
use crate::crowdsec::PushCounts;
use crate::enforce::Mode;
use crate::fleet::evidence::EvidenceCounts;
use crate::fleet::limits::LimitCounts;
use crate::http::{Anomaly, Method};
use crate::kernel::{LabelledCounter, XdpMode, combinations};
use crate::notify::{DeliveryStats, DenyStats};
use crate::pipeline::{self, StatusClass};
use crate::store::StoreStats;

/// What Prometheus shall get at most: 64 KiB, 4 KiB of zeros for detectors that told nothing yet, without which the first
/// alert of each would be no increase, and 2 KiB for the limits of sites, whose reason is 16 series of four interfaces.
const MAX: usize = 70 << 10;
/// What it shall get in addition from a host that belongs to a fleet.
const MAX_FLEET: usize = 4 << 10;
/// What it shall get in addition from a host that pulls decisions of CrowdSec.
const MAX_CROWDSEC: usize = 4 << 10;
/// What it shall get in addition from a host that sends alerts by syslog.
const MAX_SYSLOG: usize = 1 << 10;
/// A year of ten million a second.
const MUCH: u64 = 315_360_000_000_000;

/// All that can be counted for an interface in enforce mode.
fn counters() -> Vec<LabelledCounter> {
    let counter = Counter { packets: MUCH, bytes: MUCH };
    let counts = combinations().filter(|(_, verdict, _)| *verdict != Verdict::WouldDrop);
    counts
        .map(|(family, verdict, reason)| LabelledCounter { interface: 0, family, verdict, reason, counter })
        .collect()
}

fn full() -> Snapshot {
    let interfaces = ["enp216s0f0np0", "enp216s0f1np1", "wlp0s20f3", "eth0"];
    let statistics = StoreStats { alerts: MUCH, decisions: MUCH, audit: MUCH, ..StoreStats::default() };
    Snapshot {
        mode: Mode::Enforce,
        interfaces: interfaces.map(|name| (name.to_owned(), XdpMode::Generic, counters())).to_vec(),
        http: Some(pipeline::Snapshot {
            looks_up_passwords: true,
            has_document: true,
            ..pipeline::Snapshot::default()
        }),
        detection: Some(Detection {
            store: Some(statistics),
            deny_file: Some(DenyStats::default()),
            ..Detection::default()
        }),
        sensing: Some(Sensing::default()),
        capacities: Some(Capacities::default()),
        webhook: Some(DeliveryStats::default()),
        web: Some(WebStats::default()),
        ..Snapshot::default()
    }
}

fn exchange(method: Method, class: StatusClass) -> String {
    let (method, class) = (method.label(), class.label());
    format!(
        "sensor_http_exchanges_total{{method=\"{method}\",status_class=\"{class}\",version=\"1.1\"}} {MUCH}\n"
    )
}

/// With four interfaces in both families, everything refused for every reason, every detector, every finding of the
/// parser, and exchanges in two versions with every method and every class of status.
#[test]
fn a_scrape_stays_small() {
    let text = render(&full()).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let classes = StatusClass::ALL.into_iter().flat_map(|class| Method::ALL.map(|method| (class, method)));
    let exchanges: usize = classes.map(|(class, method)| exchange(method, class).len() * 2).sum();
    let kinds: BTreeSet<_> = Anomaly::ALL.into_iter().map(Anomaly::counted_as).collect();
    let findings: usize = kinds
        .into_iter()
        .map(|kind| format!("sensor_http_parse_errors_total{{kind=\"{kind}\"}} {MUCH}\n").len())
        .sum();
    let all = text.len() + exchanges + findings;
    assert!(
        all <= MAX,
        "{all} bytes: {} in {series} series, {exchanges} of exchanges, {findings} of findings",
        text.len()
    );
    let with_syslog = render(&Snapshot { syslog: Some(DeliveryStats::default()), ..full() }).unwrap();
    let syslog = with_syslog.len().saturating_sub(text.len());
    assert!(syslog > 0 && syslog <= MAX_SYSLOG, "{syslog} bytes about syslog");
    let with_fleet = render(&Snapshot {
        fleet: Some(FleetStats {
            evidence: Some((EvidenceCounts::default(), Some(Duration::ZERO))),
            limits: Some(LimitCounts::default()),
            ..FleetStats::default()
        }),
        ..full()
    })
    .unwrap();
    let fleet = with_fleet.len().saturating_sub(text.len());
    assert!(fleet > 0 && fleet <= MAX_FLEET, "{fleet} bytes about the fleet");
    let with_crowdsec = render(&Snapshot {
        crowdsec: Some(CrowdsecStats { pushes: Some(PushCounts::default()), ..CrowdsecStats::default() }),
        ..full()
    })
    .unwrap();
    let crowdsec = with_crowdsec.len().saturating_sub(text.len());
    assert!(crowdsec > 0 && crowdsec <= MAX_CROWDSEC, "{crowdsec} bytes about CrowdSec");
}
