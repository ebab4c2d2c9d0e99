//! What idle keep-alive connections take of the daemon's memory.

use anyhow::{Result, ensure};
use sensor_tests::process::resident;

use super::conversation::{Conversation, REQUEST, response};
use super::pipeline::pipeline;
use crate::plane::ratio;
use crate::report::{MIB, Report, Target};

const CONNECTIONS: u32 = 100_000;
const BUDGET: f64 = 64.0;

/// The growth of this process over 100,000 connections with one exchange each.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let response = response(100);
    let mut pipeline = pipeline()?;
    let before = resident(std::process::id())?;
    for number in 0..CONNECTIONS {
        let mut conversation = Conversation::new(number);
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
        conversation.exchange(REQUEST, &response, |segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let grown = resident(std::process::id())?.saturating_sub(before);
    ensure!(pipeline.streams().active == u64::from(CONNECTIONS), "{} connections", pipeline.streams().active);
    let what = "100,000 idle keep-alive connections";
    report.compare(what, (ratio(grown, 1 << 20), MIB), ("budget", BUDGET), Some(Target::AtMost(1.0)));
    Ok(())
}
