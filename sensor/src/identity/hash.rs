//! Keyed hashes: the only form of secrets outside this room.
//!
//! BLAKE3 in keyed mode, truncated to 128 bits. It is a pseudorandom function: without the installation's key a hash
//! reveals nothing, not even by trying every user name or weak password. HMAC-SHA256 would also do, but needs two
//! compressions where a value of up to 64 bytes needs one here. SipHash is faster still, but its 128-bit key and few
//! rounds are meant for hash tables.

use std::fmt;
use std::sync::Mutex;

use zeroize::{Zeroize, Zeroizing};

use super::fleet_keys::{FLEET_KEYS, FleetHasher, FleetHashes, FleetKeys};
use super::leaked::{Algorithm, Digests};

/// The key of an installation. It is wiped when dropped, and never printed.
pub struct Key([u8; 32]);

impl Key {
    /// A key of 32 bytes; they must come from the operating system's random generator.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(..)")
    }
}

/// The kind of a hashed value. The same value of two kinds has two unrelated hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Issuer and subject of a JSON Web Token (RFC 7519, sections 4.1.1 and 4.1.2), whose signature was not
    /// verified.
    Jwt,
    /// An API key.
    ApiKey,
    /// The user of basic authentication (RFC 7617).
    Basic,
    /// An opaque bearer token (RFC 6750).
    Bearer,
    /// A session cookie.
    Session,
    /// The user name of a login.
    User,
    /// The password of a login.
    Password,
}

impl Kind {
    /// All kinds; those of principals come first, in the order of their precedence.
    pub const ALL: [Self; 7] =
        [Self::Jwt, Self::ApiKey, Self::Basic, Self::Bearer, Self::Session, Self::User, Self::Password];

    /// The kind's name in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Session => "session",
            Self::User => "user",
            Self::Password => "password",
        }
    }

    /// Whether it identifies who makes a request, and not the content of a login.
    #[must_use]
    pub const fn is_principal(self) -> bool {
        !matches!(self, Self::User | Self::Password)
    }

    /// Separates the kinds' keys. Changing one makes all stored hashes of the kind meaningless.
    const fn context(self) -> &'static str {
        match self {
            Self::Jwt => "sensor identity v1 jwt issuer and subject",
            Self::ApiKey => "sensor identity v1 api key",
            Self::Basic => "sensor identity v1 basic authentication user",
            Self::Bearer => "sensor identity v1 bearer token",
            Self::Session => "sensor identity v1 session cookie",
            Self::User => "sensor identity v1 login user",
            Self::Password => "sensor identity v1 login password",
        }
    }
}

/// The keyed hash of a value, with its kind. As text, `kind:` and the first 64 bits in hexadecimal; compared
/// in its full 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedHash {
    kind: Kind,
    digest: [u8; 16],
}

impl KeyedHash {
    /// The digest, for comparison in memory.
    #[must_use]
    pub(crate) const fn short(&self) -> [u8; 16] {
        self.digest
    }

    /// What the value was.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// A user's, restored from its bits.
    pub(crate) const fn of_user(digest: [u8; 16]) -> Self {
        Self { kind: Kind::User, digest }
    }

    /// All 128 bits.
    #[must_use]
    pub const fn digest(&self) -> [u8; 16] {
        self.digest
    }
}

impl fmt::Display for KeyedHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = u128::from_be_bytes(self.digest) >> 64;
        write!(out, "{}:{shown:016x}", self.kind.label())
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Longest user name that is normalised, in bytes; a longer one is hashed as it is.
const MAX_USER: usize = 256;

/// Computes keyed hashes; the only holder of the derived keys, which are wiped when it is dropped.
pub struct Hasher {
    keys: [[u8; 32]; Kind::ALL.len()],
    /// The digests of an exchange's passwords, where they are looked up in a list of leaked ones.
    digests: Option<Mutex<Digests>>,
    /// The fleet's hashes of an exchange's names and passwords, on a host of one.
    fleet: Option<FleetHasher>,
}

impl Hasher {
    /// A hasher with one key for each kind, derived from that of the installation.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self {
            keys: Kind::ALL.map(|kind| blake3::derive_key(kind.context(), &key.0)),
            digests: None,
            fleet: None,
        }
    }

    /// The same, for passwords that are looked up in a list with hashes of this kind.
    #[must_use]
    pub(super) fn looked_up(mut self, algorithm: Option<Algorithm>) -> Self {
        self.digests = algorithm.map(|algorithm| Mutex::new(Digests::new(algorithm)));
        self
    }

    /// Hashes names and passwords with the keys of a fleet, too, and perhaps credentials; or no longer.
    pub(super) fn set_fleet(&mut self, keys: Option<FleetKeys>, principals: bool) {
        self.fleet = keys.map(|keys| FleetHasher::new(keys, principals));
    }

    /// The fleet's hashes of an account and a password of this exchange.
    pub(super) fn fleet(&self, user: Option<KeyedHash>, password: Option<KeyedHash>) -> FleetHashes {
        FleetHashes { account: self.fleet_of(user), password: self.fleet_of(password) }
    }

    /// The fleet's hashes of something of this exchange; 0 on a host without a fleet.
    pub(super) fn fleet_of(&self, hash: Option<KeyedHash>) -> [u64; FLEET_KEYS] {
        let both = self.fleet.as_ref().zip(hash);
        both.map(|(fleet, hash)| fleet.of(hash)).unwrap_or_default()
    }

    /// The fleet's hashes of this exchange's principal. Those of other credentials are wiped.
    pub(super) fn take_fleet_principal(&self, principal: Option<KeyedHash>) -> [u64; FLEET_KEYS] {
        let hashes = self.fleet_of(principal);
        if let Some(fleet) = &self.fleet {
            fleet.forget();
        }
        hashes
    }

    /// The digest of a password of this exchange.
    pub(super) fn digest(&self, password: KeyedHash) -> Option<Zeroizing<[u8; 20]>> {
        self.digests.as_ref()?.lock().ok()?.of(password)
    }

    /// Wipes the digests and the fleet's hashes of an exchange.
    pub(super) fn forget(&self) {
        if let Some(mut digests) = self.digests.as_ref().and_then(|digests| digests.lock().ok()) {
            digests.forget();
        }
        if let Some(fleet) = &self.fleet {
            fleet.forget();
        }
    }

    /// The hash of a value of a kind.
    #[must_use]
    pub fn hash(&self, kind: Kind, value: &[u8]) -> KeyedHash {
        // `Kind::ALL` has the order of the discriminants, which a test holds.
        let key = self.keys.get(kind as usize).unwrap_or(&[0; 32]);
        let hash = blake3::keyed_hash(key, value);
        let digest = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        let hash = KeyedHash { kind, digest };
        if let Some(fleet) = &self.fleet {
            fleet.note(hash, value);
        }
        hash
    }

    /// The hash of a login's user name without surrounding white space and with ASCII letters in lower case,
    /// so that `Alice` and `alice ` are one user.
    #[must_use]
    pub fn user(&self, name: &[u8]) -> KeyedHash {
        self.folded(Kind::User, name)
    }

    /// The hash of a login's password, exactly as it was sent.
    #[must_use]
    pub fn password(&self, password: &[u8]) -> KeyedHash {
        let hash = self.hash(Kind::Password, password);
        if let Some(mut digests) = self.digests.as_ref().and_then(|digests| digests.lock().ok()) {
            digests.note(hash, password);
        }
        hash
    }

    /// The same for a name of another kind.
    #[must_use]
    pub fn folded(&self, kind: Kind, name: &[u8]) -> KeyedHash {
        let name = name.trim_ascii();
        let mut folded = [0; MAX_USER];
        let Some(folded) = folded.get_mut(..name.len()) else { return self.hash(kind, name) };
        folded.copy_from_slice(name);
        folded.make_ascii_lowercase();
        let hash = self.hash(kind, folded);
        folded.zeroize();
        hash
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hasher(..)")
    }
}

/// Replaces text that no record shows: path segments that look like secrets, and the objects that paths identify. The
/// same text has the same pseudonym as long as the installation keeps its key.
pub struct Pseudonyms {
    key: [u8; 32],
}

impl Pseudonyms {
    /// Those of an installation.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self { key: blake3::derive_key("sensor identity v1 text of a path", &key.0) }
    }

    /// The pseudonym of a text, given in parts, under a kind: the first 64 bits of its keyed hash.
    pub fn of<'t>(&self, kind: &str, parts: impl Iterator<Item = &'t [u8]>) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(kind.as_bytes());
        for part in parts {
            hasher.update(&[0]).update(part);
        }
        hasher.finalize().as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

impl Drop for Pseudonyms {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pseudonyms(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn hasher(byte: u8) -> Hasher {
        Hasher::new(&Key::from_bytes([byte; 32]))
    }

    #[test]
    fn discriminants_index_the_keys() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn kinds_and_keys_separate_domains() {
        let mut seen = BTreeSet::new();
        for key in [1, 2] {
            for kind in Kind::ALL {
                assert!(seen.insert(hasher(key).hash(kind, b"value").digest()));
            }
        }
    }

    /// A stored hash must keep its meaning after an update.
    #[test]
    fn hashes_never_change() {
        let hash = hasher(7).hash(Kind::Jwt, b"value");
        assert_eq!(hash.to_string(), GOLDEN);
        assert_eq!(format!("{hash:?}"), GOLDEN);
    }

    const GOLDEN: &str = "jwt:062e4c89a6f3bb79";

    #[test]
    fn user_names_are_folded_and_passwords_are_not() {
        let hasher = hasher(1);
        assert_eq!(hasher.user(b" Alice\t"), hasher.user(b"alice"));
        assert_ne!(hasher.user(b"alice"), hasher.user(b"alise"));
        assert_ne!(hasher.password(b"Secret"), hasher.password(b"secret"));
        assert_ne!(hasher.password(b"secret "), hasher.password(b"secret"));
        let long = [b'A'; MAX_USER + 1];
        assert_ne!(hasher.user(&long), hasher.user(&long.to_ascii_lowercase()));
    }

    #[test]
    fn keys_are_never_printed() {
        let key = Key::from_bytes(*b"0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_eq!(format!("{:?}", Hasher::new(&key)), "Hasher(..)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn different_values_have_different_hashes(one in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
            let hasher = hasher(3);
            prop_assert_eq!(one == other, hasher.hash(Kind::Bearer, &one) == hasher.hash(Kind::Bearer, &other));
        }
    }
}
