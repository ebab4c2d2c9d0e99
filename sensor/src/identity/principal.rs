//! Credentials: found, hashed, dropped.

use zeroize::Zeroizing;

use super::accepted::{Accepted, Answered};
use super::anomaly::{Anomalies, Anomaly};
use super::collect::{Collected, Role};
use super::config::Config;
use super::fleet_keys::FleetKeys;
use super::hash::{Hasher, KeyedHash, Kind};
use super::jwt;
use super::names::{Names, Patterns};
use crate::values::{hex_pair, name_and_value};

/// The hashed user and password of basic or digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlwaysLogin {
    /// The user.
    pub user: KeyedHash,
    /// The password; none in a digest, which hides it.
    pub password: Option<KeyedHash>,
}

/// The `username` of digest credentials.
fn digest_user(credentials: &[u8]) -> Option<&[u8]> {
    let mut rest = credentials;
    // The name may have commas in its quotes.
    while let Some(equals) = memchr::memchr(b'=', rest) {
        let (name, value) = rest.split_at_checked(equals)?;
        let name = name.rsplit(|byte| matches!(byte, b',' | b' ')).next()?;
        let value = value.get(1..)?.trim_ascii_start();
        let (value, after) = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted.split_at_checked(memchr::memchr(b'"', quoted)?)?,
            None => value.split_at_checked(memchr::memchr(b',', value).unwrap_or(value.len()))?,
        };
        if name.eq_ignore_ascii_case(b"username") || name.eq_ignore_ascii_case(b"username*") {
            return (!value.is_empty()).then_some(value);
        }
        rest = after;
    }
    None
}

/// The kind of a query parameter.
#[derive(Clone, Copy)]
enum Parameter {
    /// With its rank in the configuration.
    ApiKey(usize),
    Token,
}

/// The configuration, prepared, and a buffer for decoding.
pub(super) struct Principals {
    hasher: Hasher,
    pub(super) accepted: Accepted,
    parameters: Names<Parameter>,
    max_parameters: usize,
    /// Ranks are those of the configuration.
    cookies: Names<usize>,
    patterns: Patterns<usize>,
    max_cookies: usize,
    /// Holds the last decoded credentials until the next; wiped at the end.
    decoded: Zeroizing<Vec<u8>>,
    framed: Zeroizing<Vec<u8>>,
}

/// Credentials by place. There is no `Debug` on purpose.
#[derive(Clone, Copy, Default)]
struct Found<'a> {
    bearer: Option<&'a [u8]>,
    basic: Option<&'a [u8]>,
    api_key: Option<&'a [u8]>,
    session: Option<&'a [u8]>,
}

impl Principals {
    pub(super) fn new(config: &Config, hasher: Hasher) -> Self {
        let keys = config.api_key_parameters.iter().enumerate();
        let keys = keys.map(|(rank, name)| (name.as_str(), Parameter::ApiKey(rank)));
        let tokens = config.token_parameters.iter().map(|name| (name.as_str(), Parameter::Token));
        let cookies = || config.session_cookies.iter().map(String::as_str).enumerate();
        let exact = cookies().filter(|(_, name)| !name.contains('*')).map(|(rank, name)| (name, rank));
        let patterns = cookies().filter(|(_, name)| name.contains('*')).map(|(rank, name)| (name, rank));
        Self {
            hasher,
            accepted: Accepted::new(),
            parameters: Names::new(keys.chain(tokens)),
            max_parameters: config.max_parameters,
            cookies: Names::new(exact),
            patterns: Patterns::new(patterns),
            max_cookies: config.max_cookies,
            decoded: Zeroizing::new(vec![0; config.max_token]),
            framed: Zeroizing::new(Vec::with_capacity(config.max_token.saturating_add(size_of::<u64>()))),
        }
    }

    pub(super) fn set_fleet(&mut self, keys: Option<FleetKeys>, principals: bool) {
        self.hasher.set_fleet(keys, principals);
    }

    pub(super) const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub(super) fn find<'a>(
        &mut self,
        collected: &Collected<'a>,
        roles: &Names<Role>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        (query, answered): (&'a [u8], &Answered<'_>),
        anomalies: &mut Anomalies,
    ) -> Option<KeyedHash> {
        let mut found = Found::default();
        if let Some(authorization) = collected.authorization {
            take_authorization(&mut found, authorization, anomalies);
        }
        if collected.many_authorizations {
            anomalies.add(Anomaly::CredentialsDuplicate);
        }
        if let Some((_, key)) = collected.api_key {
            found.api_key = real(key).or(found.api_key);
        }
        if !query.is_empty() {
            self.take_parameters(&mut found, query, anomalies);
        }
        if collected.many_cookies {
            let lines = headers.filter(|(name, _)| roles.find(name) == Some(Role::Cookie));
            self.take_cookies(&mut found, lines.map(|(_, line)| line), anomalies);
        } else if let Some(line) = collected.cookie {
            self.take_cookies(&mut found, std::iter::once(line), anomalies);
        }
        let principal = self.choose(&found, answered, anomalies);
        self.accepted.learn(answered, principal.is_none() && collected.authorization.is_none());
        principal
    }

    /// The user and the password of an `Authorization` field whose credentials come with each request, as a login's:
    /// basic ones, and digest ones (RFC 7616), whose password is unknown.
    pub(super) fn always_login(&mut self, authorization: &[u8]) -> Option<AlwaysLogin> {
        let (scheme, credentials) = split_scheme(authorization);
        if scheme.eq_ignore_ascii_case(b"digest") {
            let user = digest_user(credentials)?;
            return Some(AlwaysLogin { user: self.hasher.user(user), password: None });
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let (user, password) = jwt::basic(credentials, &mut self.decoded)?;
        Some(AlwaysLogin { user: self.hasher.user(user), password: Some(self.hasher.password(password)) })
    }

    /// The identity of a session cookie that a server has just issued.
    pub(super) fn session(&mut self, value: &[u8]) -> KeyedHash {
        self.subject(value).unwrap_or_else(|| self.hash_decoded(Kind::Session, value))
    }

    /// The identity of a token that a server has just issued.
    pub(super) fn bearer(&mut self, value: &[u8]) -> KeyedHash {
        self.subject(value).unwrap_or_else(|| self.hash_decoded(Kind::Bearer, value))
    }

    fn choose(
        &mut self,
        found: &Found<'_>,
        answered: &Answered<'_>,
        anomalies: &mut Anomalies,
    ) -> Option<KeyedHash> {
        if let Some(token) = found.bearer
            && let Some(subject) = self.subject(token)
        {
            return Some(self.claimed(subject, Kind::Bearer, token, answered));
        }
        if let Some(key) = found.api_key {
            return Some(self.token(Kind::ApiKey, key, answered));
        }
        if let Some(credentials) = found.basic {
            match jwt::basic(credentials, &mut self.decoded) {
                Some((user, _)) if !user.is_empty() => {
                    let user = self.hasher.folded(Kind::Basic, user);
                    return Some(self.claimed(user, Kind::Basic, credentials, answered));
                }
                Some(_) => {}
                None => anomalies.add(Anomaly::CredentialsMalformed),
            }
        }
        if let Some(token) = found.bearer {
            return Some(self.hash_decoded(Kind::Bearer, token));
        }
        found.session.map(|session| self.token(Kind::Session, session, answered))
    }

    /// A JWT is identified by its subject, wherever it was found: the token itself is replaced every few minutes.
    fn token(&mut self, kind: Kind, value: &[u8], answered: &Answered<'_>) -> KeyedHash {
        match self.subject(value) {
            Some(subject) => self.claimed(subject, kind, value, answered),
            None => self.hash_decoded(kind, value),
        }
    }

    /// A name claimed by credentials, if the server accepts them; otherwise the credentials themselves.
    fn claimed(
        &mut self,
        claim: KeyedHash,
        kind: Kind,
        credentials: &[u8],
        answered: &Answered<'_>,
    ) -> KeyedHash {
        if self.accepted.believes(&claim, credentials, answered) {
            claim
        } else {
            self.hash_decoded(kind, credentials)
        }
    }

    fn subject(&mut self, token: &[u8]) -> Option<KeyedHash> {
        let (issuer, subject) = jwt::subject(token, &mut self.decoded)?;
        self.framed.clear();
        self.framed.extend_from_slice(&u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.framed.extend_from_slice(issuer.as_bytes());
        self.framed.extend_from_slice(subject.as_bytes());
        Some(self.hasher.hash(Kind::Jwt, &self.framed))
    }

    /// A value is one principal, percent-encoded or not (RFC 3986, section 2.1).
    fn hash_decoded(&mut self, kind: Kind, value: &[u8]) -> KeyedHash {
        if memchr::memchr(b'%', value).is_none() || value.len() > self.framed.capacity() {
            return self.hasher.hash(kind, value);
        }
        self.framed.clear();
        let mut rest = value;
        while let Some((first, after)) = rest.split_first() {
            let escaped = match after {
                [high, low, after @ ..] if *first == b'%' => hex_pair(*high, *low).map(|byte| (byte, after)),
                _ => None,
            };
            let (byte, after) = escaped.unwrap_or((*first, after));
            self.framed.push(byte);
            rest = after;
        }
        self.hasher.hash(kind, &self.framed)
    }

    fn take_parameters<'a>(&self, found: &mut Found<'a>, query: &'a [u8], anomalies: &mut Anomalies) {
        let mut best = usize::MAX;
        let mut rest = query;
        for _ in 0..self.max_parameters {
            let (name, value, after) = split_pair(rest, b'&');
            match self.parameters.find(name) {
                Some(Parameter::ApiKey(rank)) if rank < best && from_parameter(best, found.api_key) => {
                    if let Some(value) = real(value) {
                        (best, found.api_key) = (rank, Some(value));
                    }
                }
                Some(Parameter::Token) => found.bearer = found.bearer.or_else(|| real(value)),
                Some(Parameter::ApiKey(_)) | None => {}
            }
            if after.is_empty() {
                return;
            }
            rest = after;
        }
        anomalies.add(Anomaly::CredentialsTruncated);
    }

    fn take_cookies<'a>(
        &self,
        found: &mut Found<'a>,
        lines: impl Iterator<Item = &'a [u8]>,
        anomalies: &mut Anomalies,
    ) {
        let mut best = usize::MAX;
        let mut examined = 0_usize;
        for line in lines {
            let mut rest = line;
            while !rest.is_empty() {
                if examined >= self.max_cookies {
                    anomalies.add(Anomaly::CredentialsTruncated);
                    return;
                }
                examined = examined.saturating_add(1);
                let (name, value, after) = split_pair(rest, b';');
                rest = after;
                let Some(rank) = self.cookie_rank(name.trim_ascii()).filter(|rank| *rank < best) else {
                    continue;
                };
                if let Some(value) = real(value) {
                    (best, found.session) = (rank, Some(value));
                }
            }
        }
    }

    pub(super) fn cookie_rank(&self, name: &[u8]) -> Option<usize> {
        self.cookies.find(name).or_else(|| self.patterns.find(name))
    }
}

/// Whether the API key found so far, if any, is from a parameter: a header takes precedence.
const fn from_parameter(best: usize, found: Option<&[u8]>) -> bool {
    best != usize::MAX || found.is_none()
}

/// RFC 9110, section 11.4: a scheme, spaces, credentials.
fn split_scheme(field: &[u8]) -> (&[u8], &[u8]) {
    let field = field.trim_ascii();
    let end = memchr::memchr2(b' ', b'\t', field).unwrap_or(field.len());
    let (scheme, credentials) = field.split_at_checked(end).unwrap_or_default();
    (scheme, credentials.trim_ascii())
}

fn take_authorization<'a>(found: &mut Found<'a>, field: &'a [u8], anomalies: &mut Anomalies) {
    let (scheme, credentials) = split_scheme(field);
    let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
    let place = if is(b"bearer") {
        &mut found.bearer
    } else if is(b"basic") {
        &mut found.basic
    } else if is(b"token") || is(b"apikey") || is(b"api-key") {
        &mut found.api_key
    } else {
        // Others, such as Digest or Negotiate, change with every request or connection.
        return;
    };
    if credentials.is_empty() {
        anomalies.add(Anomaly::CredentialsMalformed);
    }
    *place = real(credentials);
}

/// A name, its value and what follows the separator.
fn split_pair(text: &[u8], separator: u8) -> (&[u8], &[u8], &[u8]) {
    let end = memchr::memchr(separator, text).unwrap_or(text.len());
    let (pair, after) = text.split_at_checked(end).unwrap_or_default();
    let (name, value) = name_and_value(pair);
    (name, value, after.get(1..).unwrap_or_default())
}

/// What clients without credentials send where they should send none: hashed, it would make one principal of
/// them all.
const PLACEHOLDERS: [&[u8]; 8] =
    [b"null", b"undefined", b"none", b"nil", b"deleted", b"false", b"(null)", b"[object object]"];

fn real(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = quoted.unwrap_or(value);
    let is_placeholder = PLACEHOLDERS.iter().any(|placeholder| value.eq_ignore_ascii_case(placeholder));
    (!value.is_empty() && !is_placeholder).then_some(value)
}
