//! Monotonic time derived from civil time, which may be stepped.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::duration::milliseconds;

/// A moment of steady time, in milliseconds since the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// So many milliseconds after the first event.
    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the first event.
    pub(crate) const fn millis(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero where that is not earlier.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Events come nearly in order: a time that is earlier by no more than this belongs to a late event; if by more, the
/// clock was set back.
const DISORDER: Duration = Duration::from_secs(10);

/// Converts civil time to steady time. If the clock is set back, steady time stops for no longer than the disorder of
/// events; if it is set forward, things look old, so that detectors forget, which accuses nobody.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steady {
    civil: Option<Timestamp>,
    elapsed: Duration,
}

impl Steady {
    /// One with time before the first event: for what an earlier run remembered.
    pub(crate) const fn after(past: Duration) -> Self {
        Self { civil: None, elapsed: past }
    }

    /// The steady time of an event, or of now.
    pub(crate) fn at(&mut self, civil: Timestamp) -> Moment {
        let latest = *self.civil.get_or_insert(civil);
        if civil >= latest {
            self.elapsed = self.elapsed.saturating_add(civil.since(latest));
            self.civil = Some(civil);
        } else if latest.since(civil) > DISORDER {
            self.civil = Some(civil);
        }
        Moment(milliseconds(self.elapsed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_clock_set_back_costs_nothing_and_disorder_does_not_add_up() {
        let mut steady = Steady::default();
        // Civil seconds, then steady milliseconds.
        for (civil, expected) in [
            (1_000, 0),
            (1_005, 5_000),
            (1_003, 5_000),
            (1_006, 6_000),
            (100, 6_000),
            (101, 7_000),
            (9_101, 9_007_000),
        ] {
            assert_eq!(steady.at(seconds(civil)).millis(), expected, "at {civil}");
        }
    }

    proptest! {
        #[test]
        fn it_never_goes_back(times in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut steady = Steady::default();
            let moments: Vec<Moment> = times.iter().map(|time| steady.at(Timestamp::from_unix_nanos(*time))).collect();
            prop_assert!(moments.is_sorted());
        }
    }
}
