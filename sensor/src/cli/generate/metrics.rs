//! The reference of the metrics.

use std::collections::BTreeSet;

use anyhow::Result;

use super::text::{HEADER, code, table};
use crate::metrics::{Snapshot, families, labels, render};

const INTRODUCTION: &str = "\
# Metrics

`http://127.0.0.1:9797/metrics` in Prometheus text format; `[web] listen_address` changes the address. Units are base
units; counters start at zero with the daemon, except those kept in the kernel, which outlive it. No label holds an
address, a user or a request's path, only the values listed here, the names of the served interfaces and the paths of the
configured access logs.
";

/// # Errors
/// If the process's own metrics cannot be rendered.
pub(super) fn markdown() -> Result<String> {
    let labels = labels();
    let rows = families().into_iter().map(|family| {
        let labels = labels.get(family.name).map(Vec::as_slice).unwrap_or_default();
        let labels: Vec<String> = labels.iter().map(|(name, values)| label(name, values)).collect();
        vec![code(family.name), family.kind.to_owned(), labels.join("\n\n"), family.help]
    });
    let mut out = format!("{HEADER}{INTRODUCTION}\n");
    out.push_str(&table(&["family", "type", "labels", "meaning"], rows));
    out.push_str("\n## Process metrics\n\n");
    let rendered = render(&Snapshot::default())?;
    let process = rendered.lines().filter_map(|line| line.strip_prefix("# HELP process_")?.split_once(' '));
    let rows = process.map(|(name, help)| vec![code(&format!("process_{name}")), help.to_owned()]);
    out.push_str(&table(&["family", "meaning"], rows));
    Ok(out)
}

fn label(name: &str, values: &BTreeSet<String>) -> String {
    if values.is_empty() {
        return code(name);
    }
    let values: Vec<String> = values.iter().map(|value| code(value)).collect();
    format!("{}: {}", code(name), values.join(", "))
}
