//! From segments in memory to exchanges, on one core: what the daemon's thread does behind its ring.

use anyhow::{Result, ensure};
use sensor::event::Exchange;
use sensor::identity::Key;
use sensor::pipeline::{Config, Observer, Pipeline};

use super::conversation::{Conversation, REQUEST, response};
use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::report::{PER_SECOND, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;
const TARGET: f64 = 1_000_000.0;

/// Counts.
#[derive(Default)]
pub(crate) struct Count(pub(crate) u64);

impl Observer for Count {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.0 += u64::from(exchange.status == Some(200));
    }
}

/// A pipeline with defaults.
pub(crate) fn pipeline() -> Result<Pipeline<Count>> {
    Ok(Pipeline::new(&Config::default(), &Key::from_bytes([7; 32]), Count::default())?)
}

/// The best of some rounds.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (2_u32, 200_000_u32) } else { (7, 2_000_000) };
    let response = response(100);
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let mut pipeline = pipeline()?;
        let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
        for conversation in &mut conversations {
            conversation.open(|segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
        let stopwatch = Stopwatch::start();
        for _ in 0..count / CONNECTIONS {
            for conversation in &mut conversations {
                conversation.exchange(REQUEST, &response, |segment| {
                    let _instruction = pipeline.segment(segment);
                });
            }
        }
        let seconds = stopwatch.elapsed().as_secs_f64();
        let expected = u64::from(count / CONNECTIONS * CONNECTIONS);
        ensure!(pipeline.observer().0 == expected, "{} of {expected} exchanges", pipeline.observer().0);
        best = best.min(seconds / f64::from(count));
    }
    let what = "segments in memory to exchanges, one core";
    report.compare(what, (1.0 / best, PER_SECOND), ("target", TARGET), Some(Target::AtLeast(1.0)));
    Ok(())
}
