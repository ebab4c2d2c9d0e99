//! Families that the library for process metrics makes, and those of Prometheus itself.

use prometheus::proto::MetricType;

use crate::metrics::families::Family;

const fn gauge(name: &'static str, help: &'static [&'static str]) -> Family {
    Family { name, help, kind: MetricType::GAUGE }
}

pub(super) const CPU: Family = Family {
    name: "process_cpu_seconds_total",
    help: &["Time that the process ran on a CPU."],
    kind: MetricType::COUNTER,
};
pub(super) const RESIDENT: Family =
    gauge("process_resident_memory_bytes", &["Resident memory of the process."]);
pub(super) const DESCRIPTORS: Family = gauge("process_open_fds", &["Open file descriptors."]);
pub(super) const DESCRIPTORS_MAX: Family = gauge("process_max_fds", &["Most file descriptors."]);
pub(super) const START: Family =
    gauge("process_start_time_seconds", &["When the process was started, in seconds since 1970."]);
pub(super) const THREADS: Family = gauge("process_threads", &["Threads of the process."]);

/// By Prometheus itself.
pub(super) const UP: Family = gauge("up", &["Whether the last scrape worked."]);
/// By Prometheus itself.
pub(super) const SCRAPE_DURATION: Family =
    gauge("scrape_duration_seconds", &["How long Prometheus waited for the metrics."]);
