//! Fields in which text that looks like an injection is ordinary: editors of code, tickets, queries.

use std::time::Duration;

use super::kept::Kept;
use super::{Config, Finding, field};
use crate::clock::Timestamp;
use crate::detect::Usage;
use crate::detect::recent::Recent;
use crate::event::Exchange;
use crate::prefix::ClientNet;

/// Clients whose hits make a class ordinary in a field.
pub(super) const CLIENTS: usize = 3;

/// Hits, on as many different days or hours as they may come, before it is ordinary.
const HITS: u32 = 10;

/// How long a field is remembered without a hit.
const KEEP: Duration = Duration::from_secs(14 * 86_400);

/// Classes that are ordinary nowhere.
const NEVER: [&str; 5] = ["log4shell", "xxe", "deserialisation", "shellshock", "ssrf"];

/// What a field has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) since: Timestamp,
    pub(super) clients: [Option<ClientNet>; CLIENTS],
    pub(super) hits: u32,
}

impl Field {
    const fn new(now: Timestamp) -> Self {
        Self { since: now, clients: [None; CLIENTS], hits: 0 }
    }

    fn note(&mut self, client: ClientNet) {
        self.hits = self.hits.saturating_add(1);
        let is_known = self.clients.contains(&Some(client));
        if let Some(place) = self.clients.iter_mut().find(|place| place.is_none()).filter(|_| !is_known) {
            *place = Some(client);
        }
    }
}

/// Fields, by route, name and class. Bounded; what is forgotten has to become ordinary anew.
pub(super) struct Profiles {
    after: Duration,
    fields: Recent<(u64, &'static str), Field>,
}

impl Profiles {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self { after: config.ordinary_after, fields: Recent::new(config.entries, KEEP, seed) }
    }

    /// Whether such values are ordinary in a field; takes note of this one. An answer with an error, or one that shows
    /// an effect, begins the time anew: who looks for a way in gets errors, and cannot make a field ordinary by them.
    pub(super) fn is_muted(
        &mut self,
        exchange: &Exchange<'_>,
        finding: &Finding,
        client: ClientNet,
        now: Timestamp,
    ) -> bool {
        if self.after.is_zero() || NEVER.contains(&finding.class) {
            return false;
        }
        let key = (field(exchange, finding), finding.class);
        let Some(known) = self.fields.touch(key, now, || Field::new(now)) else { return false };
        let is_clean = exchange.status.is_some_and(|status| status < 400) && exchange.effects.is_empty();
        if !is_clean {
            *known = Field::new(now);
            return false;
        }
        let is_ordinary = now.since(known.since) >= self.after
            && known.hits >= HITS
            && known.clients.iter().all(Option::is_some);
        known.note(client);
        is_ordinary
    }

    /// What a restart needs.
    pub(super) fn kept(&self) -> Kept {
        Kept::of(self.fields.iter_seen())
    }

    /// Takes up what was kept; what of it cannot be read.
    pub(super) fn restore(&mut self, kept: &Kept) -> Option<String> {
        let (entries, unread) = kept.read();
        for (key, hit, field) in entries {
            self.fields.touch(key, hit, || field);
        }
        unread
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.fields.sweep(now, 256, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.fields.usage()
    }
}
