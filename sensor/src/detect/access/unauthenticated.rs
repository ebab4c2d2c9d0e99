//! `unauthenticated`: a route that refused requests without credentials answers one (OWASP API2:2023, "Broken
//! Authentication"; CWE-306).
//!
//! A method of a template needs credentials if several principals were served, nobody without, and requests without were
//! refused (401, 403, or sent elsewhere). Public routes serve anybody from the start. Told of the route, and of nobody: who
//! asks for a route that is open does nothing wrong. An answer to one client is medium; to two, or two answers with
//! refusals before, high.

use std::time::Duration;

use documented::DocumentedFields;

use super::Config as Detect;
use crate::clock::Timestamp;
use crate::config::Section;
use crate::detect::posture::{Case, Posture};
use crate::detect::recent::{Distinct, Recent};
use crate::detect::{Preset, Severity, Signal, Threat, Usage};
use crate::event::Exchange;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Exchanges with credentials that were served before a route counts as one that needs them. No preset changes it.
    pub served: u32,
    /// Principals among them. No preset changes it.
    pub principals: u32,
    /// Requests without credentials that were refused before. Refusals are the evidence: routes that nobody asked for
    /// without credentials may be public. No preset changes it.
    pub refused: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub const fn of(_preset: Preset) -> Self {
        Self { served: 20, principals: 3, refused: 2 }
    }

    /// Reads `[detect.unauthenticated]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("served", 1..=1_000_000, &mut config.served);
        section.integer("principals", 1..=100, &mut config.principals);
        section.integer("refused", 1..=1_000_000, &mut config.refused);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// Methods of templates that are remembered, and for how long without a request.
const ROUTES: u32 = 4_096;
const KEEP: Duration = Duration::from_secs(60 * 86_400);
/// Clients that are served before a route is taken for a public one.
const PUBLIC: u32 = 50;

#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    served: u32,
    principals: Distinct<2>,
    refused: u32,
    /// Served without credentials: how often, and to which clients.
    open: u32,
    clients: Distinct<2>,
    /// It served somebody without credentials before it refused anybody: it is public.
    is_public: bool,
}

impl Route {
    /// What is lost with it, where another one makes room: refusals of what does not exist cost nobody anything.
    fn worth(&self) -> u32 {
        self.served.checked_ilog2().map_or(0, |power| power.saturating_add(1))
    }
}

const FRESH: Route = Route {
    served: 0,
    principals: Distinct::NONE,
    refused: 0,
    open: 0,
    clients: Distinct::NONE,
    is_public: false,
};

/// The detector.
pub(super) struct Unauthenticated {
    config: Config,
    routes: Recent<u64, Route>,
    posture: Posture,
}

impl Unauthenticated {
    pub(super) fn new(config: &Detect, seed: u64) -> Self {
        Self {
            config: config.unauthenticated.clone(),
            routes: Recent::new(ROUTES, KEEP, seed),
            posture: Posture::new(Threat::Unauthenticated, seed),
        }
    }

    /// An exchange of a method of a template, by its hash.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        function: u64,
        (principal, client): (Option<u32>, u64),
    ) -> Option<Signal> {
        if exchange.login.is_some() || matches!(exchange.method, Some("HEAD" | "OPTIONS")) {
            return None;
        }
        let status = exchange.outcome()?;
        let has_content = exchange.response_bytes.is_none_or(|bytes| bytes > 0) || status == 204;
        // A method that a template does not have says nothing, and takes no place.
        if !matches!((status, principal), (200..=299 | 304, _) | (401 | 403 | 302 | 303 | 307, None)) {
            return None;
        }
        let route = self.routes.touch_beside(function, exchange.seen, || FRESH, Route::worth)?;
        match (status, principal) {
            (200..=299 | 304, Some(principal)) => {
                route.served = route.served.saturating_add(1);
                route.principals.note(super::known::spread(principal));
                None
            }
            (401 | 403 | 302 | 303 | 307, None) => {
                route.refused = route.refused.saturating_add(1);
                None
            }
            (200..=299, None) if has_content => self.open(exchange, function, client),
            _ => None,
        }
    }

    /// Served without credentials.
    fn open(&mut self, exchange: &Exchange<'_>, function: u64, client: u64) -> Option<Signal> {
        let Config { served, principals, refused } = self.config;
        let route = self.routes.touch(function, exchange.seen, || FRESH)?;
        let needs = route.served >= served
            && route.principals.estimate() >= principals
            && route.refused >= refused
            && !route.is_public;
        if !needs {
            route.is_public = true;
            return None;
        }
        route.open = route.open.saturating_add(1);
        route.clients.note(client);
        let clients = route.clients.estimate();
        // So many are not mistaken: it was made public.
        route.is_public = clients >= PUBLIC;
        let severity = if clients >= 2 || route.open >= 2 { Severity::High } else { Severity::Medium };
        let method = exchange.method.unwrap_or("other");
        let case = Case {
            class: "without-credentials",
            rule: method,
            field: "",
            severity,
            confidence: if severity == Severity::High { 0.85 } else { 0.7 },
            says: "answered without credentials, which it refused before",
        };
        let (served, refused, open) = (route.served, route.refused, route.open);
        let mut signal = self.posture.note(exchange, case)?;
        signal.evidence = signal
            .evidence
            .with("method", method)
            .with("served_with_credentials", u64::from(served))
            .with("refused_without_credentials", u64::from(refused))
            .with("served_without_credentials", u64::from(open))
            .with("clients", u64::from(clients));
        Some(signal)
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.routes.sweep(now, 16, |_, _| {});
        self.posture.advance(now);
    }

    pub(super) fn usage(&self) -> Usage {
        self.routes.usage().and(self.posture.usage())
    }

    /// What is known of routes, for a file.
    pub(super) fn learned(&self) -> Vec<Kept> {
        self.routes
            .iter()
            .map(|(key, route)| {
                let Route { served, refused, open, is_public, .. } = *route;
                let (principals, clients) = (route.principals.bits(), route.clients.bits());
                (*key, served, *principals, refused, open, *clients, is_public)
            })
            .collect()
    }

    /// Takes it up.
    pub(super) fn restore(&mut self, learned: &serde_json::Value, now: Timestamp) -> Result<(), String> {
        let kept: Vec<Kept> =
            serde::Deserialize::deserialize(learned).map_err(|error| format!("unauthenticated: {error}"))?;
        for (key, served, principals, refused, open, clients, is_public) in kept {
            let (principals, clients) = (Distinct::of_bits(principals), Distinct::of_bits(clients));
            let route = Route { served, principals, refused, open, clients, is_public };
            self.routes.touch(key, now, || route);
        }
        Ok(())
    }
}

pub(super) type Kept = (u64, u32, [u64; 2], u32, u32, [u64; 2], bool);
