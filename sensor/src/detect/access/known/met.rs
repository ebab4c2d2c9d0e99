//! The principals whose objects one was given: exactly while they are few, as a sketch when they are many.

use super::objects::Who;

/// Kept exactly: a team.
const FEW: usize = 6;
/// Words of the sketch.
const WORDS: usize = 16;
/// Bits of the sketch beyond which it is full: then a third of all strangers are taken for somebody known.
const FULL: u32 = 340;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Few([Who; FEW]),
    Many(Box<[u64; WORDS]>),
}

impl Default for Met {
    fn default() -> Self {
        Self::Few([0; FEW])
    }
}

fn bit(who: Who) -> (usize, u64) {
    // Fibonacci hashing spreads what is a hash already, from other bits than tables use.
    let spread = who.wrapping_mul(0x9e37_79b9) >> 22;
    (usize::try_from(spread >> 6).unwrap_or_default(), 1 << (spread & 63))
}

impl Met {
    /// Notes somebody; whether they are new.
    pub(super) fn note(&mut self, who: Who) -> bool {
        if self.has(who) {
            return false;
        }
        match self {
            Self::Few(few) => match few.iter_mut().find(|known| **known == 0) {
                Some(free) => *free = who,
                None => {
                    let mut sketch = [0; WORDS];
                    few.iter().for_each(|known| set(&mut sketch, *known));
                    set(&mut sketch, who);
                    *self = Self::Many(Box::new(sketch));
                }
            },
            Self::Many(sketch) => {
                if sketch.iter().map(|word| word.count_ones()).sum::<u32>() >= FULL {
                    // Whoever met so many is told, or known for it: the others are counted anew.
                    **sketch = [0; WORDS];
                }
                set(sketch, who);
            }
        }
        true
    }

    /// Whether somebody is known.
    pub(super) fn has(&self, who: Who) -> bool {
        match self {
            Self::Few(few) => few.contains(&who),
            Self::Many(sketch) => {
                let (word, bit) = bit(who);
                sketch.get(word).is_some_and(|word| word & bit != 0)
            }
        }
    }

    /// As numbers, for a file.
    pub(super) fn parts(&self) -> Vec<u64> {
        match self {
            Self::Few(few) => few.iter().filter(|who| **who != 0).map(|who| u64::from(*who)).collect(),
            Self::Many(sketch) => sketch.to_vec(),
        }
    }

    /// From a file.
    pub(super) fn of(parts: &[u64]) -> Self {
        if let Ok(sketch) = <[u64; WORDS]>::try_from(parts) {
            return Self::Many(Box::new(sketch));
        }
        let mut met = Self::default();
        for who in parts.iter().filter_map(|part| Who::try_from(*part).ok()).filter(|who| *who != 0) {
            met.note(who);
        }
        met
    }
}

fn set(sketch: &mut [u64; WORDS], who: Who) {
    let (word, bit) = bit(who);
    if let Some(word) = sketch.get_mut(word) {
        *word |= bit;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_was_met_is_known(all in prop::collection::vec(1_u32.., 1..250)) {
            let mut met = Met::default();
            let mut new = 0_usize;
            for who in &all {
                new += usize::from(met.note(*who));
                prop_assert!(met.has(*who));
            }
            prop_assert!(all.iter().all(|who| met.has(*who)));
            let mut different = all.clone();
            different.sort_unstable();
            different.dedup();
            prop_assert!(new <= different.len() && new * 100 >= different.len() * 70, "{new} of {}", different.len());
            prop_assert_eq!(Met::of(&met.parts()), met);
        }
    }
}
