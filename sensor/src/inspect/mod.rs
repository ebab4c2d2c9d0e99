//! From values to findings. A [`Finding`] tells its kind, its place, the name of its field, the rule and how sure that
//! is, and never the value. Findings go on the record of the exchange; detectors judge them over time.
//!
//! [`Inspector::exchange`] walks over the request once and shows each value to every recogniser. A recogniser is a
//! module of this room that takes a [`crate::values::Value`] and pushes to [`Found`].
//!
//! Architecture invariants: recognisers keep no value beyond the exchange that it came with; they know no client and no
//! time; an exchange without values takes no memory.

mod budget;
mod config;
mod exposure;
mod finding;
mod found;
mod graphql;
pub mod injection;
mod leak;
mod personal;
mod power;
mod schema;
mod secret;
#[cfg(test)]
mod tests;
mod token;

pub use config::Config;
#[cfg(any(test, feature = "fuzzing"))]
pub use exposure::fuzz as exposure_fuzz;
pub use exposure::{Answer, AnswerField, Document, Exposed, Known, Signing, Token};
pub use finding::{Confidence, FieldName, Finding, Kind, Side};
pub use found::{Found, MAX_FINDINGS};
pub use injection::{Effect, Effects};
pub use power::PowerField;
pub use schema::Schemas;

use std::hash::{BuildHasher as _, RandomState};

use zeroize::Zeroizing;

use crate::http::{self, Decoding};
use crate::values::{Buffers, Carrier, Limits, Place, Told, Value, Walk};
use budget::Budget;
use exposure::Exposure;
use injection::Injection;

/// What was inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Findings, in the order of [`Kind::ALL`].
    pub findings: [u64; Kind::ALL.len()],
    /// Exchanges that were not inspected in full since too much was to be inspected at the time.
    pub skipped: u64,
    /// Messages with more values than are read.
    pub cut: u64,
}

/// What inspection found in an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inspected<'a> {
    /// The findings.
    pub findings: &'a [Finding],
    /// What the answer shows of them.
    pub effects: Effects,
    /// What it gives away.
    pub exposed: Exposed<'a>,
}

/// What a request is, for people who judge the rules.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Whether a rule told an attack, not evidence alone.
    pub is_attack: bool,
    /// From 0 to 1: 0.95 for a construct, else by the score of the best value.
    pub score: f64,
    /// The findings.
    pub findings: &'a [Finding],
}

/// Inspects exchanges. Its memory is bounded: two bodies, some buffers, and what recognisers have.
pub struct Inspector {
    config: Config,
    budget: Budget,
    /// Bytes of bodies that are read beside an OpenAPI document.
    documented: Budget,
    buffers: Buffers,
    request: Zeroizing<Vec<u8>>,
    response: Zeroizing<Vec<u8>>,
    fields: RandomState,
    injection: Option<Box<Injection>>,
    exposure: Option<Box<Exposure>>,
    found: Found,
    counters: Counters,
}

impl Inspector {
    /// An inspector; nothing is set up where it is off.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            budget: Budget::new(config.bytes_per_second),
            documented: Budget::new(config.response_bytes_per_second),
            buffers: Buffers::default(),
            request: Zeroizing::default(),
            response: Zeroizing::default(),
            fields: RandomState::new(),
            injection: config.enabled.then(|| Box::new(Injection::new())),
            exposure: config.enabled.then(|| Box::new(Exposure::new(config.exposure()))),
            found: Found::default(),
            counters: Counters::default(),
        }
    }

    /// Totals.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Inspects an exchange, of which others know something.
    pub fn exchange(&mut self, exchange: &http::Exchange<'_>, known: &Known<'_>) -> Inspected<'_> {
        let Some(request) = exchange.request.filter(|request| self.config.enabled && request.has_line())
        else {
            return Inspected::default();
        };
        self.found.clear();
        let mut decoded = std::mem::take(&mut self.request);
        let is_bodiless = request.body_length() == Some(0);
        let (body, decoding) =
            if is_bodiless { (&[][..], Decoding::Identity) } else { exchange.decode_request(&mut decoded) };
        if self.budget.is_open(exchange.ended()) {
            self.request(Carrier {
                path: request.path(),
                query: request.query().unwrap_or_default(),
                headers: request.message().headers(),
                content_type: request.content_type(),
                body,
            });
        } else {
            self.counters.skipped = self.counters.skipped.saturating_add(1);
        }
        if self.found.has(Kind::Injection) {
            self.answer(exchange);
        }
        let is_decoded = matches!(decoding, Decoding::Identity | Decoding::Whole);
        let is_whole = is_decoded && request.message().body_is_whole();
        self.schema(exchange, (request, known.route), body.get(..).filter(|_| is_whole));
        let (found, room) = (&mut self.found, &mut *self.response);
        let exposed = match &mut self.exposure {
            Some(exposure) => {
                exposure.exchange(exchange, body, known, room, &mut |finding| found.push(finding))
            }
            None => Exposed::default(),
        };
        self.request = decoded;
        for finding in self.found.all() {
            if let Some(count) = self.counters.findings.get_mut(finding.kind as usize) {
                *count = count.saturating_add(1);
            }
        }
        let exposed = Exposed { powers: self.found.powers(), ..exposed };
        Inspected { findings: self.found.all(), effects: self.found.effects, exposed }
    }

    /// Compares an exchange with the OpenAPI document, if one is configured.
    fn schema(
        &mut self,
        exchange: &http::Exchange<'_>,
        (request, route): (http::Request<'_>, Option<&str>),
        body: Option<&[u8]>,
    ) {
        let Self { config, documented, response: room, found, fields, counters, .. } = self;
        let Some(schemas) = config.schemas.get() else { return };
        if !documented.is_open(exchange.ended()) {
            counters.skipped = counters.skipped.saturating_add(1);
            return;
        }
        let response = exchange.response.filter(|response| config.responses && response.body_is_whole());
        let answer = match response {
            Some(response) if response.content_encoding().is_none() => Some(response.message().body()),
            Some(_) => {
                let (text, decoding) = exchange.decode_spare_response(room);
                (decoding == Decoding::Whole).then_some(text)
            }
            None => None,
        };
        let length = |body: Option<&[u8]>| body.map_or(0, <[u8]>::len);
        documented.charge(length(body).saturating_add(length(answer)).saturating_add(256));
        let bodies = schema::Bodies { request: body, response: answer };
        let messages = (request, exchange.response.filter(|_| config.responses));
        schema::check(schemas, messages, route, bodies, &mut |side, place, rule, name| {
            found.push(Finding {
                kind: Kind::Schema,
                class: rule,
                side,
                place,
                name: FieldName::of(name.as_bytes()),
                rule,
                confidence: Confidence::percent(95),
                field: field(fields, place, name.as_bytes()),
            });
        });
    }

    /// Inspects what a request carries; the findings.
    pub fn request<'a, H: Iterator<Item = (&'a [u8], &'a [u8])>>(
        &mut self,
        carrier: Carrier<'a, H>,
    ) -> &Found {
        let Self { config, buffers, fields, injection, found, counters, budget, .. } = self;
        let limits = Limits { values: config.values, ..Limits::default() };
        if let Some(injection) = injection {
            injection.begin();
            let mut visit = |value: &Value<'_>| look(injection, value, fields, found);
            let Told { cut, .. } = Walk::new(buffers, limits, &mut visit).all(carrier);
            counters.cut = counters.cut.saturating_add(u64::from(cut));
            budget.charge(injection.analysed());
        }
        found
    }

    /// Inspects what a request carries without regard to those before it, with the score that is otherwise only compared.
    #[expect(clippy::float_arithmetic, reason = "the logistic function, of a score")]
    pub fn judge<'a, H: Iterator<Item = (&'a [u8], &'a [u8])>>(
        &mut self,
        carrier: Carrier<'a, H>,
    ) -> Judged<'_> {
        if let Some(injection) = &mut self.injection {
            injection.forget();
        }
        self.found.clear();
        self.request(carrier);
        let findings = self.found.all();
        let is_attack = findings.iter().any(|finding| finding.rule != injection::EVIDENCE_RULE);
        let is_hard = findings.iter().any(|finding| finding.confidence.share() > 0.9);
        let logit = self.injection.as_ref().and_then(|injection| injection.best());
        let soft = logit.map_or(0.0, |logit| 0.9 / (1.0 + (-f64::from(logit)).exp()));
        Judged { is_attack, score: if is_hard { 0.95 } else { soft }, findings }
    }

    /// What the answer shows of an attack. Only read where the request had one.
    fn answer(&mut self, exchange: &http::Exchange<'_>) {
        let (Some(response), Some(injection)) = (exchange.response, &self.injection) else { return };
        let (body, _) = exchange.decode_response(&mut self.response);
        let answer = injection::Answer {
            status: response.status(),
            content_type: response.content_type(),
            body,
            duration: exchange.duration(),
        };
        self.found.effects = injection.effects(&answer);
    }
}

/// Shows a value to the recognisers of requests.
fn look(injection: &mut Injection, value: &Value<'_>, fields: &RandomState, found: &mut Found) {
    if let Some(field) = power::of(value) {
        found.push_power(field);
    }
    injection.value(value, &mut |hit| {
        found.push(Finding {
            kind: Kind::Injection,
            class: hit.class.label(),
            side: Side::Request,
            place: value.place,
            name: FieldName::of(value.name),
            rule: hit.rule,
            confidence: Confidence::percent(hit.confidence),
            field: field(fields, value.place, value.name),
        });
    });
}

/// The hash of a field.
fn field(fields: &RandomState, place: Place, name: &[u8]) -> u64 {
    fields.hash_one((place, name))
}
