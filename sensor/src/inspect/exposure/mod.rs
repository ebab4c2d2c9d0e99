//! What requests and answers give away: tokens and keys in requests, GraphQL documents, and what answers hold.
//!
//! Requests cost a look at their headers, and at a token what it costs to hash it: a token is read once and remembered
//! (`tokens`). Answers are read within a budget of their own (`answers`).

mod answers;
mod budget;
mod clear;
mod documents;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;
mod tokens;

pub use answers::{Answer, AnswerField};
pub use documents::Document;
pub use tokens::{Signing, Token};

use super::personal;
use super::{Confidence, FieldName, Finding, Kind, PowerField, Side, secret};
use crate::clock::Timestamp;
use crate::http::{Connection, Exchange, Request};
use crate::identity::{self, Identity, Login};
use crate::values::Place;

/// What was found besides findings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exposed<'a> {
    /// The token that the request bears.
    pub token: Option<Token>,
    /// The GraphQL document that it brings.
    pub document: Option<Document>,
    /// What the answer holds, where it was read.
    pub answer: Option<Answer<'a>>,
    /// Fields of the request that a server must not take from whoever sends it.
    pub powers: &'a [PowerField],
}

/// What others know of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k> {
    /// Its route.
    pub route: Option<&'k str>,
    /// Nobody between this host and the client is known, and nothing encrypts.
    pub is_clear: bool,
    /// It is an attempt to log in that has a password.
    pub has_password: bool,
    /// The server was seen to check credentials on this route, and accepted these.
    pub is_accepted: bool,
}

impl<'k> Known<'k> {
    /// Of an exchange, by the rooms before. A subject stands for a token where the server was seen to check it.
    #[must_use]
    pub fn of(
        connection: &Connection,
        identity: &Identity,
        login: Option<&Login>,
        (route, status): (Option<&'k str>, Option<u16>),
    ) -> Self {
        let is_checked = identity.principal.is_some_and(|principal| principal.kind() == identity::Kind::Jwt);
        Self {
            route,
            is_clear: connection.tls().is_none() && identity.peer.is_none() && !identity.client.is_loopback(),
            has_password: login.is_some_and(|login| login.password.is_some()),
            is_accepted: is_checked && status.is_some_and(|status| (200..300).contains(&status)),
        }
    }
}

/// What it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Whether answers are read.
    pub(super) responses: bool,
    /// Bytes of them, by the second.
    pub(super) response_bytes_per_second: usize,
    /// Beginnings of keys that are meant to be public.
    pub(super) public_keys: Vec<String>,
    /// Secrets that tokens must not be signed with.
    pub(super) weak_secrets: Vec<String>,
}

/// Takes findings.
pub(super) type Tell<'t> = dyn FnMut(Finding) + 't;

/// Reads exchanges.
pub(super) struct Exposure {
    limits: Limits,
    secrets: Option<secret::Scanner>,
    tokens: tokens::Tokens,
    answers: answers::Answers,
}

impl Exposure {
    /// One that has seen nothing.
    #[must_use]
    pub(super) fn new(limits: Limits) -> Self {
        let answers = answers::Answers::new(&limits);
        Self { limits, secrets: secret::Scanner::new(), tokens: tokens::Tokens::default(), answers }
    }

    /// Looks at an exchange. `body` is that of the request, decoded; `room` is for that of the answer.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        body: &[u8],
        known: &Known<'_>,
        room: &mut Vec<u8>,
        tell: &mut Tell<'_>,
    ) -> Exposed<'_> {
        let mut exposed = Exposed::default();
        if let Some(request) = exchange.request {
            exposed.token = self.headers(request, known, exchange.ended(), tell);
            exposed.document = documents::read(request, body, tell);
            if let Some(query) = request.query() {
                self.address((request.path(), query), Place::Query, tell);
            }
        }
        let is_graphql = exposed.document.is_some();
        exposed.answer = self.answers.read(
            exchange,
            (known, is_graphql),
            (&self.limits, self.secrets.as_ref()),
            room,
            tell,
        );
        exposed
    }

    /// Credentials and addresses in headers, in one pass.
    fn headers(
        &mut self,
        request: Request<'_>,
        known: &Known<'_>,
        now: Timestamp,
        tell: &mut Tell<'_>,
    ) -> Option<Token> {
        let (mut token, mut has_basic, mut is_secured) = (None, false, false);
        for (name, value) in request.message().headers() {
            match name.len() {
                13 if name.eq_ignore_ascii_case(b"authorization") => {
                    if let Some(bearer) = clear::credentials(value, b"bearer") {
                        token = token.or_else(|| self.token(bearer, known, now, tell));
                    }
                    has_basic |= clear::credentials(value, b"basic").is_some();
                }
                6 if name.eq_ignore_ascii_case(b"cookie") => {
                    for jwt in clear::tokens_of_cookie(value) {
                        token = token.or_else(|| self.token(jwt, known, now, tell));
                    }
                }
                7 if name.eq_ignore_ascii_case(b"referer") => {
                    if let Some(address) = clear::split_address(value) {
                        self.address(address, Place::Referer, tell);
                    }
                }
                17 if name.eq_ignore_ascii_case(b"x-forwarded-proto") => {
                    is_secured |= value.eq_ignore_ascii_case(b"https");
                }
                9 if name.eq_ignore_ascii_case(b"forwarded") => {
                    is_secured |= memchr::memmem::find(&value.to_ascii_lowercase(), b"proto=https").is_some();
                }
                _ => {}
            }
        }
        if known.is_clear && !is_secured {
            if has_basic {
                tell(finding(
                    Kind::KeyExposure,
                    "cleartext",
                    "basic-over-http",
                    Place::Header,
                    b"authorization",
                    90,
                ));
            }
            if known.has_password {
                tell(finding(Kind::KeyExposure, "cleartext", "password-over-http", Place::Body, b"", 90));
            }
        }
        token
    }

    fn token(
        &mut self,
        token: &[u8],
        known: &Known<'_>,
        now: Timestamp,
        tell: &mut Tell<'_>,
    ) -> Option<Token> {
        let secrets = (self.secrets.as_ref(), self.limits.weak_secrets.as_slice());
        self.tokens.read(token, secrets, known.is_accepted, now, tell)
    }

    /// Credentials in the query of an address.
    fn address(&self, (path, query): (&[u8], &[u8]), place: Place, tell: &mut Tell<'_>) {
        let class = if place == Place::Referer { "in-referer" } else { "in-url" };
        for pair in query.split(|byte| *byte == b'&').take(MAX_PARAMETERS) {
            let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            if value.len() < 6 {
                continue;
            }
            if let Some((rule, sure)) = self.credential(path, name, value) {
                tell(finding(Kind::KeyExposure, class, rule, place, name, sure));
            }
        }
    }

    /// By which rule a parameter is a credential, and how sure that is.
    fn credential(&self, path: &[u8], name: &[u8], value: &[u8]) -> Option<(&'static str, u8)> {
        if secret::query_credential(path, name, value) {
            return Some(("credential-parameter", 80));
        }
        let mut found = None;
        self.secrets.as_ref()?.scan(value, |hit| {
            if hit.at == 0 && !self.limits.is_public(hit.class, value) {
                found = Some((hit.form, 90));
            }
        });
        found
    }
}

/// Parameters of one address that are looked at.
const MAX_PARAMETERS: usize = 64;

impl Limits {
    /// Whether a key is meant to be seen.
    fn is_public(&self, class: secret::Class, key: &[u8]) -> bool {
        class.is_public() || self.public_keys.iter().any(|start| key.starts_with(start.as_bytes()))
    }
}

/// A finding in a request.
fn finding(
    kind: Kind,
    class: &'static str,
    rule: &'static str,
    place: Place,
    name: &[u8],
    sure: u8,
) -> Finding {
    Finding {
        kind,
        class,
        side: Side::Request,
        place,
        name: FieldName::of(name),
        rule,
        confidence: Confidence::percent(sure),
        field: personal::name_hash(name),
    }
}
