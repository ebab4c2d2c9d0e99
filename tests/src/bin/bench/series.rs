//! What a value of a series costs the detector of spikes, and what a series takes of memory.

use anyhow::{Result, ensure};
use sensor::clock::Timestamp;
use sensor::detect::baseline::Baseline;
use sensor_tests::process::resident;

use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::report::{BYTES, NS, Report, Target};

/// A microsecond.
const MOST_NS: f64 = 1_000.0;
/// 5 KB.
const MOST_BYTES: f64 = 5_000.0;
/// Minutes of a week.
const VALUES: u32 = 10_080;
/// Series side by side: enough that what the process takes for other things does not count.
const SERIES: u32 = 2_000;

/// Measures values of every kind after a week of the like, and thousands of series at once.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    for (what, kind) in [
        ("a value of a series", (|baseline, at, value| baseline.observe(at, value).anomaly) as Observe),
        ("a count of events", |baseline, at, value| baseline.observe_count(at, whole(value)).anomaly),
        ("a share of events", |baseline, at, value| {
            baseline.observe_share(at, whole(value) / 20, 2_000).anomaly
        }),
    ] {
        let mut least = f64::MAX;
        for round in 0..effort.rounds {
            least = least.min(a_week(kind, u64::from(round))?);
        }
        report.compare(what, (least, NS), ("budget", MOST_NS), Some(Target::AtMost(1.0)));
    }
    let before = resident(std::process::id())?;
    let mut all: Vec<Baseline> = (0..SERIES).map(|_| Baseline::new()).collect();
    for (number, baseline) in (0_u64..).zip(&mut all) {
        for minute in 0..60 {
            baseline.observe(at(minute), value(u64::from(minute) + number));
        }
    }
    let grown = resident(std::process::id())?.saturating_sub(before);
    ensure!(all.len() == SERIES as usize, "all are still there");
    let each = grown as f64 / f64::from(SERIES);
    report.compare("a series", (each, BYTES), ("budget", MOST_BYTES), Some(Target::AtMost(1.0)));
    Ok(())
}

type Observe = fn(&mut Baseline, Timestamp, f64) -> f64;

/// Nanoseconds for each value of a second week; the first one fills the history.
fn a_week(observe: Observe, seed: u64) -> Result<f64> {
    let mut baseline = Baseline::new();
    let mut sum = 0.0;
    for minute in 0..VALUES {
        sum += observe(&mut baseline, at(minute), value(seed ^ u64::from(minute)));
    }
    let begin = Stopwatch::start();
    for minute in VALUES..2 * VALUES {
        sum += observe(&mut baseline, at(minute), value(seed ^ u64::from(minute)));
    }
    let taken = begin.elapsed().as_nanos() as f64 / f64::from(VALUES);
    ensure!(sum.is_finite(), "scores are numbers");
    Ok(taken)
}

fn at(minute: u32) -> Timestamp {
    Timestamp::from_unix_nanos((1_767_571_200 + u64::from(minute) * 60) * 1_000_000_000)
}

/// Around 2,000, and now and then far off (splitmix64).
fn value(index: u64) -> f64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let uniform = f64::from((bits >> 40) as u32) / f64::from(1_u32 << 24);
    2_000.0 + 100.0 * (uniform / (1.0 - uniform)).ln()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a count holds")]
fn whole(value: f64) -> u32 {
    value.clamp(0.0, 4e9) as u32
}
