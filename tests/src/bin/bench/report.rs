//! What was measured, as a table for people and as JSON for records.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::contest::Effort;

/// The results of one run of the benchmark.
#[derive(Serialize)]
pub(crate) struct Report {
    cpu: String,
    kernel: String,
    quick: bool,
    rows: Vec<Row>,
    notes: Vec<String>,
    /// Every round of every program, in nanoseconds a run.
    rounds: BTreeMap<String, Vec<u32>>,
}

/// One line of the table.
#[derive(Serialize)]
pub(crate) struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    reference: Option<Reference>,
}

/// What a value is compared with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reference {
    name: String,
    value: f64,
    ratio: f64,
    target: Option<Target>,
    met: Option<bool>,
}

/// What a ratio should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Up to this.
    AtMost(f64),
    /// Less than this.
    Below(f64),
    /// This or more.
    AtLeast(f64),
    /// Between both.
    Within(f64, f64),
}

impl Target {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::Below(bound) => ratio < bound,
            Self::AtLeast(bound) => ratio >= bound,
            Self::Within(least, most) => (least..=most).contains(&ratio),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(out, "<= {bound}"),
            Self::Below(bound) => write!(out, "< {bound}"),
            Self::AtLeast(bound) => write!(out, ">= {bound}"),
            Self::Within(least, most) => write!(out, "{least} to {most}"),
        }
    }
}

/// Nanoseconds for one packet.
pub(crate) const NS: &str = "ns";
/// Dropped packets a second, in millions.
pub(crate) const MPPS: &str = "Mpps";
/// Memory.
pub(crate) const MIB: &str = "MiB";
/// Throughput.
pub(crate) const MIB_PER_SECOND: &str = "MiB/s";
/// Memory, of small things.
pub(crate) const BYTES: &str = "B";
/// Requests or exchanges in a second.
pub(crate) const PER_SECOND: &str = "/s";
/// Time, in milliseconds.
pub(crate) const MS: &str = "ms";
/// Time, in microseconds.
pub(crate) const US: &str = "us";
/// Hundredths.
pub(crate) const PERCENT: &str = "%";
/// Machine instructions.
pub(crate) const INSTRUCTIONS: &str = "instructions";
/// CPU time for a megabyte of a capture, in milliseconds.
pub(crate) const MS_PER_MB: &str = "ms/MB";
/// Things counted.
pub(crate) const CLIENTS: &str = "clients";
/// The same.
pub(crate) const REQUESTS: &str = "requests";

impl Report {
    /// An empty report on this machine.
    pub(crate) fn new(effort: Effort) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let mut models = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name"));
        let cpu = models.next().map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':']));
        let kernel = sensor::kernel::probe::kernel_release().to_string();
        let (rows, notes, rounds) = (Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Self { cpu: cpu.to_owned(), kernel, quick: effort.quick, rows, notes, rounds })
    }

    /// Adds a value that is compared with nothing.
    pub(crate) fn value(&mut self, what: &str, value: f64, unit: &'static str) {
        self.rows.push(Row { what: what.to_owned(), value, unit, reference: None });
    }

    /// Adds a value beside a reference of the same unit.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        (value, unit): (f64, &'static str),
        (name, reference): (&str, f64),
        target: Option<Target>,
    ) {
        let ratio = value / reference;
        let met = target.map(|target| target.is_met(ratio));
        let reference = Reference { name: name.to_owned(), value: reference, ratio, target, met };
        self.rows.push(Row { what: what.to_owned(), value, unit, reference: Some(reference) });
    }

    /// Adds a remark below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Keeps the rounds of one program for the record.
    pub(crate) fn note_rounds(&mut self, name: &str, times: Vec<u32>) {
        self.rounds.entry(name.to_owned()).or_default().extend(times);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}, Linux {}", self.cpu, self.kernel)?;
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["packet", "measured", "compared with", "reference", "ratio", "target", "met"]);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        for column in [1, 3, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(out, "{table}")?;
        for note in &self.notes {
            writeln!(out, "- {note}")?;
        }
        if self.quick {
            writeln!(out, "- a quick look: measure without --quick for a record")?;
        }
        Ok(())
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let measured = shown(self.value, self.unit);
        let Some(reference) = &self.reference else {
            return [&self.what, measured.as_str(), "", "", "", "", ""].map(str::to_owned);
        };
        let met = reference.met.map_or("", |met| if met { "yes" } else { "NO" });
        [
            self.what.clone(),
            measured,
            reference.name.clone(),
            shown(reference.value, self.unit),
            format!("{:.2}", reference.ratio),
            reference.target.map_or_else(String::new, |target| target.to_string()),
            met.to_owned(),
        ]
    }
}

fn shown(value: f64, unit: &str) -> String {
    let digits = if [MPPS, MS, US, MS_PER_MB, PERCENT].contains(&unit) { 2 } else { 0 };
    format!("{value:.digits$} {unit}")
}
