//! Who belongs to the fleet: what the authority said about hosts.
//!
//! The authority's private key is on no host: it is a file that the operator keeps, and uses with `sensor fleet join`,
//! `expel` and `undo`. So a stolen host can neither enrol another key nor expel others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::key::{Kind, PublicKey, Sealed, SigningKey};
use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::printable::{printable, to_json};

/// Most hosts of a fleet; beyond it, none is enrolled.
pub const MAX_HOSTS: usize = 10_000;
/// Longest name of a host (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 255;

/// What the authority says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The host belongs to the fleet.
    Enrol {
        /// Its name, for people.
        host: String,
    },
    /// Nothing that is signed with the key is taken any more.
    Expel,
    /// What the host had decided by then is void.
    Undo,
}

impl Says {
    /// In a word.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Enrol { .. } => "enrol",
            Self::Expel => "expel",
            Self::Undo => "undo",
        }
    }
}

/// A statement of the authority about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// When.
    pub at: Timestamp,
    /// About which host.
    pub key: PublicKey,
    /// What.
    pub says: Says,
}

impl Statement {
    /// The statement, signed by the authority.
    #[must_use]
    pub fn seal(&self, fleet: &str, authority: &SigningKey) -> Option<Vec<u8>> {
        let payload = to_json(self).ok()?;
        Some(authority.seal(Kind::Statement, fleet, payload.as_bytes()))
    }

    /// Reads a statement of the authority.
    ///
    /// # Errors
    /// If somebody else signed it, or it cannot be read.
    pub fn open(blob: &[u8], fleet: &str, authority: PublicKey) -> Result<Self, Refusal> {
        let sealed = Sealed::parse(blob)?;
        if sealed.by != authority {
            return Err(Refusal::Stranger);
        }
        let payload = sealed.verify(Kind::Statement, fleet)?;
        serde_json::from_slice(payload).map_err(|_error| Refusal::Malformed)
    }

    /// Of statements with the same place, the last one counts.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.says.label(), self.key)
    }
}

/// A host, as the authority knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub host: String,
    /// When it was enrolled.
    pub since: Timestamp,
    /// When it was expelled.
    pub expelled: Option<Timestamp>,
    /// Its decisions until then are void.
    pub undone: Option<Timestamp>,
}

/// All hosts.
#[derive(Debug)]
pub struct Roster {
    fleet: String,
    authority: PublicKey,
    hosts: BTreeMap<PublicKey, Host>,
    blobs: BTreeMap<String, (Timestamp, Vec<u8>)>,
}

impl Roster {
    /// Nobody yet.
    #[must_use]
    pub const fn new(fleet: String, authority: PublicKey) -> Self {
        Self { fleet, authority, hosts: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    /// Takes a statement; returns whom it is about if it changes something.
    ///
    /// # Errors
    /// If the authority did not sign it, or the fleet has too many hosts.
    pub fn hear(&mut self, blob: &[u8]) -> Result<Option<Statement>, Refusal> {
        let statement = Statement::open(blob, &self.fleet, self.authority)?;
        let place = statement.place();
        if self.blobs.get(&place).is_some_and(|(at, _)| *at >= statement.at) {
            return Ok(None);
        }
        if !self.hosts.contains_key(&statement.key) && self.hosts.len() >= MAX_HOSTS {
            return Err(Refusal::Full);
        }
        // An expulsion may come before the enrolment that it ends.
        let host = self.hosts.entry(statement.key).or_insert_with(|| Host {
            host: String::new(),
            since: statement.at,
            expelled: None,
            undone: None,
        });
        match &statement.says {
            Says::Enrol { host: name } => {
                host.host = printable(&name.chars().take(MAX_NAME).collect::<String>());
                host.since = statement.at;
            }
            // Once is for good: the key may be in other hands.
            Says::Expel => {
                host.expelled = Some(host.expelled.map_or(statement.at, |at| at.min(statement.at)))
            }
            Says::Undo => host.undone = host.undone.max(Some(statement.at)),
        }
        self.blobs.insert(place, (statement.at, blob.to_vec()));
        Ok(Some(statement))
    }

    /// Whether records of a key are taken.
    ///
    /// # Errors
    /// Why not.
    pub fn trusts(&self, key: PublicKey) -> Result<(), Refusal> {
        match self.hosts.get(&key) {
            Some(host) if host.expelled.is_some() => Err(Refusal::Expelled),
            // Named by an enrolment only.
            Some(host) if !host.host.is_empty() => Ok(()),
            _ => Err(Refusal::Stranger),
        }
    }

    /// A host by key.
    #[must_use]
    pub fn host(&self, key: PublicKey) -> Option<&Host> {
        self.hosts.get(&key)
    }

    /// Every host.
    pub fn hosts(&self) -> impl Iterator<Item = (PublicKey, &Host)> {
        self.hosts.iter().map(|(key, host)| (*key, host))
    }

    /// What was said, each with its place in the engine's table.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.blobs.iter().map(|(place, (_, blob))| (place.as_str(), blob.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::key;
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    pub(in crate::fleet) fn said(seconds: u64, host: u8, says: Says) -> Vec<u8> {
        Statement { at: at(seconds), key: key(host).public(), says }.seal("shop", &key(99)).unwrap()
    }

    fn enrol(name: &str) -> Says {
        Says::Enrol { host: name.to_owned() }
    }

    #[test]
    fn only_the_authority_enrols() {
        let mut roster = Roster::new("shop".to_owned(), key(99).public());
        let statement = Statement { at: at(1), key: key(1).public(), says: enrol("web1") };
        for (fleet, by) in [("shop", 1), ("shop", 98), ("other", 99)] {
            let blob = statement.seal(fleet, &key(by)).unwrap();
            assert!(roster.hear(&blob).is_err(), "{fleet} {by}");
            assert_eq!(roster.trusts(key(1).public()), Err(Refusal::Stranger));
        }
        assert!(roster.hear(&statement.seal("shop", &key(99)).unwrap()).unwrap().is_some());
        assert_eq!(roster.trusts(key(1).public()), Ok(()));
        assert_eq!(roster.hear(&statement.seal("shop", &key(99)).unwrap()), Ok(None), "said twice");
    }

    #[test]
    fn who_is_expelled_stays_out_in_whatever_order_it_is_heard() {
        let all = [said(1, 1, enrol("web1")), said(5, 1, Says::Expel), said(9, 1, enrol("web1"))];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut roster = Roster::new("shop".to_owned(), key(99).public());
            for place in order {
                roster.hear(&all[place]).unwrap();
            }
            assert_eq!(roster.trusts(key(1).public()), Err(Refusal::Expelled), "{order:?}");
            let host = roster.host(key(1).public()).unwrap();
            assert_eq!((host.since, host.expelled), (at(9), Some(at(5))), "{order:?}");
            assert_eq!(roster.blobs().count(), 2);
        }
    }
}
