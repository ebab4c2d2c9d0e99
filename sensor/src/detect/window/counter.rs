//! How often something happened within a window.

use super::slots::Slots;
use super::{Moment, Span};

/// A sliding count, 40 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counter(Slots<u32>);

impl Counter {
    /// It happened once more.
    pub(crate) fn add(&mut self, now: Moment, span: Span) {
        self.0.change(now, span, |count| *count = count.saturating_add(1));
    }

    /// How often it happened.
    pub(crate) fn count(&self, now: Moment, span: Span) -> u32 {
        self.0.live(now, span).fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Never less than happened within the span, never more than within the span and a seventh of it (rounded
        /// up to the next millisecond in each part).
        #[test]
        fn it_lies_between_two_exact_windows(
            span_ms in 7_u64..20_000,
            steps in prop::collection::vec(0_u64..5_000, 1..120),
            rest in 0_u64..30_000,
        ) {
            let span = Span::of(Duration::from_millis(span_ms));
            let mut counter = Counter::default();
            let mut times = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                times.push(now);
                counter.add(Moment::from_millis(now), span);
            }
            now += rest;
            let within = |width: u64| times.iter().map(|time| u32::from(now - time < width)).sum::<u32>();
            let count = counter.count(Moment::from_millis(now), span);
            let longest = span_ms.div_ceil(7) * 8;
            prop_assert!(within(span_ms) <= count && count <= within(longest),
                "{} <= {count} <= {}", within(span_ms), within(longest));
        }
    }

    #[test]
    fn a_moment_out_of_order_counts_as_the_latest() {
        let span = Span::of(Duration::from_secs(70));
        let mut counter = Counter::default();
        counter.add(Moment::from_millis(500_000), span);
        counter.add(Moment::from_millis(0), span);
        assert_eq!(counter.count(Moment::from_millis(500_000), span), 2);
        assert_eq!(counter.count(Moment::from_millis(u64::MAX), span), 0);
    }
}
