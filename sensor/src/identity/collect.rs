//! One pass over the headers.

use super::config::{Config, ForwardedHeader, MAX_FORWARDED_HEADERS};
use super::names::Names;

/// The purpose of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Authorization,
    Cookie,
    /// Shows whether another site's page made a browser send the request.
    Asker(Asker),
    /// With its rank in the configuration.
    ApiKey(u8),
    /// With its rank in the configuration.
    Forwarded(u8),
}

/// Headers that tell who made a browser ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Host,
    Origin,
    Referer,
    Accept,
    FetchSite,
    FetchMode,
}

/// The header names of a configuration.
pub(super) fn roles(config: &Config) -> Names<Role> {
    let ranked = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let forwarded = config.looked_at().map(ForwardedHeader::name);
    let forwarded = forwarded.enumerate().map(|(index, name)| (name, Role::Forwarded(ranked(index))));
    let keys = config.api_key_headers.iter().map(String::as_str);
    let keys = keys.enumerate().map(|(index, name)| (name, Role::ApiKey(ranked(index))));
    let fixed = [("authorization", Role::Authorization), ("cookie", Role::Cookie)];
    let askers = [
        ("host", Asker::Host),
        ("origin", Asker::Origin),
        ("referer", Asker::Referer),
        ("accept", Asker::Accept),
        ("sec-fetch-site", Asker::FetchSite),
        ("sec-fetch-mode", Asker::FetchMode),
    ];
    let askers = askers.into_iter().map(|(name, asker)| (name, Role::Asker(asker)));
    Names::new(fixed.into_iter().chain(forwarded).chain(keys).chain(askers))
}

/// The relevant fields. Of several with one name the one that usually counts is kept, with a note that there are
/// several; only then are the headers walked again.
///
/// Deliberately without `Debug`: it holds secrets.
#[derive(Clone, Copy, Default)]
pub(super) struct Collected<'a> {
    /// The first.
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) many_authorizations: bool,
    /// The first.
    pub(super) cookie: Option<&'a [u8]>,
    pub(super) many_cookies: bool,
    /// The preferred one, with its rank.
    pub(super) api_key: Option<(u8, &'a [u8])>,
    /// The last of each rank.
    pub(super) forwarded: [&'a [u8]; MAX_FORWARDED_HEADERS],
    /// A bit for each rank that is there.
    pub(super) forwarded_present: u8,
    /// A bit for each rank that is there several times.
    pub(super) forwarded_many: u8,
    /// The first of each.
    pub(super) host: Option<&'a [u8]>,
    pub(super) origin: Option<&'a [u8]>,
    pub(super) referer: Option<&'a [u8]>,
    pub(super) accept: Option<&'a [u8]>,
    pub(super) fetch_site: Option<&'a [u8]>,
    pub(super) fetch_mode: Option<&'a [u8]>,
}

impl<'a> Collected<'a> {
    #[inline]
    pub(super) fn from_headers(
        roles: &Names<Role>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Self {
        let mut all = Self::default();
        for (name, value) in headers {
            if let Some(role) = roles.find(name) {
                all.take(role, value);
            }
        }
        all
    }

    fn take(&mut self, role: Role, value: &'a [u8]) {
        match role {
            Role::Authorization => {
                self.many_authorizations |= self.authorization.is_some();
                self.authorization.get_or_insert(value);
            }
            Role::Cookie => {
                self.many_cookies |= self.cookie.is_some();
                self.cookie.get_or_insert(value);
            }
            Role::Asker(asker) => {
                let place = match asker {
                    Asker::Host => &mut self.host,
                    Asker::Origin => &mut self.origin,
                    Asker::Referer => &mut self.referer,
                    Asker::Accept => &mut self.accept,
                    Asker::FetchSite => &mut self.fetch_site,
                    Asker::FetchMode => &mut self.fetch_mode,
                };
                place.get_or_insert(value);
            }
            Role::ApiKey(rank) => {
                if self.api_key.is_none_or(|(taken, _)| rank < taken) {
                    self.api_key = Some((rank, value));
                }
            }
            Role::Forwarded(rank) => {
                let bit = 1_u8.wrapping_shl(rank.into());
                self.forwarded_many |= self.forwarded_present & bit;
                self.forwarded_present |= bit;
                if let Some(last) = self.forwarded.get_mut(usize::from(rank)) {
                    *last = value;
                }
            }
        }
    }
}
