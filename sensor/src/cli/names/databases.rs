//! Databases in MaxMind's format: the network and country of an address.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{Reader, geoip2};

use super::super::say::complain;
use super::Name;
use crate::control::wire::Databases;

/// Those that are configured and can be read.
#[derive(Default)]
pub(super) struct Open {
    asn: Option<Reader<Vec<u8>>>,
    country: Option<Reader<Vec<u8>>>,
}

impl Open {
    /// Opens them; reports those that cannot be read.
    pub(super) fn new(databases: &Databases) -> Self {
        Self {
            asn: databases.asn_database.as_deref().and_then(open),
            country: databases.country_database.as_deref().and_then(open),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.asn.is_none() && self.country.is_none()
    }

    /// Adds what they know of an address.
    pub(super) fn add(&self, address: IpAddr, name: &mut Name) {
        if let Some(asn) = self.asn.as_ref().and_then(|asn| record::<geoip2::Asn<'_>>(asn, address)) {
            name.asn = asn.autonomous_system_number;
            name.organization = asn.autonomous_system_organization.map(str::to_owned);
        }
        let place = self.country.as_ref().and_then(|country| record::<geoip2::Country<'_>>(country, address));
        if let Some(place) = place {
            let code = place.country.iso_code.or(place.registered_country.iso_code);
            name.country = code.map(str::to_owned);
        }
    }
}

fn open(path: &Path) -> Option<Reader<Vec<u8>>> {
    let opened = Reader::open_readfile(path);
    opened.map_err(|error| complain(format!("{}: {error}; continuing without it", path.display()))).ok()
}

/// Also none if a record is damaged: the database is third-party, and names are optional.
fn record<'de, T: serde::Deserialize<'de>>(reader: &'de Reader<Vec<u8>>, address: IpAddr) -> Option<T> {
    reader.lookup(address).ok()?.decode().ok()?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TEXT: u8 = 2;
    const U32: u8 = 6;
    const MAP: u8 = 7;

    /// A value of MaxMind DB 2.0: a control byte with type and size, then the content.
    fn value(kind: u8, size: usize, content: &[u8]) -> Vec<u8> {
        // Sizes from 29 to 284 have a byte of their own.
        let size = u8::try_from(size).unwrap();
        let (size, more) = if size < 29 { (size, vec![]) } else { (29, vec![size - 29]) };
        [&[kind << 5 | size], &*more, content].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        value(TEXT, text.len(), text.as_bytes())
    }

    fn number(number: u32) -> Vec<u8> {
        value(U32, 4, &number.to_be_bytes())
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let content: Vec<u8> =
            entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
        value(MAP, entries.len(), &content)
    }

    /// A database for IPv4 whose upper half (128.0.0.0/1) has this record, and whose lower half has none.
    fn database(kind: &str, record: &[u8]) -> Vec<u8> {
        let u16 = |number: u16| value(5, 2, &number.to_be_bytes());
        // Types above 7 have a byte of their own: an empty array (11), and 64 bits (9).
        let (array, u64) = (vec![0, 4], [&[8, 2][..], &1_u64.to_be_bytes()].concat());
        // One node of two records of 24 bits: none, and the first record behind the separator of 16 bytes.
        let mut out = vec![0, 0, 1, 0, 0, 17];
        out.extend([0; 16]);
        out.extend(record);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("node_count", number(1)),
            ("record_size", u16(24)),
            ("ip_version", u16(4)),
            ("database_type", text(kind)),
            ("languages", array),
            ("binary_format_major_version", u16(2)),
            ("binary_format_minor_version", u16(0)),
            ("build_epoch", u64),
            ("description", map(&[])),
        ]));
        out
    }

    #[test]
    fn networks_and_countries_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let asn = map(&[
            ("autonomous_system_number", number(64_500)),
            ("autonomous_system_organization", text("Example Networks")),
        ]);
        fs::write(path("asn.mmdb"), database("GeoLite2-ASN", &asn)).unwrap();
        let country = map(&[("country", map(&[("iso_code", text("DE"))]))]);
        fs::write(path("country.mmdb"), database("GeoLite2-Country", &country)).unwrap();
        let open = Open::new(&Databases {
            asn_database: Some(path("asn.mmdb")),
            country_database: Some(path("country.mmdb")),
        });
        let named = |address: &str| {
            let mut name = Name::default();
            open.add(address.parse().unwrap(), &mut name);
            name.to_string()
        };
        assert_eq!(named("203.0.113.9"), "AS64500 Example Networks, DE");
        assert_eq!(named("10.0.0.1"), "");
        assert_eq!(named("2001:db8::1"), "", "the database has no IPv6");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let broken = directory.path().join("broken.mmdb");
        fs::write(&broken, "no database").unwrap();
        for path in [broken, directory.path().join("missing.mmdb")] {
            let databases = Databases { asn_database: Some(path), country_database: None };
            assert!(Open::new(&databases).is_empty());
        }
    }
}
