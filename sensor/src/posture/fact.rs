//! What is counted of a route besides its exchanges: yes or no of each exchange, when first, when last, how often.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Seconds since 1970, until the year 2106: half the memory of a [`Timestamp`], and nothing here needs more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Second(u32);

impl Second {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.unix_nanos() / 1_000_000_000).unwrap_or(u32::MAX))
    }

    /// Seconds since `earlier`; zero if that is later.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) as u64
    }

    pub(super) fn timestamp(self) -> Timestamp {
        Timestamp::from_unix_micros(u64::from(self.0).saturating_mul(1_000_000))
    }
}

/// How often something was seen, when first, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) count: u32,
    pub(super) first: Second,
    pub(super) last: Second,
}

impl Times {
    #[inline]
    pub(super) fn note(&mut self, now: Second) {
        if self.count == 0 {
            self.first = now;
        }
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(now);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Something that holds of an exchange, or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Fact {
            $($(#[$doc])* $name,)*
        }

        impl Fact {
            pub(super) const ALL: [Self; FACTS] = [$(Self::$name,)*];

            /// The word in files.
            pub(super) const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }

        const FACTS: usize = [$($label,)*].len();
    };
}

facts! {
    /// It carried no credentials and was no attempt to log in.
    Anonymous = "anonymous",
    /// Of these, answered with 2xx.
    AnonymousOk = "anonymous_ok",
    /// Of these, answered with 401 or 403.
    AnonymousRefused = "anonymous_refused",
    /// It carried credentials, and was answered with 2xx.
    CredentialsOk = "credentials_ok",
    /// It carried credentials, and was answered with 401 or 403.
    CredentialsRefused = "credentials_refused",
    /// Its credentials were a JSON Web Token.
    Jwt = "jwt",
    /// An API key.
    ApiKey = "api_key",
    /// Basic authentication.
    Basic = "basic",
    /// An opaque bearer token.
    Bearer = "bearer",
    /// A session cookie.
    Session = "session",
    /// It was an attempt to log in.
    Login = "login",
    /// A successful one, whose password was looked up in the list of leaked ones.
    LoginChecked = "login_checked",
    /// Of these, with one that is in it.
    LoginLeaked = "login_leaked",
    /// It was answered with 429.
    TooMany = "too_many",
    /// It came in clear text, from a client that is neither this host nor behind a known proxy.
    Clear = "clear",
    /// Of these, answered with 2xx.
    ClearOk = "clear_ok",
    /// Of these, with credentials or an attempt to log in.
    ClearCredentials = "clear_credentials",
    /// Of these, redirected to https.
    ClearRedirect = "clear_redirect",
    /// It came in clear text from a proxy or from this host.
    Inside = "inside",
    /// It came in TLS 1.2.
    Tls12 = "tls12",
    /// It came in TLS 1.3.
    Tls13 = "tls13",
    /// The heads of it were examined, which a part of all is.
    Heads = "heads",
    /// `Strict-Transport-Security`, in TLS.
    Hsts = "hsts",
    /// `Access-Control-Allow-Origin: *`.
    CorsAny = "cors_any",
    /// The same, with `Access-Control-Allow-Credentials: true`, which browsers refuse.
    CorsAnyCredentials = "cors_any_credentials",
    /// The origin of another site was allowed.
    CorsOther = "cors_other",
    /// The same, with credentials.
    CorsOtherCredentials = "cors_other_credentials",
    /// The origin `null` was allowed with credentials.
    CorsNullCredentials = "cors_null_credentials",
    /// Limits of rates are told: `RateLimit`, `X-RateLimit-Limit`, `Retry-After` and their like.
    RateHeaders = "rate_headers",
    /// `Link` with `rel=next`.
    LinkNext = "link_next",
    /// A header names the version of a program: `Server: nginx/1.25.3`.
    ServerVersion = "server_version",
    /// `Deprecation` (RFC 9745) or `Sunset` (RFC 8594).
    Deprecated = "deprecated",
    /// An answer to credentials that shared caches may keep.
    SharedCache = "shared_cache",
    /// The query names a page: `page`, `limit`, `cursor` and their like.
    Paged = "paged",
    /// The answer, in JSON, has a list of more than a hundred entries.
    LongList = "long_list",
    /// Of these, something in it tells where the next part is.
    ListNext = "list_next",
}

/// All facts of a route.
#[derive(Clone, Debug)]
pub(super) struct Facts([Times; FACTS]);

impl Default for Facts {
    fn default() -> Self {
        Self([Times::default(); FACTS])
    }
}

impl Facts {
    #[inline]
    pub(super) fn note(&mut self, fact: Fact, now: Second) {
        if let Some(times) = self.0.get_mut(fact as usize) {
            times.note(now);
        }
    }

    pub(super) fn of(&self, fact: Fact) -> Times {
        self.0.get(fact as usize).copied().unwrap_or_default()
    }

    pub(super) fn has(&self, fact: Fact) -> bool {
        self.of(fact).count > 0
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(times, more)| times.merge(more));
    }
}

impl Serialize for Facts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = Fact::ALL.iter().map(|fact| (fact.label(), self.of(*fact)));
        serializer.collect_map(all.filter(|(_, times)| times.count > 0))
    }
}

impl<'de> Deserialize<'de> for Facts {
    /// What another version has counted and this one does not is left out.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = std::collections::BTreeMap::<String, Times>::deserialize(deserializer)?;
        let mut facts = Self::default();
        for (fact, place) in Fact::ALL.iter().zip(&mut facts.0) {
            *place = stored.get(fact.label()).copied().unwrap_or_default();
        }
        Ok(facts)
    }
}
