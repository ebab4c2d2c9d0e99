//! Findings on one exchange, and totals.

use std::fmt;

use super::client::Mechanism;
use super::hash::Kind;

/// Something that a well-behaved client behind well-configured proxies does not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anomaly {
    /// A trusted proxy's forwarding header has an element that is no address; the walk stopped there.
    ForwardedMalformed,
    /// A forwarding header of a trusted proxy says `unknown` or an obfuscated identifier (RFC 7239, sections
    /// 6.2 and 6.3); the walk stopped there.
    ForwardedHidden,
    /// The walk reached the bound of elements or header lines before an untrusted address.
    ForwardedTruncated,
    /// A single-valued header occurs several times or contains a list; the last value counts.
    ForwardedDuplicate,
    /// Two forwarding headers of a trusted proxy name different untrusted addresses, one of them believed: one was
    /// sent by the client and not replaced.
    ForwardedConflict,
    /// An address that no proxy vouches for is loopback, unspecified, link-local, or a trusted proxy's public address:
    /// the client tries to pass for an internal host.
    ForwardedSpoof,
    /// An `Authorization` field of a known scheme without the credentials that it needs.
    CredentialsMalformed,
    /// Several `Authorization` fields; the first counts.
    CredentialsDuplicate,
    /// More cookies or query parameters than are examined.
    CredentialsTruncated,
}

impl Anomaly {
    /// All anomalies.
    pub const ALL: [Self; 9] = [
        Self::ForwardedMalformed,
        Self::ForwardedHidden,
        Self::ForwardedTruncated,
        Self::ForwardedDuplicate,
        Self::ForwardedConflict,
        Self::ForwardedSpoof,
        Self::CredentialsMalformed,
        Self::CredentialsDuplicate,
        Self::CredentialsTruncated,
    ];

    /// The anomaly's slug in exchange records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ForwardedMalformed => "forwarded_malformed",
            Self::ForwardedHidden => "forwarded_hidden",
            Self::ForwardedTruncated => "forwarded_truncated",
            Self::ForwardedDuplicate => "forwarded_duplicate",
            Self::ForwardedConflict => "forwarded_conflict",
            Self::ForwardedSpoof => "forwarded_spoof",
            Self::CredentialsMalformed => "credentials_malformed",
            Self::CredentialsDuplicate => "credentials_duplicate",
            Self::CredentialsTruncated => "credentials_truncated",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// The anomalies of one exchange, each at most once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Anomalies(u16);

impl Anomalies {
    pub(super) const fn add(&mut self, anomaly: Anomaly) {
        self.0 |= anomaly.bit();
    }

    pub(super) const fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `anomaly` is among them.
    #[must_use]
    pub const fn has(self, anomaly: Anomaly) -> bool {
        self.0 & anomaly.bit() != 0
    }

    /// They, in the order of [`Anomaly::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.into_iter().filter(move |anomaly| self.has(*anomaly))
    }
}

impl fmt::Debug for Anomalies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(Anomaly::label)).finish()
    }
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Exchanges identified.
    pub exchanges: u64,
    /// Of them, those whose untrusted peer sent a forwarding header. That is no anomaly by itself: it is what
    /// a missing entry in `trusted_proxies` looks like, too.
    pub forwarded_untrusted: u64,
    /// Of them, those whose untrusted peer sent a PROXY protocol header.
    pub proxy_untrusted: u64,
    /// Exchanges by the source of the client address, in the order of [`Mechanism::ALL`].
    pub mechanisms: [u64; Mechanism::ALL.len()],
    /// Exchanges by the kind of principal, in the order of [`Kind::ALL`].
    pub principals: [u64; Kind::ALL.len()],
    /// Exchanges with each anomaly, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
}

impl Counters {
    /// Exchanges whose peer reported another client's address and is not a trusted proxy.
    #[must_use]
    pub const fn untrusted(&self) -> u64 {
        self.forwarded_untrusted.saturating_add(self.proxy_untrusted)
    }
}

pub(super) fn count(counter: Option<&mut u64>) {
    if let Some(counter) = counter {
        *counter = counter.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anomaly_has_its_own_bit_and_slug() {
        let mut all = Anomalies::default();
        for (index, anomaly) in Anomaly::ALL.into_iter().enumerate() {
            assert_eq!(anomaly as usize, index);
            assert!(!all.has(anomaly));
            all.add(anomaly);
            assert!(all.has(anomaly));
        }
        assert_eq!(all.iter().collect::<Vec<_>>(), Anomaly::ALL);
        let slugs: std::collections::BTreeSet<_> = Anomaly::ALL.map(Anomaly::label).into();
        assert_eq!(slugs.len(), Anomaly::ALL.len());
    }
}
