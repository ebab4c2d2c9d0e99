//! What the answer to an attempt means.
//!
//! In doubt it means nothing: a success that is none would be an account taken over that was not, and a failure
//! that is none would be an attack.

use super::LoginOutcome;
use super::config::{Conditions, LoginRule};
use super::markers::{self, Signs};
use super::place::{is_login_page, is_second_factor};
use super::reply::{self, Reply};
use super::words::Words;
use crate::http::{Decoding, Exchange, Response};

/// An attempt that was made.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) path: &'a [u8],
    pub(super) rule: Option<&'a LoginRule>,
    /// By basic authentication, where the status alone answers.
    pub(super) is_basic: bool,
}

impl Attempt<'_> {
    /// How it was answered. `decoded` is room for the body.
    pub(super) fn outcome(&self, decoded: &mut Vec<u8>) -> LoginOutcome {
        let Some(response) = self.exchange.response else { return LoginOutcome::Unknown };
        match self.rule {
            Some(rule) if !rule.success.is_empty() || !rule.failure.is_empty() => {
                self.configured(rule, response, decoded)
            }
            Some(_) | None => self.guessed(response, decoded),
        }
    }

    /// Where only one side is configured, the other is what is left of the answers that a login page gives.
    fn configured(&self, rule: &LoginRule, response: Response<'_>, decoded: &mut Vec<u8>) -> LoginOutcome {
        if self.shows(&rule.failure, response, decoded) {
            return LoginOutcome::Failure;
        }
        if self.shows(&rule.success, response, decoded) {
            return LoginOutcome::Success;
        }
        let is_usual = matches!(response.status(), 200..=399);
        match (rule.success.is_empty(), rule.failure.is_empty()) {
            (false, false) => LoginOutcome::Unknown,
            (false, true) if is_usual => LoginOutcome::Failure,
            (true, false) if is_usual => LoginOutcome::Success,
            _ => self.guessed(response, decoded),
        }
    }

    fn shows(&self, signs: &Conditions, response: Response<'_>, decoded: &mut Vec<u8>) -> bool {
        let has = |whole: &[u8], part: &String| memchr::memmem::find(whole, part.as_bytes()).is_some();
        let location = response.header("location").unwrap_or_default();
        signs.status.iter().any(|statuses| statuses.contains(response.status()))
            || signs.redirect.iter().any(|part| has(location, part))
            || signs
                .header
                .iter()
                .any(|sign| response.headers().any(|(name, value)| sign.matches(name, value)))
            || !signs.text.is_empty() && {
                let (body, _) = self.exchange.decode_response(decoded);
                signs.text.iter().any(|part| has(body, part))
            }
    }

    fn guessed(&self, response: Response<'_>, decoded: &mut Vec<u8>) -> LoginOutcome {
        match response.status() {
            200..=399 if self.is_basic => LoginOutcome::Success,
            401 | 403 | 423 | 429 if self.is_basic => LoginOutcome::Failure,
            _ if self.is_basic => LoginOutcome::Unknown,
            200..=299 => self.by_body(response, decoded),
            301..=303 | 305..=308 => self.by_redirect(response),
            400 | 401 | 403 | 422 | 423 | 429 => {
                let (body, _) = self.exchange.decode_response(decoded);
                let is_half = markers::find(body).second_factor;
                if is_half { LoginOutcome::Unknown } else { LoginOutcome::Failure }
            }
            _ => LoginOutcome::Unknown,
        }
    }

    fn by_redirect(&self, response: Response<'_>) -> LoginOutcome {
        let Some(location) = response.header("location") else { return LoginOutcome::Unknown };
        let target = Target::of(location);
        let last = target.path.rsplit(|byte| *byte == b'/').filter_map(Words::of).next();
        let is_back = trim_slashes(target.path) == trim_slashes(self.path);
        // To the same with another scheme, host or a slash at the end: the request is to be made again there.
        let is_repeated = matches!(response.status(), 307 | 308) || response.status() == 301 && is_back;
        if target.tells_failure() || last.is_some_and(|words| words.any(is_failure)) {
            LoginOutcome::Failure
        } else if is_repeated
            || target
                .path
                .split(|byte| *byte == b'/')
                .filter_map(Words::of)
                .any(|words| is_second_factor(&words))
        {
            LoginOutcome::Unknown
        } else if is_back || is_login_page(target.path) {
            LoginOutcome::Failure
        } else {
            LoginOutcome::Success
        }
    }

    fn by_body(&self, response: Response<'_>, decoded: &mut Vec<u8>) -> LoginOutcome {
        let (body, decoding) = self.exchange.decode_response(decoded);
        let is_whole = matches!(decoding, Decoding::Identity | Decoding::Whole);
        let first = body.trim_ascii_start().first();
        let reply = if matches!(first, Some(b'{' | b'[')) { reply::read(body) } else { Reply::default() };
        let Signs { refused, password_input, fault, second_factor } = markers::find(body);
        let is_page = first == Some(&b'<');
        if reply.has_token {
            LoginOutcome::Success
        } else if reply.second_factor || second_factor && !is_page {
            LoginOutcome::Unknown
        } else if reply.failure || fault || is_page && password_input {
            LoginOutcome::Failure
        } else if reply.success || gives_credentials(response) {
            LoginOutcome::Success
        } else if refused {
            LoginOutcome::Failure
        } else if is_whole {
            LoginOutcome::Success
        } else {
            // The form may be in what was not kept.
            LoginOutcome::Unknown
        }
    }
}

/// The parts of a `Location` that matter.
struct Target<'a> {
    path: &'a [u8],
    /// Query and fragment.
    rest: &'a [u8],
}

impl<'a> Target<'a> {
    fn of(location: &'a [u8]) -> Self {
        let scheme = memchr::memmem::find(location, b"//").filter(|at| {
            location.get(..*at).is_some_and(|scheme| scheme.is_empty() || scheme.ends_with(b":"))
        });
        let local = match scheme.and_then(|at| location.get(at.checked_add(2)?..)) {
            Some(rest) => {
                let end =
                    rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
                rest.get(end..).unwrap_or_default()
            }
            None => location,
        };
        let end = memchr::memchr2(b'?', b'#', local).unwrap_or(local.len());
        let (path, rest) = local.split_at_checked(end).unwrap_or_default();
        Self { path, rest }
    }

    /// Whether a parameter says that something went wrong, such as `?error` or `?login=failed`.
    fn tells_failure(&self) -> bool {
        self.rest.split(|byte| matches!(byte, b'?' | b'#' | b'&' | b';')).take(32).any(|pair| {
            let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            let is = |text: &[u8]| Words::of(text).is_some_and(|words| words.any(is_failure));
            // Where to go afterwards is no answer.
            let is_target = value.starts_with(b"/") || value.contains(&b'%') || value.contains(&b':');
            let is_off = matches!(value, b"0" | b"false" | b"no");
            is(name) && !is_off || !is_target && is(value)
        })
    }
}

fn is_failure(word: &[u8]) -> bool {
    matches!(
        word,
        b"error"
            | b"errors"
            | b"err"
            | b"fail"
            | b"failed"
            | b"failure"
            | b"invalid"
            | b"incorrect"
            | b"wrong"
            | b"denied"
            | b"accessdenied"
            | b"unauthorized"
            | b"badcredentials"
            | b"loginerror"
            | b"loginfailed"
    )
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last.saturating_add(1));
    path.get(..end).unwrap_or_default()
}

/// Whether a cookie is set that only who logged in has. A session is begun for everybody who comes without one.
fn gives_credentials(response: Response<'_>) -> bool {
    let cookies = response.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    cookies.map(|(_, value)| value).take(32).any(|cookie| {
        let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
        let attributes = cookie.get(pair.len()..).unwrap_or_default().to_ascii_lowercase();
        let is_removed = value.len() < 8
            || value.eq_ignore_ascii_case(b"=deleted")
            || memchr::memmem::find(&attributes, b"max-age=0").is_some()
            || memchr::memmem::find(&attributes, b"jan 1970").is_some()
            || memchr::memmem::find(&attributes, b"jan-1970").is_some();
        !is_removed && is_of_a_user(name)
    })
}

fn is_of_a_user(name: &[u8]) -> bool {
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
    !words.any(is_before) && words.any(is_after)
}
