//! `enumeration`: walking through the identifiers of objects under one route.
//!
//! What is counted are different objects for each principal, or for each client where there is none, and route,
//! within an hour. Many alone mean little: crawlers, synchronisation and nightly batches ask for many. So it takes
//!
//! * mostly refusals (403, 404, 410): whoever knows which objects exist is seldom refused. Not where the route
//!   refuses most of its clients, nor while requests fail for everybody.
//! * or identifiers one after the other, more of them than clients of the route usually ask for, and more than this
//!   principal has asked for on days before. With successes that is what broken object level authorization looks
//!   like from outside, or a crawler; who guesses blindly hits holes, and then it is beyond doubt.
//! * or far more objects than clients of the route usually ask for, which is told, and no more.
//!
//! A request that was refused for its credentials (401) or its rate (429) says nothing about objects.

use std::net::IpAddr;
use std::time::Duration;

use documented::DocumentedFields;

use super::recent::{Recent, share};
use super::weather::Weather;
use super::{Detector, Evidence, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange, Path};
use crate::identity::KeyedHash;
use population::Population;
use value::Value;
use walk::Walk;

mod population;
#[cfg(test)]
mod tests;
mod value;
mod walk;

/// Thresholds. None has a source that could be cited: attacks are told from use by what others do on the route.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Different objects within an hour that are mostly refused; twice as many are of severity high, as are half as
    /// many if they are also in sequence. The default is what a page may show at once.
    pub refused: u32,
    /// Percent of refusals (status 403, 404 or 410) that are "mostly". No preset changes it.
    pub refused_percent: u32,
    /// Different objects within an hour, in sequence. The default is one every 12 s. Ten times as many without
    /// credentials are of severity high, if others ask for far fewer.
    pub sequence: u32,
    /// How many times what is usual on the route is too much. No preset changes it.
    pub times_usual: u32,
    /// Pairs of a client or principal and a route remembered, about 300 bytes each.
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

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(3_600);

/// How long a principal's habit is remembered, for jobs that run once a week.
const HABIT: Duration = Duration::from_secs(8 * 86_400);

/// What a principal did so long ago is a habit, if it does it again: a job that runs once a day.
const HABIT_AGE: Duration = Duration::from_secs(12 * 3_600);

/// Routes of which it is known what is usual.
const ROUTES: u32 = 2_048;

/// Principals and routes of which a habit is known.
const HABITS: u32 = 8_192;

/// Requests of a principal that count as its client's, too.
const YOUNG: u32 = 3;

/// Most objects of which more can be told.
const COUNTABLE: u32 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Client(IpAddr),
    Principal(KeyedHash),
}

/// Who, and the hash of the route: where two routes have the same, they are one.
type Key = (Actor, u64);

/// What a principal did before.
struct Habit {
    since: Timestamp,
    most: u32,
}

/// The detector.
pub struct Enumeration {
    config: Config,
    walks: Recent<Key, Walk>,
    routes: Recent<u64, Population>,
    habits: Recent<Key, Habit>,
    weather: Weather,
}

/// What a judgement rests on.
struct Found {
    severity: Severity,
    confidence: f64,
    objects: u32,
    sequential: bool,
    usual: Option<u32>,
}

impl Enumeration {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub fn new(config: &Config, seed: u64) -> Self {
        Self {
            config: config.clone(),
            walks: Recent::new(config.entries, WINDOW.saturating_mul(2), seed),
            routes: Recent::new(ROUTES, HABIT, seed),
            habits: Recent::new(HABITS, HABIT, seed),
            weather: Weather::new(),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let Some(status) = exchange.status else { return };
        let now = exchange.seen;
        let client = self.walks.hash_of(&octets(exchange.client));
        self.weather.note(client, status >= 400, now);
        let failed = matches!(status, 403 | 404 | 410);
        let (Some(path), Some(route)) = (exchange.path.as_ref().map(Path::whole), exchange.route) else {
            return;
        };
        if !(failed || (200..400).contains(&status)) || exchange.method == Some("OPTIONS") {
            return;
        }
        let Some(value) = value::of(path, route) else { return };
        let place = self.walks.hash_of(route.as_bytes());
        let actor = exchange.principal.map_or(Actor::Client(exchange.client), Actor::Principal);
        let asked = self.ask((actor, place), &value, failed, exchange, signals);
        if asked <= YOUNG && matches!(actor, Actor::Principal(_)) {
            // Who takes another token for each request is the same client all the same.
            self.ask((Actor::Client(exchange.client), place), &value, failed, exchange, signals);
        }
    }

    /// Notes a request, and judges who made it; how many that makes within the hour.
    fn ask(
        &mut self,
        key: Key,
        value: &Value<'_>,
        failed: bool,
        exchange: &Exchange<'_>,
        signals: &mut Vec<Signal>,
    ) -> u32 {
        let now = exchange.seen;
        let who = Offender::of(exchange);
        let object = self.walks.hash_of(value.object);
        let Some(walk) = self.walks.touch(key, now, || Walk::new(now, who)) else { return 0 };
        let is_over = now.since(walk.began) > WINDOW;
        let over = is_over.then(|| std::mem::replace(walk, Walk::new(now, who)));
        walk.several |= walk.who.client != who.client;
        let is_new = walk.note(object, value.number, failed);
        let asked = walk.exchanges;
        let is_refused = failed && walk.failures == 1;
        let may_matter =
            walk.objects.at_least().saturating_mul(4) >= self.config.refused && (is_new || failed);
        if let Some(over) = over {
            self.conclude(&key, &over, now);
        }
        if asked == 1 || is_refused {
            let client = self.walks.hash_of(&octets(exchange.client));
            if let Some(population) = self.routes.touch(key.1, now, Population::new) {
                population.meets(client, is_refused, now);
            }
        }
        if may_matter {
            self.look(key, failed, exchange, signals);
        }
        asked
    }

    /// An hour is over: what was done in it is what is usual from now on.
    fn conclude(&mut self, key: &Key, walk: &Walk, now: Timestamp) {
        let objects = walk.objects.estimate();
        if let Some(population) = self.routes.touch(key.1, now, Population::new) {
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

    /// Judges somebody who asked for a fair number of objects.
    fn look(&mut self, key: Key, failed: bool, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
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
        let Some(walk) = self.walks.get(place, &key, now) else { return };
        walk.is_bot = exchange.user_agent.as_ref().is_some_and(|agent| says_bot(agent.whole()));
        if walk.samples.len() < Evidence::MAX_SAMPLES && (failed || walk.samples.is_empty()) {
            walk.samples.push(Sample::of(exchange));
        }
        let Some(found) = judge(&self.config, walk, key.0, usual, bad, habit) else { return };
        if walk.told.is_some_and(|told| told >= found.severity) {
            return;
        }
        walk.told = Some(found.severity);
        let offenders = if self.is_alone(&key, exchange) { vec![Offender::of(exchange)] } else { Vec::new() };
        if let Some(walk) = self.walks.get(place, &key, now) {
            signals.push(signal(&self.config, walk, key.0, &found, offenders, exchange));
        }
    }

    /// Whether dropping a client's packets would stop nobody else. It looks at the whole table: once an incident.
    fn is_alone(&self, key: &Key, exchange: &Exchange<'_>) -> bool {
        let Actor::Principal(_) = key.0 else { return true };
        self.walks.iter().all(|((actor, _), walk)| {
            let same = *actor == key.0;
            let client = walk.who.client == exchange.client;
            if same { client && !walk.several } else { !client || *actor == Actor::Client(exchange.client) }
        })
    }
}

fn octets(client: IpAddr) -> [u8; 16] {
    match client {
        IpAddr::V4(client) => client.to_ipv6_mapped().octets(),
        IpAddr::V6(client) => client.octets(),
    }
}

/// Whether a User-Agent says that it is a crawler's.
fn says_bot(text: &str) -> bool {
    let text = text.as_bytes().get(..512).unwrap_or(text.as_bytes());
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    has(b"bot") || has(b"crawl") || has(b"spider") || has(b"slurp")
}

/// How bad it is.
fn judge(
    config: &Config,
    walk: &Walk,
    actor: Actor,
    usual: Option<u32>,
    bad: bool,
    habit: u32,
) -> Option<Found> {
    let objects = walk.objects.estimate();
    let sequential = walk.is_sequential(objects);
    let found = |severity, confidence| Some(Found { severity, confidence, objects, sequential, usual });
    let beyond = |times: u32| {
        let usual = usual.unwrap_or(0).saturating_mul(times).min(COUNTABLE.saturating_sub(1));
        objects > usual
    };
    let refused = walk.fails(config.refused_percent) && !bad;
    if refused && objects >= if sequential { config.refused.div_ceil(2) } else { config.refused } {
        let enough = config.refused.saturating_mul(if sequential { 1 } else { 2 });
        return if objects >= enough { found(Severity::High, 0.9) } else { found(Severity::Medium, 0.7) };
    }
    let is_habit = objects <= habit.saturating_mul(2);
    if objects < config.sequence || is_habit || !beyond(config.times_usual) {
        return None;
    }
    let many = objects >= config.sequence.saturating_mul(10).min(COUNTABLE) && usual.is_some();
    let blind = walk.fails(10) && !bad && objects >= config.sequence.saturating_mul(2);
    match (sequential, walk.is_bot, actor) {
        (true, false, Actor::Client(_)) if many || blind => found(Severity::High, 0.8),
        (true, false, Actor::Principal(_)) if blind => found(Severity::High, 0.8),
        (true, false, Actor::Client(_) | Actor::Principal(_)) => found(Severity::Medium, 0.6),
        (true, true, _) => found(Severity::Low, 0.4),
        (false, false, _) if usual.is_some() && beyond(config.times_usual.saturating_mul(2)) => {
            found(Severity::Low, 0.4)
        }
        (false, _, _) => None,
    }
}

fn signal(
    config: &Config,
    walk: &Walk,
    actor: Actor,
    found: &Found,
    offenders: Vec<Offender>,
    exchange: &Exchange<'_>,
) -> Signal {
    let subject = match actor {
        Actor::Client(client) => Subject::Client(client),
        Actor::Principal(hash) => Subject::Principal(hash),
    };
    let route = exchange.route.unwrap_or_default();
    let mut evidence = Evidence::default()
        .with("route", route)
        .with("objects", u64::from(found.objects))
        .with("objects_threshold", u64::from(config.sequence))
        .with("refused_objects_threshold", u64::from(config.refused))
        .with("refused", u64::from(walk.failures))
        .with("refused_share", share(walk.failures, walk.exchanges))
        .with("refused_share_threshold", share(config.refused_percent, 100))
        .with("steps", u64::from(walk.steps))
        .with("small_steps", u64::from(walk.small_steps()))
        .showing(walk.samples.iter().cloned());
    if let Some(usual) = found.usual {
        evidence = evidence
            .with("usual_objects", u64::from(usual))
            .with("times_usual_threshold", u64::from(config.times_usual));
    }
    let how = if found.sequential { ", one after the other" } else { "" };
    let share = share(walk.failures, walk.exchanges);
    Signal {
        at: exchange.seen,
        threat: Threat::Enumeration,
        severity: found.severity,
        confidence: found.confidence,
        summary: format!(
            "{subject} asked for {} objects under {route}{how}, of which {:.0} in 100 were refused",
            found.objects,
            percent(share),
        ),
        subject,
        offenders,
        evidence,
        window: (walk.began, exchange.seen),
        decided: None,
    }
}

#[expect(clippy::float_arithmetic, reason = "for a person")]
fn percent(share: f64) -> f64 {
    share * 100.0
}

impl Detector for Enumeration {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, _signals: &mut Vec<Signal>) {
        let mut over = Vec::new();
        self.walks.sweep(now, 1_024, |key, walk| over.push((*key, walk)));
        for (key, walk) in over {
            self.conclude(&key, &walk, now);
        }
    }

    fn usage(&self) -> Usage {
        let (walks, routes, habits) = (self.walks.usage(), self.routes.usage(), self.habits.usage());
        let sum =
            |of: fn(&Usage) -> usize| of(&walks).saturating_add(of(&routes)).saturating_add(of(&habits));
        Usage {
            entries: sum(|usage| usage.entries),
            capacity: sum(|usage| usage.capacity),
            evicted: walks.evicted.saturating_add(routes.evicted).saturating_add(habits.evicted),
        }
    }
}
