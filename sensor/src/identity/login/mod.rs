//! Login attempts: recognised from requests, judged by their responses.
//!
//! An exchange is an attempt if
//!
//! * its path is configured (`[login.NAME]`) and it submits something; or
//! * its body or query has a password. On a login path, or in a GraphQL or JSON-RPC operation named like a login,
//!   ambiguous field names suffice. A repeated, new or changed password, fields of registration forms, and paths for
//!   registration and the like speak against it; or
//! * it has basic or digest credentials (RFC 7617, RFC 7616), or salted ones in the query. These come with every request:
//!   each is an attempt, refused with 401 or 403, accepted with any other status below 400.
//!
//! One request may contain many attempts: elements of JSON arrays, rows of forms, aliases in GraphQL documents, calls of an
//! XML-RPC multicall. Each is reported, the first 128 with their accounts, and with its own outcome if the response has one.
//!
//! A body that could not be read, because it is truncated or in an unknown coding or charset, counts as an attempt on an
//! unknown account if the route is a login: a configured one, one named like a login page, or one where most submissions
//! were attempts ([`places`]).
//!
//! # What is not done
//!
//! Negotiate and WebAuthn challenges are not read, nor attempts beyond the kept part of a body. A password that a script in
//! the browser encrypts never repeats.

mod answer;
mod body;
mod charset;
mod config;
mod cookies;
mod documents;
mod field;
mod fields;
mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod graphql;
mod guard;
mod headers;
mod json;
mod lenient;
mod location;
mod named;
mod page;
mod parts;
mod place;
pub(super) mod places;
mod reply;
mod salted;
mod session;
mod shapes;
mod signs;
mod speech;
#[cfg(test)]
mod tests;
mod tokens;
mod unit;
mod users;
mod words;
mod xml;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

pub use config::{
    Conditions, HEADER_SIGN, HeaderSign, LOGIN_ROUTE, LoginConfig, LoginRoute, LoginRule, LoginTextError,
    MAX_LOGIN_RULES, STATUSES, Statuses, login_text,
};

use super::fleet_keys::FleetHashes;
use super::hash::KeyedHash;
use super::leaked::Leaks;
use super::principal::Principals;
use crate::http::{Decoding, Exchange, Method, Request};
use answer::{Answer, Attempt, Manner, Room};
use body::{Hints, Shape};
use fields::{Fields, Found};
use fingerprint::Fingerprint;
use place::{Place, Purpose};
use places::Places;
use shapes::Shapes;

/// How the server answered an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum LoginOutcome {
    /// It let the user in.
    Success,
    /// It refused the credentials.
    Failure,
    /// Undecided: no response was seen, the server failed, a second factor is required, or the response is
    /// inconclusive.
    Unknown,
}

impl LoginOutcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Unknown];

    /// The name in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// An attempt to log in. Names and passwords are keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The account; none if the request has none that could be read.
    #[serde(serialize_with = "as_text")]
    pub user: Option<KeyedHash>,
    /// The password, to recognise equal ones. Not part of any record.
    #[serde(skip)]
    pub password: Option<KeyedHash>,
    /// How the server answered.
    pub outcome: LoginOutcome,
    /// Whether its body could not be read, so the account and the number of attempts are unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// A hash of the order of header names and of the User-Agent. Equal for the requests of one program, which a
    /// distributed attack usually is.
    #[serde(skip)]
    pub fingerprint: u64,
    /// The principal of the session or token that a success starts, if it is in a configured cookie or a JSON response: that
    /// of the user's later requests.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub session: Option<KeyedHash>,
    /// Of a success: whether its password is in the operator's list of leaked ones. None if there is no list, or if it is
    /// being looked up.
    #[serde(rename = "leaked_password", skip_serializing_if = "Option::is_none")]
    pub leaked: Option<bool>,
    /// The account and the password as all hosts of a fleet hash them. Not part of any record.
    #[serde(skip)]
    pub fleet: FleetHashes,
}

fn as_text<S: Serializer>(hash: &Option<KeyedHash>, serializer: S) -> Result<S::Ok, S::Error> {
    match hash {
        Some(hash) => serializer.collect_str(hash),
        None => serializer.serialize_none(),
    }
}

/// Recognises logins. Its memory is two buffers of at most [`crate::http::Config::inflate_bytes`]; the caller decodes the
/// bodies of requests.
pub(super) struct Logins {
    config: LoginConfig,
    hints: Hints,
    fingerprint: Fingerprint,
    /// Holds the last converted body until the next one; wiped when dropped.
    text: Zeroizing<String>,
    response: Room,
    places: Places,
    shapes: Shapes,
    leaks: Leaks,
    /// Attempts of the last exchange.
    found: Vec<Found>,
    outcomes: Vec<LoginOutcome>,
    further: Vec<Login>,
    uncounted: u32,
}

impl Logins {
    pub(super) fn new(config: &LoginConfig) -> Self {
        Self {
            config: config.clone(),
            hints: Hints::new(),
            fingerprint: Fingerprint::new(),
            text: Zeroizing::default(),
            response: Room::default(),
            places: Places::new(),
            shapes: Shapes::new(),
            leaks: Leaks::new(config.leaked_passwords.clone()),
            found: Vec::new(),
            outcomes: Vec::new(),
            further: Vec::new(),
            uncounted: 0,
        }
    }

    /// The attempts of the last exchange after the first, and the number of further ones.
    pub(super) fn further(&self) -> (&[Login], u32) {
        (&self.further, self.uncounted)
    }

    /// The attempt in an exchange, or the first of several. `body` is that of the request, decoded; `route` is its template, if
    /// known.
    pub(super) fn recognise(
        &mut self,
        exchange: &Exchange<'_>,
        body: (&[u8], Decoding),
        route: Option<&str>,
        principals: &mut Principals,
    ) -> Option<Login> {
        self.further.clear();
        self.uncounted = 0;
        let request = exchange.request?;
        let authorization = request.header("authorization");
        // Most exchanges end here.
        let submission = Submission::of(request);
        if !self.config.enabled || submission.is_none() && authorization.is_none() {
            return None;
        }
        let path = request.path();
        let rules = &self.config.rules;
        let rule = rules.iter().position(|rule| Some(rule.route.text()) == route || rule.route.matches(path));
        self.found.clear();
        let mut is_read = true;
        if let Some(submission) = submission {
            is_read = self.read(submission, body, rule, principals);
        }
        let (mut manner, mut unread) = (Manner::Once, false);
        if self.found.is_empty() {
            unread = !is_read && (rule.is_some() || self.is_for_logins(request, route));
            let always =
                if unread { None } else { authorization.and_then(|field| principals.always_login(field)) };
            let salted = || salted::of(request, principals.hasher());
            let first = match always {
                Some(always) => {
                    manner = Manner::Always;
                    Found { user: Some(always.user), password: always.password, ..Found::default() }
                }
                None if let Some(found) = salted() => {
                    manner = Manner::InQuery;
                    found
                }
                // A configured route, but an unreadable format.
                None if unread || rule.is_some() && submits(request) => Found::default(),
                None => {
                    self.learn(route, request, false);
                    return None;
                }
            };
            self.found.push(first);
        } else {
            self.learn(route, request, true);
            if self.found.iter().all(|found| found.is_code) {
                manner = Manner::Code;
            }
        }
        let first = self.conclude(exchange, (rule, route), (manner, unread), principals);
        principals.hasher().forget();
        first
    }

    /// What is known of leaked passwords.
    pub(super) const fn leaks(&self) -> &Leaks {
        &self.leaks
    }

    pub(super) const fn leaks_mut(&mut self) -> &mut Leaks {
        &mut self.leaks
    }

    /// Whether a request goes to a login route, by its path or by earlier requests.
    fn is_for_logins(&self, request: Request<'_>, route: Option<&str>) -> bool {
        let path = request.path();
        let is_taken =
            |route: &str| self.places.has(route) || place::takes_calls(path) && self.places.had_any(route);
        request.method() == Method::Post && place::is_for_logins(path)
            || place::is_login_page(path)
            || route.is_some_and(is_taken)
    }

    /// The attempts found, with their outcomes.
    fn conclude(
        &mut self,
        exchange: &Exchange<'_>,
        (rule, route): (Option<usize>, Option<&str>),
        (manner, unread): (Manner, bool),
        principals: &mut Principals,
    ) -> Option<Login> {
        let request = exchange.request?;
        let path = request.path();
        let rule = rule.and_then(|rule| self.config.rules.get(rule));
        // The status alone decides, unless a rule is configured.
        let is_read = manner != Manner::Always || rule.is_some();
        let answer = if is_read { Answer::of(exchange, &mut self.response) } else { Answer::default() };
        let attempt = Attempt { exchange, request, path, rule, manner, answer };
        parts::outcomes(&attempt, &self.found, &mut self.outcomes);
        if let ([found], [outcome], Some(route)) = (&*self.found, &mut *self.outcomes, route)
            && manner == Manner::Once
        {
            *outcome = self.shapes.judge(&attempt, route, *found, *outcome);
        }
        let succeeded = self.outcomes.contains(&LoginOutcome::Success);
        let response = exchange.response.filter(|_| succeeded && manner != Manner::Always);
        let session = response.and_then(|response| session::begun(response, attempt.answer.body, principals));
        let fingerprint = self.fingerprint.of(request);
        let (leaks, hasher) = (&mut self.leaks, principals.hasher());
        let login = |(found, outcome): (&Found, &LoginOutcome)| {
            let is_success = *outcome == LoginOutcome::Success;
            let accepted = found.password.filter(|_| is_success && !found.is_code);
            Login {
                user: found.user,
                password: found.password,
                outcome: *outcome,
                unread,
                fingerprint,
                session: session.filter(|_| is_success),
                leaked: accepted.and_then(|password| leaks.has(password, hasher)),
                fleet: hasher.fleet(found.user, found.password),
            }
        };
        let mut logins = self.found.iter().zip(&self.outcomes).map(login);
        let first = logins.next();
        self.further.extend(logins);
        first
    }

    /// Reads what a request submits; returns whether that was possible.
    fn read(
        &mut self,
        submission: Submission<'_>,
        body: (&[u8], Decoding),
        rule: Option<usize>,
        principals: &Principals,
    ) -> bool {
        let Self { config, hints, text, found, uncounted, .. } = self;
        let rule = rule.and_then(|rule| config.rules.get(rule));
        let mut fields = Fields::new(principals.hasher(), rule, found);
        let is_read = submission.read(body, hints, &mut fields, text);
        if submits(submission.request) || fields.has_password() {
            *uncounted = fields.finish();
        }
        is_read
    }

    /// Learns login routes from submissions.
    fn learn(&mut self, route: Option<&str>, request: Request<'_>, is_attempt: bool) {
        if let Some(route) = route.filter(|_| submits(request)) {
            self.places.note(route, is_attempt);
        }
    }
}

/// What a request submits.
#[derive(Clone, Copy)]
struct Submission<'a> {
    request: Request<'a>,
    query: &'a [u8],
}

impl<'a> Submission<'a> {
    /// None for a request without a submission: viewing a login page is not an attempt.
    fn of(request: Request<'a>) -> Option<Self> {
        let query = request.query().unwrap_or_default();
        let brings = submits(request) || request.method() == Method::Get && !query.is_empty();
        brings.then_some(Self { request, query })
    }

    /// Reads the fields; false if the body could not be read completely.
    fn read(
        self,
        body: (&[u8], Decoding),
        hints: &Hints,
        fields: &mut Fields<'_>,
        text: &mut String,
    ) -> bool {
        let submits = submits(self.request);
        let (raw, decoding) = if submits { body } else { (&[] as &[u8], Decoding::Identity) };
        let content_type = self.request.content_type();
        let body = charset::decode(raw, Shape::charset(content_type), text);
        let is_text = body.is_some();
        let shape = body.and_then(|body| Shape::of(content_type, body)).filter(|_| submits);
        let body = body.unwrap_or_default();
        let is_whole = matches!(decoding, Decoding::Identity | Decoding::Whole);
        let is_empty = self.request.body_length() == Some(0);
        let is_read = !submits || is_empty || is_whole && is_text;
        let has_hint = shape.is_some_and(|shape| hints.find(shape, body))
            || !self.query.is_empty() && hints.find(Shape::Form, self.query);
        if !has_hint && (!submits || shape.is_none() && self.query.is_empty()) {
            return is_read;
        }
        let place = Place::of(self.request.path());
        let is_login = place.purpose == Some(Purpose::Login) || place.is_check && submits;
        if !has_hint && !fields.is_configured() && !is_login {
            return is_read;
        }
        let mut account = Zeroizing::new(Vec::new());
        let named =
            if place.purpose == Some(Purpose::Login) { named::account(self.request.path()) } else { None };
        fields.put_place(place, named.map(|named| body::decode(named, &mut account)));
        body::form(self.query, 1, fields);
        if let Some(shape) = shape {
            shape.read(body, fields);
        }
        is_read && !fields.has_rest()
    }
}

/// Whether a request submits something by its method.
fn submits(request: Request<'_>) -> bool {
    matches!(request.method(), Method::Post | Method::Put | Method::Patch)
}
