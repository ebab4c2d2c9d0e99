//! What the operator says of limits.

use std::collections::BTreeMap;

use documented::DocumentedFields;
use sensor_common::limit::Rate;

use crate::config::{Form, Section};

/// Limits of a route, or of all routes without their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DocumentedFields)]
pub struct Limits {
    /// Requests per client: an IPv4 address, or an IPv6 network of `clients.ipv6_prefix` bits.
    pub per_client: Option<Rate>,
    /// Requests per IPv6 site, a /48 network. Universities and companies have one for all their users.
    pub per_site: Option<Rate>,
    /// Requests per principal: API key, token, session or account.
    pub per_principal: Option<Rate>,
}

/// What it is told. There is no preset: it holds what the operator writes.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// For all routes that have no limits of their own, counted together. Default: none. What a client may do is
    /// known to the operator only; the kernel's `requests` limit covers clients, whatever they ask for.
    pub limits: Limits,
    /// By route template, in place of those, and counted apart.
    pub routes: BTreeMap<String, Limits>,
    /// Maximum clients and principals remembered, 64 bytes each.
    pub entries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { limits: Limits::default(), routes: BTreeMap::new(), entries: 65_536 }
    }
}

impl Config {
    /// Reads `[detect.request-rate]`.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Self {
        let mut config = Self::default();
        config.limits.read(section);
        section.explain::<Self>();
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        let routes = section.section("routes");
        for (route, section) in routes.sections("/search") {
            let section = section.about(ABOUT_ROUTE);
            let mut limits = config.limits;
            limits.read(&section);
            config.routes.insert(route.to_owned(), limits);
            section.finish();
        }
        routes.finish_values();
        config
    }

    /// Whether principals are.
    #[must_use]
    pub fn limits_principals(&self) -> bool {
        self.routes.values().chain([&self.limits]).any(|limits| limits.per_principal.is_some())
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn limits_something(&self) -> bool {
        let all = self.routes.values().chain([&self.limits]);
        all.into_iter().any(|limits| *limits != Limits::default())
    }
}

impl Limits {
    /// What is not written stays as it is.
    fn read(&mut self, section: &Section<'_>) {
        section.explain::<Self>();
        section.text("per_client", &RATE, &mut self.per_client);
        section.text("per_site", &RATE, &mut self.per_site);
        section.text("per_principal", &RATE, &mut self.per_principal);
    }
}

const ABOUT_ROUTE: &str = "Limits of one route, given by its template. They replace those of `detect.request-rate` and \
     are counted separately; unset keys default to it.";

pub(super) const RATE: Form<Option<Rate>> =
    Form::or_off("a rate such as `600/min` or `10/s:50` (burst after the colon), or `off`", "600/min:100");
