//! `request-rate`: more requests of a client or of a principal than the configuration allows, such as 100 a minute
//! for each API key.
//!
//! Limits are GCRAs, as in the kernel. The kernel's own `requests` limit knows clients only; this one knows what
//! their credentials stand for, and routes.
//!
//! Whoever uses somebody's principal uses up its limit. So of several clients with one principal only those are
//! offenders that go beyond the limit by themselves: its owner is not.
//!
//! Requests that a page of another site makes a browser send count a quarter: they cost the server as much, and their
//! sender has not chosen them.

use std::time::Duration;

use ahash::RandomState;
use sensor_common::limit::{Quota, Rate, Step};

use super::config::Sources;
use super::recent::Recent;
use super::{Detector, Evidence, Offender, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

mod config;
#[cfg(test)]
mod tests;

#[cfg(test)]
use config::RATE;
pub use config::{Config, Limits};

/// Without a request over the limit for so long, an incident is over.
const CALM: Duration = Duration::from_secs(300);

/// How long a client or principal is remembered: at least until a usual limit has forgotten it.
const KEEP: Duration = Duration::from_secs(3_600);

/// Clock steps back that may be mere disorder.
const DISORDER: Duration = Duration::from_secs(5);

/// An attack rather than a slip, where so many bursts are over the limit within one incident.
const BURSTS: u64 = 10;

/// And at least so many requests.
const MANY: u64 = 100;

/// Requests for pages of other sites that count as one.
const FOREIGN: u64 = 4;

/// Clients told of a principal.
const MAX_CLIENTS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Actor {
    Client(ClientNet),
    Site(ClientNet),
    Principal(KeyedHash),
    /// One client's part of a principal's requests, by the hash of both.
    Part(u64),
}

/// Who, and by which limit: 0 for the general one, else the place of the route's.
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

/// Requests over a limit.
struct Incident {
    began: Timestamp,
    last: Timestamp,
    exceeded: u64,
    told: Option<Severity>,
    /// With whether they are offenders.
    clients: Vec<(ClientNet, bool)>,
    samples: Vec<Sample>,
}

/// The principal of a client's requests, while there is but one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    One(Option<KeyedHash>),
    Several,
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
    /// Which clients carry one principal only; empty where principals have no limits.
    carried: Option<Recent<ClientNet, Carried>>,
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
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let now = exchange.seen;
        let client = self.sources.client(exchange.client);
        if let Some(carried) = &mut self.carried {
            let one = Carried::One(exchange.principal);
            if let Some(known) = carried.touch(client, now, || one)
                && *known != one
            {
                *known = Carried::Several;
            }
        }
        let route = if self.routes.is_empty() { None } else { exchange.route };
        let place = route.and_then(|route| self.routes.get(route).copied()).unwrap_or_default();
        let Some(pair) = self.limits.get(usize::from(place)) else { return };
        let request = Request { exchange, client, place };
        let accounts = &mut self.accounts;
        if let Some(limit) = &pair.client {
            let whose = (Actor::Client(client), client);
            signals.extend(network(accounts, limit, whose, Subject::Client, &request));
        }
        if let Some((limit, site)) = pair.site.as_ref().zip(self.sources.site(client)) {
            let subject = |site: ClientNet| Subject::Network(site.prefix());
            signals.extend(network(accounts, limit, (Actor::Site(site), site), subject, &request));
        }
        if let Some((limit, hash)) = pair.principal.as_ref().zip(exchange.principal) {
            signals.extend(principal(accounts, self.carried.as_mut(), limit, hash, &request));
        }
    }
}

/// One request, and by which limits it is judged.
struct Request<'a> {
    exchange: &'a Exchange<'a>,
    client: ClientNet,
    place: u16,
}

/// Charges a client or a site.
fn network(
    accounts: &mut Recent<Key, Account>,
    limit: &Limit,
    (actor, who): (Actor, ClientNet),
    subject: fn(ClientNet) -> Subject,
    request: &Request<'_>,
) -> Option<Signal> {
    let exchange = request.exchange;
    let account = accounts.touch((actor, request.place), exchange.seen, Account::default)?;
    if !account.charge(limit, exchange) {
        return None;
    }
    let severity = account.exceed(limit, request, Some(who))?;
    Some(signal(account, limit, subject(who), severity, Some(who), exchange))
}

/// Charges a principal.
fn principal(
    accounts: &mut Recent<Key, Account>,
    carried: Option<&mut Recent<ClientNet, Carried>>,
    limit: &Limit,
    hash: KeyedHash,
    request: &Request<'_>,
) -> Option<Signal> {
    let Request { exchange, client, place } = *request;
    let now = exchange.seen;
    let (actor, used) = (Actor::Principal(hash), accounts.hash_of_key(&client));
    let account = accounts.touch((actor, place), now, Account::default)?;
    account.used_by.note(used);
    if !account.charge(limit, exchange) {
        return None;
    }
    // Others behind the same address do nothing wrong.
    let alone = carried.is_some_and(|carried| {
        let at = carried.hash(&client);
        carried.get(at, &client, now) == Some(&mut Carried::One(Some(hash)))
    });
    let is_only = account.used_by == UsedBy::One(used);
    let offends = alone
        && (is_only || {
            let part = (Actor::Part(accounts.hash_of_key(&(hash, client))), place);
            accounts.touch(part, now, Account::default).is_some_and(|part| part.charge(limit, exchange))
        });
    let account = accounts.touch((actor, place), now, Account::default)?;
    let offender = offends.then_some(client);
    let severity = account.exceed(limit, request, offender)?;
    Some(signal(account, limit, Subject::Principal(hash), severity, offender, exchange))
}

impl Account {
    /// Charges a request; whether it is over the limit.
    fn charge(&mut self, limit: &Limit, exchange: &Exchange<'_>) -> bool {
        let now = exchange.seen;
        let ahead = Duration::from_nanos(self.arrival.saturating_sub(now.unix_nanos()));
        if ahead > limit.depth.saturating_add(DISORDER) {
            // The clock was set back.
            self.arrival = 0;
        }
        let cost = limit.quota.cost(1);
        let cost = if exchange.cross_site { cost / FOREIGN } else { cost };
        match limit.quota.step(self.arrival, now.unix_nanos(), cost) {
            Step::Conforms(arrival) => {
                self.arrival = arrival;
                false
            }
            // Its account has one limit only: what lies further ahead came out of order.
            Step::Clamped(_) | Step::Exceeds => true,
        }
    }

    /// Notes a request over the limit; how bad it is, where that is news.
    fn exceed(
        &mut self,
        limit: &Limit,
        request: &Request<'_>,
        offender: Option<ClientNet>,
    ) -> Option<Severity> {
        let exchange = request.exchange;
        let now = exchange.seen;
        if self.incident.as_ref().is_some_and(|incident| now.since(incident.last) > CALM) {
            self.incident = None;
        }
        let incident = self.incident.get_or_insert_with(|| Box::new(Incident::new(now)));
        incident.last = now;
        incident.exceeded = incident.exceeded.saturating_add(1);
        let room = incident.clients.len() < MAX_CLIENTS;
        let is_known = |client: &ClientNet| incident.clients.contains(&(*client, offender.is_some()));
        let is_new = room && !is_known(&request.client);
        if is_new {
            incident.clients.push((request.client, offender.is_some()));
        }
        if incident.samples.len() < Evidence::MAX_SAMPLES {
            incident.samples.push(Sample::of(exchange));
        }
        let severity = if incident.exceeded >= many(limit.rate) { Severity::High } else { Severity::Medium };
        let worse = incident.told.is_none_or(|told| told < severity);
        incident.told = incident.told.max(Some(severity));
        (worse || is_new).then_some(severity)
    }
}

/// Requests over a limit from which on they are many. A burst that is the count, since none was written, is no measure of
/// haste: it may be what an hour brings. What the rate admits in a second takes its place.
fn many(rate: Rate) -> u64 {
    let seconds = rate.period().nanoseconds().div_ceil(1_000_000_000);
    let burst = if rate.burst() == rate.count() { rate.count().div_ceil(seconds) } else { rate.burst() };
    burst.saturating_mul(BURSTS).max(MANY)
}

impl Incident {
    fn new(now: Timestamp) -> Self {
        Self { began: now, last: now, exceeded: 0, told: None, clients: Vec::new(), samples: Vec::new() }
    }
}

fn signal(
    account: &Account,
    limit: &Limit,
    subject: Subject,
    severity: Severity,
    offender: Option<ClientNet>,
    exchange: &Exchange<'_>,
) -> Signal {
    let now = exchange.seen;
    let offenders = offender.map(|client| Offender::of(client, exchange)).into_iter().collect();

    let rate = limit.rate.to_string();
    let incident = account.incident.as_deref();
    let exceeded = incident.map_or(0, |incident| incident.exceeded);
    let evidence = Evidence::default()
        .with("limit", rate.as_str())
        .with("over_limit", exceeded)
        .with("clients", incident.map_or(0, |incident| incident.clients.len()))
        .with("route", exchange.route.unwrap_or_default())
        .showing(incident.into_iter().flat_map(|incident| incident.samples.iter().cloned()));
    Signal {
        at: now,
        threat: Threat::RequestRate,
        severity,
        confidence: 1.0,
        summary: format!("{subject} sends more than {rate} requests: {exceeded} over the limit so far"),
        subject,
        offenders,
        evidence,
        window: (incident.map_or(now, |incident| incident.began), now),
        decided: None,
    }
}

impl Detector for RequestRate {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, _signals: &mut Vec<Signal>) {
        self.accounts.sweep(now, 1_024, |_, _| {});
        if let Some(carried) = &mut self.carried {
            carried.sweep(now, 1_024, |_, _| {});
        }
    }

    fn usage(&self) -> Usage {
        self.accounts.usage()
    }
}
