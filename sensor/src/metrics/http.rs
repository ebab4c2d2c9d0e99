//! The families about HTTP, from the mirror to exchanges.

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use sensor_common::abi::Event;

use super::families::{Family, Snapshot, families};
use super::{identity, inspect, tls};
use crate::capture::datagram::{DatagramCounters, Refusal};
use crate::event::LoginOutcome;
use crate::pipeline::{self, DURATION_BUCKETS, Durations, StatusClass, Totals};
use crate::posture::Access;
use crate::stream::{self, CloseCause};

families! {
    /// TCP segments copied to the daemon.
    MIRROR_SEGMENTS: COUNTER "sensor_mirror_segments_total";
    /// Their payload bytes.
    MIRROR_BYTES: COUNTER "sensor_mirror_bytes_total";
    /// TCP segments that the mirror lost, by cause.
    MIRROR_LOST: COUNTER "sensor_mirror_lost_total";
    /// TCP segments skipped as not needed.
    MIRROR_SKIPPED: COUNTER "sensor_mirror_skipped_total";
    /// TCP segments truncated, but needed whole.
    MIRROR_TRUNCATED: COUNTER "sensor_mirror_truncated_total";
    /// TCP segments ignored because the server drops them.
    SEGMENTS_REFUSED: COUNTER "sensor_segments_refused_total";
    /// TCP connections whose client address was proven.
    STREAMS_PROVEN: COUNTER "sensor_streams_proven_total";
    /// Client TCP segments unlike an earlier copy.
    STREAM_CONFLICTS: COUNTER "sensor_stream_conflicts_total";
    /// TCP connections being reassembled now.
    STREAMS_ACTIVE: GAUGE "sensor_streams_active";
    /// TCP connections forgotten, by cause.
    STREAMS_CLOSED: COUNTER "sensor_streams_closed_total";
    /// Gaps in TCP streams.
    STREAM_GAPS: COUNTER "sensor_stream_gaps_total";
    /// Bytes lost in gaps.
    STREAM_LOST_BYTES: COUNTER "sensor_stream_lost_bytes_total";
    /// Bytes buffered behind gaps.
    STREAM_BUFFERED_BYTES: GAUGE "sensor_stream_buffered_bytes";
    /// HTTP exchanges.
    HTTP_EXCHANGES: COUNTER "sensor_http_exchanges_total";
    /// Exchanges with an unproven client address.
    HTTP_UNPROVEN: COUNTER "sensor_http_unproven_exchanges_total";
    /// Exchanges seen twice, around a local proxy.
    HTTP_SEEN_TWICE: COUNTER "sensor_http_seen_twice_total";
    /// HTTP exchanges by the systemd unit or container that served them.
    UNIT_EXCHANGES: COUNTER "sensor_unit_exchanges_total";
    /// HTTP exchanges with anomalies, by kind.
    HTTP_PARSE_ERRORS: COUNTER "sensor_http_parse_errors_total";
    /// Unpaired HTTP messages.
    HTTP_UNPAIRED: COUNTER "sensor_http_unpaired_total";
    /// Connections other than HTTP/1.
    HTTP_OTHER_CONNECTIONS: COUNTER "sensor_http_other_connections_total";
    /// Open WebSockets.
    WEBSOCKETS_ACTIVE: GAUGE "sensor_websockets_active";
    /// WebSockets forgotten while open: too many.
    WEBSOCKETS_FORGOTTEN: COUNTER "sensor_websockets_forgotten_total";
    /// WebSocket messages.
    WEBSOCKET_MESSAGES: COUNTER "sensor_websocket_messages_total";
    /// Payload bytes of WebSocket messages.
    WEBSOCKET_BYTES: COUNTER "sensor_websocket_bytes_total";
    /// Login attempts, by outcome.
    LOGINS: COUNTER "sensor_logins_total";
    /// Passwords of successful logins, looked up in the list of leaked ones.
    LEAKED: COUNTER "sensor_leaked_passwords_total";
    /// Routes and methods seen, by who is answered.
    INVENTORY: GAUGE "sensor_routes_inventory";
    /// Route templates known.
    HTTP_ROUTES: GAUGE "sensor_http_routes";
    /// From first byte of request to first of response.
    HTTP_DURATION: HISTOGRAM "sensor_http_duration_seconds";
}

/// Kernel events that mean that a segment should have been copied and was not.
pub const MIRROR_LOSSES: [(&str, Event); 7] = [
    ("ring_full", Event::MirrorRingFull),
    ("load_failed", Event::MirrorLoadFailed),
    ("headers_unread", Event::MirrorUnread),
    ("fragment", Event::MirrorFragment),
    ("datagram_budget", Event::MirrorDatagramBudget),
    ("tag_depth", Event::MirrorTagDepth),
    ("extension_depth", Event::MirrorExtensionDepth),
];

/// The same, and what was lost of datagrams that were copied to be read whole, by cause.
#[must_use]
pub fn mirror_losses(
    count: impl Fn(Event) -> u64,
    datagrams: &DatagramCounters,
) -> [(&'static str, u64); MIRROR_LOSSES.len() + 3] {
    let [ring, load, unread, fragment, budget, tags, extensions] =
        MIRROR_LOSSES.map(|(cause, event)| (cause, count(event)));
    let room = ("datagram_room", datagrams.refused(Refusal::Room));
    let incomplete = ("fragments_incomplete", datagrams.incomplete);
    [
        ring,
        load,
        unread,
        fragment,
        budget,
        tags,
        extensions,
        room,
        incomplete,
        ("datagram_torn", datagrams.torn),
    ]
}

/// What is copied, with its labels from the start; the rest once HTTP is seen.
pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let count = |event: Event| snapshot.events.get(&event).copied().unwrap_or(0);
    let both = |family: &Family, ingress, egress| {
        let metric = |direction, event| family.metric(&[("direction", direction)], count(event));
        family.with(vec![metric("ingress", ingress), metric("egress", egress)])
    };
    let datagrams = snapshot.sensing.map(|sensing| sensing.datagrams).unwrap_or_default();
    let lost = mirror_losses(count, &datagrams);
    let lost = lost.map(|(cause, count)| MIRROR_LOST.metric(&[("cause", cause)], count));
    let mut families = vec![
        both(&MIRROR_SEGMENTS, Event::MirroredIngress, Event::MirroredEgress),
        both(&MIRROR_BYTES, Event::MirroredIngressBytes, Event::MirroredEgressBytes),
        MIRROR_LOST.with(lost.to_vec()),
        MIRROR_SKIPPED.one(count(Event::MirrorSkipped)),
        MIRROR_TRUNCATED.one(count(Event::MirrorTruncated)),
        SEGMENTS_REFUSED.with(refused(snapshot)),
    ];
    families.extend(snapshot.http.iter().flat_map(about_exchanges));
    families.extend(snapshot.http.iter().flat_map(|http| tls::gather(&http.tls)));
    families.extend(snapshot.http.iter().flat_map(|http| identity::gather(&http.identities)));
    families.extend(snapshot.http.iter().flat_map(|http| inspect::gather(&http.inspected)));
    families
}

/// What the kernel drops before TCP, and what its TCP drops.
fn refused(snapshot: &Snapshot) -> Vec<Metric> {
    let count = |event: Event| snapshot.events.get(&event).copied().unwrap_or(0);
    let before = [("ip_header", Event::MirrorBadIp), ("other_host", Event::MirrorOtherHost)];
    let before = before.map(|(reason, event)| (reason, count(event)));
    let by_tcp = stream::Refusal::ALL.map(|reason| {
        let refused = snapshot.http.as_ref().map(|http| http.streams.refusals(reason));
        (reason.label(), refused.unwrap_or_default())
    });
    let all = before.into_iter().chain(by_tcp);
    all.map(|(reason, count)| SEGMENTS_REFUSED.metric(&[("reason", reason)], count)).collect()
}

fn about_exchanges(http: &pipeline::Snapshot) -> Vec<MetricFamily> {
    let closed = CloseCause::ALL
        .map(|cause| STREAMS_CLOSED.metric(&[("cause", cause.label())], http.streams.closed(cause)));
    let exchanges = by_labels(&http.totals).into_iter().map(|((version, method, class), count)| {
        let labels = [("version", version), ("method", method), ("status_class", class.label())];
        HTTP_EXCHANGES.metric(&labels, count)
    });
    let mut by_kind = BTreeMap::new();
    for (kind, count) in http.http.anomalies().filter(|(_, count)| *count > 0) {
        let sum: &mut u64 = by_kind.entry(kind.counted_as()).or_default();
        *sum = sum.saturating_add(count);
    }
    let errors = by_kind.into_iter().map(|(kind, count)| HTTP_PARSE_ERRORS.metric(&[("kind", kind)], count));
    let unpaired = [("request", http.http.unpaired_requests), ("response", http.http.unpaired_responses)]
        .map(|(seen, count)| HTTP_UNPAIRED.metric(&[("seen", seen)], count));
    let logins = LoginOutcome::ALL
        .map(|outcome| LOGINS.metric(&[("outcome", outcome.label())], http.totals.logins(outcome)));
    let others = [
        ("not_http", http.http.not_http),
        ("http2", http.http.http2),
        ("upgraded", http.http.upgraded),
        ("tunnelled", http.http.tunnelled),
    ]
    .map(|(kind, count)| HTTP_OTHER_CONNECTIONS.metric(&[("kind", kind)], count));
    let sockets = |family: &Family, all: u64, of_clients: u64| {
        let both = [("ingress", of_clients), ("egress", all.saturating_sub(of_clients))];
        family.with(both.map(|(direction, count)| family.metric(&[("direction", direction)], count)).to_vec())
    };
    let mut families = vec![
        WEBSOCKETS_ACTIVE.one(http.http.websockets_opened.saturating_sub(http.http.websockets)),
        sockets(&WEBSOCKET_MESSAGES, http.http.websocket_messages, http.http.websocket_client_messages),
        sockets(&WEBSOCKET_BYTES, http.http.websocket_bytes, http.http.websocket_client_bytes),
        STREAMS_ACTIVE.one(http.streams.active),
        STREAMS_PROVEN.one(http.streams.proven),
        STREAM_CONFLICTS.one(http.streams.conflicts),
        HTTP_UNPROVEN.one(http.totals.unproven),
        HTTP_SEEN_TWICE.one(http.totals.seen_twice),
        STREAMS_CLOSED.with(closed.to_vec()),
        STREAM_GAPS.one(http.streams.gaps),
        STREAM_LOST_BYTES.one(http.streams.lost_bytes),
        STREAM_BUFFERED_BYTES.one(http.streams.buffered_bytes),
        HTTP_EXCHANGES.with(exchanges.collect()),
        HTTP_PARSE_ERRORS.with(errors.collect()),
        HTTP_UNPAIRED.with(unpaired.to_vec()),
        HTTP_OTHER_CONNECTIONS.with(others.to_vec()),
        LOGINS.with(logins.to_vec()),
        HTTP_ROUTES.one(u64::try_from(http.routes).unwrap_or(u64::MAX)),
        HTTP_DURATION.with(vec![histogram(&http.totals.durations)]),
    ];
    families.extend(of_access(http));
    families
}

/// Exchanges, with those that failed at zero for every method that was used: the first failure is an increase then.
fn by_labels(totals: &Totals) -> BTreeMap<(&'static str, &'static str, StatusClass), u64> {
    let mut counts = totals.by_labels();
    let used: Vec<_> = counts.keys().map(|(version, method, _)| (*version, *method)).collect();
    for (version, method) in used {
        for class in [StatusClass::ClientError, StatusClass::ServerError] {
            counts.entry((version, method, class)).or_default();
        }
    }
    counts
}

/// Families that only those have who count by unit, look up passwords, see routes, or forget WebSockets: a scrape stays small. Where
/// passwords are looked up, or there is an OpenAPI document, what was found is there from the start, as zero.
fn of_access(http: &pipeline::Snapshot) -> Vec<MetricFamily> {
    let (looked_up, leaked) = http.totals.leaked();
    let failed = http.unchecked_passwords;
    let passwords = [("listed", leaked), ("unlisted", looked_up.saturating_sub(leaked)), ("failed", failed)]
        .map(|(result, count)| LEAKED.metric(&[("result", result)], count));
    let rows = Access::ALL.into_iter().flat_map(|access| [(access, false), (access, true)]);
    let rows = rows.filter_map(|(access, is_undocumented)| {
        let count = http.inventory.of(access, is_undocumented);
        let documented = if is_undocumented { "no" } else { "yes_or_unknown" };
        let labels = [("auth", access.label()), ("documented", documented)];
        let is_there = count > 0 || is_undocumented && http.has_document;
        is_there.then(|| INVENTORY.metric(&labels, count))
    });
    let rows: Vec<_> = rows.collect();
    let mut families = Vec::new();
    if !http.by_unit.is_empty() {
        let units = http.by_unit.iter().flat_map(|(unit, counts)| {
            // The first failure is an increase.
            let is_there = |class: StatusClass, count| count > 0 || class.is_failure();
            let counts = StatusClass::ALL.into_iter().zip(*counts);
            let counts = counts.filter(move |(class, count)| is_there(*class, *count));
            counts.map(|(class, count)| {
                UNIT_EXCHANGES.metric(&[("unit", unit), ("status_class", class.label())], count)
            })
        });
        families.push(UNIT_EXCHANGES.with(units.collect()));
    }
    if http.websockets_forgotten > 0 {
        families.push(WEBSOCKETS_FORGOTTEN.one(http.websockets_forgotten));
    }
    if http.looks_up_passwords {
        families.push(LEAKED.with(passwords.to_vec()));
    }
    if !rows.is_empty() {
        families.push(INVENTORY.with(rows));
    }
    families
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "Prometheus' values are seconds")]
pub(super) fn histogram(durations: &Durations) -> Metric {
    let seconds = |us: u64| us as f64 / 1e6;
    let mut sum = 0_u64;
    let buckets = DURATION_BUCKETS.iter().zip(durations.buckets).map(|(bound, count)| {
        sum = sum.saturating_add(count);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(*bound));
        bucket.set_cumulative_count(sum);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(durations.count);
    histogram.set_sample_sum(seconds(durations.sum_us));
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    metric
}
