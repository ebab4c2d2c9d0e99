//! How long records are read before other work gets a turn.

use std::time::Duration;

/// Records read at once.
const BATCH: usize = 4_096;

/// Records between two readings of the clock.
const STRIDE: usize = 128;

/// Time after which a burst ends, whatever its records cost: their processing may take long, while commands, detectors
/// and the watchdog's pulse wait.
const BURST: Duration = Duration::from_millis(20);

/// Calls `read` with a maximum number of records, again and again, until there are fewer or the time is up; returns
/// their number.
///
/// # Parameters
/// `now`: the time on the monotonic clock. `read`: reads at most this many; returns their number.
pub(super) fn burst(now: impl Fn() -> Duration, mut read: impl FnMut(usize) -> usize) -> usize {
    let end = now().saturating_add(BURST);
    let mut all = 0_usize;
    while all < BATCH {
        let done = read(STRIDE);
        all = all.saturating_add(done);
        if done < STRIDE || now() >= end {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How many records are read of so many, each of which takes so long.
    fn run(records: usize, each: Duration) -> (usize, Duration) {
        let (clock, left) = (Cell::new(Duration::ZERO), Cell::new(records));
        let read = |most: usize| {
            let done = left.get().min(most);
            left.set(left.get() - done);
            clock.set(clock.get() + each * u32::try_from(done).unwrap());
            done
        };
        (burst(|| clock.get(), read), clock.get())
    }

    #[test]
    fn a_burst_ends_by_number_by_time_or_with_the_records() {
        assert_eq!(run(0, Duration::from_micros(1)).0, 0);
        assert_eq!(run(1_000, Duration::from_micros(1)).0, 1_000);
        assert_eq!(run(100_000, Duration::from_micros(1)).0, BATCH);
        // Ten times what a record of ordinary traffic takes.
        let (read, took) = run(100_000, Duration::from_micros(10));
        assert!(read < BATCH && took <= BURST + Duration::from_micros(10) * 128, "{read} in {took:?}");
        // Records that cost as much as none should: no more than one stride is behind.
        let (read, took) = run(100_000, Duration::from_millis(1));
        assert_eq!((read, took), (STRIDE, Duration::from_millis(128)));
    }
}
