//! Limits on connections by kind of user, so that nobody can lock an administrator out.
//!
//! ```text
//! 32 in all ── root, the daemon's own user ──────────────── all that are free, at least 8
//!         └── others: 24 ── administrators ── 8 for each ── all that are free, at least 8
//!                       └── readers: 16 ───── 8 for each
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::wire::Role;

/// Connections served at once.
const MAX: usize = 32;
/// Maximum for users other than root.
const MAX_OTHERS: usize = 24;
/// Maximum for users who may only read.
const MAX_READERS: usize = 16;
/// Maximum per user: two `sensor top` and some commands.
const MAX_EACH: usize = 8;

/// Counts connections.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: usize,
    others: usize,
    readers: usize,
    by_user: HashMap<u32, usize>,
}

/// A connection's slot; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    user: u32,
    kind: Kind,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Root's, or that of the daemon's own user.
    Root,
    /// Another user's.
    Other(Role),
}

impl Places {
    /// Reserves a slot for a user's connection, or returns the limit that was reached.
    pub(super) fn take(self: &Arc<Self>, user: u32, kind: Kind) -> Result<Place, String> {
        let mut state = self.state();
        let own = state.by_user.get(&user).copied().unwrap_or(0);
        let bound = match kind {
            _ if state.all >= MAX => Some(format!("all {MAX} connections are in use")),
            Kind::Root => None,
            Kind::Other(_) if own >= MAX_EACH => {
                Some(format!("user {user} has {MAX_EACH} connections already"))
            }
            Kind::Other(_) if state.others >= MAX_OTHERS => {
                Some(format!("users other than root have {MAX_OTHERS} connections already"))
            }
            Kind::Other(Role::Reader) if state.readers >= MAX_READERS => {
                Some(format!("users with read-only access have {MAX_READERS} connections already"))
            }
            Kind::Other(_) => None,
        };
        if let Some(bound) = bound {
            return Err(bound);
        }
        state.by_user.insert(user, own.saturating_add(1));
        state.add(kind, usize::saturating_add);
        drop(state);
        Ok(Place { places: Arc::clone(self), user, kind })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, kind: Kind, change: fn(usize, usize) -> usize) {
        self.all = change(self.all, 1);
        if let Kind::Other(role) = kind {
            self.others = change(self.others, 1);
            if role == Role::Reader {
                self.readers = change(self.readers, 1);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.add(self.kind, usize::saturating_sub);
        match state.by_user.get(&self.user).map_or(0, |own| own.saturating_sub(1)) {
            0 => drop(state.by_user.remove(&self.user)),
            left => drop(state.by_user.insert(self.user, left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: Kind = Kind::Other(Role::Reader);
    const ADMINISTRATOR: Kind = Kind::Other(Role::Administrator);

    fn fill(places: &Arc<Places>, users: std::ops::Range<u32>, kind: Kind) -> Vec<Place> {
        users.flat_map(|user| (0..40).filter_map(move |_| places.take(user, kind).ok())).collect()
    }

    #[test]
    fn nobody_takes_what_is_others() {
        let places = Arc::new(Places::default());
        let one = fill(&places, 1..2, READER);
        assert_eq!(one.len(), MAX_EACH);
        let told = places.take(1, READER).unwrap_err();
        assert!(told.contains("user 1 has 8"), "{told}");
        let all = fill(&places, 2..9, READER);
        assert_eq!(one.len() + all.len(), MAX_READERS, "readers leave room for administrators");
        let administrators = fill(&places, 20..29, ADMINISTRATOR);
        assert_eq!(administrators.len(), MAX_OTHERS - MAX_READERS);
        let root = fill(&places, 0..1, Kind::Root);
        assert_eq!(root.len(), MAX - MAX_OTHERS, "and all of them for root");
        drop((one, all, administrators, root));
        let state = places.state();
        assert_eq!((state.all, state.others, state.readers, state.by_user.len()), (0, 0, 0, 0));
    }

    #[test]
    fn root_may_have_them_all() {
        let places = Arc::new(Places::default());
        let root = fill(&places, 0..1, Kind::Root);
        assert_eq!(root.len(), MAX);
        assert!(places.take(7, READER).unwrap_err().contains("all 32"));
    }
}
