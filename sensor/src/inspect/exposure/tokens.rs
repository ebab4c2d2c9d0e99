//! Tokens of requests. Each is parsed once; its properties are remembered by its hash.

use std::hash::{BuildHasher as _, RandomState};

use super::{Tell, finding};
use crate::clock::Timestamp;
use crate::inspect::token::{Algorithm, Misuse, Misuses, Reader, Skeleton, weak_secret};
use crate::inspect::{Kind, secret};
use crate::values::Place;

/// Tokens remembered, direct-mapped.
const PLACES: usize = 4_096;
/// Issuers remembered whose secret was checked against the list.
const ISSUERS: usize = 256;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signing {
    /// Not at all.
    None,
    /// With a shared secret.
    Shared,
    /// With a private key.
    Key,
    /// Otherwise.
    Other,
}

/// The token of a request, without its claims. Hashes are stable within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// A hash of the whole token.
    pub id: u64,
    /// A hash of its issuer; none if it names none.
    pub issuer: Option<u64>,
    /// How it is signed.
    pub signing: Signing,
    /// The server is known to check it, and accepted it.
    pub is_accepted: bool,
}

#[derive(Clone, Copy)]
struct Known {
    id: u64,
    issuer: u64,
    skeleton: Skeleton,
    is_weak: bool,
}

/// Tokens seen before.
pub(super) struct Tokens {
    hasher: RandomState,
    reader: Reader,
    places: Box<[Option<Known>]>,
    /// For each issuer and algorithm, by hash, whether the secret is weak.
    issuers: Box<[(u64, bool)]>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            reader: Reader::default(),
            places: vec![None; PLACES].into_boxed_slice(),
            issuers: vec![(0, false); ISSUERS].into_boxed_slice(),
        }
    }
}

impl Tokens {
    /// Parses a token and reports what is wrong with it; none if it is not a token.
    pub(super) fn read(
        &mut self,
        token: &[u8],
        secrets: (Option<&secret::Scanner>, &[String]),
        is_accepted: bool,
        now: Timestamp,
        tell: &mut Tell<'_>,
    ) -> Option<Token> {
        if !(token.starts_with(b"ey") || token.starts_with(b"ew")) {
            return None;
        }
        let id = self.hasher.hash_one(token);
        let place = usize::try_from(id).unwrap_or_default() % PLACES;
        let remembered = self.places.get(place).copied().flatten().filter(|known| known.id == id);
        let known = match remembered {
            Some(known) => known,
            None => {
                let known = self.look(token, id, secrets.0)?;
                *self.places.get_mut(place)? = Some(known);
                known
            }
        };
        let is_weak = known.is_weak || is_accepted && self.is_weak(token, &known, secrets.1);
        if is_weak && let Some(Some(known)) = self.places.get_mut(place) {
            known.is_weak = true;
        }
        say(&known.skeleton, is_weak, is_accepted, now, tell);
        let signing = match known.skeleton.algorithm {
            Algorithm::None => Signing::None,
            Algorithm::Hmac(_) => Signing::Shared,
            Algorithm::Signature => Signing::Key,
            Algorithm::Other => Signing::Other,
        };
        let issuer = (known.issuer != 0).then_some(known.issuer);
        Some(Token { id, issuer, signing, is_accepted })
    }

    fn look(&mut self, token: &[u8], id: u64, secrets: Option<&secret::Scanner>) -> Option<Known> {
        let read = self.reader.read(token)?;
        let mut skeleton = read.skeleton;
        if let Some(secrets) = secrets {
            secrets.scan(read.claims, |hit| {
                if !hit.class.is_public() {
                    skeleton.misuses.insert(Misuse::SecretInside);
                }
            });
        }
        let issuer = if read.issuer.is_empty() { 0 } else { self.hasher.hash_one(read.issuer) | 1 };
        Some(Known { id, issuer, skeleton, is_weak: false })
    }

    /// Whether its issuer signs with a secret of the list. All tokens of an issuer share a secret, so one is checked, and only
    /// an accepted one: anyone can forge others.
    fn is_weak(&mut self, token: &[u8], known: &Known, list: &[String]) -> bool {
        let algorithm = known.skeleton.algorithm;
        if list.is_empty() || !matches!(algorithm, Algorithm::Hmac(_)) {
            return false;
        }
        let issuer = self.hasher.hash_one((known.issuer, algorithm)) | 1;
        let place = usize::try_from(issuer >> 1).unwrap_or_default() % ISSUERS;
        let Some(slot) = self.issuers.get_mut(place) else { return false };
        if slot.0 != issuer {
            let weak = weak_secret(token, algorithm, list.iter().map(String::as_bytes));
            *slot = (issuer, weak.is_some());
        }
        slot.1
    }
}

fn say(skeleton: &Skeleton, is_weak: bool, is_accepted: bool, now: Timestamp, tell: &mut Tell<'_>) {
    let seconds = now.unix_nanos() / 1_000_000_000;
    let mut say = |class, rule, sure| {
        tell(finding(Kind::TokenMisuse, class, rule, Place::Header, b"", sure));
    };
    if is_accepted && skeleton.is_expired(seconds) {
        say("accepted", "expired-accepted", 90);
    }
    if is_accepted && skeleton.is_endless(seconds) {
        say("lifetime", "endless", 80);
    }
    if is_weak {
        say("weak", "weak-secret", 100);
    }
    if skeleton.misuses != Misuses::default() {
        for misuse in skeleton.misuses.iter() {
            let (class, rule, sure) = words(misuse);
            say(class, rule, sure);
        }
    }
}

/// Class, rule and confidence of a misuse.
const fn words(misuse: Misuse) -> (&'static str, &'static str, u8) {
    match misuse {
        Misuse::Unsigned => ("forged", "unsigned", 95),
        Misuse::EmptySignature => ("forged", "empty-signature", 95),
        Misuse::KeyIdPath => ("forged", "key-id-path", 95),
        Misuse::KeyIdQuery => ("forged", "key-id-query", 90),
        Misuse::EmbeddedKey => ("own-key", "embedded-key", 70),
        Misuse::RemoteKey => ("own-key", "remote-key", 70),
        Misuse::Certificates => ("own-key", "certificates", 50),
        Misuse::LongLived => ("lifetime", "long-lived", 90),
        Misuse::SecretInside => ("secret", "secret-inside", 80),
    }
}
