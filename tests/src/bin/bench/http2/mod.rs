//! What seeing HTTP/2 costs: from segments to exchanges, in clear text and in TLS; idle connections; the server that is
//! watched; and how soon a client that resets its streams is blocked.

mod live;
mod memory;
mod pipeline;
mod reset;

use anyhow::{Context as _, Result, ensure};

use crate::contest::Effort;
use crate::report::Report;

type Measure = fn(&mut Report, Effort) -> Result<()>;

/// The parts, in the order in which they are measured.
const PARTS: [(&str, Measure); 4] = [
    ("pipeline", pipeline::measure),
    ("memory", |report, _| memory::measure(report)),
    ("live", live::measure),
    ("reset", reset::measure),
];

/// Measures all of it, or the parts that have `only` in their names.
pub(crate) fn measure(report: &mut Report, effort: Effort, only: &str) -> Result<()> {
    let names = PARTS.map(|(name, _)| name).join(", ");
    ensure!(PARTS.iter().any(|(name, _)| name.contains(only)), "no part is called `{only}`: {names}");
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| name.contains(only)) {
        measure(report, effort).context(name)?;
    }
    Ok(())
}
