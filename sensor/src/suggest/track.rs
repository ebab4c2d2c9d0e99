//! One tracked client.

use sensor_common::abi::Dimension;

use super::ladder::{self, RUNGS, approximate};

/// Levels and peaks of one dimension.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    level: [f32; RUNGS],
    peak: [f32; RUNGS],
    /// Units in this period.
    units: u64,
}

impl Levels {
    /// `units` arrived within `seconds`, at unknown times.
    ///
    /// The times are assumed to be those that need the most: for the peak, everything arrived before anything drained;
    /// for the remaining level, everything at the end. So a need is never underestimated, and overestimated by at most
    /// what the rate admits in two samples.
    pub(super) fn step(&mut self, units: u64, seconds: f32, rates: &[f32; RUNGS]) {
        self.units = self.units.saturating_add(units);
        let arrived = approximate(units);
        for ((level, peak), rate) in self.level.iter_mut().zip(&mut self.peak).zip(rates) {
            *peak = peak.max(*level + arrived);
            *level = (*level - rate * seconds).max(0.0) + arrived;
        }
    }

    const fn is_idle(&self, units: u64) -> bool {
        // The lowest rung drains last.
        units == 0 && self.level[0] == 0.0
    }

    /// The burst needed on each rung, and the units sent; nothing if none were.
    pub(super) fn needs(&self) -> Option<([f32; RUNGS], u64)> {
        (self.units > 0).then_some((self.peak, self.units))
    }

    fn begin_period(&mut self) {
        self.peak = [0.0; RUNGS];
        self.units = 0;
    }
}

/// One client.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// Totals since admission, as last read.
    totals: [u64; 4],
    drops: u64,
    /// By dimension; empty for those that the client never used.
    pub(super) levels: [Option<Box<Levels>>; 4],
    /// It went over a limit in this period.
    pub(super) limited: bool,
    /// It is blocked, or was in this period.
    pub(super) blocked: bool,
    /// No limit applies to it.
    pub(super) allowed: bool,
    /// The sample that saw it last.
    pub(super) seen: u64,
}

/// Connections are counted modulo this.
const CONNECTIONS: u64 = sensor_common::abi::SlotDetails::CONNECTIONS_MODULO;

impl Track {
    /// A client that existed before tracking: what it sent until then was sent at an unknown time.
    pub(super) fn known(totals: [u64; 4], drops: u64) -> Self {
        Self { totals, drops, ..Self::default() }
    }

    /// The next totals; `seconds` is `None` if the time since the last ones is unknown.
    pub(super) fn update(
        &mut self,
        totals: [u64; 4],
        drops: u64,
        seconds: Option<f32>,
        rates: &[[f32; RUNGS]; 4],
    ) {
        let [packets, ..] = totals;
        let [packets_before, ..] = self.totals;
        // Fewer packets than before: it was evicted and admitted again in between.
        let anew = packets < packets_before || drops < self.drops;
        let (before, drops_before) = if anew { ([0; 4], 0) } else { (self.totals, self.drops) };
        self.limited |= drops > drops_before;
        (self.totals, self.drops) = (totals, drops);
        let Some(seconds) = seconds else { return };
        for (place, dimension) in Dimension::ALL.into_iter().enumerate() {
            let of = |all: &[u64; 4]| all.get(place).copied().unwrap_or(0);
            let units = match dimension {
                Dimension::Connections => {
                    of(&totals).wrapping_sub(of(&before)).checked_rem(CONNECTIONS).unwrap_or(0)
                }
                Dimension::Packets | Dimension::Bits | Dimension::Requests => {
                    of(&totals).saturating_sub(of(&before))
                }
            };
            let (Some(levels), Some(rates)) = (self.levels.get_mut(place), rates.get(place)) else {
                continue;
            };
            match levels {
                Some(levels) if !levels.is_idle(units) => levels.step(units, seconds, rates),
                None if units > 0 => levels.get_or_insert_default().step(units, seconds, rates),
                Some(_) | None => {}
            }
        }
    }

    /// Starts a new period of peaks; levels continue.
    pub(super) fn begin_period(&mut self) {
        self.limited = false;
        self.blocked = false;
        self.levels.iter_mut().flatten().for_each(|levels| levels.begin_period());
    }
}

/// Rates of all dimensions and rungs.
pub(super) fn all_rates() -> [[f32; RUNGS]; 4] {
    Dimension::ALL.map(ladder::per_second)
}
