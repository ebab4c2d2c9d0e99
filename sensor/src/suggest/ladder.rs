//! The rates at which needs are measured.

use sensor_common::abi::Dimension;
use sensor_common::limit::{Period, Rate};

/// Rates of a dimension: 1, 2, 5, 10, … over five decades.
pub(super) const RUNGS: usize = 16;

const STEPS: [u64; RUNGS] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/// The lowest rate of a dimension. Packets and bits are per second, as for links; connections and requests per minute,
/// as people speak of them.
const fn base(dimension: Dimension) -> (u64, Period) {
    match dimension {
        Dimension::Packets => (10, Period::Second),
        Dimension::Bits => (100_000, Period::Second),
        Dimension::Connections | Dimension::Requests => (10, Period::Minute),
    }
}

/// Units per period on a rung; the highest one if there is no such rung.
pub(super) fn count(dimension: Dimension, rung: usize) -> (u64, Period) {
    let (base, period) = base(dimension);
    let step = STEPS.get(rung).or(STEPS.last()).copied().unwrap_or(1);
    (base.saturating_mul(step), period)
}

/// Units per second on every rung.
pub(super) fn per_second(dimension: Dimension) -> [f32; RUNGS] {
    std::array::from_fn(|rung| {
        let (count, period) = count(dimension, rung);
        approximate(count) / approximate(seconds(period))
    })
}

/// The highest rung whose rate does not exceed this one; none if even the lowest does.
pub(super) fn rung_below(dimension: Dimension, rate: Rate) -> Option<usize> {
    let own = |count: u64, period: Period| u128::from(count).saturating_mul(u128::from(period.nanoseconds()));
    // count / period <= rate.count / rate.period, without a division.
    (0..RUNGS).rev().find(|rung| {
        let (count, period) = count(dimension, *rung);
        own(count, rate.period()) <= own(rate.count(), period)
    })
}

pub(super) const fn seconds(period: Period) -> u64 {
    match period {
        Period::Second => 1,
        Period::Minute => 60,
        Period::Hour => 3_600,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a level is kept to seven digits, far better than a sketch")]
pub(super) const fn approximate(number: u64) -> f32 {
    number as f32
}
