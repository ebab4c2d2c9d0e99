//! Passwords that turned out to be leaked after their exchange was told.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::identity::KeyedHash;

/// A successful login, whose password was found in the list of leaked ones afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakedPassword {
    /// When its request began.
    pub ts: Timestamp,
    /// When its last byte was seen.
    pub seen: Timestamp,
    /// The client.
    pub client: IpAddr,
    /// The method, as in [`super::Exchange::method`].
    pub method: Option<Box<str>>,
    /// The template.
    pub route: Option<Box<str>>,
    /// The status.
    pub status: Option<u16>,
    /// The account.
    pub user: Option<KeyedHash>,
    /// Who served it.
    pub unit: Option<Box<str>>,
    /// As of an exchange: see [`super::Exchange::proven`].
    pub proven: bool,
}
