//! How many connections there may be: in all, and from one address, so that one cannot keep the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at a time.
const MAX: usize = 64;
/// Of these, from one address.
const MAX_PER_ADDRESS: usize = 16;

/// Counts who is inside.
#[derive(Debug, Default)]
pub(super) struct Door {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inside: usize,
    by_address: HashMap<IpAddr, usize>,
    refused_total: u64,
    refused_per_address: u64,
}

/// As of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DoorStats {
    pub(super) inside: u64,
    pub(super) refused_total: u64,
    pub(super) refused_per_address: u64,
}

/// A connection's place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Inside {
    door: Arc<Door>,
    address: IpAddr,
}

impl Door {
    /// Lets somebody in, or counts that it does not.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Inside> {
        let mut state = self.state();
        if state.inside >= MAX {
            state.refused_total = state.refused_total.saturating_add(1);
            return None;
        }
        let own = state.by_address.get(&address).copied().unwrap_or(0);
        if own >= MAX_PER_ADDRESS {
            state.refused_per_address = state.refused_per_address.saturating_add(1);
            return None;
        }
        state.by_address.insert(address, own.saturating_add(1));
        state.inside = state.inside.saturating_add(1);
        drop(state);
        Some(Inside { door: Arc::clone(self), address })
    }

    pub(super) fn stats(&self) -> DoorStats {
        let State { inside, refused_total, refused_per_address, .. } = *self.state();
        DoorStats { inside: u64::try_from(inside).unwrap_or(u64::MAX), refused_total, refused_per_address }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut state = self.door.state();
        state.inside = state.inside.saturating_sub(1);
        let left = state.by_address.get(&self.address).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            state.by_address.remove(&self.address);
        } else {
            state.by_address.insert(self.address, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(n: usize) -> IpAddr {
        Ipv4Addr::from(u32::try_from(n).unwrap()).into()
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let door = Arc::new(Door::default());
        let own: Vec<Inside> = (0..100).filter_map(|_| door.enter(address(1))).collect();
        assert_eq!((own.len(), door.stats().refused_per_address), (MAX_PER_ADDRESS, 84));
        assert!(door.enter(address(2)).is_some());
        drop(own);
        assert_eq!(door.stats().inside, 0);
        assert!(door.state().by_address.is_empty(), "addresses are forgotten");
        assert!(door.enter(address(1)).is_some());
    }

    #[test]
    fn there_is_a_bound_in_all() {
        let door = Arc::new(Door::default());
        let inside: Vec<Inside> = (0..100).filter_map(|n| door.enter(address(n))).collect();
        assert_eq!((inside.len(), door.stats().refused_total), (MAX, 36));
        drop(inside);
        assert!(door.enter(address(200)).is_some());
    }
}
