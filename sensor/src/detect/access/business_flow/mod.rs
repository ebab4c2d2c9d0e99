//! `business-flow`: flows of a business that one actor runs far more often than people do: sign-up, reset of passwords,
//! coupons, payments that are declined, prices and stock (OWASP API6:2023, "Unrestricted Access to Sensitive Business
//! Flows"; OWASP Automated Threats OAT-001 carding, OAT-002 token cracking, OAT-011 scraping, OAT-019 account creation).
//!
//! A flow is told by words of its template, a run by its method. Runs are counted by hour for the client, the principal,
//! and, where they fail, the program (TLS fingerprint and User-Agent). A sale makes more people, not more runs of each; an
//! outage declines everybody's payments, and accuses nobody.

mod flow;

use std::time::Duration;

use documented::DocumentedFields;

use super::Config as Detect;
use super::population::Population;
use crate::clock::Timestamp;
use crate::config::Section;
use crate::detect::ongoing::Ongoing;
use crate::detect::recent::{Distinct, Recent, share};
use crate::detect::{Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::event::{Exchange, UserAgent};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;
pub(super) use flow::Flow;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Accepted sign-ups of a client within an hour, if that is five times what is usual. Three times as many are severity
    /// high.
    pub sign_ups: u32,
    /// Requests for a reset of a password, likewise.
    pub resets: u32,
    /// Refused coupons of a client or principal within an hour, if they are four of five. Three times as many are severity
    /// high. People mistype a few.
    pub coupons: u32,
    /// Declined payments, likewise, if others' are not. The default is this project's choice.
    pub declines: u32,
    /// Requests for prices, stock or seats of a client or principal within an hour, if that is ten times what is usual.
    /// The default is one every three seconds. Severity medium.
    pub lookups: u32,
    /// Maximum actors remembered, at 250 bytes each.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            sign_ups: preset.scaled(20),
            resets: preset.scaled(20),
            coupons: preset.scaled(20),
            declines: preset.scaled(10),
            lookups: preset.scaled(1_200),
            entries: 16_384,
        }
    }

    /// Reads `[detect.business-flow]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("sign_ups", 2..=1_000_000, &mut config.sign_ups);
        section.integer("resets", 2..=1_000_000, &mut config.resets);
        section.integer("coupons", 2..=1_000_000, &mut config.coupons);
        section.integer("declines", 2..=1_000_000, &mut config.declines);
        section.integer("lookups", 2..=1_000_000, &mut config.lookups);
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
/// Templates with a flow.
const FLOWS: u32 = 512;
/// Multiples of the usual.
const USUAL: u32 = 5;
const USUAL_LOOKUPS: u32 = 10;
/// The share of failures, in percent, that is not a person's; and of those of everybody else, that is an outage's.
const FAILING: u32 = 80;
const OUTAGE: u32 = 40;
/// Multiples of a threshold that are severity high, and that a program needs, which many people may use.
const HIGH: u32 = 3;
const PROGRAM: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Client(ClientNet),
    Principal(KeyedHash),
    Program(u64),
}

/// An actor's hour.
struct Hour {
    began: Timestamp,
    runs: u32,
    failed: u32,
    clients: Distinct<1>,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

impl Hour {
    const fn new(began: Timestamp) -> Self {
        Self { began, runs: 0, failed: 0, clients: Distinct::NONE, told: None, samples: Vec::new() }
    }
}

/// A template's hour, and what is usual for its clients.
struct Route {
    usual: Population,
    began: Timestamp,
    runs: u32,
    failed: u32,
}

/// The detector.
pub(super) struct BusinessFlow {
    config: Config,
    hours: Recent<(u64, Actor), Hour>,
    routes: Recent<u64, Route>,
    ongoing: Ongoing,
}

/// What is counted, against which threshold.
#[derive(Clone, Copy)]
struct Judged {
    count: u32,
    threshold: u32,
    usual: Option<u32>,
    severity: Severity,
}

impl BusinessFlow {
    pub(super) fn new(config: &Detect, seed: u64) -> Self {
        let config = config.business_flow.clone();
        Self {
            hours: Recent::new(config.entries, WINDOW.saturating_mul(2), seed),
            routes: Recent::new(FLOWS, WINDOW.saturating_mul(24 * 60), seed),
            ongoing: Ongoing::default(),
            config,
        }
    }

    /// An exchange of a function, by its hash, that is a flow.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        (function, flow): (u64, Flow),
        (principal, client): (Option<KeyedHash>, ClientNet),
        signals: &mut Vec<Signal>,
    ) {
        let failed = match exchange.outcome() {
            Some(200..=399) => false,
            Some(400 | 402 | 403 | 404 | 409 | 410 | 422) => true,
            _ => return,
        };
        // A sign-up or reset that is refused has done nothing.
        if failed && !flow.fails() {
            return;
        }
        let now = exchange.seen;
        let fresh = || Route { usual: Population::new(), began: now, runs: 0, failed: 0 };
        if let Some(route) = self.routes.touch(function, now, fresh) {
            if now.since(route.began) >= WINDOW {
                (route.began, route.runs, route.failed) = (now, 0, 0);
            }
            route.runs = route.runs.saturating_add(1);
            route.failed = route.failed.saturating_add(u32::from(failed));
        }
        let program = (flow.fails()).then(|| Actor::Program(self.program(exchange)));
        let actors = [Some(Actor::Client(client)), principal.map(Actor::Principal), program];
        for actor in actors.into_iter().flatten() {
            signals.extend(self.run(exchange, (function, actor), (flow, failed), client));
        }
    }

    fn program(&self, exchange: &Exchange<'_>) -> u64 {
        let agent = exchange.user_agent.as_ref().map_or("", UserAgent::whole);
        let ja4 = exchange.tls.as_ref().and_then(|tls| tls.ja4);
        self.hours.hash_of_key(&(agent, ja4))
    }

    fn run(
        &mut self,
        exchange: &Exchange<'_>,
        key: (u64, Actor),
        (flow, failed): (Flow, bool),
        client: ClientNet,
    ) -> Option<Signal> {
        let now = exchange.seen;
        let address = self.hours.hash_of_key(&client);
        let hour = self.hours.touch(key, now, || Hour::new(now))?;
        if now.since(hour.began) >= WINDOW {
            let over = std::mem::replace(hour, Hour::new(now));
            self.conclude(key, &over, now);
        }
        let hash = self.hours.hash(&key);
        let hour = self.hours.get(hash, &key, now)?;
        hour.runs = hour.runs.saturating_add(1);
        hour.failed = hour.failed.saturating_add(u32::from(failed));
        hour.clients.note(address);
        if failed || !flow.fails() {
            Sample::keep(&mut hour.samples, exchange);
        }
        let judged = self.judge(key, flow, now)?;
        self.tell(exchange, key, (flow, judged), client)
    }

    /// An hour is over: what clients do in one is usual.
    fn conclude(&mut self, (function, actor): (u64, Actor), hour: &Hour, now: Timestamp) {
        let hash = self.routes.hash(&function);
        if matches!(actor, Actor::Client(_))
            && let Some(route) = self.routes.get(hash, &function, now)
        {
            route.usual.learn(hour.runs);
        }
    }

    fn judge(&mut self, key: (u64, Actor), flow: Flow, now: Timestamp) -> Option<Judged> {
        let (of_hour, of_route) = (self.hours.hash(&key), self.routes.hash(&key.0));
        let hour = self.hours.get(of_hour, &key, now)?;
        let route = self.routes.get(of_route, &key.0, now)?;
        let usual = route.usual.usual();
        let (count, threshold, times) = match flow {
            Flow::SignUp => (hour.runs, self.config.sign_ups, USUAL),
            Flow::Reset => (hour.runs, self.config.resets, USUAL),
            Flow::Lookup => (hour.runs, self.config.lookups, USUAL_LOOKUPS),
            Flow::Coupon => (hour.failed, self.config.coupons, 0),
            Flow::Payment => (hour.failed, self.config.declines, 0),
        };
        let is_program = matches!(key.1, Actor::Program(_));
        let threshold = threshold.saturating_mul(if is_program { PROGRAM } else { 1 });
        let threshold = threshold.max(usual.unwrap_or(0).saturating_mul(times));
        if count < threshold || flow == Flow::Lookup && usual.is_none() {
            return None;
        }
        let percent = |part: u32, whole: u32| u64::from(part).saturating_mul(100).checked_div(whole.into());
        let others = (route.failed.saturating_sub(hour.failed), route.runs.saturating_sub(hour.runs));
        let is_outage = percent(others.0, others.1).is_some_and(|share| share >= OUTAGE.into());
        let is_failing = percent(hour.failed, hour.runs).is_some_and(|share| share >= FAILING.into());
        // Of a program that nobody else uses nothing is known to compare with.
        let is_alone = is_program && others.1 < hour.runs / 4;
        if flow.fails() && (is_outage || !is_failing || is_alone) {
            return None;
        }
        let is_many = count >= threshold.saturating_mul(HIGH) && flow != Flow::Lookup && !is_program;
        let severity = if is_many { Severity::High } else { Severity::Medium };
        Some(Judged { count, threshold, usual, severity })
    }

    fn tell(
        &mut self,
        exchange: &Exchange<'_>,
        key: (u64, Actor),
        (flow, judged): (Flow, Judged),
        client: ClientNet,
    ) -> Option<Signal> {
        let now = exchange.seen;
        let route: String = exchange.route.unwrap_or_default().chars().take(128).collect();
        let (subject, who) = match key.1 {
            Actor::Client(client) => (Subject::Client(client), client.to_string()),
            Actor::Principal(hash) => (Subject::Principal(hash), hash.to_string()),
            Actor::Program(_) => (Subject::Route(route.clone()), "one program".to_owned()),
        };
        let offender = Offender::of(client, exchange);
        let hash = self.hours.hash(&key);
        let hour = self.hours.get(hash, &key, now)?;
        let (about, told) = ((Threat::BusinessFlow, subject.clone()), (&mut hour.told, judged.severity));
        if !self.ongoing.is_news(about, offender, told, now) {
            return None;
        }
        let clients = hour.clients.estimate();
        let names = matches!(key.1, Actor::Client(_)) || clients <= 1 && !matches!(key.1, Actor::Program(_));
        let offenders = if names { vec![offender] } else { Vec::new() };
        let Judged { count, threshold, usual, severity } = judged;
        let mut evidence = Evidence::default()
            .with("route", route.as_str())
            .with("flow", flow.label())
            .with("count", u64::from(count))
            .with("count_threshold", u64::from(threshold))
            .with("failed_share", share(hour.failed, hour.runs))
            .with("clients", u64::from(clients))
            .showing(hour.samples.iter().cloned());
        if let Some(usual) = usual {
            evidence = evidence.with("usual", u64::from(usual));
        }
        let signal = Signal {
            at: now,
            threat: Threat::BusinessFlow,
            severity,
            confidence: if severity == Severity::High { 0.85 } else { 0.6 },
            summary: format!("{who} made {count} {} at {route} within an hour", flow.label()),
            subject,
            offenders,
            evidence,
            window: (hour.began, now),
            decided: None,
            growth: Growth::default(),
        };
        Some(self.ongoing.tell(signal, count.into()))
    }

    /// Time passes.
    pub(super) fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        let mut over = Vec::new();
        self.hours.sweep(now, 256, |key, hour| over.push((*key, hour)));
        for (key, hour) in over {
            self.conclude(key, &hour, now);
        }
        self.routes.sweep(now, 16, |_, _| {});
        self.ongoing.advance(now, signals);
    }

    pub(super) fn usage(&self) -> Usage {
        self.hours.usage().and(self.routes.usage()).and(self.ongoing.usage())
    }
}
