//! What is usual for a route: how many records its answers hold, which fields, how large they are, and whether they show errors.

use std::time::Duration;

use super::super::Usage;
use super::super::recent::Recent;
use super::Config;
use crate::clock::Timestamp;
use crate::event::Exchange;
use crate::inspect::{Answer, FieldName};

/// How long a route is remembered without an answer.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A route is learned for that long, too: an hour's first answers may all be to one client.
const LEARNING: Duration = Duration::from_secs(3_600);
/// Fields of one route. One that has more has names for keys, and nothing is said of its fields.
const FIELDS: usize = 256;
/// Powers of two that sizes and counts are told apart by.
const BUCKETS: usize = 32;
/// Classes of leaks that are told apart.
const LEAKS: usize = 8;
/// The share of answers, as its reciprocal, that makes something usual.
const RARE: u32 = 50;
/// An answer below this size, in bytes, is never large.
const LARGE: u64 = 256 << 10;
/// By how many powers of two a large answer passes what is usual.
const JUMP: usize = 4;

/// What an answer has that its route never had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// The route gives as many records as a rule.
    pub(super) is_usual: bool,
    /// More records than usual: of which kind, how many.
    pub(super) records: Option<(&'static str, u32)>,
    /// A new field whose name says that it is not for everybody.
    pub(super) field: Option<FieldName>,
    /// New fields.
    pub(super) fields: u32,
    /// It is much larger than usual.
    pub(super) is_large: bool,
}

struct Route {
    began: Timestamp,
    answers: u32,
    records: [[u32; 12]; 5],
    sizes: [u32; BUCKETS],
    leaks: [(&'static str, u32); LEAKS],
    fields: Vec<u32>,
    has_many_fields: bool,
}

impl Route {
    const fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            answers: 0,
            records: [[0; 12]; 5],
            sizes: [0; BUCKETS],
            leaks: [("", 0); LEAKS],
            fields: Vec::new(),
            has_many_fields: false,
        }
    }

    fn is_learned(&self, learn: u32, now: Timestamp) -> bool {
        self.answers >= learn && now.since(self.began) >= LEARNING
    }
}

/// What is usual, by route.
pub(super) struct Usual {
    learn: u32,
    routes: Recent<u64, Route>,
}

impl Usual {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self { learn: config.learn, routes: Recent::new(config.routes, KEEP, seed) }
    }

    fn route(&mut self, exchange: &Exchange<'_>) -> Option<&mut Route> {
        let now = exchange.seen;
        let name = (exchange.method, exchange.route?);
        let key = self.routes.hash_of_key(&name);
        self.routes.touch(key, now, || Route::new(now))
    }

    /// Whether a route shows leaks of a class as a rule, as one that hands out reports of errors does. Noted by the way.
    pub(super) fn leaks(&mut self, exchange: &Exchange<'_>, class: &'static str) -> bool {
        let is_given = exchange.status.is_some_and(|status| (200..300).contains(&status));
        if !is_given || matches!(class, "file" | "password-hash") {
            return false;
        }
        let learn = self.learn;
        let Some(route) = self.route(exchange) else { return false };
        let enough = route.answers >= learn / 4;
        let answers = route.answers;
        let known = route.leaks.iter_mut().find(|(known, _)| *known == class || known.is_empty());
        let Some((name, count)) = known else { return false };
        *name = class;
        *count = count.saturating_add(1);
        enough && count.saturating_mul(10) >= answers
    }

    /// Notes an answer, and what is new about it.
    pub(super) fn note(&mut self, exchange: &Exchange<'_>, answer: &Answer<'_>) -> News {
        let (learn, now) = (self.learn, exchange.seen);
        let Some(route) = self.route(exchange) else { return News::default() };
        let is_learned = route.is_learned(learn, now);
        route.answers = route.answers.saturating_add(1);
        let mut news = News::default();
        route.count(answer, &mut news);
        route.size(exchange.response_bytes.unwrap_or_default(), is_learned, &mut news);
        route.names(answer, is_learned, &mut news);
        news
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.routes.sweep(now, 16, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.routes.usage()
    }
}

impl Route {
    fn count(&mut self, answer: &Answer<'_>, news: &mut News) {
        let (answers, mut is_unusual) = (self.answers, false);
        let mut has_some = false;
        for ((class, count), seen) in Answer::KINDS.into_iter().zip(answer.records).zip(&mut self.records) {
            if count == 0 {
                continue;
            }
            has_some |= count > 1;
            let place = bucket(count.into()).min(seen.len().saturating_sub(1));
            // As many, or half as many, were in a fiftieth of all answers before.
            let near = seen.get(place.saturating_sub(1)..).unwrap_or_default();
            let before = near.iter().fold(0_u32, |sum, count| sum.saturating_add(*count));
            let is_usual = before >= 5 && before.saturating_mul(RARE) >= answers;
            if let Some(count) = seen.get_mut(place) {
                *count = count.saturating_add(1);
            }
            if !is_usual && count > 1 {
                is_unusual = true;
                if news.records.is_none_or(|(_, most)| u32::from(count) > most) {
                    news.records = Some((class, count.into()));
                }
            }
        }
        news.is_usual = has_some && !is_unusual;
    }

    fn size(&mut self, bytes: u64, is_learned: bool, news: &mut News) {
        let place = bucket(bytes).min(BUCKETS.saturating_sub(1));
        let near = self.sizes.get(place.saturating_sub(JUMP).saturating_add(1)..).unwrap_or_default();
        let is_new = near.iter().all(|count| *count == 0);
        news.is_large = is_learned && is_new && bytes >= LARGE;
        if let Some(count) = self.sizes.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    fn names(&mut self, answer: &Answer<'_>, is_learned: bool, news: &mut News) {
        for field in answer.fields {
            if self.has_many_fields {
                return;
            }
            let Err(place) = self.fields.binary_search(&field.hash) else { continue };
            if self.fields.len() >= FIELDS {
                self.has_many_fields = true;
                self.fields = Vec::new();
                return;
            }
            self.fields.insert(place, field.hash);
            if is_learned {
                news.fields = news.fields.saturating_add(1);
                if field.is_sensitive {
                    news.field = Some(field.name);
                }
            }
        }
    }
}

/// The power of two below a number, from 1; 0 for none.
fn bucket(number: u64) -> usize {
    number.checked_ilog2().and_then(|log| usize::try_from(log).ok()).map_or(0, |log| log.saturating_add(1))
}
