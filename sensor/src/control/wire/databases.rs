//! Databases that commands read, and the daemon does not.

use std::path::PathBuf;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// Databases that commands look addresses up in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Databases {
    /// A database in MaxMind's format that says in which network (autonomous system) an address is, such as
    /// GeoLite2-ASN.
    pub asn_database: Option<PathBuf>,
    /// The same for countries, such as GeoLite2-Country.
    pub country_database: Option<PathBuf>,
}
