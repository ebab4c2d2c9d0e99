//! Who is behind an exchange: the client's address, behind any number of proxies, and the principal that its
//! credentials identify.
//!
//! # Architecture invariant
//!
//! Secrets do not leave this room: tokens, keys, cookies, passwords and user names become keyed hashes. No type here
//! that holds one has a `Debug` that shows it, and no error quotes input.
//!
//! # No verification
//!
//! Nothing is verified. A JWT's subject is what the token says (see [`Kind::Jwt`]), a session is what the cookie says.
//! So a name that anybody can claim counts only if the server's answers show that it checked the claim (`accepted`);
//! otherwise the credentials stand for themselves.

mod accepted;
mod anomaly;
mod client;
mod collect;
mod config;
mod cross_site;
mod fleet_keys;
mod forwarded;
mod forwarders;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod hash;
mod jwt;
mod leaked;
mod login;
mod names;
mod node;
mod principal;
mod trusted;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

pub use accepted::Answered;
pub use anomaly::{Anomalies, Anomaly, Counters};
pub use client::Mechanism;
pub use config::{Config, ConfigError, ForwardedHeader, MAX_FORWARDED_HEADERS, MAX_NAMES};
pub use fleet_keys::{FLEET_KEYS, FleetHashes, FleetKeys, FleetKind};
pub use forwarders::Forwarder;
pub use hash::{Hasher, Key, KeyedHash, Kind, Pseudonyms};
pub(crate) use jwt::BASE64URL;
pub use leaked::Leaked;
pub use login::{
    Conditions, HEADER_SIGN, HeaderSign, LOGIN_ROUTE, Login, LoginConfig, LoginOutcome, LoginRoute,
    LoginRule, LoginTextError, MAX_LOGIN_RULES, STATUSES, Statuses, login_text,
};
pub use principal::AlwaysLogin;

use anomaly::count;
use client::Clients;
use collect::{Collected, Role};
use forwarders::Forwarders;
use login::Logins;
use names::Names;
use principal::Principals;

use crate::http::{Decoding, Exchange, Request};

/// Who is behind an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's address; an IPv4-mapped one as IPv4.
    pub client: IpAddr,
    /// The address on the wire, if it differs from `client`.
    pub peer: Option<IpAddr>,
    /// The source of `client`.
    pub mechanism: Mechanism,
    /// Whether the peer, a trusted proxy, named `client` as its own peer.
    pub named_by_peer: bool,
    /// The identity behind the credentials. Of several, in this order: JWT subject, API key, basic authentication,
    /// other bearer token, session cookie. Among API keys, a header comes before a parameter. If the server was not
    /// seen to check and accept a subject or a user, the credentials themselves.
    pub principal: Option<KeyedHash>,
    /// The same, hashed with each key of a fleet; 0 without.
    pub fleet_principal: [u64; FLEET_KEYS],
    /// Whether, by its headers, another site's page made a browser send the request.
    pub cross_site: bool,
    /// Anomalies.
    pub anomalies: Anomalies,
}

/// Identifies who is behind exchanges, and login attempts. Its memory is bounded by its configuration: two buffers of
/// [`Config::max_token`], two of [`crate::http::Config::inflate_bytes`].
pub struct Identifier {
    roles: Names<Role>,
    clients: Clients,
    principals: Principals,
    logins: Logins,
    counters: Counters,
    forwarders: Forwarders,
}

impl Identifier {
    /// An identifier with the key of the installation.
    ///
    /// # Errors
    /// If a list of names is too long or contains an invalid name.
    pub fn new(config: &Config, key: &Key) -> Result<Self, ConfigError> {
        config.check()?;
        let list = config.login.leaked_passwords.as_deref();
        let hasher = Hasher::new(key).looked_up(list.map(Leaked::algorithm));
        Ok(Self {
            roles: collect::roles(config),
            clients: Clients::new(config),
            principals: Principals::new(config, hasher),
            logins: Logins::new(&config.login),
            counters: Counters::default(),
            forwarders: Forwarders::default(),
        })
    }

    /// Who is behind the exchange of a request.
    ///
    /// * `peer`: the client's address on the wire.
    /// * `proxied`: the source address of the connection's PROXY protocol header; believed of trusted peers.
    /// * `headers`: names and values of the request's header fields in order. They are walked once; again
    ///   only where a cookie or forwarding header is repeated.
    /// * `query`: the target's query without the question mark; empty if there is none.
    /// * `answered`: how, and on which route. A claim that an answer confirms is believed.
    pub fn identify<'a>(
        &mut self,
        peer: IpAddr,
        proxied: Option<IpAddr>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        query: &'a [u8],
        answered: &Answered<'_>,
    ) -> Identity {
        let collected = Collected::from_headers(&self.roles, headers.clone());
        let client = self.clients.find(peer, proxied, &collected, &self.roles, headers.clone());
        let mut anomalies = client.anomalies;
        let principal =
            self.principals.find(&collected, &self.roles, headers, (query, answered), &mut anomalies);
        let peer = peer.to_canonical();
        let counters = &mut self.counters;
        counters.exchanges = counters.exchanges.saturating_add(1);
        counters.forwarded_untrusted =
            counters.forwarded_untrusted.saturating_add(client.forwarded_untrusted.into());
        counters.proxy_untrusted = counters.proxy_untrusted.saturating_add(client.proxy_untrusted.into());
        // A peer that is reported may turn out to be a proxy missing from the configuration.
        if answered.proven && (client.forwarded_untrusted || client.proxy_untrusted) {
            self.forwarders.note(peer);
        }
        count(counters.mechanisms.get_mut(client.mechanism as usize));
        if let Some(principal) = &principal {
            count(counters.principals.get_mut(principal.kind() as usize));
        }
        if !anomalies.is_empty() {
            anomalies.iter().for_each(|anomaly| count(counters.anomalies.get_mut(anomaly as usize)));
        }
        Identity {
            client: client.address,
            peer: (peer != client.address).then_some(peer),
            mechanism: client.mechanism,
            named_by_peer: client.named_by_peer && peer != client.address,
            principal,
            fleet_principal: self.principals.hasher().take_fleet_principal(principal),
            cross_site: cross_site::says_so(&collected),
            anomalies,
        }
    }

    /// Whether a page of another site can make a browser send a request.
    #[must_use]
    pub fn browsers_send(request: Request<'_>) -> bool {
        cross_site::is_possible(request)
    }

    /// Whether an address on the wire is a trusted proxy's.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.clients.trusts(peer)
    }

    /// Whether a peer is on this host and not configured as a proxy: what it says about its clients can be checked.
    #[must_use]
    pub fn proves_itself(&self, peer: IpAddr) -> bool {
        self.clients.proves_itself(peer)
    }

    /// Whom such a peer names as its own peer, with `proxied` and `headers` as for [`Self::identify`].
    pub fn claim<'a>(
        &self,
        peer: IpAddr,
        proxied: Option<IpAddr>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Option<IpAddr> {
        let collected = Collected::from_headers(&self.roles, headers.clone());
        self.clients.claim(peer, proxied, &collected, &self.roles, headers)
    }

    /// Sets this host's own addresses besides loopback: peers with them are on this host.
    pub fn set_own(&mut self, own: Vec<IpAddr>) {
        self.clients.set_own(own);
    }

    /// Sets the peers on this host that are trusted though nobody configured them: what they said was found true.
    pub fn set_proven(&mut self, proven: Vec<IpAddr>) {
        self.clients.set_proven(proven);
    }

    /// The user and the password of an `Authorization` field's value with credentials that come with each request, hashed
    /// as those of a login; nothing if it has none.
    pub fn always_login(&mut self, authorization: &[u8]) -> Option<AlwaysLogin> {
        self.principals.always_login(authorization)
    }

    /// The attempt to log in that an exchange is, if it is one; of several the first ([`Self::further`] has the others).
    /// `body` is that of the request, decoded, and how far; `route` is its template, where known.
    pub fn login(
        &mut self,
        exchange: &Exchange<'_>,
        body: (&[u8], Decoding),
        route: Option<&str>,
    ) -> Option<Login> {
        self.logins.recognise(exchange, body, route, &mut self.principals)
    }

    /// The attempts of the exchange that was asked about last besides the one told, and how many more there were.
    #[must_use]
    pub fn further(&self) -> (&[Login], u32) {
        self.logins.further()
    }

    /// Looks up passwords on a thread of its own from now on: a disk may be slow.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn look_up_aside(&mut self) -> std::io::Result<()> {
        self.logins.leaks_mut().move_aside()
    }

    /// Whether it will be known whether the list of leaked passwords has that of a login.
    #[must_use]
    pub fn awaits(&self, login: &Login) -> bool {
        login.outcome == LoginOutcome::Success
            && login.leaked.is_none()
            && login.password.is_some_and(|password| self.logins.leaks().awaits(password))
    }

    /// A password that was looked up meanwhile, and whether the list has it; none if that could not be said.
    pub fn looked_up(&mut self) -> Option<(KeyedHash, Option<bool>)> {
        self.logins.leaks_mut().answer()
    }

    /// Whether passwords are looked up in a list of leaked ones.
    #[must_use]
    pub const fn looks_up_passwords(&self) -> bool {
        self.logins.leaks().is_there()
    }

    /// Passwords that could not be looked up in it.
    #[must_use]
    pub const fn unchecked_passwords(&self) -> u64 {
        self.logins.leaks().failed()
    }

    /// Hashes the accounts and passwords of logins with the keys of a fleet, too; `principals`: credentials as well.
    pub fn set_fleet(&mut self, keys: Option<FleetKeys>, principals: bool) {
        self.principals.set_fleet(keys, principals);
    }

    /// Hashes what others find: the users and passwords of logins.
    #[must_use]
    pub const fn hasher(&self) -> &Hasher {
        self.principals.hasher()
    }

    /// Peers that report other clients' addresses and are not trusted proxies, busiest first.
    #[must_use]
    pub fn forwarders(&self) -> Vec<Forwarder> {
        self.forwarders.busiest()
    }

    /// Totals since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identifier").field("counters", &self.counters).finish_non_exhaustive()
    }
}
