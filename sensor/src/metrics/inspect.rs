//! The families about what was recognised in exchanges.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, families};
use crate::inspect::{Counters, Kind};

families! {
    /// Findings in exchanges.
    FINDINGS: COUNTER "sensor_findings_total";
    /// Exchanges not inspected in full.
    SKIPPED: COUNTER "sensor_inspection_skipped_total";
}

/// Every label from the start, so that a first finding is an increase.
pub(super) fn gather(counters: &Counters) -> Vec<MetricFamily> {
    let findings = Kind::ALL.into_iter().zip(counters.findings);
    let findings = findings.map(|(kind, count)| FINDINGS.metric(&[("kind", kind.label())], count));
    vec![FINDINGS.with(findings.collect()), SKIPPED.one(counters.skipped.saturating_add(counters.cut))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_meet_their_labels() {
        let families = gather(&Counters { findings: [1, 2, 3, 4, 5, 6], skipped: 6, cut: 7 });
        let found: Vec<String> = families
            .iter()
            .flat_map(|family| family.get_metric().iter())
            .map(|metric| {
                let label = metric.get_label().first().map_or("", |label| label.value());
                format!("{label} {}", metric.get_counter().get_value())
            })
            .collect();
        let expected = [
            "injection 1",
            "token-misuse 2",
            "key-exposure 3",
            "data-exposure 4",
            "graphql 5",
            "schema 6",
            " 13",
        ];
        assert_eq!(found, expected);
    }
}
