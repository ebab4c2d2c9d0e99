//! Limits on connections: in total, and per user of this host or address elsewhere, so that nobody can lock others out.
//! A local user may use any address of 127/8, so addresses bound nothing there; the kernel knows the socket's owner. If
//! all slots are taken, the longest-idle connection of the owner with the most connections is closed: a newcomer gets
//! in, at the expense of whoever holds many.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::kernel::ConnectionOwners;

/// Maximum connections.
const MAX: usize = 64;
/// Maximum per owner.
const MAX_EACH: usize = 16;

/// The owner of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A user of this host.
    User(u32),
    /// An address elsewhere; for IPv6, its /64.
    Address(IpAddr),
}

impl Owner {
    /// Asks the kernel for the owner of the peer's socket.
    pub(super) fn of(owners: Option<&ConnectionOwners>, peer: SocketAddr, local: SocketAddr) -> Self {
        let user = owners.and_then(|owners| owners.owner(peer, local).ok().flatten());
        user.map_or_else(|| Self::elsewhere(peer.ip()), Self::User)
    }

    /// Without a user: from another host or container, or already closed.
    fn elsewhere(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

/// Counts connections.
#[derive(Debug, Default)]
pub(super) struct Door {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inside: BTreeMap<u64, Guest>,
    by_owner: HashMap<Owner, usize>,
    /// Counts connections and answers: a clock that only orders.
    moments: u64,
    refused_total: u64,
    refused_each: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Guest {
    owner: Owner,
    /// When it connected, or had its last answer.
    idle_since: u64,
    /// Whether it is being answered.
    is_busy: bool,
    leave: Arc<Notify>,
}

/// As of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DoorStats {
    pub(super) inside: u64,
    pub(super) refused_total: u64,
    pub(super) refused_each: u64,
    pub(super) evicted: u64,
}

/// A connection's slot; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Inside {
    door: Arc<Door>,
    id: u64,
    leave: Arc<Notify>,
}

/// Eviction candidates: one's own idle connections, or those of owners with more.
type Candidate = (std::cmp::Reverse<usize>, u64, u64);

impl Door {
    /// Admits a connection, evicting the longest idle one if necessary; or counts a refusal.
    pub(super) fn enter(self: &Arc<Self>, owner: Owner) -> Option<Inside> {
        let mut state = self.state();
        let own = state.by_owner.get(&owner).copied().unwrap_or(0);
        if own >= MAX_EACH && !state.evict(|guest, _| guest.owner == owner) {
            state.refused_each = state.refused_each.saturating_add(1);
            return None;
        }
        if state.inside.len() >= MAX && !state.evict(|guest, count| guest.owner == owner || count > own) {
            state.refused_total = state.refused_total.saturating_add(1);
            return None;
        }
        let id = state.next_moment();
        let leave = Arc::new(Notify::new());
        let guest = Guest { owner, idle_since: id, is_busy: false, leave: Arc::clone(&leave) };
        state.inside.insert(id, guest);
        let count = state.by_owner.entry(owner).or_default();
        *count = count.saturating_add(1);
        drop(state);
        Some(Inside { door: Arc::clone(self), id, leave })
    }

    pub(super) fn stats(&self) -> DoorStats {
        let state = self.state();
        let State { refused_total, refused_each, evicted, .. } = *state;
        let inside = u64::try_from(state.inside.len()).unwrap_or(u64::MAX);
        DoorStats { inside, refused_total, refused_each, evicted }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_moment(&mut self) -> u64 {
        self.moments = self.moments.saturating_add(1);
        self.moments
    }

    /// Evicts the longest-idle candidate that is not being answered, of the owner with the most. Returns whether there
    /// was one.
    fn evict(&mut self, may_go: impl Fn(&Guest, usize) -> bool) -> bool {
        let count = |guest: &Guest| self.by_owner.get(&guest.owner).copied().unwrap_or(0);
        let idle = self.inside.iter().filter(|(_, guest)| !guest.is_busy && may_go(guest, count(guest)));
        let first: Option<Candidate> =
            idle.map(|(id, guest)| (std::cmp::Reverse(count(guest)), guest.idle_since, *id)).min();
        let Some(guest) = first.and_then(|(_, _, id)| self.remove(id)) else { return false };
        guest.leave.notify_one();
        self.evicted = self.evicted.saturating_add(1);
        true
    }

    fn remove(&mut self, id: u64) -> Option<Guest> {
        let guest = self.inside.remove(&id)?;
        match self.by_owner.get(&guest.owner).map_or(0, |own| own.saturating_sub(1)) {
            0 => drop(self.by_owner.remove(&guest.owner)),
            left => drop(self.by_owner.insert(guest.owner, left)),
        }
        Some(guest)
    }
}

impl Inside {
    /// Waits until somebody else needs the slot.
    pub(super) async fn sent_away(&self) {
        self.leave.notified().await;
    }

    /// An answer begins or ends.
    pub(super) fn set_busy(&self, is_busy: bool) {
        let mut state = self.door.state();
        let now = state.next_moment();
        if let Some(guest) = state.inside.get_mut(&self.id) {
            (guest.is_busy, guest.idle_since) = (is_busy, now);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // It may have been evicted before.
        self.door.state().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPER: Owner = Owner::User(500);

    fn enter(door: &Arc<Door>, owners: impl Iterator<Item = Owner>) -> Vec<Inside> {
        owners.filter_map(|owner| door.enter(owner)).collect()
    }

    /// Whether it still has its slot.
    fn stays(inside: &Inside) -> bool {
        inside.door.state().inside.contains_key(&inside.id)
    }

    #[test]
    fn one_owner_holds_a_share_and_pays_for_more() {
        let door = Arc::new(Door::default());
        let scraper = door.enter(SCRAPER).unwrap();
        let own = enter(&door, std::iter::repeat_n(Owner::User(1_000), 2_000));
        assert_eq!(own.iter().filter(|inside| stays(inside)).count(), MAX_EACH);
        assert!(own.iter().rev().take(MAX_EACH).all(stays), "those that came last stay");
        assert!(stays(&scraper));
        let stats = door.stats();
        assert_eq!((stats.evicted, stats.refused_each, stats.refused_total), (2_000 - 16, 0, 0));
        // While all of its share are being answered, it gets no more.
        own.iter().for_each(|inside| inside.set_busy(true));
        assert!(door.enter(Owner::User(1_000)).is_none());
        assert_eq!(door.stats().refused_each, 1);
        drop((own, scraper));
        assert_eq!(door.stats().inside, 0);
        assert!(door.state().by_owner.is_empty(), "owners are forgotten");
    }

    #[test]
    fn whoever_comes_new_gets_in_and_is_not_the_next_to_go() {
        let door = Arc::new(Door::default());
        let crowd = enter(&door, (0..4).flat_map(|user| std::iter::repeat_n(Owner::User(1_000 + user), 16)));
        assert_eq!(door.stats().inside, 64);
        let scraper = door.enter(SCRAPER).unwrap();
        let more = enter(&door, (0..200).map(|n| Owner::User(1_000 + n % 4)));
        assert!(stays(&scraper), "who has one connection pays for nobody");
        // Arbitrarily many users, as from a range of subordinate IDs: the longest idle is evicted, not the newcomer.
        let many = enter(&door, (0..30).map(|n| Owner::User(100_000 + n)));
        assert!(stays(&scraper));
        scraper.set_busy(true);
        let more_still = enter(&door, (0..900).map(|n| Owner::User(200_000 + n)));
        assert!(stays(&scraper), "who is being answered is not sent away");
        drop((crowd, more, many, more_still));
    }

    #[test]
    fn where_all_are_answered_nobody_else_gets_in() {
        let door = Arc::new(Door::default());
        let crowd = enter(&door, (0..64).map(Owner::User));
        crowd.iter().for_each(|inside| inside.set_busy(true));
        assert!(door.enter(SCRAPER).is_none());
        assert_eq!(door.stats().refused_total, 1);
        for inside in &crowd {
            inside.set_busy(false);
        }
        assert!(door.enter(SCRAPER).is_some());
        assert!(!stays(&crowd[0]), "the first to be done");
    }

    #[test]
    fn addresses_of_one_place_are_one_owner() {
        let of = |text: &str| Owner::elsewhere(text.parse().unwrap());
        assert_eq!(of("127.0.0.1"), of("127.99.1.2"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:1"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
