//! Names for addresses: reverse DNS on request, verified crawlers, and databases.
//!
//! The command does this, not the daemon, which queries no name servers, and reads databases only for rules.

mod crawlers;
mod reverse;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::args::Remote;
use super::ask_for;
use super::output::printable;
use super::say::complain;
use crate::control::ClientError;
use crate::control::wire::{Request, StatusReport};
use crate::groups::{DatabaseError, Origins, Place};

/// Names kept by a following command; beyond that, all are looked up again.
const MOST_KEPT: usize = 65_536;

/// What is known about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Name {
    /// The name claimed by the owner of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether the owner of the name confirms it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_confirmed: Option<bool>,
    /// The search engine's crawler that such a name belongs to; only of confirmed names.
    #[serde(skip_serializing_if = "Option::is_none")]
    crawler: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
}

impl Name {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn place(&mut self, place: Place) {
        let Place { asn, organization, country } = place;
        (self.asn, self.organization, self.country) = (asn, organization, country);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match (&self.name, self.crawler) {
            (Some(name), Some(crawler)) => parts.push(format!("{}, verified {crawler}", printable(name))),
            (Some(name), None) if self.name_confirmed == Some(true) => parts.push(printable(name)),
            (Some(name), None) => parts.push(format!("{} unconfirmed", printable(name))),
            (None, _) => {}
        }
        match (self.asn, &self.organization) {
            (Some(asn), Some(organization)) => parts.push(format!("AS{asn} {}", printable(organization))),
            (Some(asn), None) => parts.push(format!("AS{asn}")),
            (None, _) => {}
        }
        parts.extend(self.country.as_deref().map(printable));
        out.write_str(&parts.join(", "))
    }
}

/// Looks names up; by default in no source.
#[derive(Default)]
pub(super) struct Names {
    databases: Origins,
    resolve: bool,
    /// What was found, for commands that go on.
    found: BTreeMap<IpNet, Name>,
}

impl Names {
    /// With the databases of the daemon's configuration, and reverse DNS if `resolve`.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub(super) fn of(remote: &Remote, resolve: bool) -> Result<Self, ClientError> {
        let status: StatusReport = ask_for(remote, Request::Status)?;
        let tell = |error: &DatabaseError| complain(format!("{error}; continuing without it"));
        Ok(Self { databases: Origins::open(&status.databases, tell), resolve, found: BTreeMap::new() })
    }

    /// Whether anything can be found.
    pub(super) fn is_asked(&self) -> bool {
        self.resolve || !self.databases.is_empty()
    }

    /// Looks up new ones. Only single addresses have names in DNS.
    pub(super) fn look_up(&mut self, clients: impl Iterator<Item = IpNet>) {
        if !self.is_asked() {
            return;
        }
        if self.found.len() > MOST_KEPT {
            self.found.clear();
        }
        let new: BTreeSet<IpNet> = clients.filter(|client| !self.found.contains_key(client)).collect();
        let is_one = |client: &&IpNet| client.prefix_len() == client.max_prefix_len();
        let addresses: Vec<IpAddr> = new.iter().filter(is_one).map(IpNet::addr).collect();
        let mut names = if self.resolve { reverse::resolve(addresses) } else { BTreeMap::new() };
        for client in new {
            let mut name = names.remove(&client.addr()).unwrap_or_default();
            name.place(self.databases.of(client.addr()));
            self.found.insert(client, name);
        }
    }

    /// What was found.
    pub(super) fn get(&self, client: &IpNet) -> Option<&Name> {
        self.found.get(client).filter(|name| !name.is_empty())
    }

    /// Adds what was found to a record, as `names`.
    pub(super) fn add_to(&self, record: &mut Value, client: &IpNet) {
        let name = self.get(client).and_then(|name| serde_json::to_value(name).ok());
        if let (Some(record), Some(name)) = (record.as_object_mut(), name) {
            record.insert("names".to_owned(), name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_with_what_they_are_worth() {
        let named =
            Name { name: Some("a.example".to_owned()), name_confirmed: Some(false), ..Name::default() };
        let confirmed = Name { name_confirmed: Some(true), ..named.clone() };
        let crawler = Name { crawler: Some("Googlebot"), ..confirmed.clone() };
        let placed = Name {
            asn: Some(64_500),
            organization: Some("Evil\u{1b}[2J".to_owned()),
            country: Some("DE".to_owned()),
            ..Name::default()
        };
        for (name, expected) in [
            (named, "a.example unconfirmed"),
            (confirmed, "a.example"),
            (crawler, "a.example, verified Googlebot"),
            (Name::default(), ""),
        ] {
            assert_eq!(name.to_string(), expected);
        }
        let shown = placed.to_string();
        assert!(
            shown.starts_with("AS64500 Evil") && shown.ends_with(", DE") && !shown.contains('\u{1b}'),
            "{shown}"
        );
    }
}
