//! Counts of one minute.

/// Latency buckets, eight per factor of two: up to 2^24 µs, which is 17 s, with a resolution of 9 %.
const BUCKETS: usize = 192;
/// Buckets within a factor of two.
const FINENESS: f64 = 8.0;
/// The share of responses that are faster than a slow one.
const PERCENTILE: f64 = 0.95;

/// Requests of one minute. Memory of 800 B, however many.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    requests: u32,
    errors: u32,
    latencies: [u32; BUCKETS],
}

impl Default for Tally {
    fn default() -> Self {
        Self { requests: 0, errors: 0, latencies: [0; BUCKETS] }
    }
}

impl Tally {
    /// An exchange has finished. Failures are those that the server is to blame for; other detectors handle client
    /// errors.
    pub(super) fn count(&mut self, status: Option<u16>, duration_us: Option<u64>) {
        self.requests = self.requests.saturating_add(1);
        if status.is_some_and(|status| status >= 500) {
            self.errors = self.errors.saturating_add(1);
        }
        if let Some(count) = duration_us.and_then(|us| self.latencies.get_mut(bucket_of(us))) {
            *count = count.saturating_add(1);
        }
    }

    /// This many requests of which nothing else is known.
    #[cfg(test)]
    pub(super) fn with_requests(requests: u32) -> Self {
        Self { requests, ..Self::default() }
    }

    pub(super) const fn requests(&self) -> u32 {
        self.requests
    }

    pub(super) const fn errors(&self) -> u32 {
        self.errors
    }

    /// The 95th percentile of latency in microseconds, the upper edge of its bucket; none if fewer than `least`
    /// are known.
    pub(super) fn slow_us(&self, least: u32) -> Option<f64> {
        let known = self.latencies.iter().fold(0_u32, |sum, &count| sum.saturating_add(count));
        if known < least {
            return None;
        }
        let rank = f64::from(known) * PERCENTILE;
        let mut below = 0.0;
        let at = self.latencies.iter().position(|&count| {
            below += f64::from(count);
            below >= rank
        })?;
        let edge = u32::try_from(at).map_or(f64::MAX, f64::from) + 1.0;
        Some((edge / FINENESS).exp2())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the buckets that there are"
)]
fn bucket_of(us: u64) -> usize {
    const LAST: f64 = (BUCKETS - 1) as f64;
    let us = u32::try_from(us).map_or(f64::MAX, f64::from);
    (us.log2() * FINENESS).clamp(0.0, LAST) as usize
}
