use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use ipnet::IpNet;
use proptest::prelude::*;

use super::at;
use crate::notify::{DenyConfig, DenyFile, DenyFormat, Include};

fn prefix(text: &str) -> IpNet {
    crate::prefix::parse(text).unwrap()
}

fn plain(path: &Path) -> DenyConfig {
    DenyConfig { format: DenyFormat::Plain, ..DenyConfig::to(path.to_owned()) }
}

#[test]
fn formats() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny");
    for (format, expected) in [
        (
            DenyFormat::Nginx,
            "# Written by sensor; changes are overwritten.\ndeny 192.0.2.7;\ndeny 2001:db8::/64;\n",
        ),
        (DenyFormat::Haproxy, "# Written by sensor; changes are overwritten.\n192.0.2.7\n2001:db8::/64\n"),
        (DenyFormat::Plain, "192.0.2.7\n2001:db8::/64\n"),
    ] {
        let mut file = DenyFile::new(DenyConfig { format, ..DenyConfig::to(path.clone()) });
        assert!(file.deny(prefix("2001:db8::/64"), true, None));
        assert!(file.deny("192.0.2.7/32".parse().unwrap(), true, Some(at(9))));
        assert_eq!(file.sync(at(1)), []);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}

#[test]
fn only_clients_behind_proxies_unless_all_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny");
    for (include, expected) in [(Include::Proxied, "192.0.2.7\n"), (Include::All, "192.0.2.7\n192.0.2.8\n")] {
        let mut file = DenyFile::new(DenyConfig { include, ..plain(&path) });
        file.deny(prefix("192.0.2.7"), true, None);
        assert_eq!(file.deny(prefix("192.0.2.8"), false, None), include == Include::All);
        file.sync(at(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}

#[test]
fn the_file_changes_only_when_its_text_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny");
    fs::write(&path, "192.0.2.99\n").unwrap();
    let mut file = DenyFile::new(plain(&path));
    let inode = || fs::metadata(&path).unwrap().ino();
    file.sync(at(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "", "what is from before is not kept");
    file.deny(prefix("192.0.2.7"), true, Some(at(10)));
    file.sync(at(2));
    let before = inode();
    // Held open, so that no new file has its number.
    let _old = fs::File::open(&path).unwrap();
    file.deny(prefix("192.0.2.7"), true, Some(at(20)));
    assert_eq!(file.sync(at(19)), []);
    assert!(!file.lift(&prefix("192.0.2.8")));
    file.sync(at(19));
    assert_eq!(inode(), before);
    assert_eq!(file.sync(at(20)), [prefix("192.0.2.7")]);
    assert_ne!(inode(), before);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn at_the_bound_whose_time_ends_first_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny");
    let mut file = DenyFile::new(DenyConfig { max_entries: 2, ..plain(&path) });
    for (client, end) in [("192.0.2.1", None), ("192.0.2.2", Some(at(5))), ("192.0.2.3", Some(at(9)))] {
        file.deny(prefix(client), true, end);
    }
    file.sync(at(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "192.0.2.1\n192.0.2.3\n");
    assert_eq!((file.stats().entries, file.stats().evicted), (2, 1));
}

#[test]
fn a_failed_write_is_counted_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("deny");
    let mut file = DenyFile::new(plain(&path));
    file.deny(prefix("192.0.2.1"), true, None);
    file.sync(at(1));
    file.sync(at(2));
    assert_eq!(file.stats().write_errors, 2);
    fs::create_dir(path.parent().unwrap()).unwrap();
    file.sync(at(3));
    assert_eq!(fs::read_to_string(&path).unwrap(), "192.0.2.1\n");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no scratch file is left");
}

#[derive(Clone, Debug)]
enum Step {
    Deny(u8, Option<u64>),
    Lift(u8),
    Sync(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..12, prop::option::of(0_u64..50)).prop_map(|(client, end)| Step::Deny(client, end)),
        (0_u8..12).prop_map(Step::Lift),
        (0_u64..50).prop_map(Step::Sync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The clock may go back; who has expired stays out.
    #[test]
    fn the_file_says_what_a_plain_table_says(steps in prop::collection::vec(steps(), 0..60)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deny");
        let client = |last: u8| prefix(&format!("192.0.2.{last}"));
        let mut file = DenyFile::new(DenyConfig { max_entries: 12, ..plain(&path) });
        let mut model: BTreeMap<IpNet, Option<u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Deny(last, end) => {
                    file.deny(client(last), true, end.map(at));
                    model.insert(client(last), end);
                }
                Step::Lift(last) => {
                    prop_assert_eq!(file.lift(&client(last)), model.remove(&client(last)).is_some());
                }
                Step::Sync(now) => {
                    file.sync(at(now));
                    model.retain(|_, end| end.is_none_or(|end| end > now));
                    let expected: String = model.keys().map(|client| format!("{}\n", client.addr())).collect();
                    prop_assert_eq!(fs::read_to_string(&path).unwrap(), expected);
                }
            }
        }
        prop_assert_eq!(file.stats().entries, model.len());
    }
}
