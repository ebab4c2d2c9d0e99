//! Where addresses come from, by the operator's databases.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use maxminddb::{Reader, geoip2};
use serde::{Deserialize, Serialize};

use super::Group;
use super::database::{DatabaseError, Databases, open};

/// What databases know of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of its autonomous system.
    pub asn: Option<u32>,
    /// Whose that is.
    pub organization: Option<String>,
    /// The code of its country.
    pub country: Option<String>,
}

impl Place {
    /// The group of the same kind as another.
    pub(super) fn group(&self, kind: Group) -> Option<Group> {
        match kind {
            Group::Asn(_) => self.asn.map(Group::Asn),
            Group::Country(_) => format!("country:{}", self.country.as_ref()?).parse().ok(),
        }
    }

    /// The groups that it is in.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        let country = self.group(Group::Country(*b"XX"));
        self.asn.map(Group::Asn).into_iter().chain(country)
    }
}

pub(super) fn of_asn(record: geoip2::Asn<'_>) -> Place {
    Place {
        asn: record.autonomous_system_number,
        organization: record.autonomous_system_organization.map(str::to_owned),
        country: None,
    }
}

/// Where the address is said to be, or else where its network is registered.
pub(super) fn of_country(record: &geoip2::Country<'_>) -> Place {
    let code = record.country.iso_code.or(record.registered_country.iso_code);
    Place { country: code.map(str::to_owned), ..Place::default() }
}

/// Open databases, for looking addresses up.
#[derive(Clone, Default)]
pub struct Origins {
    asn: Option<Arc<Reader<Vec<u8>>>>,
    country: Option<Arc<Reader<Vec<u8>>>>,
}

/// The databases in use, for everyone who looks addresses up: replaced as a whole when the files are.
#[derive(Clone, Debug, Default)]
pub struct SharedOrigins(Arc<RwLock<Origins>>);

impl SharedOrigins {
    /// Shares them.
    #[must_use]
    pub fn new(origins: Origins) -> Self {
        Self(Arc::new(RwLock::new(origins)))
    }

    /// Those of the moment.
    #[must_use]
    pub fn get(&self) -> Origins {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set(&self, origins: Origins) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = origins;
    }
}

/// How many of some clients are in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The group, as rules name it.
    pub group: Group,
    /// Whose autonomous system it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// How many.
    pub clients: u64,
}

/// Groups named of each kind: the largest.
const NAMED: usize = 5;
/// Clients looked up at once: each takes a microsecond or two.
const MAX_CLIENTS: usize = 10_000;

impl Origins {
    /// Opens those that are configured; tells of those that cannot be read, and goes on without them.
    pub fn open(databases: &Databases, mut tell: impl FnMut(&DatabaseError)) -> Self {
        let mut take = |path: &Option<PathBuf>| {
            open(path.as_deref()?).inspect_err(|error| tell(error)).map(Arc::new).ok()
        };
        Self { asn: take(&databases.asn_database), country: take(&databases.country_database) }
    }

    /// The same, with what was open before in the place of files that cannot be read.
    #[must_use]
    pub fn reopened(&self, databases: &Databases, tell: impl FnMut(&DatabaseError)) -> Self {
        let Self { asn, country } = Self::open(databases, tell);
        let before = |path: &Option<PathBuf>, reader: &Option<_>| reader.clone().filter(|_| path.is_some());
        Self {
            asn: asn.or_else(|| before(&databases.asn_database, &self.asn)),
            country: country.or_else(|| before(&databases.country_database, &self.country)),
        }
    }

    /// The groups that clients are in: autonomous systems first, of each kind the largest.
    #[must_use]
    pub fn shares(&self, clients: impl Iterator<Item = IpNet>) -> Vec<Share> {
        let mut shares: BTreeMap<Group, Share> = BTreeMap::new();
        if self.is_empty() {
            return Vec::new();
        }
        for client in clients.take(MAX_CLIENTS) {
            let place = self.of(client.addr());
            for group in place.groups() {
                let share = shares.entry(group).or_insert_with(|| {
                    let organization = place.organization.clone().filter(|_| matches!(group, Group::Asn(_)));
                    Share { group, organization, clients: 0 }
                });
                share.clients = share.clients.saturating_add(1);
            }
        }
        let (mut systems, mut countries): (Vec<Share>, Vec<Share>) =
            shares.into_values().partition(|share| matches!(share.group, Group::Asn(_)));
        for kind in [&mut systems, &mut countries] {
            kind.sort_by_key(|share| Reverse(share.clients));
            kind.truncate(NAMED);
        }
        systems.append(&mut countries);
        systems
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.asn.is_none() && self.country.is_none()
    }

    /// What is known of an address. Nothing if its record is damaged: names are optional.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Place {
        let mut place = self
            .asn
            .as_ref()
            .and_then(|asn| record::<geoip2::Asn<'_>>(asn, address))
            .map(of_asn)
            .unwrap_or_default();
        place.country = self.country(address);
        place
    }

    /// The code of the country of an address.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<String> {
        let country = record::<geoip2::Country<'_>>(self.country.as_ref()?, address)?;
        of_country(&country).country
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Origins").finish_non_exhaustive()
    }
}

fn record<'de, T: Deserialize<'de>>(reader: &'de Reader<Vec<u8>>, address: IpAddr) -> Option<T> {
    reader.lookup(address).ok()?.decode().ok()?
}
