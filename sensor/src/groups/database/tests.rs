use std::path::Path;

use ipnet::IpNet;
use proptest::prelude::*;

use super::super::origins::{Origins, Place};
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

/// The networks of one group.
fn one(databases: &Databases, group: &str) -> Result<Networks, DatabaseError> {
    let group: Group = group.parse().unwrap();
    databases.networks(&[group].into()).remove(&group).unwrap()
}

#[test]
fn groups_are_found_together_as_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let groups = ["asn:64500", "asn:64501", "asn:64999", "country:DE", "country:XX", "country:ZZ"];
    let all = databases.networks(&groups.map(|group| group.parse::<Group>().unwrap()).into());
    assert_eq!(all.len(), groups.len());
    for group in groups {
        assert_eq!(all[&group.parse::<Group>().unwrap()], one(&databases, group), "{group}");
    }
    let without = Databases { asn_database: None, ..databases };
    let found = without.networks(&groups.map(|group| group.parse::<Group>().unwrap()).into());
    for group in groups {
        let error = found[&group.parse::<Group>().unwrap()]
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert_eq!(error.contains("names.asn_database"), group.starts_with("asn"), "{group}: {error}");
        assert!(error.is_empty() || error.contains(group), "{group}: {error}");
    }
}

#[test]
fn the_networks_of_a_group_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let of = |group: &str| -> Vec<String> {
        let networks = one(&databases, group).unwrap();
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
    let swapped = Databases {
        asn_database: good.country_database.clone(),
        country_database: good.asn_database.clone(),
    };
    let with = |path: &Path| Databases { asn_database: Some(path.to_owned()), country_database: None };
    for (databases, group, expected) in [
        (&Databases::default(), "asn:64500", &["asn:64500", "names.asn_database"][..]),
        (&Databases::default(), "country:DE", &["country:DE", "names.country_database"]),
        (&with(&directory.path().join("missing.mmdb")), "asn:64500", &["missing.mmdb", "No such file"]),
        (&with(&broken), "asn:64500", &["broken.mmdb", "MaxMind"]),
        (&with(&cut), "asn:64500", &["cut.mmdb", "MaxMind"]),
        (&with(directory.path()), "asn:64500", &["not a regular file"]),
        (&with(Path::new("/dev/zero")), "asn:64500", &["/dev/zero", "not a regular file"]),
        (
            &swapped,
            "asn:64500",
            &["country.mmdb", "no autonomous systems", "GeoLite2-Country", "asn_database"],
        ),
        (&swapped, "country:DE", &["asn.mmdb", "no countries", "GeoLite2-ASN", "names.country_database"]),
        (&good, "asn:64999", &["asn.mmdb", "asn:64999"]),
        (&good, "country:ZZ", &["country.mmdb", "country:ZZ"]),
    ] {
        let error = one(databases, group).unwrap_err().to_string();
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
fn clients_are_counted_by_group() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let origins = Origins::open(&databases, |error| panic!("{error}"));
    let clients =
        ["203.0.113.70/32", "203.0.113.200/32", "198.51.100.9/32", "198.51.100.10/32", "192.0.2.1/32"];
    let shares = origins.shares(clients.into_iter().map(net));
    let told: Vec<_> = shares
        .iter()
        .map(|share| (share.group.to_string(), share.organization.as_deref(), share.clients))
        .collect();
    let expected = [
        ("asn:64500", Some("Example Networks"), 3),
        ("asn:64501", Some("Other"), 1),
        ("country:DE", None, 2),
    ];
    assert_eq!(
        told,
        expected.map(|(group, organization, clients)| (group.to_owned(), organization, clients))
    );
    assert_eq!(Origins::default().shares(clients.into_iter().map(net)), []);
}

/// A file that cannot be read any more does not take away what is known.
#[test]
fn what_was_open_stays_until_there_is_better() {
    let directory = tempfile::tempdir().unwrap();
    let databases = databases(directory.path());
    let before = Origins::open(&databases, |error| panic!("{error}"));
    write(directory.path(), "asn.mmdb", b"no database");
    let mut told = 0;
    let after = before.reopened(&databases, |_| told += 1);
    let place = after.of("203.0.113.70".parse().unwrap());
    assert_eq!((place.asn, place.country.as_deref(), told), (Some(64_500), Some("DE"), 1));
    let without = Databases { asn_database: None, ..databases };
    assert_eq!(after.reopened(&without, |_| ()).of("203.0.113.70".parse().unwrap()).asn, None);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever was written over a database: an answer or an error, and no more networks than there is room for.
    #[test]
    fn damaged_databases_are_read_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let databases = databases(directory.path());
        let path = databases.asn_database.as_ref().unwrap();
        let mut content = fs::read(path).unwrap();
        for (place, byte) in &damage {
            let place = place.index(content.len());
            content[place] = *byte;
        }
        content.truncate(cut.map_or(usize::MAX, |cut| cut.index(content.len())));
        fs::write(path, &content).unwrap();
        if let Ok(networks) = one(&databases, "asn:64500") {
            prop_assert!(!networks.is_empty() && networks.len() <= MAX_NETWORKS as usize);
        }
        let _place = Origins::open(&databases, |_| ()).of("203.0.113.70".parse().unwrap());
    }
}
