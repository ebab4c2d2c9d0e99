//! The cost of a capture, in CPU time of the thread that reads it.
#![expect(clippy::float_arithmetic, reason = "a measurement is divided by the size of what was measured")]

use std::io::Cursor;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use sensor::capture::file::{CaptureFile, FileConfig};
use sensor::clock::Timestamp;
use sensor::detect::{self, Detectors};
use sensor::event::{Event, Exchange, Held};
use sensor::identity::Key;
use sensor::pipeline::{Config, Observer, Pipeline};

/// How often time passes for detectors, as in the daemon.
const TICK: Duration = Duration::from_secs(1);

/// Runs all detectors.
struct Watch {
    detectors: Detectors,
    exchanges: u64,
    signals: u64,
}

impl Watch {
    fn event(&mut self, event: &Event<'_>) {
        self.signals += self.detectors.observe(event).len() as u64;
    }
}

impl Observer for Watch {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.exchanges += 1;
        self.event(&Event::Exchange(exchange));
    }

    fn held(&mut self, held: &Held) {
        self.event(&Event::Held(held));
    }
}

/// What came of a capture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// CPU time of the reading thread.
    pub time: Duration,
    /// Bytes of the capture.
    pub bytes: usize,
    /// Segments in it.
    pub segments: u64,
    /// Exchanges that were seen.
    pub exchanges: u64,
    /// Signals of detectors.
    pub signals: u64,
}

impl Outcome {
    /// Milliseconds for a megabyte.
    #[must_use]
    pub fn per_megabyte(&self) -> f64 {
        self.time.as_secs_f64() * 1e3 / (self.bytes as f64 / 1e6)
    }
}

/// Reads a capture once, from its first byte to the end of the last connection.
///
/// # Errors
/// If it cannot be read.
pub fn run(capture: &[u8]) -> Result<Outcome> {
    let mut config = Config::default();
    config.streams.seed = Some(0);
    config.streams.server_ports = vec![80];
    let detectors = Detectors::new(&detect::Config { seed: Some(0), ..detect::Config::default() });
    let watch = Watch { detectors, exchanges: 0, signals: 0 };
    let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), watch)?;
    let reader = Cursor::new(capture.to_vec());
    let mut file = CaptureFile::from_reader("memory", reader, &FileConfig::default())?;
    let (mut last, mut ticked) = (Timestamp::default(), Timestamp::default());
    let start = cpu_time()?;
    while let Some(segment) = file.next_segment()? {
        last = segment.time;
        let _nobody_to_instruct = pipeline.segment(&segment);
        if last.since(ticked) >= TICK {
            ticked = last;
            pipeline.advance(last);
            let watch = pipeline.observer_mut();
            watch.signals += watch.detectors.advance(last).len() as u64;
        }
    }
    pipeline.finish(last);
    let time = cpu_time()?.saturating_sub(start);
    let (bytes, segments) = (capture.len(), file.counters().segments);
    let watch = pipeline.observer();
    Ok(Outcome { time, bytes, segments, exchanges: watch.exchanges, signals: watch.signals })
}

/// The least of some rounds, since disturbance only ever adds.
///
/// # Errors
/// As [`run`].
pub fn least(capture: &[u8], rounds: u32) -> Result<Outcome> {
    let mut best: Option<Outcome> = None;
    for _ in 0..rounds.max(1) {
        let outcome = run(capture)?;
        if best.is_none_or(|best| outcome.time < best.time) {
            best = Some(outcome);
        }
    }
    best.context("no round")
}

/// CPU time of this thread so far. Time that others take from it does not count.
fn cpu_time() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}
