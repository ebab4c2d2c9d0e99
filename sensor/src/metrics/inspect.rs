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
    let skipped = [("budget", counters.skipped), ("values", counters.cut)]
        .map(|(cause, count)| SKIPPED.metric(&[("cause", cause)], count));
    vec![FINDINGS.with(findings.collect()), SKIPPED.with(skipped.to_vec())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_meet_their_labels() {
        let families = gather(&Counters { findings: [1, 2, 3, 4, 5], skipped: 6, cut: 7 });
        let found: Vec<String> = families
            .iter()
            .flat_map(|family| family.get_metric().iter())
            .map(|metric| {
                let label = &metric.get_label()[0];
                format!("{}={} {}", label.name(), label.value(), metric.get_counter().get_value())
            })
            .collect();
        let expected = [
            "kind=injection 1",
            "kind=token-misuse 2",
            "kind=key-exposure 3",
            "kind=data-exposure 4",
            "kind=graphql 5",
            "cause=budget 6",
            "cause=values 7",
        ];
        assert_eq!(found, expected);
    }
}
