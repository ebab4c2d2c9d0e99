//! The rules for Prometheus name families that exist, and say what to do.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Snapshot, families, render};

const RULES: &str = include_str!("../../dist/prometheus/sensor.rules.yml");
const TESTS: &str = include_str!("../../dist/prometheus/sensor.rules.test.yml");

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    labels: Option<Labels>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Labels {
    severity: String,
}

#[derive(Deserialize)]
struct Annotations {
    summary: String,
    description: String,
}

fn rules() -> Vec<Rule> {
    let file: File = serde_saphyr::from_str(RULES).unwrap();
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Every name that can stand in an expression.
fn names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.record).collect();
    for family in families() {
        if family.kind == "histogram" {
            names.extend(["bucket", "sum", "count"].map(|suffix| format!("{}_{suffix}", family.name)));
        } else {
            names.insert(family.name.to_owned());
        }
    }
    let process = render(&Snapshot::default()).unwrap();
    let process = process.lines().filter_map(|line| line.strip_prefix("# TYPE process_")?.split(' ').next());
    names.extend(process.map(|name| format!("process_{name}")));
    names
}

fn is_of_a_name(c: char) -> bool {
    c == '_' || c == ':' || c.is_ascii_alphanumeric()
}

#[test]
fn expressions_name_what_there_is() {
    let known = names();
    let mut used = BTreeSet::new();
    for rule in rules() {
        let words = rule.expr.split(|c| !is_of_a_name(c));
        let named = words.filter(|word| {
            ["sensor_", "process_", "instance:"].iter().any(|prefix| word.starts_with(prefix))
        });
        for name in named {
            assert!(known.contains(name), "{name} in {}", rule.expr);
            used.insert(name.to_owned());
        }
    }
    assert!(used.len() > 30, "{used:?}");
}

#[test]
fn alerts_say_how_bad_it_is_and_what_to_do() {
    let alerts: Vec<Rule> = rules().into_iter().filter(|rule| rule.alert.is_some()).collect();
    assert!(alerts.len() > 15);
    for rule in alerts {
        let name = rule.alert.unwrap();
        let (labels, annotations) = (rule.labels.unwrap(), rule.annotations.unwrap());
        assert!(["info", "warning", "critical"].contains(&labels.severity.as_str()), "{name}");
        assert!(
            annotations.summary.contains("{{ $labels.instance }}") || annotations.summary.contains("on {{"),
            "{name}"
        );
        assert!(annotations.description.contains("`sensor "), "{name} does not say what to type");
    }
}

/// Each alert is made to fire, and kept from it, in the tests by promtool.
#[test]
fn alerts_are_tested_both_ways() {
    for name in rules().into_iter().filter_map(|rule| rule.alert) {
        let of_it: Vec<&str> = TESTS
            .split("- expr: ")
            .filter(|test| test.starts_with(&format!("ALERTS{{alertname=\"{name}\"")))
            .collect();
        assert!(of_it.iter().any(|test| test.contains("value: 1")), "{name} never fires");
        assert!(of_it.iter().any(|test| test.contains("exp_samples: []")), "{name} always fires");
    }
}
