//! Which principals an address uses.

use crate::clock::Timestamp;
use crate::detect::recent::Recent;
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

/// Principals of one address that may belong to one person.
const FEW: usize = 4;

/// The principals in a client's requests: one person's, or more.
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

    /// Whether a client's requests mostly carry one principal, and the rest may be the same person's.
    pub(super) fn is_mostly(&self, principal: KeyedHash) -> bool {
        let all = self.each.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count));
        let its = self.each.iter().take(self.used).find(|(known, _)| *known == Some(principal));
        let its = its.map_or(0, |(_, count)| *count);
        self.others == 0 && its.saturating_mul(2) >= all
    }
}

/// Counts are halved here, so that they follow the client's behaviour.
const HALVED_AT: u32 = 1_024;

/// Whether a client's requests mostly carry a principal: others behind the same address do nothing wrong.
pub(super) fn is_mostly(
    carried: Option<&mut Recent<ClientNet, Carried>>,
    client: &ClientNet,
    principal: KeyedHash,
    now: Timestamp,
) -> bool {
    carried.is_some_and(|carried| {
        let at = carried.hash(client);
        carried.get(at, client, now).is_some_and(|carried| carried.is_mostly(principal))
    })
}
