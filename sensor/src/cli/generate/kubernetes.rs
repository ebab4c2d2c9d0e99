//! Rules and dashboards for Kubernetes, in the form that the Prometheus operator and Grafana's sidecar load. They are
//! generated from the files for Prometheus and Grafana elsewhere.

use super::File;
use crate::metrics::{Dashboard, dashboard};

/// What Prometheus reads elsewhere.
const RULES: &str = include_str!("../../../dist/prometheus/sensor.rules.yml");
/// Where the runbooks are on a host that has the package.
pub(super) const RUNBOOKS: &str = "file:///usr/share/doc/sensor/runbooks.md";

/// A PrometheusRule and a ConfigMap. `runbooks`: the URL of a copy of the runbooks. Without one, alerts have no link:
/// their readers in a cluster do not have the package's file.
pub(super) fn manifests(runbooks: Option<&str>) -> Vec<File> {
    vec![File::new("prometheus-rule.yaml", rule(runbooks)), File::new("dashboards.yaml", dashboards())]
}

fn rule(runbooks: Option<&str>) -> String {
    let is_link = |line: &&str| line.trim_start().starts_with("runbook_url:");
    let without = || RULES.lines().filter(|line| !is_link(line)).map(|line| format!("{line}\n")).collect();
    let rules: String = runbooks.map_or_else(without, |url| RULES.replace(RUNBOOKS, url));
    // The comment of the file is about the file.
    let groups = rules.find("groups:\n").and_then(|start| rules.get(start..)).unwrap_or_default();
    format!(
        "# The rules of sensor.rules.yml for the Prometheus operator, from `sensor generate kubernetes`. The alert SensorDown\n\
         # expects the job name `sensor`, which podmonitor.yaml sets. If your Prometheus selects rules by label, add the label.\n\
         # Alerts have a `runbook_url` only with `--runbooks URL`, the URL of your copy of runbooks.md.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: sensor\n  labels:\n    \
         app.kubernetes.io/name: sensor\nspec:\n{}",
        indented(groups, 2)
    )
}

fn dashboards() -> String {
    let mut out = "# Dashboards for Grafana's sidecar, which loads ConfigMaps with this label, from `sensor generate kubernetes`.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: sensor-dashboards\n  labels:\n    app.kubernetes.io/name: \
         sensor\n    grafana_dashboard: \"1\"\ndata:\n"
        .to_owned();
    for which in Dashboard::ALL {
        out.push_str(&format!("  sensor-{}.json: |\n{}", which.name(), indented(&dashboard(which), 4)));
    }
    out
}

/// Indents non-empty lines.
fn indented(text: &str, by: usize) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{:by$}{line}\n", "") };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parsed(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn the_rules_are_those_of_the_file() {
        let made = parsed(&rule(Some(RUNBOOKS)));
        assert_eq!(made["kind"], "PrometheusRule");
        assert_eq!(made["spec"]["groups"], parsed(RULES)["groups"]);
        assert!(made["spec"]["groups"].as_array().unwrap().len() > 3);
    }

    #[test]
    fn the_dashboards_are_those_of_the_files() {
        let made = parsed(&dashboards());
        assert_eq!(made["data"].as_object().unwrap().len(), Dashboard::ALL.len());
        for which in Dashboard::ALL {
            let name = format!("sensor-{}.json", which.name());
            assert_eq!(made["data"][name.as_str()].as_str().unwrap(), dashboard(which));
        }
    }

    #[test]
    fn runbooks_may_be_elsewhere() {
        // In a cluster, a file of the package is nowhere.
        let plain = rule(None);
        assert!(!plain.contains("runbook_url: ") && !plain.contains("file:///"), "{plain}");
        let alerts = |text: &str| text.matches("- alert: ").count();
        assert_eq!(alerts(&plain), alerts(RULES));
        let made = rule(Some("https://wiki.example/runbooks"));
        assert!(!made.contains(RUNBOOKS) && made.contains("https://wiki.example/runbooks#sensordown\n"));
    }
}
