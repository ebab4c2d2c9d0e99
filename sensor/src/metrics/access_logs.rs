//! The families about access logs, where any is followed.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, Snapshot, families};

/// An access log that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogStats {
    /// Its path, as configured.
    pub path: String,
    /// Lines that were judged.
    pub judged: u64,
    /// Lines that could not be read.
    pub refused: u64,
    /// Lines too far from the present.
    pub untimely: u64,
    /// Lines whose exchange was read on the network, too.
    pub seen_twice: u64,
    /// How often lines may have been lost.
    pub gaps: u64,
    /// Bytes that wait.
    pub unread_bytes: u64,
    /// Whether the file can be read.
    pub is_readable: bool,
}

families! {
    /// Lines of access logs, by what became of them.
    LINES: COUNTER "sensor_access_log_lines_total";
    /// Access logs replaced or truncated before all was read.
    GAPS: COUNTER "sensor_access_log_gaps_total";
    /// Bytes of access logs not read yet.
    UNREAD: GAUGE "sensor_access_log_unread_bytes";
    /// Whether an access log can be read.
    READABLE: GAUGE "sensor_access_log_readable";
}

pub(super) fn gather(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let logs = &snapshot.access_logs;
    if logs.is_empty() {
        return Vec::new();
    }
    let lines = logs.iter().flat_map(|log| {
        let fates = [
            ("judged", log.judged),
            ("refused", log.refused),
            ("untimely", log.untimely),
            ("seen_twice", log.seen_twice),
        ];
        fates.map(|(fate, count)| LINES.metric(&[("path", &log.path), ("fate", fate)], count))
    });
    let of_each = |family: &Family, value: fn(&AccessLogStats) -> u64| {
        family.with(logs.iter().map(|log| family.metric(&[("path", &log.path)], value(log))).collect())
    };
    vec![
        LINES.with(lines.collect()),
        of_each(&GAPS, |log| log.gaps),
        of_each(&UNREAD, |log| log.unread_bytes),
        of_each(&READABLE, |log| u64::from(log.is_readable)),
    ]
}
