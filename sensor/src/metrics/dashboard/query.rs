//! Queries over families, by their constants: a family that is renamed takes its panels with it.

use crate::metrics::families::Family;

/// The series of a family on the instances that the dashboard is about.
pub(super) fn select(family: &Family, filter: &str) -> String {
    named(family.name, filter)
}

/// Current values, summed up to some labels.
pub(super) fn sum(family: &Family, by: &str, filter: &str) -> String {
    aggregated("sum", by, &select(family, filter))
}

/// Increase per second, summed up to some labels.
pub(super) fn rate(family: &Family, by: &str, filter: &str) -> String {
    aggregated("sum", by, &format!("rate({}[$__rate_interval])", select(family, filter)))
}

/// Increase over a range such as `15m`, summed up to some labels.
pub(super) fn increase(family: &Family, by: &str, filter: &str, range: &str) -> String {
    aggregated("sum", by, &format!("increase({}[{range}])", select(family, filter)))
}

/// A quantile of a histogram.
pub(super) fn quantile(quantile: &str, family: &Family) -> String {
    let buckets = named(&format!("{}_bucket", family.name), "");
    format!("histogram_quantile({quantile}, sum by (le) (rate({buckets}[$__rate_interval])))")
}

/// A part of a whole, 0 where there is no whole.
pub(super) fn share(part: &str, whole: &str) -> String {
    format!("({part}) / (({whole}) > 0) or vector(0)")
}

/// How full a table is, by instance.
pub(super) fn fill(entries: &Family, capacity: &Family) -> String {
    format!("{} / {}", select(entries, ""), select(capacity, ""))
}

fn named(name: &str, filter: &str) -> String {
    let comma = if filter.is_empty() { "" } else { "," };
    format!("{name}{{instance=~\"$instance\"{comma}{filter}}}")
}

fn aggregated(how: &str, by: &str, of: &str) -> String {
    if by.is_empty() { format!("{how}({of})") } else { format!("{how} by ({by}) ({of})") }
}
