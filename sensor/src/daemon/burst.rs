//! How long records are read before anything else has its turn.

use std::time::Duration;

/// Records read in one go.
const BATCH: usize = 4_096;

/// Records between two looks at the clock.
const STRIDE: usize = 128;

/// Time after which a burst ends, whatever its records cost: what they bring may take long, and commands, detectors and
/// the watchdog's pulse wait meanwhile.
const BURST: Duration = Duration::from_millis(20);

/// Has at most so many records read as it is told, again and again, until there are fewer or it was enough; how many
/// there were.
///
/// # Parameters
/// `now`: the time on the monotonic clock. `read`: reads at most so many; how many there were.
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
