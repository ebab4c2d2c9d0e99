//! Attempts to log in: recognised in requests, judged by their responses.
//!
//! An exchange is one where
//!
//! * its path is configured (`[login.NAME]`) and it submits something; or
//! * its body, or its query, carries a password. On the path of a login, or in an operation of GraphQL or of
//!   JSON-RPC with such a name, less sure names of fields will do. Elsewhere a password that is repeated, set or
//!   changed, and what is asked of new users, speak against it; so do paths for registration and the like; or
//! * it has basic or digest credentials (RFC 7617, RFC 7616). These come with every request: each is an attempt, refused
//!   with 401 or 403, let in with another status below 400. So do salted ones in a query.
//!
//! One request may be many attempts: elements of JSON arrays, rows of forms, fields of GraphQL documents under other names,
//! calls of XML-RPC in a multicall. Each is told, the first 128 with their accounts, and its outcome where the answer tells it.
//!
//! A body that could not be read, since it was cut, or is in an unknown coding or charset, is an attempt of an unknown
//! account where one logs in: on a configured route, on a page for it by its name, or on a route where most of what is
//! submitted was an attempt ([`places`]).
//!
//! # What is not done
//!
//! Negotiate and the challenges of WebAuthn are not read, nor attempts beyond what is kept of a body. A login whose password is encrypted by a script in the browser
//! has a password that never repeats.

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

use super::hash::KeyedHash;
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
    /// Neither can be told: no response was seen, the server failed, a second factor is asked for, or its answer
    /// says nothing.
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
    /// The account; none where the request names none that could be read.
    #[serde(serialize_with = "as_text")]
    pub user: Option<KeyedHash>,
    /// The password, for telling equal ones. It is in no record.
    #[serde(skip)]
    pub password: Option<KeyedHash>,
    /// How the server answered.
    pub outcome: LoginOutcome,
    /// Whether its body could not be read, so that nobody knows whose account it was, or how many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// What the request looks like: a hash of the order of its header names and of its User-Agent. Equal for the
    /// requests of one program, which an attack that is spread over many addresses mostly is.
    #[serde(skip)]
    pub fingerprint: u64,
    /// What the session or the token that a success begins stands for, where it is in a configured cookie or in a JSON
    /// answer: the principal of what its owner does next.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub session: Option<KeyedHash>,
}

fn as_text<S: Serializer>(hash: &Option<KeyedHash>, serializer: S) -> Result<S::Ok, S::Error> {
    match hash {
        Some(hash) => serializer.collect_str(hash),
        None => serializer.serialize_none(),
    }
}

/// Recognises logins. Its memory is two buffers, of [`crate::http::Config::inflate_bytes`] at most.
pub(super) struct Logins {
    config: LoginConfig,
    hints: Hints,
    fingerprint: Fingerprint,
    /// Hold the last decoded bodies until the next; wiped at the end.
    request: Zeroizing<Vec<u8>>,
    text: Zeroizing<String>,
    response: Room,
    places: Places,
    shapes: Shapes,
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
            request: Zeroizing::default(),
            text: Zeroizing::default(),
            response: Room::default(),
            places: Places::new(),
            shapes: Shapes::new(),
            found: Vec::new(),
            outcomes: Vec::new(),
            further: Vec::new(),
            uncounted: 0,
        }
    }

    /// The attempts of the last exchange besides the first, and how many more there were.
    pub(super) fn further(&self) -> (&[Login], u32) {
        (&self.further, self.uncounted)
    }

    /// The attempt that an exchange is, the first one if it is several. `route` is its template, where known.
    pub(super) fn recognise(
        &mut self,
        exchange: &Exchange<'_>,
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
            is_read = self.read(submission, exchange, rule, principals);
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
                // Configured, but in a form that cannot be read.
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
        self.conclude(exchange, (rule, route), (manner, unread), principals)
    }

    /// Whether one logs in where a request goes, by its path or by what went there before.
    fn is_for_logins(&self, request: Request<'_>, route: Option<&str>) -> bool {
        let path = request.path();
        let is_taken =
            |route: &str| self.places.has(route) || place::takes_calls(path) && self.places.had_any(route);
        request.method() == Method::Post && place::is_for_logins(path)
            || place::is_login_page(path)
            || route.is_some_and(is_taken)
    }

    /// The attempts that were found, with what was made of them.
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
        // The status alone answers, unless it is configured what does.
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
        let login = |(found, outcome): (&Found, &LoginOutcome)| Login {
            user: found.user,
            password: found.password,
            outcome: *outcome,
            unread,
            fingerprint,
            session: session.filter(|_| *outcome == LoginOutcome::Success),
        };
        let mut logins = self.found.iter().zip(&self.outcomes).map(login);
        let first = logins.next();
        self.further.extend(logins);
        first
    }

    /// Reads what a request submits; whether that was possible.
    fn read(
        &mut self,
        submission: Submission<'_>,
        exchange: &Exchange<'_>,
        rule: Option<usize>,
        principals: &Principals,
    ) -> bool {
        let Self { config, hints, request, text, found, uncounted, .. } = self;
        let rule = rule.and_then(|rule| config.rules.get(rule));
        let mut fields = Fields::new(principals.hasher(), rule, found);
        let is_read = submission.read(exchange, hints, &mut fields, (&mut **request, &mut **text));
        if submits(submission.request) || fields.has_password() {
            *uncounted = fields.finish();
        }
        is_read
    }

    /// Learns where one logs in, from what is submitted.
    fn learn(&mut self, route: Option<&str>, request: Request<'_>, is_attempt: bool) {
        if let Some(route) = route.filter(|_| submits(request)) {
            self.places.note(route, is_attempt);
        }
    }
}

/// What a request brings to its server.
#[derive(Clone, Copy)]
struct Submission<'a> {
    request: Request<'a>,
    query: &'a [u8],
}

impl<'a> Submission<'a> {
    /// Nothing for a request that brings nothing: to look at a login page is no attempt.
    fn of(request: Request<'a>) -> Option<Self> {
        let query = request.query().unwrap_or_default();
        let brings = submits(request) || request.method() == Method::Get && !query.is_empty();
        brings.then_some(Self { request, query })
    }

    /// Reads the fields; false where there is a body and not all of it could be read.
    fn read(
        self,
        exchange: &Exchange<'_>,
        hints: &Hints,
        fields: &mut Fields<'_>,
        (decoded, text): (&mut Vec<u8>, &mut String),
    ) -> bool {
        let submits = submits(self.request);
        let (raw, decoding) =
            if submits { exchange.decode_request(decoded) } else { (&[] as &[u8], Decoding::Identity) };
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
