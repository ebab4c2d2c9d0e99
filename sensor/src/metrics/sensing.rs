//! The families about what else the seeing of HTTP loses, about bounds, and about waiting alerts.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};
use crate::capture::datagram::{DatagramCounters, Refusal};

/// Losses of the thread that sees HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensing {
    /// Instructions to the mirror that the kernel refused.
    pub refused_instructions: u64,
    /// Failures not counted by client.
    pub failures_uncounted: u64,
    /// Failed writes to the exchange log.
    pub log_errors: u64,
    /// Datagrams that were read whole.
    pub datagrams: DatagramCounters,
}

/// What tables have room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacities {
    /// Prefixes blocked.
    pub blocks: u64,
    /// TCP connections reassembled.
    pub streams: u64,
    /// Bytes that wait for others before them.
    pub stream_bytes: u64,
}

families! {
    /// TCP segments in fragments or behind extension headers.
    DATAGRAMS: COUNTER "sensor_datagrams_total";
    /// IP packets that yielded no segment, by reason.
    DATAGRAMS_REFUSED: COUNTER "sensor_datagrams_refused_total";
    /// Mirror instructions that the kernel refused.
    INSTRUCTIONS_REFUSED: COUNTER "sensor_mirror_instructions_refused_total";
    /// Failed requests not counted: table full.
    FAILURES_UNCOUNTED: COUNTER "sensor_client_failures_uncounted_total";
    /// Failed writes to the exchange log.
    EXCHANGE_LOG_ERRORS: COUNTER "sensor_exchange_log_errors_total";
    /// Capacity of the block table.
    BLOCKS_MAX: GAUGE "sensor_blocks_max";
    /// Maximum TCP connections reassembled at once.
    STREAMS_MAX: GAUGE "sensor_streams_max";
    /// Maximum bytes buffered behind gaps.
    STREAM_BUFFERED_MAX: GAUGE "sensor_stream_buffered_bytes_max";
    /// Failed webhook requests that were retried.
    WEBHOOK_RETRIES: COUNTER "sensor_webhook_retries_total";
    /// Alerts waiting for the webhook.
    WEBHOOK_WAITING: GAUGE "sensor_webhook_alerts_waiting";
    /// Alerts for the syslog server, by outcome.
    SYSLOG: COUNTER "sensor_syslog_alerts_total";
    /// Failed syslog transmissions that were retried.
    SYSLOG_RETRIES: COUNTER "sensor_syslog_retries_total";
    /// Alerts waiting for the syslog server.
    SYSLOG_WAITING: GAUGE "sensor_syslog_alerts_waiting";
}

pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    if let Some(sensing) = snapshot.sensing {
        let datagrams = sensing.datagrams;
        let seen = [("extensions", datagrams.whole), ("fragments", datagrams.assembled)];
        let refused = Refusal::ALL
            .map(|why| DATAGRAMS_REFUSED.metric(&[("reason", why.label())], datagrams.refused(why)));
        families.extend([
            DATAGRAMS.with(seen.map(|(kind, count)| DATAGRAMS.metric(&[("kind", kind)], count)).to_vec()),
            DATAGRAMS_REFUSED.with(refused.to_vec()),
            INSTRUCTIONS_REFUSED.one(sensing.refused_instructions),
            FAILURES_UNCOUNTED.one(sensing.failures_uncounted),
            EXCHANGE_LOG_ERRORS.one(sensing.log_errors),
        ]);
    }
    if let Some(capacities) = snapshot.capacities {
        families.extend([
            BLOCKS_MAX.one(capacities.blocks),
            STREAMS_MAX.one(capacities.streams),
            STREAM_BUFFERED_MAX.one(capacities.stream_bytes),
        ]);
    }
    if let Some(webhook) = snapshot.webhook {
        families.extend([WEBHOOK_RETRIES.one(webhook.retries), WEBHOOK_WAITING.one(webhook.depth)]);
    }
    if let Some(syslog) = snapshot.syslog {
        let outcomes = [("sent", syslog.sent), ("failed", syslog.failed), ("dropped", syslog.dropped)];
        let outcomes = outcomes.map(|(outcome, count)| SYSLOG.metric(&[("outcome", outcome)], count));
        families.extend([
            SYSLOG.with(outcomes.to_vec()),
            SYSLOG_RETRIES.one(syslog.retries),
            SYSLOG_WAITING.one(syslog.depth),
        ]);
    }
    families
}
