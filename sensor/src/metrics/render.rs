//! The text format.

use std::time::Duration;

use procfs::process::Process;
use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Gauge, MetricFamily};
use prometheus::{Encoder as _, TextEncoder};

use super::families::{Snapshot, gather};
use crate::clock;

/// Content type of the text that [`render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot and the process metrics in the Prometheus text format.
///
/// # Errors
/// If a family does not encode, which is a mistake in this room.
pub fn render(snapshot: &Snapshot) -> prometheus::Result<String> {
    let mut families = gather(snapshot);
    families.retain(|family| !family.get_metric().is_empty());
    families.extend(process());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The process metrics. The library computes the start from `/proc/stat`, of which a confined service has none.
fn process() -> Vec<MetricFamily> {
    let mut families = ProcessCollector::for_self().collect();
    let started = families.iter_mut().filter(|family| family.name() == "process_start_time_seconds");
    for metric in started.flat_map(MetricFamily::mut_metric) {
        if let Some(start) = start_time() {
            let mut gauge = Gauge::default();
            gauge.set_value(start);
            metric.set_gauge(gauge);
        }
    }
    families
}

/// When this process was started, in seconds since 1970 (proc_pid_stat(5), field 22).
fn start_time() -> Option<f64> {
    let ticks = Process::myself().ok()?.stat().ok()?.starttime;
    let nanoseconds = ticks.checked_mul(1_000_000_000)?.checked_div(procfs::ticks_per_second())?;
    let start = clock::after_boot(Duration::from_nanos(nanoseconds)).unix_nanos() / 1_000_000_000;
    Some(u32::try_from(start).map_or(0.0, f64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_texts_are_there_and_families_sorted() {
        let text = render(&Snapshot::default()).unwrap();
        assert!(text.contains("# HELP sensor_build_info Version of this sensor; always 1.\n"), "{text}");
        assert!(text.contains("sensor_mode{mode=\"monitor\"} 1\n"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
        let start = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
        let start: u64 = start.unwrap().parse().unwrap();
        let now = clock::now().unix_nanos() / 1_000_000_000;
        assert!(start <= now && start + 24 * 3600 > now, "started at {start}, and now it is {now}");
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        assert!(names.is_sorted());
    }
}
