//! How much may be analysed per second.

use crate::clock::Timestamp;

/// A token bucket of bytes, one second deep. A message that was started is finished, so it may be overdrawn by one
/// message.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: u64,
    left: i64,
    filled: Timestamp,
}

impl Budget {
    pub(super) fn new(per_second: usize) -> Self {
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX).min(1 << 40);
        Self { per_second, left: i64::try_from(per_second).unwrap_or(i64::MAX), filled: Timestamp::default() }
    }

    /// Whether something may be analysed now.
    #[inline]
    pub(super) fn is_open(&mut self, now: Timestamp) -> bool {
        self.left > 0 || self.fill(now)
    }

    #[cold]
    fn fill(&mut self, now: Timestamp) -> bool {
        let passed = now.since(self.filled).as_micros().min(1_000_000);
        let passed = u64::try_from(passed).unwrap_or(0);
        let more = self.per_second.saturating_mul(passed) / 1_000_000;
        // Small time steps accumulate.
        if more > 0 {
            self.filled = now;
        }
        let most = i64::try_from(self.per_second).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(i64::try_from(more).unwrap_or(0)).min(most);
        self.left > 0
    }

    pub(super) fn charge(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub_unsigned(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_comes_back_with_time() {
        let at = |millis: u64| Timestamp::from_unix_micros(1_790_000_000_000_000 + millis * 1_000);
        let mut budget = Budget::new(1_000);
        assert!(budget.is_open(at(0)));
        budget.charge(3_500);
        let opened = (0..20).find(|step| budget.is_open(at(1 + step * 100)));
        assert!(opened.is_some_and(|step| step > 5), "{opened:?}");
    }
}
