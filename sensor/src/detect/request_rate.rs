//! `request-rate`: more requests from a client or a principal than the configuration allows, such as 100 a minute for
//! each API key.
//!
//! Limits are GCRAs, as in the kernel. The kernel's own `requests` limit sees only clients; this one also sees
//! principals and routes.
//!
//! Anyone who uses somebody's principal uses up its limit. So of several clients with one principal, offenders are only
//! those that exceed the limit on their own, and made at least half of an equal share of the requests; its owner is
//! not, nor is a light user. Nor is an address that others share with principals of their own: most of its requests
//! must carry the principal, and few others may come from there.
//!
//! Cross-site requests count a quarter: they cost the server as much, but their sender did not choose them.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use sensor_common::limit::{Quota, Rate, Step};

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::shared::{self, Charged};
use super::{Detector, Offender, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

mod act;
mod carried;
mod config;
mod incident;
#[cfg(test)]
mod tests;
mod together;

use act::Over;
use carried::{Carried, is_mostly};
#[cfg(test)]
use config::RATE;
pub use config::{Config, Limits};
use incident::{Incident, signal};
use together::{Known, Together};

/// An incident is over after this time without a request over the limit.
const CALM: Duration = Duration::from_secs(300);

/// How long a client or principal is remembered: at least until a usual limit has recovered.
const KEEP: Duration = Duration::from_secs(3_600);

/// Backward clock steps that may be mere disorder.
const DISORDER: Duration = Duration::from_secs(5);

/// Cross-site requests that count as one.
const FOREIGN: u64 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Actor {
    Client(ClientNet),
    Site(ClientNet),
    Principal(KeyedHash),
    /// One client's part of a principal's requests, by the hash of both.
    Part(u64),
}

/// The actor, and its limit: 0 for the general one, else the index of the route's.
type Key = (Actor, u16);

#[derive(Default)]
struct Account {
    /// Theoretical arrival time, in nanoseconds since 1970.
    arrival: u64,
    used_by: UsedBy,
    incident: Option<Box<Incident>>,
}

/// The clients of a principal.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum UsedBy {
    #[default]
    Nobody,
    /// One, by its hash.
    One(u64),
    Several,
}

impl UsedBy {
    fn note(&mut self, client: u64) {
        *self = match *self {
            Self::Nobody => Self::One(client),
            Self::One(one) if one == client => return,
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

struct Limit {
    rate: Rate,
    quota: Quota,
    /// How far an arrival time may lie ahead.
    depth: Duration,
}

impl Limit {
    fn new(rate: Rate) -> Self {
        let quota = Quota::of_units(rate, 0);
        let depth = Duration::from_nanos(quota.cost(1).saturating_mul(quota.burst()));
        Self { rate, quota, depth }
    }
}

#[derive(Default)]
struct Pair {
    client: Option<Limit>,
    site: Option<Limit>,
    principal: Option<Limit>,
}

impl Pair {
    fn new(limits: Limits) -> Self {
        Self {
            client: limits.per_client.map(Limit::new),
            site: limits.per_site.map(Limit::new),
            principal: limits.per_principal.map(Limit::new),
        }
    }
}

/// The detector.
pub struct RequestRate {
    /// The general limits, then those of routes.
    limits: Vec<Pair>,
    sources: Sources,
    routes: hashbrown::HashMap<Box<str>, u16, RandomState>,
    accounts: Recent<Key, Account>,
    /// Which principals clients carry; none if principals have no limits.
    carried: Option<Recent<ClientNet, Carried>>,
    ongoing: Ongoing,
    /// Other hosts for which principals' limits hold, too.
    together: Option<Together>,
    /// For what is made later.
    entries: u32,
    seed: u64,
}

impl RequestRate {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        let mut limits = vec![Pair::new(config.limits)];
        let mut routes = hashbrown::HashMap::with_hasher(RandomState::new());
        for (route, own) in config.routes.iter().take(usize::from(u16::MAX).saturating_sub(1)) {
            routes.insert(route.as_str().into(), u16::try_from(limits.len()).unwrap_or_default());
            limits.push(Pair::new(*own));
        }
        let principals = limits.iter().any(|pair| pair.principal.is_some());
        Self {
            limits,
            sources,
            routes,
            accounts: Recent::new(config.entries, KEEP, seed),
            carried: principals.then(|| Recent::new(config.entries, CALM, seed)),
            ongoing: Ongoing::default(),
            together: None,
            entries: config.entries,
            seed,
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let now = exchange.seen;
        let client = self.sources.client(exchange.client);
        if let Some(carried) = &mut self.carried
            && let Some(known) = carried.touch(client, now, Carried::default)
        {
            known.note(exchange.principal);
        }
        let route = if self.routes.is_empty() { None } else { exchange.route };
        let place = route.and_then(|route| self.routes.get(route).copied()).unwrap_or_default();
        let Some(pair) = self.limits.get(usize::from(place)) else { return };
        let request = Request { exchange, client, place };
        let (accounts, ongoing) = (&mut self.accounts, &mut self.ongoing);
        if let Some(limit) = &pair.client {
            let whose = (Actor::Client(client), client);
            signals.extend(network(accounts, ongoing, limit, whose, &request));
        }
        if let Some((limit, site)) = pair.site.as_ref().zip(self.sources.site(client)) {
            signals.extend(network(accounts, ongoing, limit, (Actor::Site(site), site), &request));
        }
        if let Some((limit, hash)) = pair.principal.as_ref().zip(exchange.principal) {
            let known = match &mut self.together {
                Some(together) => together.charge(limit, (hash, cost(limit, exchange)), &request),
                None => Known::default(),
            };
            let carried = self.carried.as_mut();
            let (exceeds, signal) = principal(accounts, carried, ongoing, limit, (hash, known), &request);
            signals.extend(signal);
            if let Some(together) = self.together.as_mut().filter(|_| exceeds) {
                together.settled(Charged { principal: hash, client, place }, now);
            }
        }
    }

    /// Takes what the fleet says of earlier requests.
    fn take_verdicts(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        let Some(together) = &mut self.together else { return };
        for (verdict, act) in together.hear(now) {
            let Charged { principal, client, place } = verdict.whose;
            let limit = self.limits.get(usize::from(place)).and_then(|pair| pair.principal.as_ref());
            let account = self.accounts.touch((Actor::Principal(principal), place), now, Account::default);
            let Some((limit, account)) = limit.zip(account) else { continue };
            let alone = verdict.alone && is_mostly(self.carried.as_mut(), &client, principal, now);
            let request = Over::Later(&act);
            let offends = account.exceed(request).share(client, alone);
            let told = (Subject::Principal(principal), request.offender(client), offends);
            signals.extend(tell(account, &mut self.ongoing, limit, told, request));
        }
    }
}

/// What a request costs, in nanoseconds of its limit.
fn cost(limit: &Limit, exchange: &Exchange<'_>) -> u64 {
    let cost = limit.quota.cost(1);
    if exchange.cross_site { cost / FOREIGN } else { cost }
}

/// One request, and the limits it is checked against.
struct Request<'a> {
    exchange: &'a Exchange<'a>,
    client: ClientNet,
    place: u16,
}

/// Charges a client or a site.
fn network(
    accounts: &mut Recent<Key, Account>,
    ongoing: &mut Ongoing,
    limit: &Limit,
    (actor, who): (Actor, ClientNet),
    request: &Request<'_>,
) -> Option<Signal> {
    let exchange = request.exchange;
    let account = accounts.touch((actor, request.place), exchange.seen, Account::default)?;
    if !account.charge(limit, exchange) {
        return None;
    }
    let subject = match actor {
        Actor::Site(site) => Subject::Network(site.prefix()),
        Actor::Client(_) | Actor::Principal(_) | Actor::Part(_) => Subject::Client(who),
    };
    let offender = Offender::of(who, exchange);
    let over = Over::Now(exchange);
    account.exceed(over).share(request.client, true);
    tell(account, ongoing, limit, (subject, offender, true), over)
}

/// Charges a principal; returns whether the request is over the limit, and what is told of it.
fn principal(
    accounts: &mut Recent<Key, Account>,
    carried: Option<&mut Recent<ClientNet, Carried>>,
    ongoing: &mut Ongoing,
    limit: &Limit,
    (hash, known): (KeyedHash, Known),
    request: &Request<'_>,
) -> (bool, Option<Signal>) {
    let Request { exchange, client, place } = *request;
    let now = exchange.seen;
    let (actor, used) = (Actor::Principal(hash), accounts.hash_of_key(&client));
    let Some(account) = accounts.touch((actor, place), now, Account::default) else { return (false, None) };
    account.used_by.note(used);
    let exceeds = account.charge(limit, exchange);
    let is_only = account.used_by == UsedBy::One(used);
    // Each client's part is charged from the start: by the time the limit is used up, it is known who did.
    let beyond = if is_only {
        exceeds
    } else {
        let part = (Actor::Part(accounts.hash_of_key(&(hash, client))), place);
        accounts.touch(part, now, Account::default).is_some_and(|part| part.charge(limit, exchange))
    };
    // What all hosts saw says more than what this one did.
    let (exceeds, beyond) = (exceeds || known.over, if known.over { known.alone } else { beyond });
    let alone = beyond && is_mostly(carried, &client, hash, now);
    let Some(account) = accounts.touch((actor, place), now, Account::default) else { return (exceeds, None) };
    if !exceeds {
        if let Some(incident) = account.going_on(now) {
            incident.share(client, false);
        }
        return (false, None);
    }
    let over = Over::Now(exchange);
    let offends = account.exceed(over).share(client, alone);
    let subject = Subject::Principal(hash);
    (true, tell(account, ongoing, limit, (subject, over.offender(client), offends), over))
}

/// Reports a request over a limit, if that is news.
fn tell(
    account: &mut Account,
    ongoing: &mut Ongoing,
    limit: &Limit,
    (subject, who, offends): (Subject, Offender, bool),
    request: Over<'_>,
) -> Option<Signal> {
    let goes_on = ongoing.goes_on((Threat::RequestRate, subject.clone()), who, request.seen());
    let incident = account.incident.as_deref_mut()?;
    let (severity, is_news) = incident.judge(limit, (who.client, offends));
    if !(goes_on || is_news) {
        return None;
    }
    let offenders = if offends { vec![who] } else { Vec::new() };
    Some(ongoing.tell(signal(incident, limit, subject, severity, offenders, request), incident.exceeded))
}

impl Account {
    /// Charges a request; returns whether it is over the limit.
    fn charge(&mut self, limit: &Limit, exchange: &Exchange<'_>) -> bool {
        let now = exchange.seen;
        let ahead = Duration::from_nanos(self.arrival.saturating_sub(now.unix_nanos()));
        if ahead > limit.depth.saturating_add(DISORDER) {
            // The clock was set back.
            self.arrival = 0;
        }
        match limit.quota.step(self.arrival, now.unix_nanos(), cost(limit, exchange)) {
            Step::Conforms(arrival) => {
                self.arrival = arrival;
                false
            }
            // An account has only one limit: an arrival time further ahead came out of order.
            Step::Clamped(_) | Step::Exceeds => true,
        }
    }

    /// The incident, if it is not over.
    fn going_on(&mut self, now: Timestamp) -> Option<&mut Incident> {
        if self.incident.as_ref().is_some_and(|incident| now.since(incident.last) > CALM) {
            self.incident = None;
        }
        self.incident.as_deref_mut()
    }

    /// Records a request over the limit.
    fn exceed(&mut self, request: Over<'_>) -> &mut Incident {
        let now = request.seen();
        let _over = self.going_on(now);
        let incident = self.incident.get_or_insert_with(|| Box::new(Incident::new(now)));
        incident.last = now;
        incident.exceeded = incident.exceeded.saturating_add(1);
        request.keep(&mut incident.samples);
        incident
    }
}

impl Detector for RequestRate {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => {
                self.take_verdicts(exchange.seen, signals);
                self.exchange(exchange, signals);
            }
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.take_verdicts(now, signals);
        self.ongoing.advance(now, signals);
        self.accounts.sweep(now, 1_024, |_, _| {});
        if let Some(carried) = &mut self.carried {
            carried.sweep(now, 1_024, |_, _| {});
        }
        if let Some(together) = &mut self.together {
            together.sweep(now);
        }
    }

    fn join(&mut self, together: &shared::Together) {
        let principals = self.limits.iter().any(|pair| pair.principal.is_some());
        let limits = together.limits.as_ref().filter(|_| principals);
        self.together = limits.map(|limits| Together::new(Arc::clone(limits), self.entries, self.seed));
    }

    fn awaits(&self, now: Timestamp) -> bool {
        self.together.as_ref().is_some_and(|together| together.awaits(now))
    }

    fn hear(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.take_verdicts(now, signals);
    }

    fn usage(&self) -> Usage {
        let together = self.together.as_ref().map(Together::usage).unwrap_or_default();
        self.accounts.usage().and(self.ongoing.usage()).and(together)
    }
}
