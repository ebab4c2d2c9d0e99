//! One login attempt, with what is known about its client and its account.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::detect::window::{Moment, hash_of};
use crate::detect::{Offender, Severity, Subject};
use crate::event::Exchange;
use crate::identity::{FleetHashes, KeyedHash};
use crate::prefix::ClientNet;

/// The network shared by the addresses of one subscriber or one rack: a /24, or an IPv6 /48, which a site gets (RFC
/// 6177, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(u64);

const IPV4: u64 = 1 << 63;

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(u64::from(u32::from(address) >> 8) | IPV4),
            IpAddr::V6(address) => Self(u64::try_from(u128::from(address) >> 80).unwrap_or(0)),
        }
    }

    /// For a file; never 0.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// From [`Self::bits`].
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    fn prefix(self) -> Option<IpNet> {
        let (address, length) = if self.0 & IPV4 == 0 {
            (IpAddr::V6(Ipv6Addr::from(u128::from(self.0) << 80)), 48)
        } else {
            let bits = u32::try_from(self.0 & 0xff_ffff).unwrap_or(0);
            (IpAddr::V4(Ipv4Addr::from(bits << 8)), 24)
        };
        IpNet::new(address, length).ok()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prefix().map_or(Err(fmt::Error), |prefix| prefix.fmt(out))
    }
}

/// Who attempts are counted for. Cross-site requests are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) client: ClientNet,
    pub(crate) is_foreign: bool,
}

/// An attempt with a known outcome.
#[derive(Clone)]
pub(crate) struct Attempt<'a> {
    pub(crate) exchange: &'a Exchange<'a>,
    /// The client; or, for a site's attempt, the site it counts for.
    pub(crate) client: ClientNet,
    pub(crate) site: Option<ClientNet>,
    /// Whether it is evaluated as an attempt of the site.
    pub(crate) is_of_site: bool,
    /// Whether another site's page made a browser send it, by its own account: nobody is an offender for that.
    pub(crate) is_foreign: bool,
    /// Stands for an account of its own if the attempt could not be read.
    pub(crate) unread: Option<u64>,
    pub(crate) now: Moment,
    pub(crate) network: Network,
    pub(crate) account: Option<KeyedHash>,
    pub(crate) password: Option<KeyedHash>,
    pub(crate) fingerprint: u64,
    pub(crate) failed: bool,
    pub(crate) route: Arc<str>,
    /// Whether its account was logged in to from its client or network before.
    pub(crate) familiar: bool,
    /// Whether anybody had logged in from its client before.
    pub(crate) known: bool,
    /// Whether both were learned within the day, so that a success teaches nothing new.
    pub(crate) settled: bool,
    /// Accounts logged in to from its client while nothing was suspicious: those that a block would hit.
    pub(crate) neighbours: u32,
    /// Whether logins fail for everybody.
    pub(crate) outage: bool,
    /// Whether it counts for the control group.
    pub(crate) is_control: bool,
    /// As all hosts of a fleet hash it.
    pub(crate) fleet: FleetHashes,
}

impl Attempt<'_> {
    /// No success ever came from there, nor on this account from near there.
    pub(crate) const fn is_strange(&self) -> bool {
        !self.familiar && !self.known
    }

    /// Identifies its account; none if it names none.
    pub(crate) fn account_hash(&self) -> Option<u64> {
        self.account.map(hash_of).or(self.unread.map(hash_of))
    }

    pub(crate) const fn source(&self) -> Source {
        Source { client: self.client, is_foreign: self.is_foreign }
    }

    /// The subject of a case about the client.
    pub(crate) fn subject(&self) -> Subject {
        if self.is_of_site { Subject::Network(self.client.prefix()) } else { Subject::Client(self.client) }
    }

    pub(crate) const fn offender(&self) -> Offender {
        Offender::of(self.client, self.exchange)
    }

    /// Whose attempt it is; nobody's if a browser was made to send it.
    pub(crate) const fn participant(&self) -> Option<Offender> {
        if self.is_foreign { None } else { Some(self.offender()) }
    }

    /// The client as an offender, if it is one.
    pub(crate) fn offender_if(&self, offends: bool) -> Vec<Offender> {
        if offends && !self.is_foreign { vec![self.offender()] } else { Vec::new() }
    }

    /// Severity if a client does this, for clear and for unclear evidence. Cross-site requests are only reported, and
    /// it is never clear that a single client is behind a site.
    pub(crate) const fn severity(&self, is_clear: bool) -> Severity {
        match (self.is_foreign, is_clear) {
            (true, _) => Severity::Low,
            (false, true) => Severity::High,
            (false, false) => Severity::Medium,
        }
    }

    /// Whether it is from the same client, or the same site.
    pub(crate) fn is_from(&self, seen: &super::Seen) -> bool {
        if self.is_of_site { seen.site == Some(self.client) } else { seen.offender.client == self.client }
    }

    /// Whether blocking its client hits an attacker rather than others who share its address. A company or a mobile
    /// carrier's gateway has hundreds of users behind one address; what is done from it must outweigh them. The factor
    /// is our own choice.
    pub(crate) const fn outweighs_neighbours(&self, accounts_or_guesses: u32) -> bool {
        accounts_or_guesses >= self.neighbours.saturating_mul(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_as_prefixes() {
        for (address, prefix) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
            ("ffff:ffff:ffff:ffff::", "ffff:ffff:ffff::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).to_string(), prefix);
        }
    }
}
