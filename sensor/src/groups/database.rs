//! Databases in MaxMind's format: of which group an address is, and which networks a group has.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use documented::DocumentedFields;
use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader, geoip2};
use serde::{Deserialize, Serialize};

use super::Group;
use super::networks::{MAX_NETWORKS, Networks};

/// Databases that the operator provides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Databases {
    /// Database of networks (autonomous systems) in MaxMind's format, such as GeoLite2-ASN.
    pub asn_database: Option<PathBuf>,
    /// Database of countries in MaxMind's format, such as GeoLite2-Country.
    pub country_database: Option<PathBuf>,
}

/// Why a group's networks are not known.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no such database.
    #[error("{group} needs a database: set `names.{key}` to a file in MaxMind's format and reload")]
    Missing {
        /// The group asked for.
        group: Group,
        /// The configuration key.
        key: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is larger than any such database.
    #[error("{} has {bytes} bytes; expected a database of at most {MAX_BYTES}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The content is no database, or damaged.
    #[error("{}: {error}; expected a database in MaxMind's format", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: MaxMindDbError,
    },
    /// The group is not in it.
    #[error("{} has no network of {group}; nothing was changed", .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The group asked for.
        group: Group,
    },
    /// It has too many networks.
    #[error("{group} has more than {MAX_NETWORKS} networks in {}, the most that groups may have", .path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// The group asked for.
        group: Group,
    },
}

/// Largest file read: four times the largest such database known, GeoIP2 Enterprise.
const MAX_BYTES: u64 = 2 << 30;

/// Most records of one group, before neighbours are merged.
const MAX_RECORDS: usize = 4 * MAX_NETWORKS as usize;

/// What tells whether a file was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Databases {
    /// The file that knows a group.
    fn path_of(&self, group: Group) -> Result<&Path, DatabaseError> {
        let (path, key) = match group {
            Group::Asn(_) => (&self.asn_database, "asn_database"),
            Group::Country(_) => (&self.country_database, "country_database"),
        };
        path.as_deref().ok_or(DatabaseError::Missing { group, key })
    }

    /// Whether there is a database for a group.
    ///
    /// # Errors
    /// If there is none.
    pub fn check(&self, group: Group) -> Result<(), DatabaseError> {
        self.path_of(group).map(drop)
    }

    /// The networks of a group. Reads the whole file: of 10 to 60 MB, in a fraction of a second.
    ///
    /// # Errors
    /// If there is no database, it cannot be read, or it does not know the group.
    pub fn networks(&self, group: Group) -> Result<Networks, DatabaseError> {
        let path = self.path_of(group)?;
        networks(&open(path)?, path, group)
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.asn_database.iter().chain(&self.country_database)
    }

    /// What tells whether the files were replaced; none for a file that is not there.
    #[must_use]
    pub fn stamps(&self) -> [Option<Stamp>; 2] {
        let stamp = |path: &Option<PathBuf>| {
            let found = fs::metadata(path.as_ref()?).ok()?;
            let modified = (found.mtime(), found.mtime_nsec());
            Some(Stamp { device: found.dev(), inode: found.ino(), size: found.size(), modified })
        };
        [stamp(&self.asn_database), stamp(&self.country_database)]
    }
}

/// Opens a database.
///
/// # Errors
/// If it cannot be read.
fn open(path: &Path) -> Result<Reader<Vec<u8>>, DatabaseError> {
    let unreadable = |error| DatabaseError::Unreadable { path: path.to_owned(), error };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_BYTES {
        return Err(DatabaseError::TooLarge { path: path.to_owned(), bytes });
    }
    let content = fs::read(path).map_err(unreadable)?;
    Reader::from_source(content).map_err(|error| DatabaseError::Malformed { path: path.to_owned(), error })
}

fn networks(reader: &Reader<Vec<u8>>, path: &Path, group: Group) -> Result<Networks, DatabaseError> {
    let malformed = |error| DatabaseError::Malformed { path: path.to_owned(), error };
    // Many networks share a record.
    let mut by_record: HashMap<Option<usize>, bool> = HashMap::new();
    let mut found = Vec::new();
    for record in reader.networks(maxminddb::WithinOptions::default()).map_err(malformed)? {
        let record = record.map_err(malformed)?;
        let is_of_it = match by_record.get(&record.offset()) {
            Some(is_of_it) => *is_of_it,
            None => {
                let place = match group {
                    Group::Asn(_) => record.decode::<geoip2::Asn<'_>>().map_err(malformed)?.map(of_asn),
                    Group::Country(_) => {
                        record.decode::<geoip2::Country<'_>>().map_err(malformed)?.map(|it| of_country(&it))
                    }
                };
                let is_of_it = place.is_some_and(|place| place.is_of(group));
                by_record.insert(record.offset(), is_of_it);
                is_of_it
            }
        };
        if is_of_it {
            let network = record.network().map_err(malformed)?;
            found.extend(IpNet::new(network.ip(), network.prefix()).ok());
        }
        if found.len() > MAX_RECORDS {
            return Err(DatabaseError::TooMany { path: path.to_owned(), group });
        }
    }
    if found.is_empty() {
        return Err(DatabaseError::Unknown { path: path.to_owned(), group });
    }
    let networks: Networks = found.into_iter().collect();
    if networks.len() > MAX_NETWORKS as usize {
        return Err(DatabaseError::TooMany { path: path.to_owned(), group });
    }
    Ok(networks)
}

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
    fn is_of(&self, group: Group) -> bool {
        match group {
            Group::Asn(number) => self.asn == Some(number),
            Group::Country(code) => {
                self.country.as_ref().is_some_and(|country| country.as_bytes().eq_ignore_ascii_case(&code))
            }
        }
    }
}

fn of_asn(record: geoip2::Asn<'_>) -> Place {
    Place {
        asn: record.autonomous_system_number,
        organization: record.autonomous_system_organization.map(str::to_owned),
        country: None,
    }
}

/// Where the address is said to be, or else where its network is registered.
fn of_country(record: &geoip2::Country<'_>) -> Place {
    let code = record.country.iso_code.or(record.registered_country.iso_code);
    Place { country: code.map(str::to_owned), ..Place::default() }
}

/// Open databases, for looking addresses up.
#[derive(Default)]
pub struct Origins {
    asn: Option<Reader<Vec<u8>>>,
    country: Option<Reader<Vec<u8>>>,
}

impl Origins {
    /// Opens those that are configured; tells of those that cannot be read, and goes on without them.
    pub fn open(databases: &Databases, mut tell: impl FnMut(&DatabaseError)) -> Self {
        let mut take = |path: &Option<PathBuf>| open(path.as_deref()?).inspect_err(|error| tell(error)).ok();
        Self { asn: take(&databases.asn_database), country: take(&databases.country_database) }
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
        let country =
            self.country.as_ref().and_then(|country| record::<geoip2::Country<'_>>(country, address));
        place.country = country.and_then(|country| of_country(&country).country);
        place
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

#[cfg(test)]
mod tests;
