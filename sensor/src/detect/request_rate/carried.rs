//! Whose principals an address carries.

use crate::identity::KeyedHash;

/// Principals of one address that may be one person's.
const FEW: usize = 4;

/// What a client's requests carried: the principals of one person, or of more.
#[derive(Clone, Copy, Default)]
pub(super) struct Carried {
    /// Each with its requests; `None` for those without a principal.
    each: [(Option<KeyedHash>, u32); FEW],
    used: usize,
    /// Requests of further principals.
    others: u32,
}

impl Carried {
    pub(super) fn note(&mut self, principal: Option<KeyedHash>) {
        let count = match self.each.iter_mut().take(self.used).find(|(known, _)| *known == principal) {
            Some((_, count)) => count,
            None => match self.each.get_mut(self.used) {
                Some(free) => {
                    self.used = self.used.saturating_add(1);
                    free.0 = principal;
                    &mut free.1
                }
                None => &mut self.others,
            },
        };
        *count = count.saturating_add(1);
        if *count >= HALVED_AT {
            self.each.iter_mut().for_each(|(_, count)| *count /= 2);
            self.others /= 2;
        }
    }

    /// Whether what a client asks for is mostly one principal's, and the rest may be the same person's.
    pub(super) fn is_mostly(&self, principal: KeyedHash) -> bool {
        let all = self.each.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count));
        let its = self.each.iter().take(self.used).find(|(known, _)| *known == Some(principal));
        let its = its.map_or(0, |(_, count)| *count);
        self.others == 0 && its.saturating_mul(2) >= all
    }
}

/// Counts of what a client carries are halved then, so that they follow what it does.
const HALVED_AT: u32 = 1_024;
