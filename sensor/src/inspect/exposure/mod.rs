//! What requests and responses expose: tokens and keys in requests, GraphQL documents, the content of responses.
//!
//! A request costs a pass over its headers, and the hash of a token: tokens are parsed once and remembered (`tokens`).
//! Responses are scanned within their own budget (`answers`).

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

/// Facts found besides findings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exposed<'a> {
    /// The token of the request.
    pub token: Option<Token>,
    /// Its GraphQL document.
    pub document: Option<Document>,
    /// What the response contains, if it was scanned.
    pub answer: Option<Answer<'a>>,
    /// Fields of the request that a server must not take from whoever sends it.
    pub powers: &'a [PowerField],
}

/// What other rooms know of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k> {
    /// Its route.
    pub route: Option<&'k str>,
    /// It was read in a log, which leaves most of it out.
    pub is_recorded: bool,
    /// Neither encryption nor a proxy in between is known.
    pub is_clear: bool,
    /// It is a login with a password.
    pub has_password: bool,
    /// The server accepted one that is in the list of leaked passwords.
    pub is_leaked: bool,
    /// The server is known to check credentials on this route, and accepted these.
    pub is_accepted: bool,
}

impl<'k> Known<'k> {
    /// Collected from the rooms above. The principal is a token's subject only if the server is known to check it.
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
            is_recorded: connection.recorded,
            is_clear: !connection.recorded
                && connection.tls().is_none()
                && identity.peer.is_none()
                && !identity.client.is_loopback(),
            has_password: login.is_some_and(|login| login.password.is_some()),
            is_leaked: login.is_some_and(|login| login.leaked == Some(true)),
            is_accepted: is_checked && status.is_some_and(|status| (200..300).contains(&status)),
        }
    }
}

/// Its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Whether responses are scanned.
    pub(super) responses: bool,
    /// Maximum bytes of them per second.
    pub(super) response_bytes_per_second: usize,
    /// Prefixes of keys that are meant to be public.
    pub(super) public_keys: Vec<String>,
    /// Weak secrets for signing tokens.
    pub(super) weak_secrets: Vec<String>,
}

/// Path and query of a request.
type Target<'a> = (&'a [u8], Option<&'a [u8]>);

/// Receives findings.
pub(super) type Tell<'t> = dyn FnMut(Finding) + 't;

/// Examines exchanges.
pub(super) struct Exposure {
    limits: Limits,
    secrets: Option<secret::Scanner>,
    tokens: tokens::Tokens,
    answers: answers::Answers,
}

impl Exposure {
    /// Without any memory.
    #[must_use]
    pub(super) fn new(limits: Limits) -> Self {
        let answers = answers::Answers::new(&limits);
        Self { limits, secrets: secret::Scanner::new(), tokens: tokens::Tokens::default(), answers }
    }

    /// Examines an exchange. `body` is that of the request, decoded; `room` is for that of the response. `bare` says that the
    /// headers are known to have nothing of interest; if they are not, it is set accordingly.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        (target, body, bare): (Target<'_>, &[u8], &mut bool),
        known: &Known<'_>,
        room: &mut Vec<u8>,
        tell: &mut Tell<'_>,
    ) -> Exposed<'_> {
        let mut exposed = Exposed::default();
        let (path, query) = target;
        if let Some(request) = exchange.request {
            if !*bare || known.has_password {
                (exposed.token, *bare) = self.headers(request, known, exchange.ended(), tell);
            }
            if known.is_leaked {
                tell(finding(Kind::KeyExposure, "leaked", "leaked-password", Place::Body, b"", 100));
            }
            exposed.document = documents::read(request, query, body, tell);
            if let Some(query) = query {
                self.address((path, query), Place::Query, tell);
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

    /// Credentials and addresses in headers, in one pass. Returns the token, and whether there was nothing of interest.
    fn headers(
        &mut self,
        request: Request<'_>,
        known: &Known<'_>,
        now: Timestamp,
        tell: &mut Tell<'_>,
    ) -> (Option<Token>, bool) {
        let (mut token, mut has_basic, mut is_secured) = (None, false, false);
        let mut is_bare = true;
        for (name, value) in request.message().headers() {
            match name.len() {
                13 if name.eq_ignore_ascii_case(b"authorization") => {
                    is_bare = false;
                    if let Some(bearer) = clear::credentials(value, b"bearer") {
                        token = token.or_else(|| self.token(bearer, known, now, tell));
                    }
                    has_basic |= clear::credentials(value, b"basic").is_some();
                }
                6 if name.eq_ignore_ascii_case(b"cookie") => {
                    for jwt in clear::tokens_of_cookie(value) {
                        is_bare = false;
                        token = token.or_else(|| self.token(jwt, known, now, tell));
                    }
                }
                7 if name.eq_ignore_ascii_case(b"referer") => {
                    if let Some(address) = clear::split_address(value) {
                        is_bare = false;
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
        (token, is_bare)
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

    /// Reports credentials in the query of a URL.
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

    /// The rule by which a parameter is a credential, and its confidence in percent.
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

/// Maximum parameters examined per URL.
const MAX_PARAMETERS: usize = 64;

impl Limits {
    /// Whether a key is meant to be public.
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
