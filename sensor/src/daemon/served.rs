//! Which systemd units and containers answered each client.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::kernel::ClientPrefixes;
use crate::prefix::ClientNet;

/// Clients of a generation: when it is full, the one before it is forgotten.
const GENERATION: usize = 32_768;
/// Units kept of a client; beyond that, others are not.
const UNITS_EACH: usize = 4;
/// Names of units, as many as exchanges have.
const MAX_NAMES: usize = 256;
/// Pairs of client and unit that need no look at the table, a power of two: 32 KiB.
const NOTED: usize = 4_096;

/// What is known; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ServedBy(Arc<Mutex<Known>>);

/// Places in `Known::names`, and one more; 0 if there is none.
type Places = [u16; UNITS_EACH];

#[derive(Debug, Default)]
struct Known {
    names: Vec<Arc<str>>,
    now: HashMap<ClientNet, Places, RandomState>,
    before: HashMap<ClientNet, Places, RandomState>,
}

/// The writing side: it takes the lock only for what it has not noted lately.
#[derive(Debug)]
pub(super) struct ServedNotes {
    clients: ClientPrefixes,
    known: ServedBy,
    /// Hashes of pairs.
    noted: Box<[u64]>,
    hasher: RandomState,
}

impl ServedNotes {
    pub(super) fn new(clients: ClientPrefixes, known: ServedBy) -> Self {
        let hasher = RandomState::default();
        Self { clients, known, noted: vec![0; NOTED].into_boxed_slice(), hasher }
    }

    /// A unit answered the client with an address.
    pub(super) fn note(&mut self, address: IpAddr, unit: &str) {
        let hash = self.hasher.hash_one((address, unit));
        let place = usize::try_from(hash).unwrap_or(0) & NOTED.saturating_sub(1);
        let Some(noted) = self.noted.get_mut(place) else { return };
        if *noted == hash {
            return;
        }
        *noted = hash;
        let is_new_generation = self.known.lock().note(self.clients.net_of(address), unit);
        if is_new_generation {
            // Whoever still comes is not to be forgotten with the next one.
            self.noted.fill(0);
        }
    }
}

impl ServedBy {
    /// The names of the units that answered a client, in order.
    pub(super) fn units(&self, client: ClientNet) -> Vec<String> {
        self.lock().units(client)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Returns whether a new generation began.
    fn note(&mut self, client: ClientNet, unit: &str) -> bool {
        let found = self.names.iter().position(|name| **name == *unit);
        if found.is_none() {
            if self.names.len() >= MAX_NAMES {
                return false;
            }
            self.names.push(Arc::from(unit));
        }
        let place = found.unwrap_or(self.names.len().saturating_sub(1)).saturating_add(1);
        let Ok(place) = u16::try_from(place) else { return false };
        let is_full = self.now.len() >= GENERATION && !self.now.contains_key(&client);
        if is_full {
            self.before = mem::take(&mut self.now);
        }
        let Self { now, before, .. } = self;
        let places = now.entry(client).or_insert_with(|| before.get(&client).copied().unwrap_or_default());
        if !places.contains(&place)
            && let Some(free) = places.iter_mut().find(|kept| **kept == 0)
        {
            *free = place;
        }
        is_full
    }

    fn units(&self, client: ClientNet) -> Vec<String> {
        let places = self.now.get(&client).or_else(|| self.before.get(&client));
        let names = places.into_iter().flatten().filter_map(|place| {
            let place = usize::from(*place).checked_sub(1)?;
            self.names.get(place)
        });
        let names: BTreeSet<&Arc<str>> = names.collect();
        names.into_iter().map(|name| name.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    fn units(known: &ServedBy, number: u32) -> Vec<String> {
        known.units(ClientPrefixes::default().net_of(address(number)))
    }

    fn both() -> (ServedNotes, ServedBy) {
        let known = ServedBy::default();
        (ServedNotes::new(ClientPrefixes::default(), known.clone()), known)
    }

    #[test]
    fn a_client_has_the_units_that_answered_it() {
        let (mut notes, known) = both();
        for unit in ["nginx.service", "api.service", "nginx.service"] {
            notes.note(address(1), unit);
        }
        notes.note(address(2), "api.service");
        assert_eq!(units(&known, 1), ["api.service", "nginx.service"]);
        assert_eq!(units(&known, 2), ["api.service"]);
        assert!(units(&known, 3).is_empty());
        // Addresses of one IPv6 network are one client.
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<IpAddr>().unwrap());
        notes.note(one, "nginx.service");
        notes.note(other, "mail.service");
        let client = ClientPrefixes::default().net_of(other);
        assert_eq!(known.units(client), ["mail.service", "nginx.service"]);
    }

    #[test]
    fn everything_is_bounded() {
        let (mut notes, known) = both();
        for number in 0..400 {
            notes.note(address(1), &format!("{number}.service"));
        }
        assert_eq!(units(&known, 1).len(), UNITS_EACH);
        assert_eq!(known.lock().names.len(), MAX_NAMES);
        let most = u32::try_from(GENERATION).unwrap();
        for number in 0..most * 3 {
            notes.note(address(number), "0.service");
        }
        let kept = {
            let known = known.lock();
            known.now.len() + known.before.len()
        };
        assert!(kept <= GENERATION * 2);
        assert!(units(&known, 2).is_empty(), "the oldest are forgotten");
        assert_eq!(units(&known, most * 3 - 1), ["0.service"]);
    }

    #[test]
    fn who_keeps_coming_is_kept() {
        let (mut notes, known) = both();
        let most = u32::try_from(GENERATION).unwrap();
        notes.note(address(0), "old.service");
        for number in 1..most * 4 {
            if number % 100 == 0 {
                notes.note(address(0), "new.service");
            }
            notes.note(address(number), "new.service");
        }
        assert_eq!(units(&known, 0), ["new.service", "old.service"]);
    }
}
