//! Who asks for which objects, and uses which functions: the detectors of broken authorization, and [`enumeration`].
//!
//! The object that a path names is found once for each exchange ([`object`]). [`bola`] and [`bfla`] judge, over days, what
//! one memory knows ([`known`]): who asks for which objects of which template. The others have tables of their own;
//! [`enumeration`] counts by the hour. What is learned survives a restart, except what [`enumeration`] and
//! [`business_flow`] count.

mod asking;
pub mod bfla;
pub mod bola;
pub mod business_flow;
pub mod enumeration;
mod keeping;
mod known;
pub mod mass_assignment;
mod nature;
mod object;
mod origin;
mod plain;
mod population;
#[cfg(test)]
mod tests;
pub mod unauthenticated;

use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::quality::FixedState;

use super::config::{Response, Sources};
use super::learning::{Begun, Taken};
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::threat::counted;
use super::{Config, Detector, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage, config};
use super::{ongoing, recent, weather};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange, LoginOutcome, Source};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;
use business_flow::BusinessFlow;
use enumeration::Enumeration;
use known::{Ask, Call, Case, Function, Known, Outcome, Trespass, Who};
use mass_assignment::MassAssignment;
use nature::{Nature, Natures};
use object::Value;
use unauthenticated::Unauthenticated;

/// Sessions whose account is known from their login.
const SESSIONS: u32 = 65_536;
/// How long a session is remembered without a request.
const SESSION: Duration = Duration::from_secs(14 * 86_400);
/// Clients whose principals are counted, and for how long.
const CLIENTS: u32 = 16_384;
const CLIENT: Duration = Duration::from_secs(3_600);

/// First uses that wait to be judged.
const WAITING: u32 = 8_192;

/// The detectors of who may do what.
pub struct Access {
    sources: Sources,
    enumeration: Option<Enumeration>,
    /// None if no detector needs it.
    known: Option<Known>,
    unauthenticated: Option<Unauthenticated>,
    mass_assignment: Option<MassAssignment>,
    business_flow: Option<BusinessFlow>,
    hasher: FixedState,
    natures: Natures,
    seed: u64,
    /// The last exchange.
    last: Timestamp,
    /// Whose session it is: the account that logged in.
    sessions: Recent<KeyedHash, KeyedHash>,
    /// The last principal of a client, and whether there are several.
    clients: Recent<ClientNet, (Who, bool)>,
    /// First uses of functions of roles, until they are judged.
    waiting: Recent<(Who, Function), bfla::Seen>,
    ongoing: Ongoing,
}

/// A principal as a number, the same after a restart.
fn number_of(principal: KeyedHash) -> Who {
    let [first, second, third, fourth, ..] = principal.digest();
    Who::from_be_bytes([first, second, third, fourth]).max(1)
}

impl Access {
    /// Detectors that have seen nothing; none if all are off.
    #[must_use]
    pub(super) fn new(config: &Config, seed: u64) -> Option<Self> {
        let is_on = |threat| config.response(threat) != Response::Off;
        let sources = config.sources();
        let enumeration =
            is_on(Threat::Enumeration).then(|| Enumeration::new(&config.enumeration, sources, seed));
        let is_needed = is_on(Threat::Bola) || is_on(Threat::Bfla);
        let limits = config.bola.limits(config.bfla.refused);
        let known = is_needed.then(|| Known::new(config.bola.bounds(), limits, seed));
        let unauthenticated = is_on(Threat::Unauthenticated).then(|| Unauthenticated::new(config, seed));
        let mass_assignment = is_on(Threat::MassAssignment).then(|| MassAssignment::new(config, seed));
        let business_flow = is_on(Threat::BusinessFlow).then(|| BusinessFlow::new(config, seed));
        let of_routes = unauthenticated.is_some() || mass_assignment.is_some() || business_flow.is_some();
        (enumeration.is_some() || known.is_some() || of_routes).then(|| Self {
            sources,
            enumeration,
            known,
            unauthenticated,
            mass_assignment,
            business_flow,
            hasher: FixedState::with_seed(seed),
            natures: Natures::new(),
            seed,
            last: Timestamp::default(),
            sessions: Recent::new(SESSIONS, SESSION, seed),
            clients: Recent::new(CLIENTS, CLIENT, seed),
            waiting: Recent::new(WAITING, CLIENT.saturating_mul(4), seed),
            ongoing: Ongoing::default(),
        })
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, value: Option<Value<'_>>, signals: &mut Vec<Signal>) {
        self.last = exchange.seen;
        self.log_in(exchange);
        if exchange.method == Some("OPTIONS") {
            if let Some(enumeration) = &mut self.enumeration {
                enumeration.exchange(exchange, value, signals);
            }
            return;
        }
        let principal = exchange.principal.map(|principal| self.behind(principal, exchange.seen));
        let client = self.sources.client(exchange.client);
        let ask = self.known.is_some().then(|| outcome(exchange)).flatten();
        let ask = ask.and_then(|outcome| self.ask(exchange, value, (principal.map(number_of), outcome)));
        self.look_ahead(exchange, client, ask.as_ref());
        if let Some(enumeration) = &mut self.enumeration {
            enumeration.exchange(exchange, value, signals);
        }
        let Some(route) = exchange.route else { return };
        let function = self.hasher.hash_one((exchange.method, route));
        let nature = self.natures.of(function, exchange.method, route);
        self.of_route(exchange, (function, nature), (principal, client), signals);
        if let Some(ask) = ask.filter(|_| !asking::may_be_of_another_site(exchange)) {
            self.asked(&ask, nature, principal, (client, exchange), signals);
        }
    }

    /// Reads what an exchange is about to change. Of many principals, none of it is in the cache; read at once, all of it
    /// takes little longer than one piece.
    #[inline]
    fn look_ahead(&self, exchange: &Exchange<'_>, client: ClientNet, ask: Option<&Ask>) {
        let walk = self.enumeration.as_ref().map(|enumeration| enumeration.look_ahead(exchange, client));
        let known = self.known.as_ref().zip(ask).map(|(known, ask)| known.look_ahead(ask));
        std::hint::black_box((walk, known));
    }

    /// A request for an object or a function, with its answer.
    fn asked(
        &mut self,
        ask: &Ask,
        nature: Nature,
        principal: Option<KeyedHash>,
        (client, exchange): (ClientNet, &Exchange<'_>),
        signals: &mut Vec<Signal>,
    ) {
        if let Some(who) = ask.who
            && let Some((last, several)) = self.clients.touch(client, exchange.seen, || (who, false))
        {
            *several |= *last != who;
            *last = who;
        }
        if let Some(principal) = principal {
            signals.extend(self.call(ask, nature, principal, (client, exchange)));
        }
        let hasher = &self.hasher;
        let origin = || origin::of_exchange(exchange, hasher);
        let again = self.again(exchange, ask);
        let case = self.known.as_mut().and_then(|known| {
            let case = known.note(ask, origin);
            case.or_else(|| known.note(&again?, origin))
        });
        if let (Some(case), Some(principal)) = (case, principal) {
            signals.extend(self.tell(&case, principal, (client, exchange)));
        }
    }

    /// What is judged of functions, whatever their objects.
    fn of_route(
        &mut self,
        exchange: &Exchange<'_>,
        (function, nature): (u64, Nature),
        (principal, client): (Option<KeyedHash>, ClientNet),
        signals: &mut Vec<Signal>,
    ) {
        let address = self.hasher.hash_one(client.owner());
        // Whoever asks is accused of nothing, and may claim anything.
        if let Some(detector) = self.unauthenticated.as_mut().filter(|_| exchange.source != Source::Log) {
            let by = (principal.map(number_of), address);
            signals.extend(detector.exchange(exchange, function, by));
        }
        if asking::may_be_of_another_site(exchange) {
            return;
        }
        if let Some(detector) = &mut self.mass_assignment {
            let sender = principal.map_or(address, |principal| known::spread(number_of(principal)));
            signals.extend(detector.exchange(exchange, (function, sender), (principal, client)));
        }
        if let (Some(detector), Some(flow)) = (&mut self.business_flow, nature.flow) {
            detector.exchange(exchange, (function, flow), (principal, client), signals);
        }
    }

    /// A session belongs to who logged in.
    fn log_in(&mut self, exchange: &Exchange<'_>) {
        if let Some(login) = exchange.login
            && login.outcome == LoginOutcome::Success
            && let (Some(session), Some(user)) = (login.session, login.user)
            && let Some(known) = self.sessions.touch(session, exchange.seen, || user)
        {
            *known = user;
        }
    }

    /// Who is behind credentials: the account that a session was given to, or the credentials themselves.
    fn behind(&mut self, principal: KeyedHash, now: Timestamp) -> KeyedHash {
        if self.sessions.is_empty() {
            return principal;
        }
        let hash = self.sessions.hash(&principal);
        self.sessions.get(hash, &principal, now).map_or(principal, |user| *user)
    }

    /// Judges the function.
    fn call(
        &mut self,
        ask: &Ask,
        Nature { is_powerful, .. }: Nature,
        principal: KeyedHash,
        (client, exchange): (ClientNet, &Exchange<'_>),
    ) -> Option<Signal> {
        let is_served = match ask.outcome {
            Outcome::Given => true,
            Outcome::Forbidden => false,
            Outcome::Missing => return None,
        };
        let (who, function, now) = (ask.who?, ask.function, ask.now);
        let known = self.known.as_mut()?;
        let case = known.call(&Call { who, function, is_served, is_powerful, now });
        let waits = known.is_pending(who, function);
        if case.is_none() && !waits {
            return None;
        }
        let offender = self.is_alone(client, now).then(|| Offender::of(client, exchange));
        let seen = || bfla::Seen { principal, offender, sample: Sample::of(exchange) };
        if waits {
            self.waiting.touch((who, function), now, seen)?;
        }
        case.map(|case| bfla::signal(&case, &seen(), now))
    }

    /// Whether a client had one principal only, of late.
    fn is_alone(&mut self, client: ClientNet, now: Timestamp) -> bool {
        let hash = self.clients.hash(&client);
        self.clients.get(hash, &client, now).is_some_and(|(_, several)| !*several)
    }

    /// The signal of a first use that was judged.
    fn judged(&mut self, case: &Trespass, now: Timestamp) -> Option<Signal> {
        let key = (case.who, case.function);
        let hash = self.waiting.hash(&key);
        let signal = bfla::signal(case, self.waiting.get(hash, &key, now)?, now);
        self.waiting.remove(&key);
        Some(signal)
    }

    /// The signal of a case.
    fn tell(
        &mut self,
        case: &Case,
        principal: KeyedHash,
        (client, exchange): (ClientNet, &Exchange<'_>),
    ) -> Option<Signal> {
        let offender = Offender::of(client, exchange);
        let about = (Threat::Bola, Subject::Principal(principal));
        let goes_on = self.ongoing.goes_on(about, offender, exchange.seen);
        if !goes_on && !case.is_new {
            return None;
        }
        let offenders = if self.is_alone(client, exchange.seen) { vec![offender] } else { Vec::new() };
        let signal = bola::signal(case, principal, offenders, exchange);
        Some(self.ongoing.tell(signal, u64::from(case.objects.max(case.refused))))
    }
}

fn outcome(exchange: &Exchange<'_>) -> Option<Outcome> {
    Some(match exchange.outcome()? {
        200..=299 | 304 => Outcome::Given,
        403 => Outcome::Forbidden,
        // What is gone already is no object to a program that clears up.
        404 | 410 if exchange.method == Some("DELETE") => return None,
        404 | 410 => Outcome::Missing,
        _ => return None,
    })
}

impl Detector for Access {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => {
                object::seen(exchange, |value| self.exchange(exchange, value, signals))
            }
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        if let Some(enumeration) = &mut self.enumeration {
            enumeration.advance(now, signals);
        }
        if let Some(known) = &mut self.known {
            known.advance(now);
            for case in known.ripe(now) {
                signals.extend(self.judged(&case, now));
            }
        }
        if let Some(detector) = &mut self.unauthenticated {
            detector.advance(now);
        }
        if let Some(detector) = &mut self.mass_assignment {
            detector.advance(now, signals);
        }
        if let Some(detector) = &mut self.business_flow {
            detector.advance(now, signals);
        }
        self.waiting.sweep(now, 16, |_, _| {});
        self.sessions.sweep(now, 64, |_, _| {});
        self.clients.sweep(now, 64, |_, _| {});
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        let enumeration = self.enumeration.as_ref().map(Detector::usage).unwrap_or_default();
        let known = self.known.as_ref().map(Known::usage).unwrap_or_default();
        let open = self.unauthenticated.as_ref().map(Unauthenticated::usage).unwrap_or_default();
        let fields = self.mass_assignment.as_ref().map(MassAssignment::usage).unwrap_or_default();
        let flows = self.business_flow.as_ref().map(BusinessFlow::usage).unwrap_or_default();
        let own = self.waiting.usage().and(open).and(fields).and(flows);
        own.and(enumeration)
            .and(known)
            .and(self.sessions.usage())
            .and(self.clients.usage())
            .and(self.ongoing.usage())
    }

    fn name(&self) -> &'static str {
        "access"
    }

    fn take(&mut self, begun: Option<Begun>) -> Taken {
        self.take_piece(begun)
    }

    fn restore(&mut self, learned: &serde_json::Value) -> Result<(), String> {
        self.take_up(learned)
    }
}
