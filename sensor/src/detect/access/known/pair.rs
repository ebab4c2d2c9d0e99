//! What one principal does under one template that is worth remembering: objects of others, and refusals.

use super::days::{Day, Week, passed};
use super::met::Met;
use crate::clock::Timestamp;

/// Numbers this close are neighbours: gaps are left by what was deleted.
const STEP: u64 = 8;

/// Refusals for which there is a reason are this share of the strangers at most, as its reciprocal.
const BLIND: u32 = 5;
/// Refusals that are none to speak of.
const SLIPS: u32 = 10;
/// Requests with a parameter twice that are no mistake.
const POLLUTED: u32 = 3;

/// Words of the sketch of the objects that were refused on one day.
const WORDS: usize = 2;

/// A principal under a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) template: u64,
    pub(super) day: Day,
    /// Whose objects it was given.
    pub(super) met: Met,
    /// Strangers whose objects it was given for the first time.
    pub(super) strangers: Week,
    /// Different objects that it was refused.
    pub(super) refused: Week,
    /// Those among them that belong to others.
    pub(super) of_others: Week,
    /// Refused objects in a week while it was learned what is usual.
    pub(super) refused_habit: u16,
    /// Whether it counts for what is usual no longer.
    pub(super) apart: bool,
    /// The day on which a count passed its limit; zero for never.
    pub(super) crossed: Day,
    /// The day of the last alert, and its severity; zero for none.
    pub(super) told: Day,
    pub(super) severity: u8,
    /// The minute in which it was judged last, and the strangers then.
    judged: (u16, u16),
    /// Objects of strangers.
    pub(super) objects: u32,
    /// Requests with a parameter twice.
    pub(super) polluted: u16,
    last: u64,
    steps: u16,
    small: u16,
    sketch: [u64; WORDS],
}

impl Pair {
    pub(super) fn new(template: u64, day: Day) -> Self {
        Self { template, day, ..Self::default() }
    }

    /// What is lost with it, where another one makes room: refusals cost nobody anything.
    pub(super) fn worth(&self) -> u32 {
        let met = self.strangers.sum().checked_ilog2().map_or(0, |power| power.saturating_add(1));
        met.saturating_add(if self.apart { u32::from(u16::MAX) } else { 0 })
    }

    /// Days pass; whether any did.
    pub(super) fn pass(&mut self, day: Day) -> bool {
        let days = passed(self.day, day);
        if days == 0 && day <= self.day {
            return false;
        }
        self.day = day;
        self.strangers.pass(days);
        self.refused.pass(days);
        self.of_others.pass(days);
        self.sketch = [0; WORDS];
        if self.strangers.sum() == 0 && self.refused.sum() == 0 {
            (self.steps, self.small, self.polluted, self.objects) = (0, 0, 0, 0);
        }
        true
    }

    /// A refused object, by its hash; whether it is the first time today.
    pub(super) fn refuse(&mut self, object: u64, is_anothers: bool) -> bool {
        let bits = u64::BITS.into();
        let place = (object >> 7).checked_rem(bits).unwrap_or_default();
        let word = usize::try_from(object & 1).unwrap_or_default();
        let Some(word) = self.sketch.get_mut(word) else { return false };
        let bit = 1_u64.wrapping_shl(u32::try_from(place).unwrap_or_default());
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        // After about a hundred, all bits are set: the next hundred are counted, too.
        if self.sketch.iter().all(|word| *word == u64::MAX) {
            self.sketch = [0; WORDS];
        }
        self.refused.add();
        if is_anothers {
            self.of_others.add();
        }
        true
    }

    /// The number of an object of a stranger, or of one that was refused.
    pub(super) const fn step(&mut self, number: u64) {
        let before = std::mem::replace(&mut self.last, number);
        if before == 0 || before == number {
            return;
        }
        self.steps = self.steps.saturating_add(1);
        if before.abs_diff(number) <= STEP {
            self.small = self.small.saturating_add(1);
        }
    }

    /// Whether it is to be judged (again): once a minute, and when its strangers have grown by an eighth.
    pub(super) fn is_due(&mut self, strangers: u32, now: Timestamp) -> bool {
        const MINUTE: u64 = 60_000_000_000;
        let minute = u16::try_from((now.unix_nanos() / MINUTE) & u64::from(u16::MAX)).unwrap_or_default();
        let (last, before) = self.judged;
        let before = u32::from(before);
        if minute == last && strangers <= before.saturating_add(before / 8) {
            return false;
        }
        self.judged = (minute, u16::try_from(strangers).unwrap_or(u16::MAX));
        true
    }

    /// Whether a week with so many strangers shows signs of an attack: numbers one after the other, refusals beyond what
    /// is usual, or a parameter twice.
    pub(super) fn has_signs(&self, strangers: u32, usual_refused: u32) -> bool {
        let refused = self.refused.sum();
        let is_blind = refused >= SLIPS.max(strangers / BLIND) && refused > usual_refused;
        self.is_sequence() || is_blind || u32::from(self.polluted) >= POLLUTED
    }

    /// Whether they were asked for one after the other.
    pub(super) const fn is_sequence(&self) -> bool {
        self.steps >= 10 && self.small >= (self.steps / 5).saturating_mul(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_judged_once_a_minute_and_as_it_grows() {
        let at =
            |seconds: u64| Timestamp::from_unix_nanos(1_790_000_040_000_000_000 + seconds * 1_000_000_000);
        let mut pair = Pair::default();
        let due: Vec<u32> = (36..60).filter(|strangers| pair.is_due(*strangers, at(1))).collect();
        assert_eq!(due, [36, 41, 47, 53]);
        assert!(pair.is_due(53, at(70)));
        assert!(!pair.is_due(53, at(71)));
    }
}
