//! What is usual at this time of day or of week.

/// Averages by time within a period of `N` slots, each of which learns from its values. Between the middles of two
/// slots the forecast is interpolated, so that it does not jump.
///
/// Values are relative to an origin, the first one, so that single precision suffices for a series far from zero.
#[derive(Clone, Debug)]
pub(super) struct Season<const N: usize> {
    slots: [Slot; N],
    /// Seconds of a slot.
    length: i64,
    /// How far one pass through the period moves a slot with much history.
    rate: f64,
}

/// Passes beyond which a slot's learning rate no longer falls.
pub(super) const ENOUGH: f32 = 15.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slot {
    pub(super) mean: f32,
    /// How often time passed through the slot.
    pub(super) passes: f32,
}

impl<const N: usize> Season<N> {
    pub(super) const fn new(length: i64, rate: f64) -> Self {
        Self { slots: [Slot { mean: 0.0, passes: 0.0 }; N], length, rate }
    }

    /// What was usual at this time; none if it was never seen.
    pub(super) fn expect(&self, second: i64) -> Option<f64> {
        let half = self.length.div_euclid(2);
        let (before, into) = self.place(second.saturating_sub(half));
        let (after, _into) = self.place(second.saturating_add(half));
        let known =
            |slot: Option<&Slot>| slot.filter(|slot| slot.passes > 0.0).map(|slot| f64::from(slot.mean));
        match (known(self.slots.get(before)), known(self.slots.get(after))) {
            (Some(before), Some(after)) => Some(before * (1.0 - into) + after * into),
            (one, other) => one.or(other),
        }
    }

    /// Learns a value; `interval` is the usual time between values, in seconds.
    pub(super) fn observe(&mut self, second: i64, value: f64, interval: f64) {
        let values = (seconds(self.length) / interval.max(1.0)).max(1.0);
        let (at, _into) = self.place(second);
        let rate = self.rate;
        if let Some(slot) = self.slots.get_mut(at) {
            let passes = f64::from(slot.passes) + 1.0 / values;
            let rate = (rate / values).max(1.0 / (passes * values)).min(1.0);
            let mean = f64::from(slot.mean);
            *slot = Slot { mean: single(mean + rate * (value - mean)), passes: single(passes) };
        }
    }

    /// Keeps a fraction of the learned weight, so that new values count more.
    pub(super) fn age(&mut self, keep: f64) {
        for slot in &mut self.slots {
            slot.passes = single(f64::from(slot.passes.min(ENOUGH)) * keep);
        }
    }

    /// All slots, for a file.
    pub(super) const fn slots(&self) -> &[Slot; N] {
        &self.slots
    }

    /// Slots from a file.
    pub(super) const fn slots_mut(&mut self) -> &mut [Slot; N] {
        &mut self.slots
    }

    /// The slot of a moment, and the elapsed share of it.
    fn place(&self, second: i64) -> (usize, f64) {
        let slots = i64::try_from(N).unwrap_or(i64::MAX);
        let within = second.rem_euclid(self.length.saturating_mul(slots));
        let slot = usize::try_from(within.div_euclid(self.length)).unwrap_or_default();
        (slot, seconds(within.rem_euclid(self.length)) / seconds(self.length))
    }
}

/// At most the seconds of a week, so exact.
fn seconds(count: i64) -> f64 {
    i32::try_from(count).map_or(0.0, f64::from)
}

/// The nearest single-precision number, which is finite.
#[expect(clippy::cast_possible_truncation, reason = "what is beyond is the greatest that there is")]
pub(super) const fn single(value: f64) -> f32 {
    value.clamp(-3e38, 3e38) as f32
}
