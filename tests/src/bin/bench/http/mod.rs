//! What seeing HTTP costs: the server that is watched, the daemon that watches, and who replays a capture.

mod conversation;
mod detection;
mod live;
mod memory;
mod pipeline;
mod replay;

use anyhow::Result;

use crate::contest::Effort;
use crate::report::Report;

/// Measures all of it.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    pipeline::measure(report, effort)?;
    detection::measure(report, effort)?;
    memory::measure(report)?;
    replay::measure(report, effort)?;
    live::measure(report, effort)
}
