//! Pauses between attempts.

use std::time::Duration;

use crate::duration::doubled;

/// The pause after a failed attempt, counted from 0: `first`, doubled for each earlier attempt, up to `most`;
/// of that at least half, the rest random. The fixed half gives a receiver that comes back some rest, and the random
/// half keeps many hosts from retrying together.
pub(super) fn pause(failed: u32, first: Duration, most: Duration, jitter: u16) -> Duration {
    let whole = doubled(first, failed, most);
    let half = whole.checked_div(2).unwrap_or_default();
    let share = half.saturating_mul(u32::from(jitter)).checked_div(u32::from(u16::MAX));
    half.saturating_add(share.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pause = |failed, jitter| {
            pause(failed, Duration::from_millis(500), Duration::from_secs(60), jitter).as_millis()
        };
        assert_eq!(
            [0, 1, 2, 6, 7, 99, u32::MAX].map(|failed| pause(failed, u16::MAX)),
            [500, 1_000, 2_000, 32_000, 60_000, 60_000, 60_000]
        );
        assert_eq!([0, 1, 7].map(|failed| pause(failed, 0)), [250, 500, 30_000]);
        let middle = pause(0, u16::MAX / 2);
        assert!((374..=375).contains(&middle), "{middle}");
    }
}
