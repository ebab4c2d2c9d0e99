//! From values to findings. A [`Finding`] has a kind, a place, the name of the field, the rule and its confidence, never
//! the value. Findings are part of the exchange's record; detectors judge them over time.
//!
//! [`Inspector::exchange`] walks over the request once and passes each value to every recogniser: a module of this room
//! that takes a [`crate::values::Value`] and pushes to [`Found`].
//!
//! Architecture invariants: recognisers keep no value beyond its exchange, and know neither clients nor the time; an
//! exchange without values takes no memory.

mod budget;
mod config;
mod exposure;
mod finding;
mod found;
mod graphql;
mod headers;
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

use zeroize::Zeroizing;

use crate::http::{self, Decoding};
use crate::identity::{Key, Pseudonyms};
use crate::values::{Buffers, Carrier, Limits, Place, Told, Value, Visit, Walk};
use budget::Budget;
use exposure::Exposure;
use headers::Blocks;
use injection::Injection;

/// Totals of inspection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Findings, in the order of [`Kind::ALL`].
    pub findings: [u64; Kind::ALL.len()],
    /// Exchanges that were not fully inspected because the budget was spent.
    pub skipped: u64,
    /// Messages with more values than the limit.
    pub cut: u64,
}

impl Counters {
    fn count(&mut self, findings: &[Finding]) {
        for finding in findings {
            if let Some(count) = self.findings.get_mut(finding.kind as usize) {
                *count = count.saturating_add(1);
            }
        }
    }
}

/// What inspection found in an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inspected<'a> {
    /// The findings.
    pub findings: &'a [Finding],
    /// What the response shows of them.
    pub effects: Effects,
    /// What the exchange exposes.
    pub exposed: Exposed<'a>,
}

/// The verdict on a request, for people who evaluate the rules.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Whether a rule reported an attack, not just evidence.
    pub is_attack: bool,
    /// From 0 to 1: 0.95 for a construct, otherwise from the best score of a value.
    pub score: f64,
    /// The findings.
    pub findings: &'a [Finding],
}

/// Inspects exchanges. Its memory is bounded: one body, some buffers, and the recognisers' tables.
pub struct Inspector {
    config: Config,
    budget: Budget,
    /// Bytes of bodies that are read beside an OpenAPI document.
    documented: Budget,
    buffers: Buffers,
    blocks: Blocks,
    response: Zeroizing<Vec<u8>>,
    fields: Pseudonyms,
    injection: Option<Box<Injection>>,
    exposure: Option<Box<Exposure>>,
    found: Found,
    counters: Counters,
}

impl Inspector {
    /// An inspector that hashes the names of fields with `key`. If inspection is off, nothing is set up.
    #[must_use]
    pub fn new(config: &Config, key: &Key) -> Self {
        Self {
            config: config.clone(),
            budget: Budget::new(config.bytes_per_second),
            documented: Budget::new(config.response_bytes_per_second),
            buffers: Buffers::default(),
            blocks: Blocks::new(),
            response: Zeroizing::default(),
            fields: Pseudonyms::new(key),
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

    /// Whether exchanges are compared with an OpenAPI document.
    #[must_use]
    pub fn has_document(&self) -> bool {
        self.config.schemas.get().is_some()
    }

    /// Inspects an exchange. `body` is that of the request, decoded, and how far; `known` is what other rooms found out.
    pub fn exchange(
        &mut self,
        exchange: &http::Exchange<'_>,
        (body, decoding): (&[u8], Decoding),
        known: &Known<'_>,
    ) -> Inspected<'_> {
        let Some(request) = exchange.request.filter(|request| self.config.enabled && request.has_line())
        else {
            return Inspected::default();
        };
        let (path, query) = request.path_and_query();
        let mut seen = self.blocks.look(request.message().header_block());
        if seen.is_clean && seen.is_bare && self.is_quiet(exchange, (path, query), body, known) {
            return Inspected::default();
        }
        self.found.clear();
        let was_known = seen.is_clean && seen.is_bare;
        if self.budget.is_open(exchange.ended()) {
            let headers = request.message().headers();
            let told = self.walk(Carrier {
                path,
                query: query.unwrap_or_default(),
                headers: headers.take(if seen.is_clean { 0 } else { usize::MAX }),
                content_type: request.content_type(),
                body,
            });
            seen.is_clean |= told.is_whole && !self.found.all().iter().any(Finding::is_in_headers);
        } else {
            self.counters.skipped = self.counters.skipped.saturating_add(1);
        }
        if self.found.has(Kind::Injection) {
            self.answer(exchange);
        }
        let is_decoded = matches!(decoding, Decoding::Identity | Decoding::Whole);
        let is_whole = is_decoded && request.message().body_is_whole();
        // Of a recorded exchange, what is missing may only be missing in the log.
        if !known.is_recorded {
            self.schema(exchange, (request, known.route), Some(body).filter(|_| is_whole));
        }
        let (found, other) = (&mut self.found, &mut *self.response);
        let exposed = match &mut self.exposure {
            Some(exposure) => exposure.exchange(
                exchange,
                ((path, query), body, &mut seen.is_bare),
                known,
                other,
                &mut |finding| found.push(finding),
            ),
            None => Exposed::default(),
        };
        if !was_known {
            self.blocks.note(seen);
        }
        self.counters.count(self.found.all());
        let exposed = Exposed { powers: self.found.powers(), ..exposed };
        Inspected { findings: self.found.all(), effects: self.found.effects, exposed }
    }

    /// Whether an exchange whose headers are known to be harmless carries nothing else to inspect: no value but a path that
    /// was inspected before, and no response that is read. Most GETs of an API are such.
    #[inline]
    fn is_quiet(
        &self,
        exchange: &http::Exchange<'_>,
        (path, query): (&[u8], Option<&[u8]>),
        body: &[u8],
        known: &Known<'_>,
    ) -> bool {
        body.is_empty()
            && query.is_none_or(<[u8]>::is_empty)
            && !known.has_password
            && (!self.config.responses
                || exchange.response.is_none_or(|response| response.message().body().is_empty()))
            && self.config.schemas.get().is_none()
            && self.injection.as_ref().is_some_and(|injection| injection.is_known_path(path))
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

    /// Inspects what a request carries; returns the findings.
    pub fn request<'a, H: Iterator<Item = (&'a [u8], &'a [u8])>>(
        &mut self,
        carrier: Carrier<'a, H>,
    ) -> &Found {
        self.walk(carrier);
        &self.found
    }

    fn walk<'a, H: Iterator<Item = (&'a [u8], &'a [u8])>>(&mut self, carrier: Carrier<'a, H>) -> Walked {
        let Self { config, buffers, fields, injection, found, counters, budget, .. } = self;
        let limits = Limits { values: config.values, ..Limits::default() };
        let Some(injection) = injection else { return Walked::default() };
        injection.begin();
        let mut look = Look { injection, fields, found };
        let Told { cut, .. } = Walk::new(buffers, limits, &mut look).all(carrier);
        counters.cut = counters.cut.saturating_add(u64::from(cut));
        budget.charge(injection.analysed());
        Walked { is_whole: !cut && !injection.is_cut() && !found.is_full() }
    }

    /// Inspects what a request carries, independent of earlier requests; also returns the score.
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

    /// Reads what the response shows of an attack. Only called if the request had one.
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

/// The result of a walk over a request.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    /// Everything was inspected.
    is_whole: bool,
}

/// Passes values to the recognisers of requests.
struct Look<'l> {
    injection: &'l mut Injection,
    fields: &'l Pseudonyms,
    found: &'l mut Found,
}

impl Visit for Look<'_> {
    #[inline]
    fn value(&mut self, value: &Value<'_>) {
        let Self { injection, fields, found } = self;
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

    fn is_known(&mut self, header: &Value<'_>) -> bool {
        self.injection.is_known(header)
    }

    fn walked(&mut self, is_cut: bool) {
        self.injection.walked(is_cut);
    }
}

/// The keyed hash of a field, stable across restarts because profiles of fields are stored.
fn field(fields: &Pseudonyms, place: Place, name: &[u8]) -> u64 {
    fields.of("field", [&[place as u8], name].into_iter())
}
