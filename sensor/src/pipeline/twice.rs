//! Requests seen twice: from a client to a proxy on this host, and from the proxy to the application behind it.
//!
//! The inner exchange ends first, since the proxy answers with the result. So it is the one that counts, and the outer
//! one, which ends around it, is marked. Both have the same client, method and path; if a proxy rewrites the path, both
//! count.
//!
//! The same goes for exchanges that were both read from the network and recorded in an access log that is followed: the
//! line comes later, and is marked.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::event::{Exchange, Source};

/// Slots for inner exchanges whose outer ones have not ended yet, in sets selected by the key.
const SETS: usize = 2_048;
const WAYS: usize = 8;
/// How many seconds the end of an exchange on the network may be before or after what its line says, the nearest first:
/// logs write whole seconds, and servers end a request when the last byte is handed to the kernel.
const LOGGED: [i64; 5] = [0, 1, -1, 2, -2];

/// Exchanges on the network that ended in the same second and are the same request: of an attempt to log in, there may
/// be hundreds.
#[derive(Clone, Copy, Debug, Default)]
struct Same {
    key: u64,
    second: u64,
    count: u32,
}

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
    /// Exchanges read from the network whose lines may follow; none without logs.
    read: Option<Vec<[Same; WAYS]>>,
}

/// Identifies a request.
#[derive(Clone, Copy, Hash)]
pub(super) struct What<'a> {
    pub(super) client: IpAddr,
    pub(super) method: Option<&'static str>,
    pub(super) path: Option<&'a [u8]>,
}

impl Twice {
    /// From now on, lines of access logs are to be expected, or not.
    pub(super) fn expect_lines(&mut self, are_expected: bool) {
        self.read = are_expected.then(|| vec![[Same::default(); WAYS]; SETS]);
    }

    /// Whether an exchange was already seen: between a proxy on this host and the application, or, if it is a line of a
    /// log, on the network. Only an exchange of a proven client can cancel another.
    pub(super) fn look(&mut self, what: What<'_>, exchange: &Exchange<'_>) -> bool {
        if exchange.source == Source::Log {
            return self.was_read(what, exchange.seen);
        }
        let is_again = self.was_seen(what, exchange);
        if !is_again && exchange.proven {
            self.note_read(what, exchange.seen);
        }
        is_again
    }

    /// Records an exchange on the network, whose line may follow.
    fn note_read(&mut self, what: What<'_>, ended: Timestamp) {
        let Some(read) = &mut self.read else { return };
        let second = second_of(ended);
        let key = self.hasher.hash_one((what, second));
        let Some(set) = set_of(read, key) else { return };
        match set.iter_mut().find(|same| same.count > 0 && same.key == key) {
            Some(same) => same.count = same.count.saturating_add(1),
            None => {
                if let Some(oldest) = set.iter_mut().min_by_key(|same| (same.count > 0, same.second)) {
                    *oldest = Same { key, second, count: 1 };
                }
            }
        }
    }

    /// Whether a line's exchange was recorded; each record matches once.
    fn was_read(&mut self, what: What<'_>, ended: Timestamp) -> bool {
        let Self { hasher, read: Some(read), .. } = self else { return false };
        LOGGED.into_iter().any(|offset| {
            let key = hasher.hash_one((what, second_of(ended).saturating_add_signed(offset)));
            let mut set = set_of(read, key).into_iter().flatten();
            let found = set.find(|same| same.count > 0 && same.key == key);
            found.map(|same| same.count = same.count.saturating_sub(1)).is_some()
        })
    }

    fn was_seen(&mut self, what: What<'_>, exchange: &Exchange<'_>) -> bool {
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
        put(&mut self.places, self.hasher.hash_one(what), began);
    }

    /// Whether an exchange between a client and this host was recorded; each record matches once.
    fn is_again(&mut self, what: What<'_>, began: Timestamp, ended: Timestamp) -> bool {
        !self.places.is_empty() && take(&mut self.places, self.hasher.hash_one(what), began, ended)
    }
}

/// Instead of the oldest of its set, if that is full.
fn put(places: &mut [[Place; WAYS]], key: u64, began: Timestamp) {
    let set = set_of(places, key).into_iter().flatten();
    if let Some(place) = set.min_by_key(|place| (place.is_taken, place.began)) {
        *place = Place { key, began, is_taken: true };
    }
}

/// Whether there was one that began then, which is there no longer.
fn take(places: &mut [[Place; WAYS]], key: u64, from: Timestamp, to: Timestamp) -> bool {
    let mut same =
        set_of(places, key).into_iter().flatten().filter(|place| place.is_taken && place.key == key);
    let found = same.find(|place| place.began >= from && place.began <= to);
    found.map(|place| place.is_taken = false).is_some()
}

const fn second_of(time: Timestamp) -> u64 {
    time.unix_nanos() / 1_000_000_000
}

fn set_of<T>(places: &mut [[T; WAYS]], key: u64) -> Option<&mut [T; WAYS]> {
    places.get_mut(usize::try_from(key).unwrap_or_default() & (SETS - 1))
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
    fn a_line_of_a_request_that_was_read_is_the_same() {
        let mut twice = Twice::default();
        let second = |second: u64| at(second * 1_000_000);
        twice.note_read(LOGIN, at(9_500_000));
        assert!(!twice.was_read(LOGIN, second(9)), "no log is followed");
        twice.expect_lines(true);
        twice.note_read(LOGIN, at(9_500_000));
        assert!(!twice.was_read(LOGIN, second(6)) && !twice.was_read(LOGIN, second(12)), "others");
        assert!(!twice.was_read(What { path: Some(b"/logout"), ..LOGIN }, second(9)), "another path");
        assert!(twice.was_read(LOGIN, second(9)), "whole seconds");
        assert!(!twice.was_read(LOGIN, second(9)), "one counts for one");
        (0..300).for_each(|number| twice.note_read(LOGIN, at(20_000_000 + number)));
        assert_eq!((0..400).filter(|_| twice.was_read(LOGIN, second(20))).count(), 300);
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
