//! What is kept is found again.

use std::os::unix::fs::PermissionsExt as _;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

#[test]
fn records_come_back_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let alerts: Vec<Alert> = (0..5).map(|n| alert("192.0.2.7", 100 + n, n)).collect();
    let store = open(directory.path());
    alerts.iter().cloned().for_each(|alert| store.alert(alert));
    store.audit(entry("192.0.2.7", 101));
    store.decision(decision("192.0.2.7/32", 100, Some(200)));
    drop(store);
    let store = open(directory.path());
    let reader = store.reader();
    assert_eq!(reader.alerts(at(0), 100).unwrap(), alerts);
    assert_eq!(reader.alerts(at(103), 100).unwrap(), alerts[3..]);
    assert_eq!(reader.alerts(at(0), 2).unwrap(), alerts[3..], "the latest, the oldest of them first");
    assert_eq!(reader.alert(alerts[2].id).unwrap().as_ref(), Some(&alerts[2]));
    assert_eq!(reader.alert(RecordId::new(at(9), 9, 9)).unwrap(), None);
    assert_eq!(reader.audit(at(0), 9).unwrap(), [entry("192.0.2.7", 101)]);
    assert_eq!(reader.decisions_active(at(150)).unwrap(), [decision("192.0.2.7/32", 100, Some(200))]);
    let mode = std::fs::metadata(directory.path().join(EVENTS)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_decision_is_active_until_it_ends_or_is_lifted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let reader = store.reader();
    let lasting = decision("2001:db8::/64", 10, None);
    let mut short = decision("192.0.2.1/32", 20, Some(30));
    let limit = Decision { measure: Measure::Limit, ..short.clone() };
    for decision in [&lasting, &short, &limit] {
        store.decision(decision.clone());
    }
    assert!(store.flush(PATIENCE));
    let active = |now| reader.decisions_active(at(now)).unwrap();
    assert_eq!(active(29).len(), 3);
    assert_eq!(active(30), std::slice::from_ref(&lasting), "it ends at its moment, not behind it");
    short.lifted = true;
    store.decision(short.clone());
    assert!(store.flush(PATIENCE));
    assert_eq!(active(29), [limit, lasting.clone()]);
    let remembered = reader.decisions_since(at(29), 9).unwrap();
    assert!(remembered.contains(&short), "escalation remembers what was lifted: {remembered:?}");
    assert_eq!(reader.decisions_since(at(30), 9).unwrap(), [lasting]);
}

#[test]
fn a_record_of_another_version_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.alert(alert("192.0.2.1", 1, 0));
    store.alert(alert("192.0.2.2", 2, 1));
    assert!(store.flush(PATIENCE));
    let other = rusqlite::Connection::open(directory.path().join(EVENTS)).unwrap();
    other
        .execute("UPDATE alerts SET record = '{\"detector\":\"mind-reader\"}' WHERE ts = 1000000", [])
        .unwrap();
    assert_eq!(store.reader().alerts(at(0), 9).unwrap(), [alert("192.0.2.2", 2, 1)]);
    assert_eq!(store.stats().unreadable, 1);
}

#[test]
fn writers_and_readers_do_not_disturb_each_other() {
    const EACH: u64 = 500;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                (0..EACH).for_each(|n| store.alert(alert("192.0.2.7", 1_000 + n, thread * EACH + n)));
            });
            scope.spawn(move || {
                let reader = store.reader();
                let mut seen = 0;
                for _ in 0..20 {
                    let found = reader.alerts(at(0), 10_000).unwrap();
                    assert!(found.len() >= seen, "what was there does not go");
                    assert!(found.is_sorted_by_key(|alert| alert.id));
                    seen = found.len();
                }
            });
        }
    });
    assert!(store.flush(PATIENCE));
    let stats = store.stats();
    assert_eq!((stats.alerts, stats.lost, stats.write_errors, stats.depth), (4 * EACH, 0, 0, 0));
    assert_eq!(store.reader().alerts(at(0), 10_000).unwrap().len(), 2_000);
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    // Few different ones, so that many overlap.
    let v4 = (0_u32..4, 22_u8..=32).prop_map(|(low, length)| {
        let address = std::net::Ipv4Addr::from_bits(0xC000_0200 | low << 8 | low);
        IpNet::new(address.into(), length).unwrap().trunc()
    });
    let v6 = (0_u128..4, 0_u8..=128).prop_map(|(low, length)| {
        let address = std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | low << 64 | low);
        IpNet::new(address.into(), length.max(32)).unwrap().trunc()
    });
    prop_oneof![v4, v6]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_about_a_prefix_is_what_overlaps_it(
        kept in prop::collection::vec(prefixes(), 1..30), asked in prop::collection::vec(prefixes(), 1..10),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        for (prefix, second) in kept.iter().zip(1..) {
            let mut alert = alert("192.0.2.7", second, second);
            alert.about = decide::About::Subject(prefix.to_string());
            store.alert(alert);
            store.audit(entry(&prefix.to_string(), second));
        }
        store.alert(Alert { about: decide::About::Subject("host".to_owned()), ..alert("192.0.2.7", 99, 0) });
        prop_assert!(store.flush(PATIENCE));
        let reader = store.reader();
        for asked in asked {
            let expected: Vec<String> =
                kept.iter().filter(|kept| crate::prefix::overlap(kept, &asked)).map(ToString::to_string).collect();
            let alerts = reader.alerts_about(&asked, 100).unwrap();
            let found: Vec<String> =
                alerts.iter().map(|alert| alert.about.prefix().unwrap().to_string()).collect();
            prop_assert_eq!(&found, &expected);
            let audit = reader.audit_about(&asked, 100).unwrap();
            let found: Vec<&str> = audit.iter().map(|entry| entry.subject.as_str()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
