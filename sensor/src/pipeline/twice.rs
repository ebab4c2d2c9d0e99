//! Requests seen twice: from a client to a proxy on this host, and from the proxy to the application behind it.
//!
//! The inner exchange ends first, since the proxy answers with the result. So it is the one that counts, and the outer
//! one, which ends around it, is marked. Both have the same client, method and path; if a proxy rewrites the path, both
//! count.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::event::Exchange;

/// Slots for inner exchanges whose outer ones have not ended yet, in sets selected by the key.
const SETS: usize = 2_048;
const WAYS: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    began: Timestamp,
    is_taken: bool,
}

/// Inner exchanges waiting for their outer ones. At most [`SETS`] times [`WAYS`]: the oldest of a set is evicted.
#[derive(Debug, Default)]
pub(super) struct Twice {
    hasher: RandomState,
    places: Vec<[Place; WAYS]>,
}

/// Identifies a request.
#[derive(Clone, Copy, Hash)]
pub(super) struct What<'a> {
    pub(super) client: IpAddr,
    pub(super) method: Option<&'static str>,
    pub(super) path: Option<&'a [u8]>,
}

impl Twice {
    /// Whether an exchange was already seen between a proxy on this host and the application. Only an exchange of a
    /// proven client can cancel another.
    pub(super) fn look(&mut self, what: What<'_>, exchange: &Exchange<'_>) -> bool {
        match exchange.peer {
            None => self.is_again(what, exchange.ts, exchange.seen),
            Some(proxy) => {
                let is_local = proxy.is_loopback() || proxy == exchange.server;
                if is_local && exchange.named_by_peer && exchange.proven {
                    self.note_inner(what, exchange.ts);
                }
                false
            }
        }
    }

    /// Records an exchange between a proxy on this host and the application.
    fn note_inner(&mut self, what: What<'_>, began: Timestamp) {
        if self.places.is_empty() {
            self.places = vec![[Place::default(); WAYS]; SETS];
        }
        let key = self.hasher.hash_one(what);
        let Some(set) = self.set(key) else { return };
        let free = set.iter_mut().min_by_key(|place| (place.is_taken, place.began));
        if let Some(place) = free {
            *place = Place { key, began, is_taken: true };
        }
    }

    /// Whether an exchange between a client and this host was recorded; each record matches once.
    fn is_again(&mut self, what: What<'_>, began: Timestamp, ended: Timestamp) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let key = self.hasher.hash_one(what);
        let Some(set) = self.set(key) else { return false };
        let mut same = set.iter_mut().filter(|place| place.is_taken && place.key == key);
        let found = same.find(|place| place.began >= began && place.began <= ended);
        found.map(|place| place.is_taken = false).is_some()
    }

    fn set(&mut self, key: u64) -> Option<&mut [Place; WAYS]> {
        let index = usize::try_from(key).unwrap_or_default() & (SETS - 1);
        self.places.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: What<'static> = What {
        client: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
        method: Some("POST"),
        path: Some(b"/login"),
    };

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_unix_micros(micros)
    }

    #[test]
    fn an_outer_exchange_around_an_inner_one_is_the_same() {
        let mut twice = Twice::default();
        assert!(!twice.is_again(LOGIN, at(0), at(100)), "nothing was noted");
        twice.note_inner(LOGIN, at(50));
        let other = [
            What { client: IpAddr::from([192, 0, 2, 8]), ..LOGIN },
            What { method: Some("GET"), ..LOGIN },
            What { path: Some(b"/logout"), ..LOGIN },
        ];
        assert!(other.iter().all(|what| !twice.is_again(*what, at(0), at(100))));
        assert!(!twice.is_again(LOGIN, at(51), at(100)), "it began later");
        assert!(!twice.is_again(LOGIN, at(0), at(49)), "it was over before");
        assert!(twice.is_again(LOGIN, at(0), at(100)));
        assert!(!twice.is_again(LOGIN, at(0), at(100)), "one counts for one");
    }

    #[test]
    fn requests_side_by_side_are_found_each() {
        let mut twice = Twice::default();
        (0..8).for_each(|number| twice.note_inner(LOGIN, at(number)));
        assert_eq!((0..20).filter(|_| twice.is_again(LOGIN, at(0), at(100))).count(), WAYS);
        (0..100).for_each(|number| twice.note_inner(LOGIN, at(number)));
        assert!(twice.is_again(LOGIN, at(99), at(100)), "the oldest go");
    }
}
