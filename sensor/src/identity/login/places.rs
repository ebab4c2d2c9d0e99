//! Login routes, learned from submissions.

use std::hash::BuildHasher as _;

/// Maximum routes remembered.
const ROUTES: usize = 64;

/// Attempts after which a route is a login route.
const ENOUGH: u32 = 3;

/// Counts are halved when they reach this, so that old ones fade.
const MANY: u32 = 1 << 16;

#[derive(Clone, Copy)]
struct Route {
    hash: u64,
    attempts: u32,
    others: u32,
}

/// Routes with login attempts, and the share of their submissions: sending passwords to an upload route does not make it a
/// login route as long as others use it.
pub(super) struct Places {
    hasher: foldhash::quality::RandomState,
    routes: Vec<Route>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { hasher: foldhash::quality::RandomState::default(), routes: Vec::new() }
    }

    /// Notes a readable submission to a route: an attempt, or something else.
    pub(super) fn note(&mut self, route: &str, is_attempt: bool) {
        if self.routes.is_empty() && !is_attempt {
            return;
        }
        let hash = self.hasher.hash_one(route);
        let Some(known) = self.routes.iter_mut().find(|known| known.hash == hash) else {
            if is_attempt {
                self.add(Route { hash, attempts: 1, others: 0 });
            }
            return;
        };
        let count = if is_attempt { &mut known.attempts } else { &mut known.others };
        *count = count.saturating_add(1);
        if *count >= MANY {
            (known.attempts, known.others) = (known.attempts / 2, known.others / 2);
        }
    }

    fn add(&mut self, route: Route) {
        if self.routes.len() < ROUTES {
            self.routes.push(route);
        } else if let Some(least) = self.routes.iter_mut().min_by_key(|known| known.attempts) {
            *least = route;
        }
    }

    /// Whether an attempt was ever made on a route, for those that take calls of all kinds.
    pub(super) fn had_any(&self, route: &str) -> bool {
        if self.routes.is_empty() {
            return false;
        }
        let hash = self.hasher.hash_one(route);
        self.routes.iter().any(|known| known.hash == hash && known.attempts > 0)
    }

    /// Whether most submissions to a route are login attempts.
    pub(super) fn has(&self, route: &str) -> bool {
        if self.routes.is_empty() {
            return false;
        }
        let hash = self.hasher.hash_one(route);
        let known = self.routes.iter().find(|known| known.hash == hash);
        known.is_some_and(|known| known.attempts >= ENOUGH && known.attempts >= known.others)
    }
}

/// The hash of a name, compared within one exchange only.
pub(super) fn hash(name: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_submit_decides() {
        let mut places = Places::new();
        (0..2).for_each(|_| places.note("/in", true));
        assert!(!places.has("/in"));
        places.note("/in", true);
        assert!(places.has("/in") && !places.has("/upload"));
        (0..3).for_each(|_| places.note("/upload", true));
        (0..4).for_each(|_| places.note("/upload", false));
        assert!(!places.has("/upload"));
    }

    #[test]
    fn memory_is_bounded_and_busy_routes_stay() {
        let mut places = Places::new();
        (0..10).for_each(|_| places.note("/in", true));
        (0..1_000).for_each(|number| places.note(&number.to_string(), true));
        assert!(places.has("/in"));
        assert_eq!(places.routes.len(), ROUTES);
    }
}
