//! Who logged in from where, as base64 for a file: a restart at 3 a.m. is no cold start.
//!
//! Accounts are keyed hashes, as everywhere. For clients, only the number of accounts that logged in is kept. Both have
//! their age, so that those no longer seen are dropped in the end. Files may contain anything: input is checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::Network;
use super::history::{Homes, KNOWN_HOMES, Known, REMEMBERED};
use crate::detect::window::{Moment, Table, Walk};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

/// Maximum accounts kept, and maximum clients: those that logged in last.
pub(super) const MOST: usize = 65_536;

/// Bytes of an account: 16 of its hash, 4 of its age in seconds, 8 for each network.
const ACCOUNT: usize = 20 + 8 * KNOWN_HOMES;
/// Bytes of a client: 17 of its prefix, 4 of its age, 2 for the number of its accounts.
const CLIENT: usize = 23;

/// All of it, some 5 MB at most.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Familiar {
    accounts: String,
    clients: String,
}

/// An account, and when it was last logged in to.
pub(super) struct Account {
    pub(super) account: KeyedHash,
    pub(super) used: Moment,
    pub(super) networks: [Option<Network>; KNOWN_HOMES],
}

/// A client, when anybody last logged in from there, and how many accounts did.
pub(super) struct Client {
    pub(super) client: ClientNet,
    pub(super) used: Moment,
    pub(super) accounts: u16,
}

impl Familiar {
    /// The stored entries in the order of use, as if last used that long before `now`.
    ///
    /// # Errors
    /// If the data is malformed.
    pub(super) fn read(&self, now: Moment) -> Result<(Vec<Account>, Vec<Client>), String> {
        let decode = |what: &str, text: &str| {
            BASE64_STANDARD.decode(text).map_err(|error| format!("familiar {what}: {error}"))
        };
        let accounts = decode("accounts", &self.accounts)?;
        let clients = decode("clients", &self.clients)?;
        let (accounts, rest) = accounts.as_chunks::<ACCOUNT>();
        let (clients, other) = clients.as_chunks::<CLIENT>();
        if !rest.is_empty() || !other.is_empty() {
            return Err("familiar accounts: the list ends in the middle of an entry".to_owned());
        }
        let accounts = accounts.iter().filter_map(|bytes| account(bytes, now)).take(MOST).collect();
        let clients = clients.iter().filter_map(|bytes| client(bytes, now)).take(MOST).collect();
        Ok((accounts, clients))
    }
}

/// Entries taken from their tables, least recently used first. What was used while they were taken comes twice.
#[derive(Default)]
pub(super) struct Copying {
    accounts: Vec<Vec<u8>>,
    clients: Vec<Vec<u8>>,
    walked: (Walk<KeyedHash>, Walk<ClientNet>),
    has_accounts: bool,
}

impl Copying {
    /// Takes so many entries at most; whether these were the last.
    pub(super) fn take(
        &mut self,
        accounts: &mut Table<KeyedHash, Homes>,
        (clients, count): (&mut Table<ClientNet, Known>, impl Fn(&Known) -> u32),
        (most, now): (usize, Moment),
    ) -> bool {
        let age = |used: Moment| u32::try_from(now.since(used).as_secs()).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = Vec::new();
        if !self.has_accounts {
            self.has_accounts = accounts.walk(&mut self.walked.0, most, |account, used, homes| {
                bytes.extend(account.digest());
                bytes.extend(age(used));
                homes.networks().iter().for_each(|network| {
                    bytes.extend(network.map_or(0, Network::bits).to_le_bytes());
                });
            });
            self.accounts.push(bytes);
            return false;
        }
        let is_over = clients.walk(&mut self.walked.1, most, |client, used, known| {
            let (hi, lo, length) = client.parts();
            bytes.extend(hi.to_le_bytes());
            bytes.extend(lo.to_le_bytes());
            bytes.push(length);
            bytes.extend(age(used));
            bytes.extend(u16::try_from(count(known)).unwrap_or(u16::MAX).to_le_bytes());
        });
        self.clients.push(bytes);
        is_over
    }

    pub(super) fn kept(self) -> Familiar {
        Familiar {
            accounts: encode(&self.accounts.concat(), ACCOUNT),
            clients: encode(&self.clients.concat(), CLIENT),
        }
    }
}

/// The last entries.
fn encode(bytes: &[u8], size: usize) -> String {
    let most = MOST.saturating_mul(size);
    BASE64_STANDARD.encode(bytes.get(bytes.len().saturating_sub(most)..).unwrap_or_default())
}

fn account(bytes: &[u8; ACCOUNT], now: Moment) -> Option<Account> {
    let (digest, rest) = bytes.split_first_chunk::<16>()?;
    let (age, rest) = rest.split_first_chunk::<4>()?;
    let (networks, _) = rest.as_chunks::<8>();
    let mut homes = [None; KNOWN_HOMES];
    for (home, network) in homes.iter_mut().zip(networks) {
        *home = Some(u64::from_le_bytes(*network)).filter(|bits| *bits != 0).map(Network::from_bits);
    }
    Some(Account { account: KeyedHash::of_user(*digest), used: before(now, *age)?, networks: homes })
}

fn client(bytes: &[u8; CLIENT], now: Moment) -> Option<Client> {
    let (hi, rest) = bytes.split_first_chunk::<8>()?;
    let (lo, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first()?;
    let (age, rest) = rest.split_first_chunk::<4>()?;
    let (accounts, _) = rest.split_first_chunk::<2>()?;
    let client = ClientNet::from_parts(u64::from_le_bytes(*hi), u64::from_le_bytes(*lo), *length)?;
    Some(Client { client, used: before(now, *age)?, accounts: u16::from_le_bytes(*accounts) })
}

/// This many seconds before; none if it would have expired.
fn before(now: Moment, age: [u8; 4]) -> Option<Moment> {
    let age = u64::from(u32::from_le_bytes(age));
    let is_remembered = age <= REMEMBERED.as_secs();
    is_remembered.then(|| Moment::from_millis(now.millis().saturating_sub(age.saturating_mul(1_000))))
}
