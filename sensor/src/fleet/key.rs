//! Keys of hosts and of the authority that enrols them, and blobs signed with one.
//!
//! ```text
//! blob    version (1) | public key (32) | signature (64) | payload (JSON)
//! signed  "sensor fleet 1 " | kind | NUL | name of the fleet | NUL | payload
//! ```
//!
//! Ed25519 (RFC 8032). The kind and the fleet's name are signed and not sent, so no blob of one fleet or kind passes for
//! one of another.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::store::{Unfit, create, read_own};

/// Length of a public key, and of the seed of a private one.
const KEY: usize = 32;
/// Length of a signature.
const SIGNATURE: usize = 64;
/// The version of blobs, and what precedes the payload.
const VERSION: u8 = 1;
const HEAD: usize = 1 + KEY + SIGNATURE;
/// Longest blob. A reason whose characters are all escaped takes 2,400 bytes.
pub const MAX_BLOB: usize = 4_096;

/// A public key: identifies a host, or the authority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY]);

impl PublicKey {
    /// The key of nobody: it verifies nothing.
    pub(super) const NOBODY: Self = Self([0; KEY]);
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for PublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("expected a public key: 43 letters, digits, `-` and `_`")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A decision, signed by the host that made it.
    Decision,
    /// What the authority says about a host.
    Statement,
    /// What a host saw, signed by it.
    Evidence,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Statement => "statement",
            Self::Evidence => "evidence",
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum FleetKeyError {
    /// It cannot be read, or not trusted.
    #[error("{0}: {1}")]
    Unfit(PathBuf, Unfit),
    /// It cannot be created.
    #[error("{0}: {1}")]
    Make(PathBuf, io::Error),
    /// It is not a key.
    #[error("{0}: not a key of 32 bytes; remove it to make a new one, which has to be enrolled again")]
    Length(PathBuf),
    /// It is not there.
    #[error("{0}: no such file")]
    Missing(PathBuf),
}

/// A private key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key of a seed.
    ///
    /// # Errors
    /// If the seed is not 32 bytes long.
    pub fn from_seed(seed: &[u8]) -> Result<Self, Refusal> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_rejected| Refusal::Malformed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_length| Refusal::Malformed)?;
        Ok(Self { pair, public: PublicKey(public) })
    }

    /// Reads a key from a file that only its owner may read.
    ///
    /// # Errors
    /// If there is none, or it cannot be trusted.
    pub fn read(path: &Path) -> Result<Self, FleetKeyError> {
        match read_own(path, true) {
            Ok(Some(seed)) => {
                let seed = Zeroizing::new(seed);
                Self::from_seed(&seed).map_err(|_length| FleetKeyError::Length(path.to_owned()))
            }
            Ok(None) => Err(FleetKeyError::Missing(path.to_owned())),
            Err(error) => Err(FleetKeyError::Unfit(path.to_owned(), error)),
        }
    }

    /// Makes a key in a file that must not exist.
    ///
    /// # Errors
    /// If it exists or cannot be written.
    pub fn make(path: &Path) -> Result<Self, FleetKeyError> {
        let mut seed = Zeroizing::new([0; KEY]);
        getrandom::fill(seed.as_mut_slice())
            .map_err(io::Error::from)
            .and_then(|()| create(path, seed.as_slice(), 0o600))
            .map_err(|error| FleetKeyError::Make(path.to_owned(), error))?;
        Self::read(path)
    }

    /// Reads a key, making it if there is none.
    ///
    /// # Errors
    /// As [`Self::read`] and [`Self::make`].
    pub fn ensure(path: &Path) -> Result<Self, FleetKeyError> {
        match Self::read(path) {
            Err(FleetKeyError::Missing(_)) => Self::make(path),
            found => found,
        }
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(super) fn seal(&self, kind: Kind, fleet: &str, payload: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&signed(kind, fleet, payload));
        let mut blob = Vec::with_capacity(HEAD.saturating_add(payload.len()));
        blob.push(VERSION);
        blob.extend_from_slice(&self.public.0);
        blob.extend_from_slice(signature.as_ref());
        blob.extend_from_slice(payload);
        blob
    }
}

fn signed(kind: Kind, fleet: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!("sensor fleet 1 {}\0{fleet}\0", kind.label()).into_bytes();
    text.extend_from_slice(payload);
    text
}

/// A blob, taken apart; nothing is verified yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed<'a> {
    pub(super) by: PublicKey,
    signature: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Sealed<'a> {
    pub(super) fn parse(blob: &'a [u8]) -> Result<Self, Refusal> {
        Self::parse_longer(blob, MAX_BLOB)
    }

    /// The same for blobs of another greatest length.
    pub(super) fn parse_longer(blob: &'a [u8], most: usize) -> Result<Self, Refusal> {
        if blob.len() > most {
            return Err(Refusal::Malformed);
        }
        let (head, payload) = blob.split_at_checked(HEAD).ok_or(Refusal::Malformed)?;
        let (version, keys) = head.split_first().ok_or(Refusal::Malformed)?;
        if *version != VERSION {
            return Err(Refusal::Malformed);
        }
        let (by, signature) = keys.split_at_checked(KEY).ok_or(Refusal::Malformed)?;
        let by = by.try_into().map_err(|_length| Refusal::Malformed)?;
        Ok(Self { by: PublicKey(by), signature, payload })
    }

    /// The payload, if its signer signed it as this kind, for this fleet.
    pub(super) fn verify(&self, kind: Kind, fleet: &str) -> Result<&'a [u8], Refusal> {
        let key = UnparsedPublicKey::new(&ED25519, self.by.0);
        key.verify(&signed(kind, fleet, self.payload), self.signature)
            .map(|()| self.payload)
            .map_err(|_forged| Refusal::Forged)
    }
}

#[cfg(test)]
pub(super) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; KEY]).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let public = SigningKey::from_seed(&seed).unwrap().public();
        assert_eq!(public.0[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(public.to_string().parse(), Ok(public));
        assert!("x".parse::<PublicKey>().is_err());
    }

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.key");
        assert!(matches!(SigningKey::read(&path), Err(FleetKeyError::Missing(_))));
        let made = SigningKey::ensure(&path).unwrap().public();
        assert_eq!(SigningKey::ensure(&path).unwrap().public(), made);
        SigningKey::make(&path).unwrap_err();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::ensure(&path), Err(FleetKeyError::Unfit(..))));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified_and_nothing_else(
            payload in prop::collection::vec(any::<u8>(), 0..200), place: prop::sample::Index, change in 1_u8..,
        ) {
            let blob = key(1).seal(Kind::Decision, "shop", &payload);
            let sealed = Sealed::parse(&blob).unwrap();
            prop_assert_eq!(sealed.by, key(1).public());
            prop_assert_eq!(sealed.verify(Kind::Decision, "shop"), Ok(payload.as_slice()));
            prop_assert_eq!(sealed.verify(Kind::Statement, "shop"), Err(Refusal::Forged));
            prop_assert_eq!(sealed.verify(Kind::Decision, "sho"), Err(Refusal::Forged));
            // Any change of any byte is noticed.
            let mut forged = blob.clone();
            forged[place.index(blob.len())] ^= change;
            let read = Sealed::parse(&forged).and_then(|sealed| sealed.verify(Kind::Decision, "shop"));
            prop_assert!(read.is_err());
        }

        #[test]
        fn any_bytes_are_taken_or_refused(blob in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(sealed) = Sealed::parse(&blob) {
                prop_assert!(sealed.verify(Kind::Decision, "shop").is_err());
            }
        }
    }
}
