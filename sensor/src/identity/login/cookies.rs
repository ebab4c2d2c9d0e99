//! The cookies of a response to a login.

use super::words::Words;
use crate::http::{Request, Response};
use crate::values::name_and_value;

/// What a response's cookies show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookies {
    /// A cookie is set that only logged-in users have.
    pub(super) of_user: bool,
    /// A cookie is set that the request did not have. It may be a session that everybody gets.
    pub(super) is_new: bool,
    /// A cookie of the request gets another value, as servers do after a change of privileges (OWASP Session Management
    /// Cheat Sheet, "Renew the Session ID After Any Privilege Level Change").
    pub(super) is_renewed: bool,
    /// A new one is a session by its name or by `HttpOnly`, and its value does not contain the session's data.
    pub(super) is_new_session: bool,
    /// One carries a message to the next page.
    pub(super) has_message: bool,
}

/// Maximum cookies examined per response.
const MAX_COOKIES: usize = 32;

/// Longest session id. Longer values contain the sealed session itself and change with every response.
const MAX_NUMBER: usize = 64;

impl Cookies {
    pub(super) fn of(request: Request<'_>, response: Response<'_>) -> Self {
        let fields = response.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
        let mut cookies = Self::default();
        for (_, cookie) in fields.take(MAX_COOKIES) {
            let Some((name, value)) = given(cookie) else { continue };
            cookies.of_user |= is_of_a_user(name, value);
            if is_of_no_session(name) {
                cookies.has_message |= is_message(name);
                continue;
            }
            match brought(request, name) {
                None => {
                    cookies.is_new = true;
                    cookies.is_new_session |=
                        !holds_data(value) && (is_session(name) || is_http_only(cookie));
                }
                Some(known) => {
                    cookies.is_renewed |=
                        known != value && known.len() <= MAX_NUMBER && value.len() <= MAX_NUMBER;
                }
            }
        }
        cookies
    }

    /// Whether a session may have started.
    pub(super) const fn begin_session(self) -> bool {
        self.of_user || self.is_new || self.is_renewed
    }
}

/// Name and value of a cookie that is set rather than removed.
pub(super) fn given(cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
    let (name, value) = name_and_value(pair);
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    let attributes = cookie.get(pair.len()..).unwrap_or_default().to_ascii_lowercase();
    let is_removed = value.is_empty()
        || value.to_ascii_lowercase().starts_with(b"deleted")
        || memchr::memmem::find(&attributes, b"max-age=0").is_some()
        || memchr::memmem::find(&attributes, b"jan 1970").is_some()
        || memchr::memmem::find(&attributes, b"jan-1970").is_some();
    (!is_removed).then_some((name, value))
}

/// The value of a cookie in a request.
fn brought<'r>(request: Request<'r>, name: &[u8]) -> Option<&'r [u8]> {
    let fields = request.message().headers().filter(|(field, _)| field.eq_ignore_ascii_case(b"cookie"));
    fields.flat_map(|(_, field)| field.split(|byte| *byte == b';')).take(128).find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        Some(value)
    })
}

/// Whether a request has cookies or credentials: its sender may already be logged in.
pub(super) fn brings_any(request: Request<'_>) -> bool {
    request.header("cookie").is_some() || request.header("authorization").is_some()
}

/// CSRF tokens, languages, consent, messages and load balancers: not sessions.
fn is_of_no_session(name: &[u8]) -> bool {
    Words::of(name).is_none_or(|words| {
        words.any(|word| {
            matches!(
                word,
                b"csrf"
                    | b"xsrf"
                    | b"csrftoken"
                    | b"antiforgery"
                    | b"verification"
                    | b"lang"
                    | b"language"
                    | b"locale"
                    | b"flash"
                    | b"messages"
                    | b"message"
                    | b"error"
                    | b"errors"
                    | b"notice"
                    | b"alert"
                    | b"toast"
                    | b"consent"
                    | b"theme"
                    | b"timezone"
                    | b"awsalb"
                    | b"awsalbcors"
                    | b"bigipserver"
                    | b"nonce"
                    | b"testcookie"
            )
        })
    })
}

fn is_message(name: &[u8]) -> bool {
    Words::of(name).is_some_and(|words| {
        words.any(|word| {
            matches!(
                word,
                b"flash" | b"message" | b"messages" | b"error" | b"errors" | b"notice" | b"alert" | b"toast"
            )
        })
    })
}

fn is_session(name: &[u8]) -> bool {
    Words::of(name).is_some_and(|words| {
        words.any(|word| {
            word == b"sess"
                || word == b"auth"
                || word.ends_with(b"session")
                || word.ends_with(b"sid")
                || word.ends_with(b"sessid")
                || word.ends_with(b"sessionid")
        })
    })
}

fn is_http_only(cookie: &[u8]) -> bool {
    cookie.split(|byte| *byte == b';').skip(1).any(|part| part.trim_ascii().eq_ignore_ascii_case(b"httponly"))
}

/// Whether a value is signed JSON, as in Flask, which may contain an error message; JWTs are excluded.
fn holds_data(value: &[u8]) -> bool {
    let is_token =
        value.starts_with(b"eyJhbGci") || value.starts_with(b"eyJ0eXAi") || value.starts_with(b"eyJraWQi");
    let dots = memchr::memchr_iter(b'.', value).count();
    dots >= 2 && !is_token && (value.starts_with(b"eyJ") || value.starts_with(b".eJ"))
}

fn is_of_a_user(name: &[u8], value: &[u8]) -> bool {
    let Some(words) = Words::of(name) else { return false };
    let is_before = |word: &[u8]| {
        matches!(
            word,
            b"csrf" | b"xsrf" | b"verification" | b"antiforgery" | b"session" | b"state" | b"nonce"
        )
    };
    let is_after = |word: &[u8]| {
        matches!(word, b"token" | b"jwt" | b"remember" | b"identity" | b"loggedin") || word.ends_with(b"auth")
    };
    // `user_state=logged_in`.
    let says_so = Words::of(value).is_some_and(|words| words.text() == b"loggedin");
    says_so || value.len() >= 8 && !words.any(is_before) && words.any(is_after)
}
