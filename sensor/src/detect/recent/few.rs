//! A [`Distinct`] that is small while it has few values.

use super::{Distinct, linear_count};

/// Bits that are kept as numbers: more than most will ever have.
const FEW: usize = 6;

/// The same as `Distinct<16>`, in 24 bytes instead of 136 until it has more than [`FEW`] bits.
#[derive(Clone, Debug)]
pub(in super::super) struct Sparse {
    /// The bits that are set, until there are too many.
    few: [u16; FEW],
    ones: u32,
    many: Option<Box<Distinct<WORDS>>>,
}

const WORDS: usize = 16;
/// Bits.
const ALL: u16 = 1_024;

impl Sparse {
    pub(in super::super) const NONE: Self = Self { few: [0; FEW], ones: 0, many: None };

    /// Adds a value by its hash; returns whether it is certainly new.
    #[inline]
    pub(in super::super) fn note(&mut self, hash: u64) -> bool {
        let is_new = match &mut self.many {
            Some(many) => many.note(hash),
            None => self.note_few(hash),
        };
        self.ones = self.ones.saturating_add(u32::from(is_new));
        is_new
    }

    #[inline]
    fn note_few(&mut self, hash: u64) -> bool {
        let bit = u16::try_from(hash & u64::from(ALL.saturating_sub(1))).unwrap_or_default();
        let count = usize::try_from(self.ones).unwrap_or(FEW);
        if self.few.iter().take(count).any(|known| *known == bit) {
            return false;
        }
        match self.few.get_mut(count) {
            Some(free) => *free = bit,
            None => {
                let mut many = Box::new(Distinct::NONE);
                self.few.iter().for_each(|known| {
                    many.note(u64::from(*known));
                });
                many.note(u64::from(bit));
                self.many = Some(many);
            }
        }
        true
    }

    /// A lower bound of the number of values.
    #[inline]
    pub(in super::super) const fn at_least(&self) -> u32 {
        self.ones
    }

    /// The estimated number of values.
    pub(in super::super) fn estimate(&self) -> u32 {
        linear_count(ALL.into(), self.ones)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_as_the_large_one_does(hashes in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..20], 0..200)) {
            let (mut sparse, mut whole) = (Sparse::NONE, Distinct::<WORDS>::NONE);
            for hash in hashes {
                prop_assert_eq!(sparse.note(hash), whole.note(hash));
                prop_assert_eq!((sparse.at_least(), sparse.estimate()), (whole.at_least(), whole.estimate()));
            }
        }
    }
}
