//! Serialises a baseline for a file: some 2 KB, a sixth of its size in JSON.
//!
//! Little endian, in the order of [`write`]. Files may contain anything, so input is checked: a baseline is accepted
//! whole or not at all.

use super::forecast::Forecast;
use super::predictive::Predictive;
use super::season::{Season, Slot};
use super::{Baseline, MOST};

/// Resolution of how often time passed through a slot of a season; beyond 15 times nothing changes.
const PASSES: f32 = 16.0;
/// More values than any series has in the time it is observed: one a second for a century.
const MOST_SEEN: f64 = 4e9;

/// Takes bytes from the front; empties the input if it is too short.
pub(super) struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A number within bounds.
    fn number(&mut self, least: f64, most: f64) -> Option<f64> {
        let number = f64::from_le_bytes(self.take()?);
        (least..=most).contains(&number).then_some(number)
    }

    fn single(&mut self, least: f32, most: f32) -> Option<f32> {
        let number = f32::from_le_bytes(self.take()?);
        (least..=most).contains(&number).then_some(number)
    }
}

pub(super) fn write(baseline: &Baseline, out: &mut Vec<u8>) {
    let Baseline { forecast, deviations, drift, last, interval, step, refractory } = baseline;
    let (second, value) = last.unwrap_or_default();
    for number in [*drift, second, value, *interval, *step, *refractory] {
        out.extend(number.to_le_bytes());
    }
    let Forecast { seen, origin, last, short, long, day, week, errors, usual } = forecast;
    for number in [*seen, *origin, *last, *short, *long, usual.0, usual.1].iter().chain(errors) {
        out.extend(number.to_le_bytes());
    }
    write_season(day, out);
    write_season(week, out);
    for history in deviations {
        let (first, weights) = history.weights();
        out.extend(first.to_le_bytes());
        out.extend(u16::try_from(weights.len()).unwrap_or_default().to_le_bytes());
        weights.for_each(|weight| out.extend(weight.to_le_bytes()));
    }
}

fn write_season<const N: usize>(season: &Season<N>, out: &mut Vec<u8>) {
    for Slot { mean, passes } in season.slots() {
        out.extend(mean.to_le_bytes());
        out.push(sixteenths(*passes));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a byte holds")]
fn sixteenths(passes: f32) -> u8 {
    // If time passed at all, it was at least a sixteenth.
    (passes * PASSES).ceil().clamp(0.0, 255.0) as u8
}

pub(super) fn read(bytes: &[u8]) -> Option<Baseline> {
    let mut bytes = Bytes(bytes);
    let any = |bytes: &mut Bytes<'_>| bytes.number(-2.0 * MOST, 2.0 * MOST);
    let size = |bytes: &mut Bytes<'_>| bytes.number(0.0, 2.0 * MOST);
    let drift = any(&mut bytes)?;
    let last = (size(&mut bytes)?, any(&mut bytes)?);
    let (interval, step, refractory) = (size(&mut bytes)?, size(&mut bytes)?, bytes.number(0.0, 100.0)?);
    let mut forecast = Forecast::new();
    forecast.seen = bytes.number(0.0, MOST_SEEN)?;
    for level in [&mut forecast.origin, &mut forecast.last, &mut forecast.short, &mut forecast.long] {
        *level = any(&mut bytes)?;
    }
    forecast.usual = (size(&mut bytes)?, size(&mut bytes)?);
    for error in &mut forecast.errors {
        *error = size(&mut bytes)?;
    }
    read_season(&mut forecast.day, &mut bytes)?;
    read_season(&mut forecast.week, &mut bytes)?;
    let deviations = [read_history(&mut bytes)?, read_history(&mut bytes)?];
    let last = (forecast.seen > 0.0).then_some(last);
    bytes.0.is_empty().then_some(Baseline { forecast, deviations, drift, last, interval, step, refractory })
}

fn read_season<const N: usize>(season: &mut Season<N>, bytes: &mut Bytes<'_>) -> Option<()> {
    for slot in season.slots_mut() {
        let mean = bytes.single(-3e38, 3e38)?;
        let [passes] = bytes.take()?;
        *slot = Slot { mean, passes: f32::from(passes) / PASSES };
    }
    Some(())
}

fn read_history(bytes: &mut Bytes<'_>) -> Option<Predictive> {
    let first = u16::from_le_bytes(bytes.take()?);
    let count = u16::from_le_bytes(bytes.take()?);
    let weights: Option<Vec<f32>> = (0..count).map(|_| bytes.single(0.0, 1e6)).collect();
    Predictive::with_weights(first, &weights?)
}
