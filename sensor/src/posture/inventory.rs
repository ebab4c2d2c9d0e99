//! The inventory itself: which row an exchange belongs to, and how much of it is looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use documented::DocumentedFields;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::exchange;
use super::fact::{Fact, Second};
use super::heads::About;
use super::merge::merged;
use super::names;
use super::row::{MAX_SHAPES, Row};
use super::rows::{Rows, Standing};
use crate::clock::Timestamp;
use crate::event::{Exchange, LeakedPassword, Redactor};
use crate::http::{self, Method};
use crate::inspect::{self, Side};
use crate::route::Route;

/// The number of methods with a label.
const METHODS: usize = Method::ALL.len();
/// No row.
const NONE: u16 = u16::MAX;
/// Exchanges of a row whose heads are looked at; after these, one in [`HEADS_EVERY`].
const HEADS: u64 = 64;
const HEADS_EVERY: u64 = 16;
/// Exchanges of a row whose bodies are read whatever was read before.
const BODIES: u32 = 24;
/// Bytes of bodies that each exchange adds to what may be read: at some 300 MB/s, 0.1 us.
const BYTES_PER_EXCHANGE: i64 = 32;
/// What a copy of a shape that a snapshot shares is charged, in bytes read: four times the 0.5 us that it takes, because
/// just after a snapshot every row shares its shapes, and those of one row may take 140 us. What is saved up then pays
/// for 1 ms of copies at once.
const BYTES_PER_SHAPE: i64 = 640;
/// Most bytes saved up: some 3.5 ms of the thread that reads HTTP.
const MOST_BYTES: i64 = 1 << 20;
/// Seconds without an exchange after which a row gives its place to a new one: a day.
const IDLE: u64 = 86_400;

/// What is recorded of routes.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Whether to record what each route looks like from outside: methods, clients, credentials, types of parameters and
    /// fields (never values), for `sensor posture`.
    pub enabled: bool,
    /// Maximum rows of route and method, some 2 to 16 KiB each; the rest is only counted.
    #[documented_fields(rename = "max_routes")]
    pub rows: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, rows: 4_096 }
    }
}

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Exchanges that were noted.
    pub exchanges: u64,
    /// Exchanges that found no place among the rows.
    pub no_room: u64,
    /// Documents read for their shape.
    pub documents: u64,
}

/// An exchange, as the rooms before see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its record.
    pub event: &'a Exchange<'a>,
    /// Its messages.
    pub exchange: &'a http::Exchange<'a>,
    /// Its template.
    pub route: Option<Route>,
    /// What is shown of what clients wrote.
    pub redactor: &'a Redactor,
}

/// All rows as they were at a moment, shared with the inventory until they change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) rows: Vec<Arc<Row>>,
    /// When the inventory began.
    pub since: Timestamp,
    /// When this was taken.
    pub at: Timestamp,
    /// Totals.
    pub counters: Counters,
}

impl Snapshot {
    /// Rows of route and method.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As it is stored.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let rows = merged(&self.rows).into_iter().map(Cow::into_owned).collect();
        Kept { version: VERSION, since: Some(self.since), counters: self.counters, rows }
    }
}

/// The version of the stored form.
const VERSION: u32 = 1;

/// An inventory as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    version: u32,
    since: Option<Timestamp>,
    counters: Counters,
    rows: Vec<Row>,
}

/// All routes that were seen.
#[derive(Debug)]
pub struct Inventory {
    config: Config,
    rows: Vec<Arc<Row>>,
    /// How each row is counted below.
    standings: Vec<Standing>,
    /// Rows by who is answered: kept as rows change, because a walk over all of them would take milliseconds.
    by_access: Rows,
    /// Rows by the index of their route and by method.
    places: Vec<[u16; METHODS]>,
    /// The same by the text of the route: for routes that have no place yet in this run.
    by_text: HashMap<Box<str>, [u16; METHODS], RandomState>,
    counters: Counters,
    since: Timestamp,
    swept: Second,
    /// Bytes of bodies that may be read.
    left: i64,
    body: Zeroizing<Vec<u8>>,
}

impl Inventory {
    /// An empty one.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let rows = config.rows.min(usize::from(NONE));
        Self {
            config: Config { rows, ..config.clone() },
            rows: Vec::new(),
            standings: Vec::new(),
            by_access: Rows::default(),
            places: Vec::new(),
            by_text: HashMap::default(),
            counters: Counters::default(),
            since: Timestamp::default(),
            swept: Second::default(),
            left: MOST_BYTES,
            body: Zeroizing::default(),
        }
    }

    /// Continues from an earlier run.
    pub fn restore(&mut self, kept: Kept) {
        if kept.version != VERSION {
            return;
        }
        self.rows = kept.rows.into_iter().map(Arc::new).collect();
        self.rows.truncate(self.config.rows);
        self.counters = kept.counters;
        self.since = kept.since.unwrap_or_default();
        self.index();
    }

    /// All rows as they are now.
    #[must_use]
    pub fn snapshot(&self, at: Timestamp) -> Snapshot {
        Snapshot { rows: self.rows.clone(), since: self.since, at, counters: self.counters }
    }

    /// Rows by who is answered, and by whether the OpenAPI document has them.
    #[must_use]
    pub const fn by_access(&self) -> Rows {
        self.by_access
    }

    /// Totals.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Rows of route and method.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Notes an exchange. What nobody proves to have sent, what was seen before at a proxy, and what was not answered
    /// say nothing about the server.
    pub fn note(&mut self, seen: &Seen<'_>) {
        let Seen { event, exchange, route, .. } = *seen;
        if !self.config.enabled || !event.proven || event.seen_twice {
            return;
        }
        let (Some(route), Some(request), Some(status)) = (route, exchange.request, event.outcome()) else {
            return;
        };
        if self.counters.exchanges == 0 && self.since == Timestamp::default() {
            self.since = event.ts;
        }
        self.counters.exchanges = self.counters.exchanges.saturating_add(1);
        self.left = self.left.saturating_add(BYTES_PER_EXCHANGE).min(MOST_BYTES);
        let now = Second::of(event.seen);
        let Some(place) = self.place(route, request.method(), (event, status), now) else { return };
        let Some(row) = self.rows.get_mut(place) else { return };
        let row = Arc::make_mut(row);
        let before = (row.access(), row.found.len());
        row.total = row.total.saturating_add(1);
        row.last = row.last.max(now);
        row.bytes_in = row.bytes_in.saturating_add(event.request_bytes.unwrap_or(0));
        row.bytes_out = row.bytes_out.saturating_add(event.response_bytes.unwrap_or(0));
        row.note_status(status);
        row.note_port(event.server_port);
        row.clients.insert(event.client);
        let about = exchange::access(row, event, status, now);
        for finding in event.findings {
            let is_response = finding.side == Side::Response;
            // What the server refused is the client's affair, and an attack is no posture.
            if finding.kind == inspect::Kind::Injection || !is_response && status >= 400 {
                continue;
            }
            row.note_found((finding.kind.label(), finding.class, finding.rule), is_response, now);
        }
        if before != (row.access(), row.found.len()) {
            let standing = row.standing();
            if let Some(counted) = self.standings.get_mut(place) {
                self.by_access.remove(*counted);
                self.by_access.add(standing);
                *counted = standing;
            }
        }
        if row.total <= HEADS || row.total.is_multiple_of(HEADS_EVERY) {
            let copies = if Arc::strong_count(&row.shapes) > 1 { row.shapes.size } else { 0 };
            let is_spared = copies > 0 && self.left < 0;
            let cost = i64::try_from(copies).unwrap_or(i64::MAX).saturating_mul(BYTES_PER_SHAPE);
            exchange::message(row, seen, status, (about, !is_spared));
            if !is_spared {
                self.left = self.left.saturating_sub(cost);
                self.bodies(place, seen, (status, about));
            }
        }
    }

    /// Whether the password of a login that was noted is leaked, which was found out since.
    pub fn note_looked_up(&mut self, login: &LeakedPassword, method: Method, is_leaked: bool) {
        let place = login
            .route
            .as_ref()
            .filter(|_| login.proven)
            .and_then(|route| self.by_text.get(route)?.get(method as usize).copied());
        if let Some(row) = place.and_then(|place| self.rows.get_mut(usize::from(place))) {
            exchange::looked_up(&mut Arc::make_mut(row).facts, is_leaked, Second::of(login.seen));
        }
    }

    /// The row of a route and a method; a new one where the server has shown that it handles this.
    #[inline]
    fn place(
        &mut self,
        route: Route,
        method: Method,
        of: (&Exchange<'_>, u16),
        now: Second,
    ) -> Option<usize> {
        let index = usize::try_from(route.index()).unwrap_or(usize::MAX);
        let column = method as usize;
        let known = self.places.get(index).and_then(|row| row.get(column)).copied().unwrap_or(NONE);
        if known != NONE {
            return Some(usize::from(known));
        }
        self.find(index, column, of, now)
    }

    #[cold]
    fn find(
        &mut self,
        index: usize,
        column: usize,
        (event, status): (&Exchange<'_>, u16),
        now: Second,
    ) -> Option<usize> {
        let text = event.route.filter(|text| !text.ends_with("{other}"))?;
        let mut place = self.by_text.get(text).and_then(|row| row.get(column)).copied().unwrap_or(NONE);
        if place == NONE {
            // 404, 405 and 501 say that there is nothing here.
            if matches!(status, 404 | 405 | 501) {
                return None;
            }
            place = self.add(text, column, now)?;
        }
        if self.places.len() <= index {
            self.places.resize(index.saturating_add(1), [NONE; METHODS]);
        }
        *self.places.get_mut(index)?.get_mut(column)? = place;
        Some(usize::from(place))
    }

    fn add(&mut self, text: &str, column: usize, now: Second) -> Option<u16> {
        if self.rows.len() >= self.config.rows {
            self.sweep(now);
        }
        if self.rows.len() >= self.config.rows {
            self.counters.no_room = self.counters.no_room.saturating_add(1);
            return None;
        }
        let place = u16::try_from(self.rows.len()).ok()?;
        let method = Method::ALL.get(column)?.label();
        self.rows.push(Arc::new(Row {
            route: text.into(),
            method: method.into(),
            first: now,
            last: now,
            ..Row::default()
        }));
        self.standings.push(Standing::default());
        self.by_access.add(Standing::default());
        let columns = self.by_text.entry(text.into()).or_insert([NONE; METHODS]);
        *columns.get_mut(column)? = place;
        Some(place)
    }

    /// Makes room, once in a minute at most: templates that were replaced while routes were learned never come again.
    fn sweep(&mut self, now: Second) {
        if now.since(self.swept) < 60 {
            return;
        }
        self.swept = now;
        self.rows.retain(|row| now.since(row.last) < IDLE);
        self.index();
    }

    fn index(&mut self) {
        self.places.clear();
        self.by_text.clear();
        self.standings = self.rows.iter().map(|row| row.standing()).collect();
        self.by_access = Rows::default();
        self.standings.iter().for_each(|standing| self.by_access.add(*standing));
        for (place, row) in self.rows.iter().enumerate() {
            let column = Method::ALL.iter().position(|method| method.label() == &*row.method);
            let columns = self.by_text.entry(row.route.clone()).or_insert([NONE; METHODS]);
            if let Some(slot) = column.and_then(|column| columns.get_mut(column)) {
                *slot = u16::try_from(place).unwrap_or(NONE);
            }
        }
    }

    /// Reads the bodies for their shapes, as far as there is time for it.
    fn bodies(&mut self, place: usize, seen: &Seen<'_>, (status, about): (u16, About)) {
        let Some(row) = self.rows.get_mut(place) else { return };
        let row = Arc::make_mut(row);
        if self.left < 0 && row.shapes.bodies >= BODIES {
            return;
        }
        let shapes = Arc::make_mut(&mut row.shapes);
        let mut room = shapes.room();
        let read = names::request(shapes, seen, status, &mut room);
        let (more, list) = exchange::answer(shapes, seen, status, (&mut self.body, &mut room));
        shapes.size = MAX_SHAPES.saturating_sub(room);
        if read.saturating_add(more) > 0 {
            shapes.bodies = shapes.bodies.saturating_add(1);
            self.counters.documents = self.counters.documents.saturating_add(1);
        }
        if let Some(has_next) = list {
            row.facts.note(Fact::LongList, about.now);
            if has_next {
                row.facts.note(Fact::ListNext, about.now);
            }
        }
        let read = i64::try_from(read.saturating_add(more)).unwrap_or(i64::MAX);
        self.left = self.left.saturating_sub(read).max(MOST_BYTES.saturating_neg());
    }
}
