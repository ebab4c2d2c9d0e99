//! What seeing HTTP costs: the server that is watched, the daemon that watches, and who replays a capture; and how
//! soon an attacker is answered.

mod authorization;
pub(crate) mod conversation;
pub(crate) mod detection;
mod inspection;
pub(crate) mod live;
mod memory;
pub(crate) mod pipeline;
mod posture;
mod replay;
pub(crate) mod response;

use anyhow::{Context as _, Result, ensure};

use crate::contest::Effort;
use crate::report::Report;

pub(crate) use conversation::Conversation;
pub(crate) use live::median;
pub(crate) use pipeline::{Count, pipeline};
pub(crate) use response::{CONFIG as NO_LIMITS_NO_SWITCHES, Histogram};

type Measure = fn(&mut Report, Effort) -> Result<()>;

/// The parts, in the order in which they are measured.
const PARTS: [(&str, Measure); 9] = [
    ("pipeline", pipeline::measure),
    ("detection", detection::measure),
    ("authorization", authorization::measure),
    ("inspection", inspection::measure),
    ("posture", posture::measure),
    ("memory", |report, _| memory::measure(report)),
    ("replay", replay::measure),
    ("live", live::measure),
    ("response", response::measure),
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
