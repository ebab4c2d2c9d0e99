//! Attempts to log in: recognised in requests, judged by their responses.
//!
//! An exchange is one where
//!
//! * its path is configured (`[login.NAME]`) and it submits something; or
//! * its body, or its query, carries a password. On the path of a login, or in an operation of GraphQL or of
//!   JSON-RPC with such a name, less sure names of fields will do. Elsewhere a password that is repeated, set or
//!   changed, and what is asked of new users, speak against it; so do paths for registration and the like; or
//! * it has basic credentials (RFC 7617). These come with every request: each is an attempt, refused with 401 or
//!   403, let in with another status below 400.
//!
//! Nothing is remembered: a route is known for one of logins by each of its requests.
//!
//! # What is not done
//!
//! Of requests with several attempts (batches of GraphQL, multicalls of XML-RPC) one is told. Digest, Negotiate
//! and the challenges of WebAuthn are not read. A login whose password is encrypted by a script in the browser
//! has a password that never repeats.

mod answer;
mod body;
mod config;
mod field;
mod fields;
mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod graphql;
mod json;
mod markers;
mod place;
mod reply;
#[cfg(test)]
mod tests;
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
use crate::http::{Exchange, Method, Request};
use answer::Attempt;
use body::{Hints, Shape};
use fields::{Fields, Found};
use fingerprint::Fingerprint;
use place::{Place, Purpose};

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
    /// What the request looks like: a hash of the order of its header names and of its User-Agent. Equal for the
    /// requests of one program, which an attack that is spread over many addresses mostly is.
    #[serde(skip)]
    pub fingerprint: u64,
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
    response: Zeroizing<Vec<u8>>,
}

impl Logins {
    pub(super) fn new(config: &LoginConfig) -> Self {
        Self {
            config: config.clone(),
            hints: Hints::new(),
            fingerprint: Fingerprint::new(),
            request: Zeroizing::default(),
            response: Zeroizing::default(),
        }
    }

    /// The attempt that an exchange is, if it is one. `route` is its template, where known.
    pub(super) fn recognise(
        &mut self,
        exchange: &Exchange<'_>,
        route: Option<&str>,
        principals: &mut Principals,
    ) -> Option<Login> {
        let request = exchange.request?;
        let authorization = request.header("authorization");
        // Most exchanges end here.
        let submission = Submission::of(request);
        if !self.config.enabled || submission.is_none() && authorization.is_none() {
            return None;
        }
        let path = request.path();
        let rules = &self.config.rules;
        let rule = rules.iter().find(|rule| Some(rule.route.text()) == route || rule.route.matches(path));
        let submitted = submission.and_then(|submission| {
            let mut fields = Fields::new(principals.hasher(), rule);
            submission.read(exchange, &self.hints, &mut fields, &mut self.request)
        });
        let mut basic = || principals.basic_login(authorization?);
        let (found, is_basic) = match submitted {
            Some(found) => (found, false),
            None => match basic() {
                Some(basic) => (Found { user: Some(basic.user), password: Some(basic.password) }, true),
                // Configured, but in a form that cannot be read.
                None if rule.is_some() && submits(request) => (Found::default(), false),
                None => return None,
            },
        };
        let attempt = Attempt { exchange, path, rule, is_basic };
        Some(Login {
            user: found.user,
            password: found.password,
            outcome: attempt.outcome(&mut self.response),
            fingerprint: self.fingerprint.of(request),
        })
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

    fn read(
        self,
        exchange: &Exchange<'_>,
        hints: &Hints,
        fields: &mut Fields<'_>,
        decoded: &mut Vec<u8>,
    ) -> Option<Found> {
        let submits = submits(self.request);
        let body = if submits { exchange.decode_request(decoded).0 } else { &[] };
        let shape = Shape::of(self.request.content_type(), body).filter(|_| submits);
        let has_hint = shape.is_some_and(|shape| hints.find(shape, body))
            || !self.query.is_empty() && hints.find(Shape::Form, self.query);
        if !has_hint && (!submits || shape.is_none() && self.query.is_empty()) {
            return None;
        }
        let place = Place::of(self.request.path());
        if !has_hint && !fields.is_configured() && place.purpose != Some(Purpose::Login) {
            return None;
        }
        body::form(self.query, 1, fields);
        if let Some(shape) = shape {
            shape.read(body, fields);
        }
        fields.attempt(place).filter(|_| submits || fields.has_password())
    }
}

/// Whether a request submits something by its method.
fn submits(request: Request<'_>) -> bool {
    matches!(request.method(), Method::Post | Method::Put | Method::Patch)
}
