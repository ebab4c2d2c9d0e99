//! The text format.

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder as _, TextEncoder};

use super::families::{Snapshot, gather};

/// Content type of the text that [`render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot and the process metrics in the Prometheus text format.
///
/// # Errors
/// Where a family does not encode, which is a mistake in this room.
pub fn render(snapshot: &Snapshot) -> prometheus::Result<String> {
    let mut families = gather(snapshot);
    families.retain(|family| !family.get_metric().is_empty());
    families.extend(ProcessCollector::for_self().collect());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_texts_are_there_and_families_sorted() {
        let text = render(&Snapshot::default()).unwrap();
        assert!(text.contains("# HELP sensor_build_info Build of this sensor; always 1.\n"), "{text}");
        assert!(text.contains("sensor_mode{mode=\"monitor\"} 1\n"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        assert!(names.is_sorted());
    }
}
