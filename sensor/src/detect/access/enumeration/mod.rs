//! `enumeration`: walking through the identifiers of objects under one route.
//!
//! It counts distinct objects per route and hour, for each principal, or client without one. A large number alone means
//! little: crawlers, synchronisation and nightly batches request many. So it takes
//!
//! * mostly refusals (403, 404, 410): clients that know which objects exist are seldom refused. Not if the route
//!   refuses most of its clients, nor while requests fail for everybody.
//! * or sequential identifiers, more than the route's clients usually request and this principal requested on earlier
//!   days. With successes, that may be broken object level authorization or a crawler; blind guesses also hit gaps.
//! * or far more objects than the route's clients usually request, which is reported, and no more.
//!
//! A request refused for its credentials (401) or its rate (429) says nothing about objects. Nor does
//!
//! * a missing digest or random number (404, 410): nobody guesses those, and caches request them.
//! * a DELETE with credentials of what is already gone: cleanup programs repeat it.
//! * a miss that is followed by a successful PUT: a cache lacked it, and its client creates it.
//!
//! Larger counts apply with success elsewhere in between (pages reveal what is missing), and with credentials if objects
//! are absent, not forbidden. Scrolling through pages, with up to one in five objects absent, is reported, and no more.
//!
//! Refusals of clients that were not reported themselves count for their /48 site, too. Cross-site requests accuse nobody.

use std::time::Duration;

use documented::DocumentedFields;

use super::config::Sources;
use super::object::{self, Value};
use super::ongoing::Ongoing;
use super::population::Population;
use super::recent::Recent;
use super::weather::Weather;
use super::{Detector, Offender, Preset, Sample, Severity, Signal, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;
use besides::Besides;
use judgement::{Others, judge, judge_site, signal};
use walk::Walk;

mod besides;
mod judgement;
#[cfg(test)]
mod tests;
mod walk;

/// Thresholds. None has a source that could be cited: attacks are told from use by what others do on the route.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Distinct, mostly refused objects within an hour; twice as many are severity high. In sequence, half as many
    /// suffice for either. The default is what a page may show at once.
    pub refused: u32,
    /// Share of refusals (status 403, 404 or 410), in percent, that counts as mostly refused. No preset changes it.
    pub refused_percent: u32,
    /// Distinct objects within an hour, in sequence. The default is one every 12 s. Ten times as many without
    /// credentials are severity high, if others request far fewer.
    pub sequence: u32,
    /// Multiple of the route's usual number of objects that is too many. No preset changes it.
    pub times_usual: u32,
    /// Maximum entries, one for each client or principal and route, about 220 bytes each.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            refused: preset.scaled(30),
            refused_percent: 50,
            sequence: preset.scaled(300),
            times_usual: 4,
            entries: 65_536,
        }
    }

    /// Reads `[detect.enumeration]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("refused", 2..=COUNTABLE, &mut config.refused);
        section.integer("refused_percent", 1..=100, &mut config.refused_percent);
        section.integer("sequence", 2..=COUNTABLE, &mut config.sequence);
        section.integer("times_usual", 2..=100, &mut config.times_usual);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// The unit of counting.
const WINDOW: Duration = Duration::from_secs(3_600);

/// How long a principal's habit is remembered, for weekly jobs.
const HABIT: Duration = Duration::from_secs(8 * 86_400);

/// Age at which a principal's behaviour becomes a habit, if repeated: a daily job.
const HABIT_AGE: Duration = Duration::from_secs(12 * 3_600);

/// Routes whose usual numbers are known; principals and routes with a known habit.
const ROUTES: u32 = 2_048;
const HABITS: u32 = 8_192;

/// Multiples of the counts for misses: with credentials, and with success elsewhere in between.
const WITH_CREDENTIALS: u32 = 2;
const WITH_PAGES: u32 = 4;

/// Maximum objects that a page shows.
const PAGE: u32 = 100;

/// Percentage of the objects on pages that may be absent before scrolling counts as guessing.
const MISSING_OF_PAGES: u32 = 20;

/// One in this many refusals may be forbidden (403) rather than absent.
const FORBIDDEN: u32 = 10;

/// Requests of a principal that count as its client's, too.
const YOUNG: u32 = 3;

/// Maximum objects that can be counted beyond.
const COUNTABLE: u32 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Client(ClientNet),
    Principal(KeyedHash),
    Site(ClientNet),
    /// A browser, for pages of other sites.
    Foreign(ClientNet),
}

/// The actor, and the hash of the route: routes with the same hash are one.
type Key = (Actor, u64);

/// A principal's earlier behaviour.
struct Habit {
    since: Timestamp,
    most: u32,
}

/// The detector.
pub struct Enumeration {
    config: Config,
    sources: Sources,
    walks: Recent<Key, Walk>,
    routes: Recent<u64, Population>,
    habits: Recent<Key, Habit>,
    /// Other behaviour of actors whose walks matter.
    besides: Recent<Actor, Besides>,
    weather: Weather,
    ongoing: Ongoing,
}

/// One request for an object.
#[derive(Clone, Copy)]
struct Request<'a> {
    client: ClientNet,
    value: Value<'a>,
    failed: bool,
    /// The hash of what counts as one member of a crowd.
    crowd: u64,
    exchange: &'a Exchange<'a>,
}

/// An actor's behaviour before a request, including it.
#[derive(Clone, Copy, Default)]
struct Asked {
    requests: u32,
    was_told: bool,
}

impl Enumeration {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            walks: Recent::new(config.entries, WINDOW.saturating_mul(2), seed),
            routes: Recent::new(ROUTES, HABIT, seed),
            habits: Recent::new(HABITS, HABIT, seed),
            besides: Recent::new(HABITS, WINDOW, seed),
            weather: Weather::new(),
            ongoing: Ongoing::default(),
        }
    }

    /// Reads the walk that an exchange is a step of, if there is one.
    #[inline]
    pub(super) fn look_ahead(&self, exchange: &Exchange<'_>, client: ClientNet) -> bool {
        let Some(route) = exchange.route else { return false };
        let actor = exchange.principal.map_or(Actor::Client(client), Actor::Principal);
        self.walks.is_there(&(actor, self.walks.hash_of(route.as_bytes())))
    }

    /// An exchange, with the object that it is for.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        value: Option<Value<'_>>,
        signals: &mut Vec<Signal>,
    ) {
        let Some(status) = exchange.outcome() else { return };
        let now = exchange.seen;
        let client = self.sources.client(exchange.client);
        let crowd = self.walks.hash_of_key(&client.owner());
        self.weather.note(crowd, status >= 400, now);
        let failed = matches!(status, 403 | 404 | 410);
        let actor = exchange.principal.map_or(Actor::Client(client), Actor::Principal);
        if (200..400).contains(&status) {
            self.pass(actor, client, exchange);
        }
        let (Some(route), Some(value)) = (exchange.route, value) else { return };
        if !(failed || (200..400).contains(&status)) || exchange.method == Some("OPTIONS") {
            return;
        }
        let place = self.walks.hash_of(route.as_bytes());
        // A cleanup program does not care whether it is gone already.
        if failed && status != 403 && exchange.method == Some("DELETE") && exchange.principal.is_some() {
            return;
        }
        let request = Request { client, value, failed, crowd, exchange };
        if exchange.cross_site {
            self.ask((Actor::Foreign(client), place), &request, signals);
            return;
        }
        let mut asked = self.ask((actor, place), &request, signals);
        if matches!(actor, Actor::Principal(_)) {
            if asked.requests > YOUNG {
                return;
            }
            // A client that uses a new token for each request is still the same client.
            asked = self.ask((Actor::Client(client), place), &request, signals);
        }
        let Some(site) = self.sources.site(client) else { return };
        if !failed {
            self.pass_site((Actor::Site(site), place), now);
        } else if !asked.was_told {
            self.ask((Actor::Site(site), place), &request, signals);
        }
    }

    /// Records a request, and evaluates its sender.
    fn ask(&mut self, key: Key, request: &Request<'_>, signals: &mut Vec<Signal>) -> Asked {
        let Request { client, value, failed, crowd, exchange } = *request;
        let now = exchange.seen;
        let who = Offender::of(client, exchange);
        let object = self.walks.hash_of(value.object);
        let may_be_told = failed && exchange.outcome() != Some(403) && value.is_unguessable();
        let Some(walk) = self.walks.touch(key, now, || Walk::new(now, who)) else { return Asked::default() };
        let is_over = now.since(walk.began) > WINDOW;
        let over = is_over.then(|| {
            let goes_on = walk.goes_on || walk.told.is_some();
            let over = std::mem::replace(walk, Walk::new(now, who));
            walk.goes_on = goes_on;
            over
        });
        if may_be_told && walk.is_no_neighbour(value.head()) {
            let asked = Asked { requests: walk.exchanges, was_told: true };
            if let Some(over) = over {
                self.conclude(&key, &over, now);
            }
            return asked;
        }
        walk.several |= walk.who.client != who.client;
        walk.forbidden = walk.forbidden.saturating_add(u32::from(exchange.outcome() == Some(403)));
        let is_new = walk.note(object, value.number, failed);
        let asked = Asked { requests: walk.exchanges, was_told: walk.told.is_some() };
        let is_known = walk.goes_on || asked.was_told;
        let is_refused = failed && walk.failures == 1;
        let may_matter =
            walk.objects.at_least().saturating_mul(4) >= self.config.refused && (is_new || failed);
        if let Some(over) = over {
            self.conclude(&key, &over, now);
        }
        let is_one = matches!(key.0, Actor::Client(_) | Actor::Principal(_));
        if is_one
            && (asked.requests == 1 || is_refused)
            && let Some(population) = self.routes.touch(key.1, now, Population::new)
        {
            population.meets(crowd, is_refused, now);
        }
        let goes_on = is_known && (is_new || failed) && {
            let told = (Threat::Enumeration, judgement::subject(key.0));
            self.ongoing.goes_on(told, who, now)
        };
        if may_matter || goes_on {
            self.look(key, request, goes_on, signals);
        }
        asked
    }

    /// An hour is over: its behaviour is usual from now on.
    fn conclude(&mut self, key: &Key, walk: &Walk, now: Timestamp) {
        let objects = walk.objects.estimate();
        if matches!(key.0, Actor::Client(_) | Actor::Principal(_))
            && let Some(population) = self.routes.touch(key.1, now, Population::new)
        {
            population.learn(objects);
        }
        let notable = objects >= self.config.sequence / 2 && !walk.fails(self.config.refused_percent);
        if notable && matches!(key.0, Actor::Principal(_)) {
            let since = walk.began;
            if let Some(habit) = self.habits.touch(*key, now, || Habit { since, most: 0 }) {
                habit.most = habit.most.max(objects);
            }
        }
    }

    /// Evaluates an actor that requested a fair number of objects.
    fn look(&mut self, key: Key, request: &Request<'_>, goes_on: bool, signals: &mut Vec<Signal>) {
        let Request { client, failed, exchange, .. } = *request;
        let now = exchange.seen;
        let place = self.walks.hash(&key);
        let population = self.routes.hash(&key.1);
        let population = self.routes.get(population, &key.1, now);
        let refuses_most = population.as_ref().is_some_and(|population| population.refuses_most());
        let usual = population.and_then(|population| population.usual());
        let bad = refuses_most || self.weather.is_bad();
        let habit = self.habits.hash(&key);
        let habit = self.habits.get(habit, &key, now);
        let habit = habit.filter(|habit| now.since(habit.since) >= HABIT_AGE).map_or(0, |habit| habit.most);
        let besides = self.besides.touch(key.0, now, Besides::default).copied().unwrap_or_default();
        let program = exchange.user_agent.as_ref().map_or("", |agent| agent.whole());
        let whose = self.walks.hash_of_key(&(exchange.principal, program));
        let Some(walk) = self.walks.get(place, &key, now) else { return };
        walk.closely().actors.note(whose);
        let others = Others { pages: walk.pages(besides.all), puts: besides.puts };
        let samples = &mut walk.closely().samples;
        if failed || samples.is_empty() {
            Sample::keep(samples, exchange);
        }
        let found = match key.0 {
            Actor::Site(_) => judge_site(&self.config, self.sources, walk, bad),
            Actor::Client(_) | Actor::Principal(_) | Actor::Foreign(_) => {
                judge(&self.config, walk, (key.0, others), usual, (bad, program), habit)
            }
        };
        let Some(found) = found else { return };
        if !goes_on && walk.told.is_some_and(|told| told >= found.severity) {
            return;
        }
        walk.told = walk.told.max(Some(found.severity));
        let offender = match key.0 {
            Actor::Foreign(_) => None,
            Actor::Site(site) => (found.severity >= Severity::High).then_some(site),
            Actor::Client(_) | Actor::Principal(_) => self.is_alone(&key, client).then_some(client),
        };
        let offenders = offender.map(|client| Offender::of(client, exchange)).into_iter().collect();
        if let Some(walk) = self.walks.get(place, &key, now) {
            let so_far = walk.exchanges.into();
            let signal = signal(&self.config, walk, key.0, &found, offenders, exchange);
            signals.push(self.ongoing.tell(signal, so_far));
        }
    }

    /// Whether dropping a client's packets would stop nobody else. It searches the whole table: once per incident.
    fn is_alone(&self, key: &Key, client: ClientNet) -> bool {
        let Actor::Principal(_) = key.0 else { return true };
        self.walks.iter().all(|((actor, _), walk)| {
            let same = *actor == key.0;
            let its = walk.who.client == client;
            let is_other = || matches!(actor, Actor::Principal(_));
            if same { its && !walk.several } else { !its || !is_other() }
        })
    }
}

impl Detector for Enumeration {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        if let Event::Exchange(exchange) = event {
            object::seen(exchange, |value| self.exchange(exchange, value, signals));
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.ongoing.advance(now, signals);
        let mut over = Vec::new();
        self.walks.sweep(now, 1_024, |key, walk| over.push((*key, walk)));
        for (key, walk) in over {
            self.conclude(&key, &walk, now);
        }
    }

    fn usage(&self) -> Usage {
        let tables = [self.routes.usage(), self.habits.usage(), self.ongoing.usage()];
        tables.into_iter().fold(self.walks.usage(), Usage::and)
    }
}
