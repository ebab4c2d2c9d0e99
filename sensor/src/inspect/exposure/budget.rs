//! Which responses are scanned if not all can be.
//!
//! While more than half of the allowance is left, all are scanned. Below that, each route is sampled once per 100 ms, so a
//! busy route does not starve quiet ones.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::clock::Timestamp;

/// Slots for routes; colliding routes share one.
const SLOTS: usize = 1_024;
/// Interval between samples of a route when the allowance is low.
const PAUSE: Duration = Duration::from_millis(100);
const SECOND: u64 = 1_000_000_000;

/// A token bucket of bytes, one second deep.
pub(super) struct Allowance {
    per_second: u64,
    left: u64,
    filled: Timestamp,
    hasher: RandomState,
    read: Box<[Timestamp]>,
}

impl Allowance {
    pub(super) fn new(per_second: usize) -> Self {
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX).min(1 << 40);
        let read = vec![Timestamp::default(); SLOTS].into_boxed_slice();
        Self { per_second, left: per_second, filled: Timestamp::default(), hasher: RandomState::new(), read }
    }

    /// Whether a response of a route may be scanned now.
    pub(super) fn admits(&mut self, route: Option<&str>, now: Timestamp) -> bool {
        self.fill(now);
        let half = self.per_second / 2;
        if self.left > half {
            return true;
        }
        if self.left == 0 {
            return false;
        }
        let slot = usize::try_from(self.hasher.hash_one(route)).unwrap_or_default() % SLOTS;
        let Some(last) = self.read.get_mut(slot) else { return false };
        let is_due = now.since(*last) >= PAUSE || now < *last;
        if is_due {
            *last = now;
        }
        is_due
    }

    /// Charges what was scanned.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.since(self.filled).as_nanos()).unwrap_or(u64::MAX).min(SECOND);
        let more = self.per_second.saturating_mul(passed) / SECOND;
        // Civil time may have been set back; small steps add up.
        if more > 0 || now < self.filled {
            self.filled = now;
            self.left = self.left.saturating_add(more).min(self.per_second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_route_leaves_something_to_others() {
        let at = |micros: u64| Timestamp::from_unix_micros(1_790_000_000_000_000 + micros);
        let mut allowance = Allowance::new(1_000_000);
        let (mut busy, mut seldom) = (0, 0);
        for step in 0..100_000_u64 {
            if allowance.admits(Some("/busy"), at(step * 10)) {
                allowance.charge(1_000);
                busy += 1;
            }
            if step % 1_000 == 0 && allowance.admits(Some("/seldom"), at(step * 10)) {
                allowance.charge(1_000);
                seldom += 1;
            }
        }
        assert!(seldom >= 9, "{seldom} of 100, one in each tenth of a second at least");
        assert!((900..2_200).contains(&busy), "{busy} kilobytes in a second");
    }
}
