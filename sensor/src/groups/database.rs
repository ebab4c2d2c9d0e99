//! Databases in MaxMind's format: of which group an address is, and which networks a group has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use documented::DocumentedFields;
use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader, geoip2};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::Group;
use super::networks::{MAX_NETWORKS, Networks};
use super::origins::{of_asn, of_country};
use crate::printable::printable;

/// Databases that the operator provides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Databases {
    /// Database of networks (autonomous systems) in MaxMind's format, such as GeoLite2-ASN.
    pub asn_database: Option<PathBuf>,
    /// Database of countries in MaxMind's format, such as GeoLite2-Country.
    pub country_database: Option<PathBuf>,
}

/// Why a group's networks are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
        error: String,
    },
    /// It is a directory, a device, a pipe.
    #[error("{} is not a regular file; expected a database in MaxMind's format", .path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
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
        error: String,
    },
    /// The group is not in it.
    #[error("{} has no network of {group}; nothing was changed", .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The group asked for.
        group: Group,
    },
    /// No record says what is asked for.
    #[error("{} has no {what} at all, its type is `{kind}`: is it the right file for `names.{key}`?", .path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        what: &'static str,
        /// What it says of itself.
        kind: String,
        /// The configuration key.
        key: &'static str,
    },
    /// More places than a tree of its size can have.
    #[error("{}: the search tree repeats itself; expected a database in MaxMind's format", .path.display())]
    Repeats {
        /// The file.
        path: PathBuf,
    },
    /// It was written while it was read.
    #[error("{} changed while it was read; replace it with a rename", .path.display())]
    Changing {
        /// The file.
        path: PathBuf,
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
        let path = match group {
            Group::Asn(_) => &self.asn_database,
            Group::Country(_) => &self.country_database,
        };
        path.as_deref().ok_or(DatabaseError::Missing { group, key: key_of(group) })
    }

    /// Whether there is a database for a group.
    ///
    /// # Errors
    /// If there is none.
    pub fn check(&self, group: Group) -> Result<(), DatabaseError> {
        self.path_of(group).map(drop)
    }

    /// The networks of groups. Reads each file once, whole: of 10 to 60 MB, in a fraction of a second.
    #[must_use]
    pub fn networks(&self, groups: &BTreeSet<Group>) -> BTreeMap<Group, Result<Networks, DatabaseError>> {
        let (systems, countries): (BTreeSet<Group>, BTreeSet<Group>) =
            groups.iter().partition(|group| matches!(group, Group::Asn(_)));
        [systems, countries].iter().flat_map(|groups| self.networks_in_one(groups)).collect()
    }

    /// The networks of groups that the same file knows.
    fn networks_in_one(&self, groups: &BTreeSet<Group>) -> BTreeMap<Group, Result<Networks, DatabaseError>> {
        let found = groups.first().map(|first| {
            let path = self.path_of(*first)?;
            let before = stamp(path);
            let found = open(path).and_then(|reader| networks(&reader, path, groups))?;
            // Half of an old file and half of a new one may look whole.
            let is_same = stamp(path) == before;
            if is_same { Ok(found) } else { Err(DatabaseError::Changing { path: path.to_owned() }) }
        });
        match found {
            None => BTreeMap::new(),
            Some(Ok(found)) => found,
            Some(Err(DatabaseError::Missing { key, .. })) => groups
                .iter()
                .map(|group| (*group, Err(DatabaseError::Missing { group: *group, key })))
                .collect(),
            Some(Err(error)) => groups.iter().map(|group| (*group, Err(error.clone()))).collect(),
        }
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.asn_database.iter().chain(&self.country_database)
    }

    /// What tells whether the files were replaced; none for a file that is not there.
    #[must_use]
    pub fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.asn_database, &self.country_database].map(|path| stamp(path.as_deref()?))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let modified = (found.mtime(), found.mtime_nsec());
    Some(Stamp { device: found.dev(), inode: found.ino(), size: found.size(), modified })
}

/// The configuration key of the database that knows a group.
const fn key_of(group: Group) -> &'static str {
    match group {
        Group::Asn(_) => "asn_database",
        Group::Country(_) => "country_database",
    }
}

/// Opens a database.
///
/// # Errors
/// If it cannot be read.
pub(super) fn open(path: &Path) -> Result<Reader<Vec<u8>>, DatabaseError> {
    let unreadable =
        |error: std::io::Error| DatabaseError::Unreadable { path: path.to_owned(), error: error.to_string() };
    // Without waiting for the other end of a pipe.
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(DatabaseError::NoFile { path: path.to_owned() });
    }
    let bytes = found.len();
    if bytes > MAX_BYTES {
        return Err(DatabaseError::TooLarge { path: path.to_owned(), bytes });
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(MAX_BYTES).read_to_end(&mut content).map_err(unreadable)?;
    Reader::from_source(content).map_err(|error| malformed(path, &error))
}

fn malformed(path: &Path, error: &MaxMindDbError) -> DatabaseError {
    DatabaseError::Malformed { path: path.to_owned(), error: error.to_string() }
}

/// The networks of groups of one kind.
fn networks(
    reader: &Reader<Vec<u8>>,
    path: &Path,
    groups: &BTreeSet<Group>,
) -> Result<BTreeMap<Group, Result<Networks, DatabaseError>>, DatabaseError> {
    let malformed = |error: MaxMindDbError| malformed(path, &error);
    let Some(first) = groups.first().copied() else { return Ok(BTreeMap::new()) };
    // Many networks share a record.
    let mut by_record: HashMap<Option<usize>, Option<Group>> = HashMap::new();
    let mut found: BTreeMap<Group, Vec<IpNet>> = groups.iter().map(|group| (*group, Vec::new())).collect();
    let mut says_something = false;
    // Each node has two links, and IPv4 may be found at two places besides its own.
    let mut left = u64::from(reader.metadata().node_count).saturating_mul(6);
    for record in reader.networks(maxminddb::WithinOptions::default()).map_err(malformed)? {
        let record = record.map_err(malformed)?;
        left = left.checked_sub(1).ok_or_else(|| DatabaseError::Repeats { path: path.to_owned() })?;
        let group = match by_record.get(&record.offset()) {
            Some(group) => *group,
            None => {
                let group = match first {
                    Group::Asn(_) => record.decode::<geoip2::Asn<'_>>().map_err(malformed)?.map(of_asn),
                    Group::Country(_) => {
                        record.decode::<geoip2::Country<'_>>().map_err(malformed)?.map(|it| of_country(&it))
                    }
                };
                let group = group.and_then(|place| place.group(first));
                by_record.insert(record.offset(), group);
                group
            }
        };
        says_something |= group.is_some();
        let Some(networks) = group.and_then(|group| found.get_mut(&group)) else { continue };
        if networks.len() <= MAX_RECORDS {
            let network = record.network().map_err(malformed)?;
            networks.extend(IpNet::new(network.ip(), network.prefix()));
        }
    }
    if !says_something {
        let what = if let Group::Asn(_) = first { "autonomous systems" } else { "countries" };
        let kind = printable(&reader.metadata().database_type);
        return Err(DatabaseError::WrongKind { path: path.to_owned(), what, kind, key: key_of(first) });
    }
    Ok(found.into_iter().map(|(group, networks)| (group, whole(group, networks, path))).collect())
}

/// What was found of a group, if it is something and not too much.
fn whole(group: Group, found: Vec<IpNet>, path: &Path) -> Result<Networks, DatabaseError> {
    let path = path.to_owned();
    if found.is_empty() {
        return Err(DatabaseError::Unknown { path, group });
    }
    let is_cut = found.len() > MAX_RECORDS;
    let networks: Networks = found.into_iter().collect();
    if is_cut || networks.len() > MAX_NETWORKS as usize {
        return Err(DatabaseError::TooMany { path, group });
    }
    Ok(networks)
}

#[cfg(test)]
mod tests;
