//! The target of a redirect, and what it means.

use super::place::{self, is_second_factor};
use super::words::Words;
use crate::values::name_and_value;

/// What the target of a redirect shows about the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// A parameter or the last segment is about an error.
    Failure,
    /// Too many attempts, or a locked account; it does not depend on this password.
    Throttled,
    /// A second factor is asked for.
    SecondFactor,
    /// The same place, unchanged.
    Back,
    /// The same place, with other parameters.
    BackOtherwise,
    /// A page to log in at.
    LoginPage,
    /// Somewhere else.
    Elsewhere,
}

/// The relevant parts of a `Location`.
pub(super) struct Target<'a> {
    pub(super) path: &'a [u8],
    /// Query and fragment.
    rest: &'a [u8],
}

impl<'a> Target<'a> {
    pub(super) fn of(location: &'a [u8]) -> Self {
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

    /// Its meaning as the response to a request for this path and query.
    pub(super) fn says(&self, path: &[u8], query: &[u8]) -> Says {
        let last = self.path.rsplit(|byte| *byte == b'/').filter_map(Words::of).next();
        let words = |text: &'a [u8]| text.split(|byte| matches!(byte, b'/' | b'?' | b'&' | b'=' | b'#'));
        let is_half = words(self.path)
            .chain(self.pairs().filter(|pair| !is_way_on(pair)).flat_map(words))
            .filter_map(Words::of)
            .any(|words| is_second_factor(&words));
        let is_half =
            is_half || !same_path(self.path, path) && last_two(self.path).any(|words| words.any(is_check));
        let same = same_path(self.path, path) || self.path.is_empty();
        let is_throttled = last_two(self.path).any(|words| is_throttle(&words)) || self.tells_throttle();
        if is_throttled {
            Says::Throttled
        } else if self.tells_failure() || last.is_some_and(|words| words.any(is_failure)) {
            Says::Failure
        } else if is_half {
            Says::SecondFactor
        } else if same && (self.path.is_empty() && self.rest.is_empty() || self.adds_nothing(query)) {
            Says::Back
        } else if same && !self.leads_elsewhere(query) {
            Says::BackOtherwise
        } else if !same && place::is_login_page(self.path) {
            Says::LoginPage
        } else {
            Says::Elsewhere
        }
    }

    /// Whether a parameter says that there were too many attempts.
    fn tells_throttle(&self) -> bool {
        self.pairs().filter(|pair| !is_way_on(pair)).any(|pair| {
            let (name, value) = name_and_value(pair);
            let is = |text: &[u8]| Words::of(text).is_some_and(|words| is_throttle(&words));
            let is_off = matches!(value, b"" | b"0" | b"false" | b"no");
            is(name) && !is_off || is(value)
        })
    }

    fn pairs(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let pairs = self.rest.split(|byte| matches!(byte, b'?' | b'#' | b'&' | b';'));
        pairs.filter(|pair| !pair.is_empty()).take(MAX_PAIRS)
    }

    /// Whether it has no parameters.
    pub(super) const fn says_nothing(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether its parameters are those of the request, or name the next page.
    fn adds_nothing(&self, query: &[u8]) -> bool {
        let known = |pair: &[u8]| query.split(|byte| matches!(byte, b'&' | b';')).any(|own| own == pair);
        self.pairs().all(|pair| known(pair) || is_way_on(pair))
    }

    /// Whether the request's parameters said that one logs in, and those of the target do not.
    fn leads_elsewhere(&self, query: &[u8]) -> bool {
        let logs_in =
            |pair: &[u8]| Words::of(name_and_value(pair).1).is_some_and(|words| words.any(place::is_login));
        query.split(|byte| matches!(byte, b'&' | b';')).take(MAX_PAIRS).any(logs_in)
            && !self.pairs().any(logs_in)
    }

    /// Whether a parameter says that something went wrong, such as `?error` or `?login=failed`.
    fn tells_failure(&self) -> bool {
        self.pairs().any(|pair| {
            let (name, value) = name_and_value(pair);
            let is = |text: &[u8]| Words::of(text).is_some_and(|words| words.any(is_failure));
            // The next page says nothing about the outcome.
            let is_target = value.starts_with(b"/") || value.contains(&b'%') || value.contains(&b':');
            let is_off = matches!(value, b"0" | b"false" | b"no") || value.is_empty() && pair.ends_with(b"=");
            // OAuth returns the client's own state.
            name != b"state" && is(name) && !is_off || name != b"state" && !is_target && is(value)
        })
    }
}

/// Maximum parameters examined.
const MAX_PAIRS: usize = 32;

/// Whether a parameter names the next page.
fn is_way_on(pair: &[u8]) -> bool {
    Words::of(name_and_value(pair).0).is_some_and(|words| {
        words.any(|word| {
            matches!(
                word,
                b"next"
                    | b"return"
                    | b"returnurl"
                    | b"returnto"
                    | b"redirect"
                    | b"redirecturl"
                    | b"from"
                    | b"back"
                    | b"backurl"
                    | b"continue"
                    | b"goto"
                    | b"target"
                    | b"url"
                    | b"ref"
                    | b"destination"
                    | b"callback"
                    | b"service"
                    | b"lang"
                    | b"locale"
            )
        })
    })
}

pub(super) fn same_path(one: &[u8], other: &[u8]) -> bool {
    trim_slashes(one) == trim_slashes(other)
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last.saturating_add(1));
    path.get(..end).unwrap_or_default()
}

/// The last two segments of a path.
fn last_two(path: &[u8]) -> impl Iterator<Item = Words> {
    path.rsplit(|byte| *byte == b'/').filter_map(Words::of).take(2)
}

/// Whether a segment asks for more than a password: `/login/verify`, `/account/verify-sms`, `/passcode`.
fn is_check(word: &[u8]) -> bool {
    matches!(word, b"verify" | b"verification" | b"verifycode" | b"passcode" | b"otc")
}

fn is_throttle(words: &Words) -> bool {
    words.text().starts_with(b"too_many")
        || memchr::memmem::find(words.text(), b"_too_many").is_some()
        || memchr::memmem::find(words.text(), b"rate_limit").is_some()
        || words.any(|word| {
            matches!(
                word,
                b"throttled"
                    | b"throttle"
                    | b"ratelimit"
                    | b"ratelimited"
                    | b"toomany"
                    | b"lockout"
                    | b"lockedout"
                    | b"captcha"
            ) || word.starts_with(b"toomany")
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_compared_with_the_request() {
        let cases = [
            ("/login", "", "/home", Says::Elsewhere),
            ("/login", "", "/login/", Says::Back),
            ("/login", "", "/login?next=%2F", Says::Back),
            ("/login", "next=/a", "https://a/login?next=/a", Says::Back),
            ("/login", "", "/signin?next=%2Fhome", Says::LoginPage),
            ("/login", "", "?error", Says::Failure),
            ("/login", "", "/login/selectchallenge", Says::SecondFactor),
            ("/login", "", "/user/webauthn", Says::SecondFactor),
            ("/a", "", "/b?aal=aal2", Says::SecondFactor),
            ("/index.php", "module=Login", "/index.php?module=Home", Says::Elsewhere),
            ("/index.php", "action=login2", "/index.php?action=login2;sa=check", Says::BackOtherwise),
            ("/ls/", "wa=wsignin1.0", "http://a/ls/?wa=wsignin1.0", Says::Back),
            ("/login/index.php", "", "/login/index.php?testsession=2", Says::BackOtherwise),
            ("/login", "", "/login/verify", Says::SecondFactor),
            ("/login", "", "/account/verify-sms", Says::SecondFactor),
            ("/login", "", "/passcode", Says::SecondFactor),
            ("/verify", "", "/verify", Says::Back),
            ("/login", "", "/home?error=&lang=de", Says::Elsewhere),
            ("/login", "", "/oauth/authorize?state=error", Says::Elsewhere),
            ("/login", "", "/login?error=too_many_attempts", Says::Throttled),
            ("/login", "", "/login?throttled=1", Says::Throttled),
            ("/login", "", "/home?throttled=0", Says::Elsewhere),
            ("/login", "", "/account/lockout", Says::Throttled),
        ];
        for (path, query, location, says) in cases {
            let target = Target::of(location.as_bytes());
            assert_eq!(target.says(path.as_bytes(), query.as_bytes()), says, "{path}?{query} {location}");
        }
    }
}
