//! How issuers sign. Whoever knows a public key can sign with it as if it were a secret, where a server lets the token say how
//! it is signed (RFC 8725, section 2.1).

use std::time::Duration;

use super::super::Usage;
use super::super::recent::Recent;
use crate::clock::Timestamp;
use crate::event::Exchange;
use crate::inspect::{Signing, Token};

/// Issuers that are remembered; who forges may name others, and only such count as the server accepted.
const ISSUERS: u32 = 512;
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Accepted tokens that an issuer has to have signed with a private key for another way to be a change.
const SETTLED: u32 = 3;
/// Accepted tokens with a key of their own after which an issuer is known for it.
const USUAL: u32 = 10;

#[derive(Default)]
struct Issuer {
    by_key: u32,
    own_keys: u32,
}

pub(super) struct Issuers(Recent<u64, Issuer>);

impl Issuers {
    pub(super) fn new(seed: u64) -> Self {
        Self(Recent::new(ISSUERS, KEEP, seed))
    }

    /// Whether a token is signed with a shared secret, or not at all, and its issuer's accepted ones with private keys. From one
    /// private key to another is an ordinary change.
    pub(super) fn is_changed(&mut self, token: &Token, now: Timestamp) -> bool {
        let Some(name) = token.issuer else { return false };
        if token.is_accepted && token.signing == Signing::Key {
            if let Some(issuer) = self.0.touch(name, now, Issuer::default) {
                issuer.by_key = issuer.by_key.saturating_add(1);
            }
            return false;
        }
        let hash = self.0.hash(&name);
        let is_settled = |issuer: &mut Issuer| issuer.by_key >= SETTLED;
        token.signing == Signing::Shared && self.0.get(hash, &name, now).is_some_and(is_settled)
    }

    /// Whether an issuer's tokens bring their keys, and the server has accepted that.
    pub(super) fn is_usual(&mut self, exchange: &Exchange<'_>, rule: &str) -> bool {
        let Some(token) = exchange.exposed.token else { return false };
        let Some(name) = token.issuer.filter(|_| rule != "remote-key" || token.is_accepted) else {
            return false;
        };
        let Some(issuer) = self.0.touch(name, exchange.seen, Issuer::default) else { return false };
        issuer.own_keys = issuer.own_keys.saturating_add(token.is_accepted.into());
        token.is_accepted && issuer.own_keys >= USUAL
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.0.sweep(now, 16, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.0.usage()
    }
}
