//! Whether requests currently fail for everybody.

use super::recent::Distinct;
use crate::clock::Timestamp;

/// Minimum clients for a statement about most of them.
const CROWD: u32 = 8;

/// Number of clients counted below which the sample grows, and above which it shrinks.
const FULL: (u32, u32) = (100, 800);

/// Clients of an interval, and the marked ones among them.
#[derive(Clone, Copy, Debug)]
struct Count {
    all: Distinct<16>,
    marked: Distinct<16>,
}

impl Count {
    const NONE: Self = Self { all: Distinct::NONE, marked: Distinct::NONE };

    const fn is_crowd(&self) -> bool {
        self.all.at_least() >= CROWD
    }
}

/// The share of marked clients, in the current interval and the one before. With many clients, a sample is counted.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    /// Length of an interval, in nanoseconds.
    length: u64,
    time: u64,
    now: Count,
    before: Count,
    /// One in this many clients is counted, as a power of two.
    sampled: u32,
}

impl Crowd {
    pub(super) const fn new(seconds: u64) -> Self {
        let length = seconds.saturating_mul(1_000_000_000);
        Self { length, time: 0, now: Count::NONE, before: Count::NONE, sampled: 0 }
    }

    /// Adds a client by its hash, marked or not.
    #[inline]
    pub(super) fn note(&mut self, client: u64, marked: bool, now: Timestamp) {
        let time = now.unix_nanos().checked_div(self.length).unwrap_or_default();
        if time != self.time {
            self.turn(time);
        }
        if (client >> 32).trailing_zeros() < self.sampled {
            return;
        }
        self.now.all.note(client);
        if marked {
            self.now.marked.note(client);
        }
        if self.now.all.at_least() > FULL.1 {
            (self.now, self.sampled) = (Count::NONE, self.sampled.saturating_add(1));
        }
    }

    fn turn(&mut self, time: u64) {
        let follows = time == self.time.saturating_add(1);
        self.before = if follows { self.now } else { Count::NONE };
        if self.now.all.at_least() < FULL.0 {
            self.sampled = self.sampled.saturating_sub(1);
        }
        (self.now, self.time) = (Count::NONE, time);
    }

    /// Whether half of the clients are marked, now or before.
    pub(super) fn most_marked(&self) -> bool {
        let most = |count: &Count| count.marked.at_least().saturating_mul(2) >= count.all.at_least();
        [&self.now, &self.before].into_iter().any(|count| count.is_crowd() && most(count))
    }

    /// Whether half of the clients are not marked, now or before.
    fn most_unmarked(&self) -> bool {
        let few = |count: &Count| count.marked.at_least().saturating_mul(2) <= count.all.at_least();
        [&self.now, &self.before].into_iter().any(|count| count.is_crowd() && few(count))
    }
}

/// Whether half of all clients get nothing but failures within 15 s: a failed deployment, or an outage. Then nobody's
/// failures mean anything.
///
/// A host whose only clients are eight or more scanners looks the same; known probes and tools do not depend on this.
#[derive(Clone, Debug)]
pub(super) struct Weather(Crowd);

impl Weather {
    pub(super) const fn new() -> Self {
        Self(Crowd::new(15))
    }

    /// Adds an exchange of a client, by its hash.
    #[inline]
    pub(super) fn note(&mut self, client: u64, failed: bool, now: Timestamp) {
        self.0.note(client, !failed, now);
    }

    /// Whether this is the case.
    pub(super) fn is_bad(&self) -> bool {
        self.0.most_unmarked()
    }
}

#[cfg(test)]
mod tests {

    use ahash::RandomState;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
    }

    #[test]
    fn the_weather_is_bad_where_most_get_nothing() {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let mut weather = Weather::new();
        let mut spell = |start: u64, clients: u64, failing: u64| {
            for client in 0..clients {
                // Everybody misses an icon; that is no outage.
                weather.note(hasher.hash_one(client), true, at(start));
                weather.note(hasher.hash_one(client), client % 10 < failing, at(start));
            }
            weather.is_bad()
        };
        for clients in [100, 1_000, 50_000] {
            let start = clients * 1_000;
            // The first look at many may restart the count.
            spell(start - 30, clients, 0);
            assert!(!spell(start, clients, 2), "{clients}");
            assert!(spell(start + 15, clients, 7), "{clients}");
            assert!(spell(start + 30, clients, 0), "the spell before counts");
            assert!(!spell(start + 45, clients, 0), "{clients}");
        }
        assert!(!spell(99_000, 4, 10), "too few to tell");
    }
}
