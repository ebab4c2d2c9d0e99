//! Expanded keys of the recently active connections. On a collision the later one wins; expanding a key again costs
//! about as much as decrypting a record.

use super::keys::{Expanded, Keys};
use crate::kernel::Guarded;
use crate::stream::Side;

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) session: u64,
    pub(super) side: Side,
    pub(super) generation: u32,
}

impl Owner {
    const fn place(self) -> u64 {
        let side = match self.side {
            Side::Client => 0,
            Side::Server => 1,
        };
        self.session << 1 | side
    }
}

/// The keys.
pub(super) struct Cache {
    slots: Vec<Option<(Owner, Guarded<Expanded>)>>,
    most: usize,
}

impl Cache {
    pub(super) const fn new(most: usize) -> Self {
        Self { slots: Vec::new(), most: if most == 0 { 2 } else { most } }
    }

    /// The key of an owner; none if the cipher has no expanded form.
    pub(super) fn get(&mut self, owner: Owner, keys: &Keys) -> Option<&Expanded> {
        keys.cipher.aead()?;
        if self.slots.is_empty() {
            self.slots.resize_with(self.most, || None);
        }
        let slot = self.slots.get_mut(index(owner, self.most))?;
        if slot.as_ref().is_none_or(|(holder, _)| *holder != owner) {
            *slot = Some((owner, Guarded::new(keys.expand()?)));
        }
        slot.as_ref().map(|(_, expanded)| &**expanded)
    }

    /// Drops a session's keys.
    pub(super) fn forget(&mut self, session: u64) {
        for side in [Side::Client, Side::Server] {
            let owner = Owner { session, side, generation: 0 };
            if let Some(slot) = self.slots.get_mut(index(owner, self.most))
                && slot.as_ref().is_some_and(|(holder, _)| holder.session == session)
            {
                *slot = None;
            }
        }
    }
}

fn index(owner: Owner, most: usize) -> usize {
    usize::try_from(owner.place()).unwrap_or_default().checked_rem(most).unwrap_or_default()
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cache").field("most", &self.most).finish_non_exhaustive()
    }
}
