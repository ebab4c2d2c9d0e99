//! What goes, and what stays.

use super::*;

#[test]
fn what_is_too_old_goes() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig { max_age: Duration::from_secs(100), ..config() };
    let store = EventStore::open(directory.path(), &config, at(0)).unwrap();
    // More than one chunk.
    for n in 0..1_300 {
        store.alert(alert("192.0.2.7", 50 + n / 1_000 * 200, n));
    }
    store.audit(entry("192.0.2.7", 60));
    store.audit(entry("192.0.2.7", 260));
    let mut lifted = decision("192.0.2.3/32", 40, None);
    lifted.lifted = true;
    let lasting = decision("192.0.2.1/32", 40, None);
    let ended_lately = decision("192.0.2.4/32", 40, Some(220));
    for decision in [lifted, lasting.clone(), decision("192.0.2.2/32", 40, Some(190)), ended_lately.clone()] {
        store.decision(decision);
    }
    assert!(store.flush(PATIENCE));
    store.retain(at(300));
    let stats = wait_until(&store, |stats| stats.pruned >= 1_003);
    assert_eq!((stats.pruned, stats.write_errors), (1_003, 0));
    let reader = store.reader();
    assert_eq!(reader.alerts(at(0), 5_000).unwrap().len(), 300);
    assert_eq!(reader.audit(at(0), 9).unwrap(), [entry("192.0.2.7", 260)]);
    let mut left = reader.decisions_since(at(0), 9).unwrap();
    left.sort_by_key(|decision| decision.prefix);
    assert_eq!(left, [lasting, ended_lately]);
}

/// Bytes of the database and of its log.
fn size(directory: &Path) -> u64 {
    let size = |name| std::fs::metadata(directory.join(name)).map_or(0, |metadata| metadata.len());
    size(EVENTS) + size("events.db-wal")
}

#[test]
fn the_database_stays_within_its_size() {
    const MAX: u64 = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig { max_bytes: MAX, queue: 64, ..config() };
    let store = EventStore::open(directory.path(), &config, at(0)).unwrap();
    let lasting = decision("192.0.2.1/32", 1, None);
    store.decision(lasting.clone());
    let mut newest = None;
    for n in 0..6_000 {
        let mut alert = alert("192.0.2.7", 1_000 + n, n);
        alert.summary = "x".repeat(300);
        newest = Some(alert.clone());
        store.alert(alert);
        if n % 3 == 0 {
            store.audit(entry("192.0.2.7", 1_000 + n));
        }
        if n % 32 == 0 {
            assert!(store.flush(PATIENCE));
            assert!(size(directory.path()) <= MAX + (5 << 20), "{}", size(directory.path()));
        }
    }
    assert!(store.flush(PATIENCE));
    let stats = store.stats();
    assert_eq!((stats.lost, stats.write_errors), (0, 0), "the bound is kept before it is reached");
    assert!(stats.pruned > 3_000, "{stats:?}");
    let reader = store.reader();
    let alerts = reader.alerts(at(0), 10_000).unwrap();
    assert_eq!(alerts.last(), newest.as_ref(), "the oldest go");
    assert!(alerts.len() > 500, "no more than needed goes: {}", alerts.len());
    let oldest = (alerts[0].ts, reader.audit(at(0), 10_000).unwrap()[0].ts);
    assert!(oldest.1.since(oldest.0).max(oldest.0.since(oldest.1)) < Duration::from_secs(10), "{oldest:?}");
    assert_eq!(reader.decisions_active(at(9_999)).unwrap(), [lasting]);
    drop((reader, store));
    assert!(size(directory.path()) <= MAX);
}

#[test]
fn a_smaller_bound_gives_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for n in 0..4_000 {
        store.alert(alert("192.0.2.7", 1_000 + n, n));
    }
    drop(store);
    let before = size(directory.path());
    assert!(before > 1 << 20, "{before}");
    let config = StoreConfig { max_bytes: 1 << 20, ..config() };
    let store = EventStore::open(directory.path(), &config, at(9_000)).unwrap();
    store.retain(at(9_000));
    wait_until(&store, |stats| stats.pruned > 0);
    drop(store);
    assert!(size(directory.path()) <= 1 << 20, "{}", size(directory.path()));
}
