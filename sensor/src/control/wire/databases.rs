//! Databases that commands read, and the daemon does not.

use std::path::PathBuf;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// Databases that commands look addresses up in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Databases {
    /// Database of networks (autonomous systems) in MaxMind's format, such as GeoLite2-ASN.
    pub asn_database: Option<PathBuf>,
    /// Database of countries in MaxMind's format, such as GeoLite2-Country.
    pub country_database: Option<PathBuf>,
}
