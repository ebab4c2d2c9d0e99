//! An actor's successes while walking through objects.

use super::{Actor, Enumeration, Key};
use crate::clock::Timestamp;
use crate::event::Exchange;
use crate::prefix::ClientNet;

/// Successes of an actor on all routes, since one of its walks matters.
#[derive(Clone, Copy, Default)]
pub(super) struct Besides {
    pub(super) all: u32,
    /// Those of PUT.
    pub(super) puts: u32,
}

impl Enumeration {
    /// An existing object, requested from a site that was refused something.
    pub(super) fn pass_site(&mut self, key: Key, now: Timestamp) {
        let hash = self.walks.hash(&key);
        if let Some(walk) = self.walks.get(hash, &key, now) {
            walk.exchanges = walk.exchanges.saturating_add(1);
        }
    }

    /// A success of an actor that may be walking elsewhere.
    pub(super) fn pass(&mut self, actor: Actor, client: ClientNet, exchange: &Exchange<'_>) {
        if self.besides.is_empty() {
            return;
        }
        let is_put = exchange.method == Some("PUT");
        let both = [Some(actor), (actor != Actor::Client(client)).then_some(Actor::Client(client))];
        for actor in both.into_iter().flatten() {
            let hash = self.besides.hash(&actor);
            if let Some(besides) = self.besides.get(hash, &actor, exchange.seen) {
                besides.all = besides.all.saturating_add(1);
                besides.puts = besides.puts.saturating_add(u32::from(is_put));
            }
        }
    }
}
