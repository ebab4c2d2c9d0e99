//! Configuration of login recognition.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use documented::DocumentedFields;

use super::super::leaked::Leaked;
use crate::config::{Form, from_text};

/// Maximum rules.
pub const MAX_LOGIN_RULES: usize = 64;

/// How logins are recognised.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct LoginConfig {
    /// Whether to recognise login attempts and their outcomes.
    pub enabled: bool,
    /// Known login routes; they take precedence over what is recognised automatically. At most [`MAX_LOGIN_RULES`].
    pub rules: Vec<LoginRule>,
    /// A list of leaked passwords: lines `HASH:COUNT`, sorted, with SHA-1 or NTLM hashes in hexadecimal. Accounts that log
    /// in with one of them are told. The list is searched on disk, and opened with the configuration.
    pub leaked_passwords: Option<Arc<Leaked>>,
}

impl Default for LoginConfig {
    fn default() -> Self {
        Self { enabled: true, rules: Vec::new(), leaked_passwords: None }
    }
}

/// A route for logins.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct LoginRule {
    /// The path, or a pattern: `{name}` or `*` matches one segment, `**` at the end any number of them. Required.
    pub route: LoginRoute,
    /// The request field with the account; guessed if not set.
    pub user_field: Option<String>,
    /// The request field with the password; guessed if not set.
    pub password_field: Option<String>,
    /// Any of these is a success.
    pub success: Conditions,
    /// Any of these is a failure, whatever else holds.
    pub failure: Conditions,
}

/// Signs in a response, any of which will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, DocumentedFields)]
pub struct Conditions {
    /// Its status is one of these.
    pub status: Vec<Statuses>,
    /// Its body contains one of these texts, compared exactly.
    pub text: Vec<String>,
    /// Its `Location` contains one of these texts.
    pub redirect: Vec<String>,
    /// It has one of these headers, containing the given text if there is one.
    pub header: Vec<HeaderSign>,
}

impl Conditions {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.status.is_empty() && self.text.is_empty() && self.redirect.is_empty() && self.header.is_empty()
    }
}

/// A path or a pattern: a segment in braces, or `*`, matches one segment, `**` at the end any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRoute(String);

impl LoginRoute {
    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a path matches. Empty segments are ignored.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let segments = |path| <[u8]>::split(path, |byte| *byte == b'/').filter(|part| !part.is_empty());
        let mut parts = segments(path);
        for wanted in segments(self.0.as_bytes()) {
            if wanted == b"**" {
                return true;
            }
            let is_any = wanted == b"*" || wanted.starts_with(b"{") && wanted.ends_with(b"}");
            match parts.next() {
                Some(part) if is_any || part == wanted => {}
                Some(_) | None => return false,
            }
        }
        parts.next().is_none()
    }
}

/// Why a text of the configuration is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginTextError {
    /// A route.
    #[error("expected a path such as `/login` or a pattern such as `/{{tenant}}/login` or `/auth/**`")]
    Route,
    /// A status.
    #[error("expected a status such as 401, a class such as `4xx` or a range such as `200-299`")]
    Status,
    /// A header.
    #[error("expected the name of a header, or `name: part of its value`")]
    Header,
}

impl FromStr for LoginRoute {
    type Err = LoginTextError;

    fn from_str(text: &str) -> Result<Self, LoginTextError> {
        let tail =
            text.find("**").is_none_or(|at| text.ends_with("/**") && at.checked_add(2) == Some(text.len()));
        let is_path =
            text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c == '?' || c == '#');
        if is_path && tail { Ok(Self(text.to_owned())) } else { Err(LoginTextError::Route) }
    }
}

/// One status or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(RangeInclusive<u16>);

impl Statuses {
    /// Whether a status is one of them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl FromStr for Statuses {
    type Err = LoginTextError;

    fn from_str(text: &str) -> Result<Self, LoginTextError> {
        let number =
            |text: &str| text.trim_ascii().parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
        let range = match (class, text.split_once('-')) {
            (Some(class @ 1..=5), _) => {
                let first = class.saturating_mul(100);
                Some(first..=first.saturating_add(99))
            }
            (Some(_), _) => None,
            (None, Some((first, last))) => number(first).zip(number(last)).map(|(first, last)| first..=last),
            (None, None) => number(text).map(|status| status..=status),
        };
        range.filter(|range| !range.is_empty()).map(Self).ok_or(LoginTextError::Status)
    }
}

/// A header that is there, or has a value with a certain part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSign {
    name: String,
    part: Option<String>,
}

impl HeaderSign {
    /// Whether a header matches.
    #[must_use]
    pub fn matches(&self, name: &[u8], value: &[u8]) -> bool {
        let part = self.part.as_ref().map(String::as_bytes);
        self.name.as_bytes().eq_ignore_ascii_case(name)
            && part.is_none_or(|part| memchr::memmem::find(value, part).is_some())
    }
}

impl FromStr for HeaderSign {
    type Err = LoginTextError;

    fn from_str(text: &str) -> Result<Self, LoginTextError> {
        let (name, part) =
            text.split_once(':').map_or((text, None), |(name, part)| (name, Some(part.trim())));
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || part.is_some_and(str::is_empty) {
            return Err(LoginTextError::Header);
        }
        Ok(Self { name: name.to_owned(), part: part.map(str::to_owned) })
    }
}

/// Paths of logins in the configuration.
pub const LOGIN_ROUTE: Form<LoginRoute> = Form {
    kind: "a path such as `/login`, or a pattern such as `/{tenant}/login` or `/auth/**`",
    example: "/shop/{lang}/enter",
    read: from_text,
    show: |route| route.0.clone(),
};

/// Statuses of answers to logins in the configuration.
pub const STATUSES: Form<Statuses> = Form {
    kind: "a status such as 401, a class such as `4xx` or a range such as `200-299`",
    example: "5xx",
    read: from_text,
    show: |Statuses(range)| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    },
};

/// Headers of answers to logins in the configuration.
pub const HEADER_SIGN: Form<HeaderSign> = Form {
    kind: "the name of a header, or `name: part of its value`",
    example: "X-Auth: denied",
    read: from_text,
    show: |sign| match &sign.part {
        Some(part) => format!("{}: {part}", sign.name),
        None => sign.name.clone(),
    },
};

/// A text to search for; not empty, which would match everything.
#[must_use]
pub const fn login_text(example: &'static str) -> Form<String> {
    Form {
        kind: "a non-empty text",
        example,
        read: |text| {
            if text.is_empty() {
                return Err("expected a non-empty text".to_owned());
            }
            Ok(text.to_owned())
        },
        show: String::clone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_match_by_segment() {
        let cases = [
            ("/login", "/login", true),
            ("/login", "/login/", true),
            ("/login", "/login/x", false),
            ("/login", "/Login", false),
            ("/{tenant}/login", "/acme/login", true),
            ("/*/login", "/login", false),
            ("/auth/**", "/auth", true),
            ("/auth/**", "/auth/a/b", true),
            ("/auth/**", "/author", false),
        ];
        for (route, path, matches) in cases {
            assert_eq!(
                route.parse::<LoginRoute>().unwrap().matches(path.as_bytes()),
                matches,
                "{route} {path}"
            );
        }
        for bad in ["", "login", "/a b", "/a?b", "/**/a", "/a**"] {
            assert_eq!(bad.parse::<LoginRoute>(), Err(LoginTextError::Route), "{bad}");
        }
    }

    #[test]
    fn statuses_are_read() {
        let contains = |text: &str, status| text.parse::<Statuses>().unwrap().contains(status);
        assert!(contains("401", 401) && !contains("401", 402));
        assert!(contains("4xx", 499) && !contains("4xx", 500));
        assert!(contains("200-204", 204) && !contains("200-204", 205));
        for bad in ["", "99", "600", "0xx", "6xx", "300-200", "ok", "-"] {
            assert_eq!(bad.parse::<Statuses>(), Err(LoginTextError::Status), "{bad}");
        }
    }

    #[test]
    fn headers_are_read() {
        let sign: HeaderSign = "X-Auth: ok".parse().unwrap();
        assert!(
            sign.matches(b"x-auth", b"it is ok")
                && !sign.matches(b"x-auth", b"no")
                && !sign.matches(b"y", b"ok")
        );
        assert!("X-Auth".parse::<HeaderSign>().unwrap().matches(b"X-AUTH", b""));
        for bad in ["", ": x", "a b", "x:"] {
            assert_eq!(bad.parse::<HeaderSign>(), Err(LoginTextError::Header), "{bad}");
        }
    }
}
