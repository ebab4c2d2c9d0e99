//! What ordinary documents of a route measure.

use std::time::Duration;

use super::super::Usage;
use super::super::recent::Recent;
use crate::clock::Timestamp;
use crate::event::Exchange;
use crate::inspect::Document;
use crate::prefix::ClientNet;

/// What is measured.
pub(super) const MEASURES: [&str; 6] = ["depth", "aliases", "directives", "tokens", "batch", "cost"];

/// Below these nothing is told, whatever is usual.
const FLOORS: [u64; MEASURES.len()] = [10, 20, 15, 1_000, 10, 10_000];
/// By how much a document may pass what nearly all others keep to.
const ROOM: u64 = 4;
/// Documents, and clients that sent them, after which a route is known.
const DOCUMENTS: u32 = 200;
const CLIENTS: usize = 5;
/// The share of documents, as its reciprocal, that are not usual.
const RARE: u32 = 200;
/// Powers of two that measures are told apart by.
const BUCKETS: usize = 34;
const ROUTES: u32 = 64;
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);

struct Route {
    documents: u32,
    clients: [Option<ClientNet>; CLIENTS],
    seen: [[u32; BUCKETS]; MEASURES.len()],
}

/// By route.
pub(super) struct Learned(Recent<u64, Route>);

pub(super) fn measures(document: &Document) -> [u64; MEASURES.len()] {
    [
        document.depth.into(),
        document.aliases,
        document.directives.into(),
        document.tokens.into(),
        document.batch.into(),
        document.cost,
    ]
}

impl Learned {
    pub(super) fn new(seed: u64) -> Self {
        Self(Recent::new(ROUTES, KEEP, seed))
    }

    /// The limits of a route, of those that are configured.
    pub(super) fn limits(
        &mut self,
        exchange: &Exchange<'_>,
        fixed: [u64; MEASURES.len()],
    ) -> [u64; MEASURES.len()] {
        let key = self.key(exchange);
        let hash = self.0.hash(&key);
        let Some(route) = self.0.get(hash, &key, exchange.seen).filter(|route| route.is_known()) else {
            return fixed;
        };
        let mut limits = fixed;
        for ((limit, floor), seen) in limits.iter_mut().zip(FLOORS).zip(&route.seen) {
            let learned = usual(seen, route.documents).saturating_mul(ROOM).max(floor);
            // Larger than what is configured only where that is what clients ask for as a rule.
            *limit = if usual(seen, route.documents) > *limit { learned } else { learned.min(*limit) };
        }
        limits
    }

    /// Notes an ordinary document.
    pub(super) fn note(&mut self, exchange: &Exchange<'_>, client: ClientNet, document: &Document) {
        let key = self.key(exchange);
        let fresh = || Route { documents: 0, clients: [None; CLIENTS], seen: [[0; BUCKETS]; MEASURES.len()] };
        let Some(route) = self.0.touch(key, exchange.seen, fresh) else { return };
        route.documents = route.documents.saturating_add(1);
        if !route.clients.contains(&Some(client))
            && let Some(place) = route.clients.iter_mut().find(|place| place.is_none())
        {
            *place = Some(client);
        }
        for (value, seen) in measures(document).into_iter().zip(&mut route.seen) {
            let last = BUCKETS.saturating_sub(1);
            if let Some(count) = seen.get_mut(bucket(value).min(last)) {
                *count = count.saturating_add(1);
            }
        }
    }

    fn key(&self, exchange: &Exchange<'_>) -> u64 {
        self.0.hash_of(exchange.route.unwrap_or_default().as_bytes())
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.0.sweep(now, 4, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.0.usage()
    }
}

impl Route {
    fn is_known(&self) -> bool {
        self.documents >= DOCUMENTS && self.clients.iter().all(Option::is_some)
    }
}

/// The power of two that all but one document in two hundred keep to.
fn usual(seen: &[u32; BUCKETS], documents: u32) -> u64 {
    let rare = documents.checked_div(RARE).unwrap_or_default();
    let mut above = 0_u32;
    for (place, count) in seen.iter().enumerate().rev() {
        above = above.saturating_add(*count);
        if above > rare {
            return 1_u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
        }
    }
    0
}

/// The power of two that is not below a number; the limit of its bucket is 2 to that.
fn bucket(number: u64) -> usize {
    let log = number.checked_next_power_of_two().and_then(u64::checked_ilog2).unwrap_or(u64::BITS);
    usize::try_from(log).unwrap_or(usize::MAX)
}
