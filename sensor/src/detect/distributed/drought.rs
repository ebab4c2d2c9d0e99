#![expect(clippy::float_arithmetic, reason = "a moving average")]
//! Whether successes have stopped. An attack adds failures to a route and leaves its successes unchanged; an outage
//! leaves only failures.

use crate::detect::window::Moment;

/// Weight of the latest gap between successes: some twenty of them count, so that mornings and evenings are followed
/// within minutes.
const WEIGHT: f64 = 0.05;
/// A silence of this many usual gaps is a drought. If successes were independent, their gaps would be exponentially
/// distributed, and one this long a chance of 1 in e^6 = 403; its only consequence is a pause.
const GAPS: f64 = 6.0;
/// Gaps that must be known first.
const ENOUGH: u32 = 10;
/// If fewer clients have failed since the last success, it is not an outage; it may be an attacker with nobody else
/// around.
const CLIENTS: usize = 5;

/// The successes of a route.
#[derive(Debug, Default)]
pub(super) struct Drought {
    last: Option<Moment>,
    gap_ms: f64,
    gaps: u32,
    /// Clients that failed since the last success, up to as many as matter.
    failing: Vec<u64>,
}

impl Drought {
    /// An attempt of a client.
    #[expect(clippy::cast_precision_loss, reason = "a gap has fewer than 2^52 milliseconds")]
    pub(super) fn note(&mut self, failed: bool, client: u64, now: Moment) {
        if failed {
            if self.failing.len() < CLIENTS && !self.failing.contains(&client) {
                self.failing.push(client);
            }
            return;
        }
        self.failing.clear();
        if let Some(last) = self.last {
            let gap = now.millis().saturating_sub(last.millis()) as f64;
            let weight = if self.gaps < 20 { 1.0 / f64::from(self.gaps.saturating_add(1)) } else { WEIGHT };
            self.gap_ms += (gap - self.gap_ms) * weight;
            self.gaps = self.gaps.saturating_add(1);
        }
        self.last = Some(now);
    }

    /// Whether it is one.
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    pub(super) fn is_on(&self, now: Moment) -> bool {
        let Some(last) = self.last else { return false };
        let silence = now.millis().saturating_sub(last.millis()) as f64;
        self.gaps >= ENOUGH && self.failing.len() >= CLIENTS && silence > self.gap_ms * GAPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Moment {
        Moment::from_millis(second * 1_000)
    }

    /// A success every two seconds for a minute.
    fn usual() -> Drought {
        let mut drought = Drought::default();
        (0..30).for_each(|n| drought.note(false, n, second(n * 2)));
        drought
    }

    #[test]
    fn when_nobody_succeeds_any_more_it_is_known_soon_and_over_with_the_first_success() {
        let mut drought = usual();
        (0..20).for_each(|n| drought.note(true, n, second(60 + n)));
        assert!(!drought.is_on(second(70)));
        assert!(drought.is_on(second(71)));
        drought.note(false, 9, second(80));
        assert!(!drought.is_on(second(80)));
    }

    #[test]
    fn one_attacker_alone_at_night_is_no_outage() {
        let mut drought = usual();
        (0..1_000).for_each(|n| drought.note(true, n % 4, second(60 + n)));
        assert!(!drought.is_on(second(2_000)));
    }

    #[test]
    fn nothing_is_concluded_from_little() {
        let mut drought = Drought::default();
        (0..50).for_each(|n| drought.note(true, n, second(n)));
        assert!(!drought.is_on(second(500)));
    }
}
