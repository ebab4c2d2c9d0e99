//! How many connections there may be: in all, and of one user of this host or one address elsewhere, so that nobody keeps
//! the others out.
//!
//! Whoever is on this host may take any address of 127/8, so for him an address bounds nothing; the kernel knows whose
//! socket it is. Where there is no place left, the connection goes that has been idle longest, of whoever has most: so a
//! newcomer with something to ask gets in, and who holds many pays for it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::kernel::ConnectionOwners;

/// Connections at a time.
const MAX: usize = 64;
/// Of these, those of one owner.
const MAX_EACH: usize = 16;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A user of this host.
    User(u32),
    /// An address elsewhere; of IPv6, a network of 64 bits.
    Address(IpAddr),
}

impl Owner {
    /// Asks the kernel whose socket is at the other end.
    pub(super) fn of(owners: Option<&ConnectionOwners>, peer: SocketAddr, local: SocketAddr) -> Self {
        let user = owners.and_then(|owners| owners.owner(peer, local).ok().flatten());
        user.map_or_else(|| Self::elsewhere(peer.ip()), Self::User)
    }

    /// Without a user: another host's or container's, or one that has hung up already.
    fn elsewhere(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

/// Counts who is inside.
#[derive(Debug, Default)]
pub(super) struct Door {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inside: BTreeMap<u64, Guest>,
    by_owner: HashMap<Owner, usize>,
    /// Counts entries and answers: a clock that only orders.
    moments: u64,
    refused_total: u64,
    refused_each: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Guest {
    owner: Owner,
    /// When it entered, or had its last answer.
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

/// A connection's place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Inside {
    door: Arc<Door>,
    id: u64,
    leave: Arc<Notify>,
}

/// Which of one's own are idle, or those of who has more.
type Candidate = (std::cmp::Reverse<usize>, u64, u64);

impl Door {
    /// Lets somebody in, at the cost of who has been idle longest if need be; or counts that it does not.
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

    /// Sends one away: of those that may be and are not being answered, of the owner who has most, the one that has been
    /// idle longest. Whether there was one.
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
    /// Waits until somebody else needs the place.
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
        // It may have been sent away before.
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

    /// Whether it has its place still.
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
        // While all of its share are answered, it gets no more.
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
        // Users without end, as a range of subordinate ones gives: the longest idle goes, not who has just come.
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
