//! Families that the library for process metrics makes, and those of Prometheus itself.

use prometheus::proto::MetricType;

use crate::metrics::families::{Family, families};

families! {
    /// Time that the process ran on a CPU.
    CPU: COUNTER "process_cpu_seconds_total";
    /// Resident memory of the process.
    RESIDENT: GAUGE "process_resident_memory_bytes";
    /// Open file descriptors.
    DESCRIPTORS: GAUGE "process_open_fds";
    /// Most file descriptors.
    DESCRIPTORS_MAX: GAUGE "process_max_fds";
    /// When the process was started, in seconds since 1970.
    START: GAUGE "process_start_time_seconds";
    /// Threads of the process.
    THREADS: GAUGE "process_threads";
}

/// Whether the last scrape worked.
pub(super) const UP: Family =
    Family { name: "up", help: &["Whether the last scrape worked."], kind: MetricType::GAUGE };
/// How long a scrape takes.
pub(super) const SCRAPE_DURATION: Family = Family {
    name: "scrape_duration_seconds",
    help: &["How long Prometheus waited for the metrics."],
    kind: MetricType::GAUGE,
};
