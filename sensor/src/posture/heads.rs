//! What the headers of an answer say about the posture of a route.

use super::fact::{Fact, Second};
use super::row::Row;
use crate::http::{Request, Response};
use crate::inspect::FieldName;

/// Cookies of one answer that are looked at.
const MAX_COOKIES: usize = 16;

/// What is wrong with a cookie, as bits.
pub(super) mod flaw {
    /// No `Secure`, set in TLS; in clear text it would be refused.
    pub(in super::super) const INSECURE: u8 = 1;
    /// No `HttpOnly`: scripts can read it.
    pub(in super::super) const SCRIPTS: u8 = 2;
    /// No `SameSite`, or `None`: other sites' pages can have it sent.
    pub(in super::super) const OTHER_SITES: u8 = 4;
    /// A cookie that stands for a session, by its name or by its value.
    pub(in super::super) const SESSION: u8 = 8;
}

/// Of an exchange.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) now: Second,
    pub(super) is_tls: bool,
    pub(super) is_clear: bool,
    pub(super) has_credentials: bool,
}

/// Notes what an answer's headers say.
pub(super) fn note(row: &mut Row, request: Request<'_>, response: Response<'_>, about: About) {
    let now = about.now;
    row.facts.note(Fact::Heads, now);
    let (mut allowed, mut with_credentials, mut is_private) = (None, false, true);
    let mut cookies = 0_usize;
    for (name, value) in response.headers() {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        // By length first: most headers are none of these.
        match name.len() {
            4 if is(b"link") && has(value, b"next") => row.facts.note(Fact::LinkNext, now),
            6 if is(b"server") => note_version(row, value, now),
            6 if is(b"sunset") => row.facts.note(Fact::Deprecated, now),
            11 if is(b"deprecation") && value != b"false" => row.facts.note(Fact::Deprecated, now),
            12 if is(b"x-powered-by") => note_version(row, value, now),
            10 if is(b"set-cookie") => {
                cookies = cookies.saturating_add(1);
                if cookies <= MAX_COOKIES {
                    note_cookie(row, value, about);
                }
            }
            13 if is(b"cache-control") => is_private = !has(value, b"public") && !has(value, b"s-maxage"),
            25 if about.is_tls && is(b"strict-transport-security") => row.facts.note(Fact::Hsts, now),
            27 if is(b"access-control-allow-origin") => allowed = Some(value),
            32 if is(b"access-control-allow-credentials") => with_credentials = value == b"true",
            8 if about.is_clear && is(b"location") => note_location(row, response, value, now),
            _ if tells_rate(name) => row.facts.note(Fact::RateHeaders, now),
            _ => {}
        }
    }
    if let Some(allowed) = allowed {
        note_cors(row, request, (allowed, with_credentials), now);
    }
    if about.has_credentials && !is_private && matches!(response.status(), 200..=299) {
        row.facts.note(Fact::SharedCache, now);
    }
}

/// `RateLimit`, `RateLimit-Policy` and `-Limit` (draft-ietf-httpapi-ratelimit-headers), those with `X-` before that, and
/// `Retry-After`.
fn tells_rate(name: &[u8]) -> bool {
    let starts = |start: &[u8]| name.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start));
    name.len() >= 9
        && (starts(b"ratelimit")
            || starts(b"x-ratelimit")
            || starts(b"x-rate-limit")
            || name.eq_ignore_ascii_case(b"retry-after"))
}

fn has(value: &[u8], word: &[u8]) -> bool {
    value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// A program with its version: `nginx/1.25.3`, `PHP/8.1.2`.
fn note_version(row: &mut Row, value: &[u8], now: Second) {
    let mut parts = value.split(|byte| *byte == b'/');
    if parts.nth(1).is_some_and(|version| version.first().is_some_and(u8::is_ascii_digit)) {
        row.facts.note(Fact::ServerVersion, now);
    }
}

fn note_location(row: &mut Row, response: Response<'_>, value: &[u8], now: Second) {
    let is_https = value.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://"));
    if is_https && matches!(response.status(), 301..=308) {
        row.facts.note(Fact::ClearRedirect, now);
    }
}

/// What the answer allows other sites' scripts (Fetch standard, section 3.3).
fn note_cors(row: &mut Row, request: Request<'_>, (allowed, with_credentials): (&[u8], bool), now: Second) {
    let mut note = |plain, credentials| {
        row.facts.note(plain, now);
        if with_credentials {
            row.facts.note(credentials, now);
        }
    };
    if allowed == b"*" {
        note(Fact::CorsAny, Fact::CorsAnyCredentials);
    } else if allowed == b"null" {
        if with_credentials {
            row.facts.note(Fact::CorsNullCredentials, now);
        }
    } else if request.header("origin") == Some(allowed) && is_of_another_site(allowed, request) {
        note(Fact::CorsOther, Fact::CorsOtherCredentials);
        if with_credentials {
            row.note_origin(allowed);
        }
    }
}

/// Whether an origin has another host than the request.
fn is_of_another_site(origin: &[u8], request: Request<'_>) -> bool {
    let host = |text: &[u8]| text.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
    let Some(at) = memchr::memmem::find(origin, b"://") else { return false };
    let own = request.host().map(host);
    origin.get(at.saturating_add(3)..).map(host) != own
}

fn note_cookie(row: &mut Row, cookie: &[u8], about: About) {
    let mut parts = cookie.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let Some(pair) = parts.next() else { return };
    let (name, value) = crate::values::name_and_value(pair);
    // One that is being deleted is no secret.
    if value.is_empty() || value == b"deleted" {
        return;
    }
    let mut flaws = flaw::INSECURE | flaw::SCRIPTS | flaw::OTHER_SITES;
    for part in parts {
        let (name, value) = crate::values::name_and_value(part);
        if name.eq_ignore_ascii_case(b"secure") {
            flaws &= !flaw::INSECURE;
        } else if name.eq_ignore_ascii_case(b"httponly") {
            flaws &= !flaw::SCRIPTS;
        } else if name.eq_ignore_ascii_case(b"samesite") && !value.eq_ignore_ascii_case(b"none") {
            flaws &= !flaw::OTHER_SITES;
        }
    }
    if is_session(name, value) {
        flaws |= flaw::SESSION;
    }
    row.note_cookie(FieldName::of(name).text(), flaws, about.now);
}

/// By its name, or by a value that nobody could guess. A token against forgery is neither: pages must read it.
fn is_session(name: &[u8], value: &[u8]) -> bool {
    if has(name, b"csrf") || has(name, b"xsrf") {
        return false;
    }
    let words: [&[u8]; 6] = [b"sess", b"sid", b"auth", b"token", b"jwt", b"remember"];
    words.iter().any(|word| has(name, word)) || crate::route::secret(value).is_some()
}
