use std::path::Path;

use ipnet::IpNet;

use super::*;

#[path = "../../../../tests/src/mmdb.rs"]
#[expect(unreachable_pub, reason = "the tests package compiles the file, too")]
mod mmdb;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn write(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// A database of each kind.
fn databases(directory: &Path) -> Databases {
    let of = |networks: &[(&str, Vec<u8>)]| -> Vec<(IpNet, Vec<u8>)> {
        networks.iter().map(|(network, record)| (net(network), record.clone())).collect()
    };
    let (example, other) = (mmdb::asn(64_500, "Example Networks"), mmdb::asn(64_501, "Other"));
    let asn = mmdb::database(
        "GeoLite2-ASN",
        &of(&[
            ("198.51.100.0/25", example.clone()),
            ("198.51.100.128/25", example.clone()),
            ("203.0.113.0/24", other.clone()),
            ("203.0.113.64/26", example.clone()),
            ("2001:db8:1::/48", example),
            ("2001:db8:2::/48", other),
        ]),
    );
    let country = mmdb::database(
        "GeoLite2-Country",
        &of(&[("203.0.113.0/24", mmdb::country("DE")), ("2001:db8::/32", mmdb::country("XX"))]),
    );
    Databases {
        asn_database: Some(write(directory, "asn.mmdb", &asn)),
        country_database: Some(write(directory, "country.mmdb", &country)),
    }
}

#[test]
fn the_networks_of_a_group_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let of = |group: &str| -> Vec<String> {
        let networks = databases.networks(group.parse().unwrap()).unwrap();
        networks.iter().map(|network| network.to_string()).collect()
    };
    assert_eq!(of("asn:64500"), ["198.51.100.0/24", "203.0.113.64/26", "2001:db8:1::/48"]);
    assert_eq!(of("asn:64501"), ["203.0.113.0/26", "203.0.113.128/25", "2001:db8:2::/48"]);
    assert_eq!(of("country:de"), ["203.0.113.0/24"]);
    assert_eq!(of("country:XX"), ["2001:db8::/32"]);
}

#[test]
fn addresses_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let origins = Origins::open(&databases(directory.path()), |error| panic!("{error}"));
    let place = origins.of("203.0.113.70".parse().unwrap());
    assert_eq!(place.asn, Some(64_500));
    assert_eq!(place.organization.as_deref(), Some("Example Networks"));
    assert_eq!(place.country.as_deref(), Some("DE"));
    assert_eq!(origins.of("2001:db8:2::1".parse().unwrap()).asn, Some(64_501));
    assert_eq!(origins.of("192.0.2.1".parse().unwrap()), Place::default());
}

#[test]
fn what_is_wrong_names_the_file_and_the_group() {
    let directory = tempfile::tempdir().unwrap();
    let good = databases(directory.path());
    let broken = write(directory.path(), "broken.mmdb", b"no database");
    let cut = fs::read(good.asn_database.as_ref().unwrap()).unwrap();
    // The tree is cut in half, but the description at the end says that it is whole.
    let (_, end) = cut.split_at(cut.len() / 2);
    let cut = write(directory.path(), "cut.mmdb", end);
    let with = |path: &Path| Databases { asn_database: Some(path.to_owned()), country_database: None };
    for (databases, group, expected) in [
        (&Databases::default(), "asn:64500", &["asn:64500", "names.asn_database"][..]),
        (&Databases::default(), "country:DE", &["country:DE", "names.country_database"]),
        (&with(&directory.path().join("missing.mmdb")), "asn:64500", &["missing.mmdb", "No such file"]),
        (&with(&broken), "asn:64500", &["broken.mmdb", "MaxMind"]),
        (&with(&cut), "asn:64500", &["cut.mmdb", "MaxMind"]),
        (&good, "asn:64999", &["asn.mmdb", "asn:64999"]),
        (&good, "country:ZZ", &["country.mmdb", "country:ZZ"]),
    ] {
        let error = databases.networks(group.parse().unwrap()).unwrap_err().to_string();
        assert!(expected.iter().all(|word| error.contains(word)), "{group}: {error}");
    }
}

#[test]
fn a_database_that_cannot_be_read_is_told_and_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let broken = write(directory.path(), "broken.mmdb", b"no database");
    let missing = directory.path().join("missing.mmdb");
    let databases = Databases { asn_database: Some(broken), country_database: Some(missing) };
    let mut told = Vec::new();
    assert!(Origins::open(&databases, |error| told.push(error.to_string())).is_empty());
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_replaced_file_has_another_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let before = databases.stamps();
    assert!(before.iter().all(Option::is_some) && databases.stamps() == before);
    let next = write(directory.path(), "next.mmdb", b"another");
    fs::rename(next, databases.asn_database.as_ref().unwrap()).unwrap();
    let after = databases.stamps();
    assert!(after[0] != before[0] && after[1] == before[1]);
    fs::remove_file(databases.asn_database.as_ref().unwrap()).unwrap();
    assert_eq!(databases.stamps()[0], None);
}
