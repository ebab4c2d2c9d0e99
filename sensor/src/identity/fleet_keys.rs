//! Hashes that the hosts of a fleet have in common: accounts and passwords that were tried on several hosts have to count
//! once, and each installation has a key of its own.
//!
//! The key is in a file that the operator puts on all hosts. For a change it has two: hosts count under both of them, so
//! those that have only the old one and those that have only the new one understand each other through the rest.

use std::fmt;
use std::sync::Mutex;

use zeroize::{Zeroize, Zeroizing};

use super::hash::{KeyedHash, Kind};
use crate::values::hex_pair;

/// Keys in force at a time: one, and its successor.
pub const FLEET_KEYS: usize = 2;
/// Length of a key in hexadecimal digits.
const DIGITS: usize = 64;
/// Hashes remembered for an exchange: of its attempts, and of values in positions where names and passwords may be.
const REMEMBERED: usize = 512;

/// An account and a password, hashed with each key of the fleet; 0 where there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetHashes {
    /// The account.
    pub account: [u64; FLEET_KEYS],
    /// The password.
    pub password: [u64; FLEET_KEYS],
}

impl fmt::Debug for FleetHashes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FleetHashes(..)")
    }
}

/// What is hashed besides accounts and passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetKind {
    /// An account.
    Account,
    /// A password.
    Password,
    /// A client.
    Client,
    /// A login route.
    Route,
    /// A trait that attempts share.
    Trait,
    /// A principal.
    Principal,
    /// One client's part of a principal's requests.
    Part,
}

impl FleetKind {
    const ALL: [Self; 7] =
        [Self::Account, Self::Password, Self::Client, Self::Route, Self::Trait, Self::Principal, Self::Part];

    const fn context(self) -> &'static str {
        match self {
            Self::Account => "sensor fleet v1 account",
            Self::Password => "sensor fleet v1 password",
            Self::Client => "sensor fleet v1 client",
            Self::Route => "sensor fleet v1 login route",
            Self::Trait => "sensor fleet v1 trait of attempts",
            Self::Principal => "sensor fleet v1 principal",
            Self::Part => "sensor fleet v1 part of a principal",
        }
    }
}

/// The keys of a fleet. They are wiped when dropped, and never printed.
#[derive(Clone)]
pub struct FleetKeys(Vec<Zeroizing<[[u8; 32]; FleetKind::ALL.len()]>>);

impl FleetKeys {
    /// Reads the keys of a file: one or two lines of 64 hexadecimal digits.
    ///
    /// # Errors
    /// If that is not what is in it.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected one or two lines of 64 hexadecimal digits";
        let mut keys = Vec::new();
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.is_empty() {
                continue;
            }
            if line.len() != DIGITS || keys.len() >= FLEET_KEYS {
                return Err(EXPECTED);
            }
            let mut key = Zeroizing::new([0; DIGITS / 2]);
            for (byte, digits) in key.iter_mut().zip(line.as_chunks::<2>().0) {
                *byte = hex_pair(digits[0], digits[1]).ok_or(EXPECTED)?;
            }
            keys.push(Zeroizing::new(FleetKind::ALL.map(|kind| blake3::derive_key(kind.context(), &*key))));
        }
        if keys.is_empty() { Err(EXPECTED) } else { Ok(Self(keys)) }
    }

    /// The hash of something with each key; 0 for a key that is not there.
    #[must_use]
    pub fn hash(&self, kind: FleetKind, value: &[u8]) -> [u64; FLEET_KEYS] {
        let mut hashes = [0; FLEET_KEYS];
        for (hash, keys) in hashes.iter_mut().zip(&self.0) {
            let Some(key) = keys.get(kind as usize) else { continue };
            let digest = blake3::keyed_hash(key, value);
            // 0 stands for none.
            *hash = digest.as_bytes().first_chunk().copied().map_or(1, u64::from_be_bytes).max(1);
        }
        hashes
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for FleetKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FleetKeys(..)")
    }
}

/// The fleet's hashes of what was hashed for an exchange.
pub(super) struct FleetHasher {
    keys: FleetKeys,
    /// Whether credentials are hashed.
    principals: bool,
    known: Mutex<Vec<(KeyedHash, [u64; FLEET_KEYS])>>,
}

impl FleetHasher {
    pub(super) const fn new(keys: FleetKeys, principals: bool) -> Self {
        Self { keys, principals, known: Mutex::new(Vec::new()) }
    }

    /// A name, a password or credentials were hashed with this host's key.
    pub(super) fn note(&self, hash: KeyedHash, value: &[u8]) {
        let kind = match hash.kind() {
            Kind::User => FleetKind::Account,
            Kind::Password => FleetKind::Password,
            Kind::Jwt | Kind::ApiKey | Kind::Basic | Kind::Bearer | Kind::Session if self.principals => {
                // A key that is spelled like somebody's name is not him.
                let kind_and_value = Zeroizing::new([hash.kind().label().as_bytes(), b":", value].concat());
                return self.remember(hash, FleetKind::Principal, &kind_and_value);
            }
            Kind::Jwt | Kind::ApiKey | Kind::Basic | Kind::Bearer | Kind::Session => return,
        };
        self.remember(hash, kind, value);
    }

    fn remember(&self, hash: KeyedHash, kind: FleetKind, value: &[u8]) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.iter().any(|(known, _)| *known == hash) {
            return;
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.push((hash, self.keys.hash(kind, value)));
    }

    /// The fleet's hashes of what was hashed for this exchange.
    pub(super) fn of(&self, wanted: KeyedHash) -> [u64; FLEET_KEYS] {
        let Ok(known) = self.known.lock() else { return [0; FLEET_KEYS] };
        let found = known.iter().find(|(known, _)| *known == wanted);
        found.map(|(_, hashes)| *hashes).unwrap_or_default()
    }

    /// Forgets those of an exchange.
    pub(super) fn forget(&self) {
        if let Ok(mut known) = self.known.lock() {
            known.iter_mut().for_each(|(_, hashes)| hashes.zeroize());
            known.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Hasher, Key};
    use super::*;

    const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
    const NEW: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn keys(text: &str) -> FleetKeys {
        FleetKeys::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn one_key_or_two_and_nothing_else() {
        assert_eq!(keys(&format!("{OLD}\n")).count(), 1);
        assert_eq!(keys(&format!("\n{OLD}\r\n{}\n\n", NEW.to_uppercase())).count(), 2);
        let short = &OLD[1..];
        for wrong in
            ["", "\n", short, &format!("{OLD}x"), &format!("g{short}"), &format!("{OLD}\n{NEW}\n{OLD}")]
        {
            assert!(FleetKeys::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", keys(OLD)), "FleetKeys(..)");
    }

    #[test]
    fn hosts_with_a_key_in_common_have_a_hash_in_common() {
        let [old, both, new] = [keys(OLD), keys(&format!("{OLD}\n{NEW}")), keys(NEW)];
        let hash = |keys: &FleetKeys| keys.hash(FleetKind::Client, b"192.0.2.1");
        assert_eq!(hash(&old)[0], hash(&both)[0]);
        assert_eq!(hash(&both)[1], hash(&new)[0]);
        assert_eq!(hash(&old)[1], 0);
        assert_ne!(hash(&old)[0], hash(&new)[0]);
        assert_ne!(hash(&old), old.hash(FleetKind::Account, b"192.0.2.1"));
    }

    #[test]
    fn credentials_of_different_kinds_are_different_principals() {
        let mut hasher = Hasher::new(&Key::from_bytes([7; 32]));
        hasher.set_fleet(Some(keys(OLD)), true);
        let kinds = [Kind::Jwt, Kind::ApiKey, Kind::Basic, Kind::Bearer, Kind::Session];
        let all = kinds.map(|kind| hasher.fleet_of(Some(hasher.hash(kind, b"alice"))));
        for (at, one) in all.iter().enumerate() {
            assert!(one[0] != 0 && !all[..at].contains(one), "{all:?}");
        }
    }

    /// Installations have different keys, and accounts one hash.
    #[test]
    fn an_account_is_the_same_on_all_hosts() {
        let of = |key: u8| {
            let mut hasher = Hasher::new(&Key::from_bytes([key; 32]));
            hasher.set_fleet(Some(keys(OLD)), false);
            let (user, password) = (hasher.user(b" Alice"), hasher.password(b"secret"));
            let hashes = hasher.fleet(Some(user), Some(password));
            hasher.forget();
            assert_eq!(hasher.fleet(Some(user), Some(password)), FleetHashes::default(), "kept");
            (user, hashes)
        };
        let ((one, here), (other, there)) = (of(1), of(2));
        assert_ne!(one, other);
        assert_eq!(here, there);
        assert!(here.account[0] != 0 && here.password[0] != 0 && here.account[0] != here.password[0]);
    }
}
