//! What a fleet costs, and how fast it is: a block on its way to other hosts, the server that they meet at, the hosts after
//! it was away, and detectors that tell others.

mod engine;
mod hosts;
mod limits;
mod resp;

use anyhow::{Context as _, Result, ensure};

use crate::command;
use crate::contest::Effort;
use crate::http::detection;
use crate::report::Report;

type Measure = fn(&mut Report, Effort) -> Result<()>;

/// The parts, in the order in which they are measured.
const PARTS: [(&str, Measure); 4] = [
    ("hosts", hosts::measure),
    ("engine", engine::measure),
    ("limits", limits::measure),
    ("telling", detection::telling),
];

/// Measures all of it, or the parts that have `only` in their names.
pub(crate) fn measure(report: &mut Report, effort: Effort, only: &str) -> Result<()> {
    let names = PARTS.map(|(name, _)| name).join(", ");
    ensure!(PARTS.iter().any(|(name, _)| name.contains(only)), "no part is called `{only}`: {names}");
    if !command::exists("redis-server") {
        report.note("redis-server IS NOT INSTALLED: the fleet was not measured");
        return Ok(());
    }
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| name.contains(only)) {
        measure(report, effort).context(name)?;
    }
    Ok(())
}
