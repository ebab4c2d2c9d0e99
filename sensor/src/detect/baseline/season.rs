//! What is usual at this time of the day or of the week.

/// Averages by time within a period of `N` slots, each of which learns from the values that fall into it. Between the
/// middles of two slots the expectation is interpolated, so it does not jump.
#[derive(Clone, Debug)]
pub(super) struct Season<const N: usize> {
    slots: [Slot; N],
    /// Seconds of a slot.
    length: i64,
    /// How far one pass through the period moves a slot that has seen many.
    rate: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    mean: f64,
    /// How often time passed through it.
    passes: f64,
}

impl<const N: usize> Season<N> {
    pub(super) const fn new(length: i64, rate: f64) -> Self {
        Self { slots: [Slot { mean: 0.0, passes: 0.0 }; N], length, rate }
    }

    /// What was usual at this time; none where it was never seen.
    pub(super) fn expect(&self, second: i64) -> Option<f64> {
        let half = self.length.div_euclid(2);
        let (before, into) = self.place(second.saturating_sub(half));
        let (after, _into) = self.place(second.saturating_add(half));
        let known = |slot: Option<&Slot>| slot.filter(|slot| slot.passes > 0.0).map(|slot| slot.mean);
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
            slot.passes += 1.0 / values;
            let rate = (rate / values).max(1.0 / (slot.passes * values)).min(1.0);
            slot.mean += rate * (value - slot.mean);
        }
    }

    /// The slot of a moment, and which share of it has passed.
    fn place(&self, second: i64) -> (usize, f64) {
        let slots = i64::try_from(N).unwrap_or(i64::MAX);
        let within = second.rem_euclid(self.length.saturating_mul(slots));
        let slot = usize::try_from(within.div_euclid(self.length)).unwrap_or_default();
        (slot, seconds(within.rem_euclid(self.length)) / seconds(self.length))
    }
}

/// At most the seconds of a week: exact.
fn seconds(count: i64) -> f64 {
    i32::try_from(count).map_or(0.0, f64::from)
}
