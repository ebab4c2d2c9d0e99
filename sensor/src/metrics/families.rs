//! The families and where their values come from.

use std::collections::BTreeMap;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use sensor_common::abi::{Event, Verdict};
use sensor_common::packet::Problem;

use super::access_logs::{self, AccessLogStats};
use super::crowdsec::{self, CrowdsecStats};
use super::degraded::{self, Degraded};
use super::detection::{self, Detection};
use super::fleet::{self, FleetStats};
use super::http;
use super::identity;
use super::inspect;
use super::sensing::{self, Capacities, Sensing};
use super::surroundings::{self, InterfacePresence};
use super::tls;
use super::web::{self, WebStats};
use crate::clock::Timestamp;
use crate::detect::{Response, Threat};
use crate::enforce::Mode;
use crate::kernel::{LabelledCounter, XdpMode};
use crate::notify::DeliveryStats;
use crate::pipeline;

/// Everything that one scrape shows, gathered at once.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The mode in force.
    pub mode: Mode,
    /// Interfaces by name, how the program is attached, and its counters.
    pub interfaces: Vec<(String, XdpMode, Vec<LabelledCounter>)>,
    /// Whether those interfaces are there.
    pub presence: Vec<InterfacePresence>,
    /// How often civil time jumped.
    pub clock_steps: u64,
    /// Counts of kernel events.
    pub events: BTreeMap<Event, u64>,
    /// Counts of frames that could not be read in full.
    pub problems: BTreeMap<Problem, u64>,
    /// Clients in the table.
    pub clients_tracked: u64,
    /// Clients that the table has room for.
    pub clients_max: u64,
    /// Prefixes blocked.
    pub blocks_active: u64,
    /// Blocks added by command since the start.
    pub blocks_by_command: u64,
    /// Failed writes of the state file.
    pub state_write_errors: u64,
    /// Whether the last reload was taken.
    pub reload_success: bool,
    /// When the configuration was last taken.
    pub last_reload: Option<Timestamp>,
    /// Kernel memory of all maps, in bytes.
    pub kernel_memory_bytes: u64,
    /// Totals of HTTP, where it is seen.
    pub http: Option<pipeline::Snapshot>,
    /// Detectors and decisions.
    pub detection: Option<Detection>,
    /// What else is lost on the way to exchanges, where HTTP is seen.
    pub sensing: Option<Sensing>,
    /// What tables have room for.
    pub capacities: Option<Capacities>,
    /// The webhook.
    pub webhook: Option<DeliveryStats>,
    /// The syslog server, where there is one.
    pub syslog: Option<DeliveryStats>,
    /// The endpoint itself.
    pub web: Option<WebStats>,
    /// The fleet, where this host belongs to one.
    pub fleet: Option<FleetStats>,
    /// CrowdSec, where its decisions are pulled.
    pub crowdsec: Option<CrowdsecStats>,
    /// Access logs that are followed.
    pub access_logs: Vec<AccessLogStats>,
    /// What does not work as it should.
    pub degraded: Vec<Degraded>,
}

/// Declares families: the doc comment becomes the HELP text.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $constant:ident: $kind:ident $name:literal;)+) => {$(
        $(#[doc = $help])+
        pub(super) const $constant: Family = Family {
            name: $name,
            help: &[$($help),+],
            kind: MetricType::$kind,
        };
    )+
        /// The families of this file.
        pub(super) const FAMILIES: &[&Family] = &[$(&$constant),+];
    };
}

pub(super) use families;

families! {
    /// Version of this sensor; always 1.
    BUILD_INFO: GAUGE "sensor_build_info";
    /// Mode in force: 1 for the current one, 0 for the other.
    MODE: GAUGE "sensor_mode";
    /// Interfaces served, and the XDP mode.
    INTERFACE_INFO: GAUGE "sensor_interface_info";
    /// Frames by verdict and reason.
    PACKETS: COUNTER "sensor_packets_total";
    /// Bytes of those frames, Ethernet header included.
    BYTES: COUNTER "sensor_bytes_total";
    /// Frames not fully parsed, by kind.
    UNPARSED: COUNTER "sensor_unparsed_packets_total";
    /// Clients in the client table.
    CLIENTS_TRACKED: GAUGE "sensor_clients_tracked";
    /// Capacity of the client table.
    CLIENTS_MAX: GAUGE "sensor_clients_max";
    /// Clients added to the client table.
    CLIENTS_ADMITTED: COUNTER "sensor_clients_admitted_total";
    /// Idle clients replaced by new ones.
    CLIENTS_EVICTED: COUNTER "sensor_clients_evicted_total";
    /// Clients proven by a TCP handshake.
    CLIENTS_PROVEN: COUNTER "sensor_clients_proven_total";
    /// Unproven clients that left a full table for proven ones.
    CLIENTS_DISPLACED: COUNTER "sensor_clients_displaced_total";
    /// Clients admitted by a SYN cookie.
    SYN_COOKIES_ACCEPTED: COUNTER "sensor_syn_cookies_accepted_total";
    /// Requests over the limit that were to be answered with `429`, by what became of them.
    TOO_MANY: COUNTER "sensor_too_many_total";
    /// Sources not admitted to the client table, by cause.
    CLIENTS_REFUSED: COUNTER "sensor_clients_refused_total";
    /// Packets not charged to their site: others had its places.
    SITES_UNCOUNTED: COUNTER "sensor_site_packets_uncounted_total";
    /// Over-limit notices lost.
    NOTICES_LOST: COUNTER "sensor_notices_lost_total";
    /// Prefixes blocked now.
    BLOCKS_ACTIVE: GAUGE "sensor_blocks_active";
    /// Blocks since the start, by detector or `command`.
    BLOCKS: COUNTER "sensor_blocks_total";
    /// Kernel memory of all maps.
    KERNEL_MEMORY: GAUGE "sensor_kernel_memory_bytes";
    /// Failed writes of the state file.
    STATE_WRITE_ERRORS: COUNTER "sensor_state_write_errors_total";
    /// Whether the last configuration reload succeeded.
    RELOAD_SUCCESS: GAUGE "sensor_config_reload_success";
    /// When the configuration was last loaded.
    LAST_RELOAD: GAUGE "sensor_config_last_reload_timestamp_seconds";
}

pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static [&'static str],
    pub(super) kind: MetricType,
}

impl Family {
    /// Its doc comment on one line.
    pub(super) fn help(&self) -> String {
        let lines: Vec<&str> = self.help.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }

    pub(super) fn with(&self, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help());
        family.set_field_type(self.kind);
        family.set_metric(metrics);
        family
    }

    pub(super) fn one(&self, value: u64) -> MetricFamily {
        self.with(vec![self.metric(&[], value)])
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus values are floating point")]
    pub(super) fn metric(&self, labels: &[(&str, &str)], value: u64) -> Metric {
        let mut metric = Metric::from_label(labels.iter().map(|(name, value)| label(name, value)).collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = prometheus::proto::Counter::default();
            counter.set_value(value as f64);
            metric.set_counter(counter);
        } else {
            let mut gauge = prometheus::proto::Gauge::default();
            gauge.set_value(value as f64);
            metric.set_gauge(gauge);
        }
        metric
    }
}

pub(super) fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// What a family is, for whoever writes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Its HELP text.
    pub help: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
}

/// Every family but those of the process, by name.
#[must_use]
pub fn about_families() -> Vec<About> {
    let rooms = [
        FAMILIES,
        degraded::FAMILIES,
        http::FAMILIES,
        tls::FAMILIES,
        identity::FAMILIES,
        inspect::FAMILIES,
        detection::FAMILIES,
        sensing::FAMILIES,
        surroundings::FAMILIES,
        web::FAMILIES,
        fleet::FAMILIES,
        crowdsec::FAMILIES,
        access_logs::FAMILIES,
    ];
    let about = |family: &Family| About {
        name: family.name,
        help: family.help(),
        kind: match family.kind {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => "gauge",
        },
    };
    let mut families: Vec<About> = rooms.into_iter().flatten().map(|family| about(family)).collect();
    families.sort_by_key(|family| family.name);
    families
}

/// The snapshot as families.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut families = about_the_daemon(snapshot);
    families.extend(surroundings::gather(&snapshot.presence, snapshot.clock_steps));
    families.extend(about_frames(snapshot));
    families.extend(about_clients(snapshot));
    families.extend(http::gather(snapshot));
    families.extend(detection::gather(snapshot));
    families.extend(sensing::gather(snapshot));
    families.extend(web::gather(snapshot));
    families.extend(fleet::gather(snapshot));
    families.extend(crowdsec::gather(snapshot));
    families.extend(access_logs::gather(snapshot));
    families.push(degraded::gather(&snapshot.degraded));
    families
}

fn blocks(snapshot: &Snapshot) -> Vec<Metric> {
    let by_command = BLOCKS.metric(&[("detector", "command")], snapshot.blocks_by_command);
    let by_detector = snapshot.detection.iter().flat_map(|detection| {
        Threat::ALL.into_iter().filter_map(|threat| {
            let count = detection.blocks.get(&threat).copied();
            let may = threat.accuses() && Response::of(threat) == Response::Enforce;
            let count = count.or(may.then_some(0))?;
            Some(BLOCKS.metric(&[("detector", threat.slug())], count))
        })
    });
    std::iter::once(by_command).chain(by_detector).collect()
}

fn about_the_daemon(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let modes = [Mode::Monitor, Mode::Enforce]
        .map(|mode| MODE.metric(&[("mode", mode.label())], u64::from(mode == snapshot.mode)));
    let interfaces = snapshot
        .interfaces
        .iter()
        .map(|(name, mode, _)| INTERFACE_INFO.metric(&[("interface", name), ("xdp_mode", mode.label())], 1));
    let last_reload = snapshot.last_reload.map_or(0, |at| at.since(Timestamp::from_unix_micros(0)).as_secs());
    vec![
        BUILD_INFO.with(vec![BUILD_INFO.metric(&[("version", env!("CARGO_PKG_VERSION"))], 1)]),
        MODE.with(modes.to_vec()),
        INTERFACE_INFO.with(interfaces.collect()),
        BLOCKS_ACTIVE.one(snapshot.blocks_active),
        BLOCKS.with(blocks(snapshot)),
        KERNEL_MEMORY.one(snapshot.kernel_memory_bytes),
        STATE_WRITE_ERRORS.one(snapshot.state_write_errors),
        RELOAD_SUCCESS.one(u64::from(snapshot.reload_success)),
        LAST_RELOAD.one(last_reload),
    ]
}

fn about_frames(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let (mut packets, mut bytes) = (Vec::new(), Vec::new());
    for (interface, _, counters) in &snapshot.interfaces {
        for found in counters.iter().filter(|found| is_shown(found, snapshot.mode)) {
            let labels = [
                ("interface", interface.as_str()),
                ("family", found.family.label()),
                ("verdict", found.verdict.label()),
                ("reason", found.reason.label()),
            ];
            packets.push(PACKETS.metric(&labels, found.counter.packets));
            bytes.push(BYTES.metric(&labels, found.counter.bytes));
        }
    }
    let unparsed = Problem::ALL.map(|problem| {
        UNPARSED.metric(&[("kind", problem.label())], snapshot.problems.get(&problem).copied().unwrap_or(0))
    });
    vec![PACKETS.with(packets), BYTES.with(bytes), UNPARSED.with(unparsed.to_vec())]
}

/// What can count in this mode is there from the start, so that rates have a first zero; the verdict of the other mode
/// only where it has counted: each is 48 series for an interface.
fn is_shown(found: &LabelledCounter, mode: Mode) -> bool {
    let can_count = match found.verdict {
        Verdict::Pass => true,
        Verdict::Drop => mode == Mode::Enforce,
        Verdict::WouldDrop => mode == Mode::Monitor,
        Verdict::Answer => false,
    };
    can_count || found.counter.packets > 0
}

fn about_clients(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let count = |event: Event| snapshot.events.get(&event).copied().unwrap_or(0);
    let refused = [("table_full", Event::TableFull), ("contended", Event::AdmissionContended)]
        .map(|(cause, event)| CLIENTS_REFUSED.metric(&[("cause", cause)], count(event)));
    let lost = [("ring_full", Event::NoticeLost), ("rate", Event::NoticeSuppressed)]
        .map(|(cause, event)| NOTICES_LOST.metric(&[("cause", cause)], count(event)));
    let too_many = [
        ("answered", Event::TooManyAnswered),
        ("not_one_head", Event::TooManyShape),
        ("not_in_step", Event::TooManySocket),
        ("not_sent", Event::TooManyFailed),
    ]
    .map(|(outcome, event)| TOO_MANY.metric(&[("outcome", outcome)], count(event)));
    vec![
        TOO_MANY.with(too_many.to_vec()),
        CLIENTS_TRACKED.one(snapshot.clients_tracked),
        CLIENTS_MAX.one(snapshot.clients_max),
        CLIENTS_ADMITTED.one(count(Event::ClientAdmitted)),
        CLIENTS_EVICTED.one(count(Event::ClientEvicted)),
        CLIENTS_PROVEN.one(count(Event::ClientProven)),
        SYN_COOKIES_ACCEPTED.one(count(Event::CookieAccepted)),
        CLIENTS_DISPLACED.one(count(Event::ClientDisplaced)),
        CLIENTS_REFUSED.with(refused.to_vec()),
        SITES_UNCOUNTED.one(count(Event::SiteUncounted)),
        NOTICES_LOST.with(lost.to_vec()),
    ]
}
