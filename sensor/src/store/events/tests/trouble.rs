//! Broken files, missing directories, full queues.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use super::*;

fn moved(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect()
}

fn works(store: &EventStore) {
    let alert = alert("192.0.2.99", 5_000, 77);
    store.alert(alert.clone());
    assert!(store.flush(PATIENCE));
    assert_eq!(store.reader().alert(alert.id).unwrap(), Some(alert));
    assert!(store.stats().healthy);
}

type Make<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn an_unusable_file_is_moved_aside() {
    let foreign =
        |path: &Path, sql: &str| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    let makers: [Make<'_>; 2] = [
        ("no database", &|path| {
            fs::write(path, "no database at all, but long enough to have a header".repeat(9)).unwrap()
        }),
        ("another program's", &|path| foreign(path, "CREATE TABLE alerts (x)")),
    ];
    for (name, make) in makers {
        let directory = tempfile::tempdir().unwrap();
        make(&directory.path().join(EVENTS));
        let before = fs::read(directory.path().join(EVENTS)).unwrap();
        let store = EventStore::open(directory.path(), &config(), at(1_700_000_000)).unwrap();
        works(&store);
        let moved = moved(directory.path());
        assert_eq!(moved, [directory.path().join("events.db.corrupt-20231114T221320Z")], "{name}");
        assert_eq!(fs::read(&moved[0]).unwrap().len(), before.len(), "{name}");
        assert_eq!(store.stats().write_errors, 1, "{name}");
    }
}

#[test]
fn few_of_those_moved_aside_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    for second in 1..=6 {
        fs::write(directory.path().join(EVENTS), "nonsense".repeat(99)).unwrap();
        works(&EventStore::open(directory.path(), &config(), at(second)).unwrap());
    }
    let mut moved = moved(directory.path());
    moved.sort();
    assert_eq!(moved.len(), 3);
    assert!(moved[0].to_string_lossy().ends_with("19700101T000004Z"), "{moved:?}");
}

/// Overwrites all pages but the first, which has the header.
fn damage(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(length - 4_096).unwrap()]).unwrap();
}

#[test]
fn damage_that_shows_later_is_found_by_reading_or_writing() {
    for reading in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        (0..400).for_each(|n| store.alert(alert("192.0.2.7", 100 + n, n)));
        drop(store);
        damage(&directory.path().join(EVENTS));
        let store = open(directory.path());
        if reading {
            assert!(store.reader().alerts(at(0), 1_000).is_err());
        } else {
            store.alert(alert("192.0.2.8", 600, 0));
            assert!(store.flush(PATIENCE));
        }
        let stats = wait_until(&store, |stats| stats.generation == 2);
        assert_eq!(stats.lost, 0);
        works(&store);
        assert_eq!(moved(directory.path()).len(), 1);
    }
}

#[test]
fn a_removed_file_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    works(&store);
    let reader = store.reader();
    assert_eq!(reader.alerts(at(0), 9).unwrap().len(), 1);
    for name in [EVENTS, "events.db-wal", "events.db-shm"] {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    store.alert(alert("192.0.2.8", 600, 0));
    assert!(store.flush(PATIENCE));
    assert_eq!(
        reader.alerts(at(0), 9).unwrap(),
        [alert("192.0.2.8", 600, 0)],
        "old connections are not used"
    );
    assert_eq!(store.stats().generation, 2);
}

#[test]
fn what_comes_while_nothing_can_be_written_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    // A file where the directory should be.
    fs::write(&state, "").unwrap();
    let config = StoreConfig { queue: 300, ..config() };
    let store = EventStore::open(&state, &config, at(1)).unwrap();
    assert!(!store.stats().healthy);
    store.alert(alert("192.0.2.7", 10, 0));
    wait_until(&store, |stats| stats.write_errors > 3);
    assert!(!store.flush(Duration::from_millis(1)));
    // One is held by the writer.
    (1..=400).for_each(|n| store.alert(alert("192.0.2.7", 10, n)));
    let stats = store.stats();
    assert_eq!((stats.alerts, stats.lost, stats.depth), (0, 100, 301), "what has no room is counted");
    fs::remove_file(&state).unwrap();
    assert!(store.flush(PATIENCE));
    let stats = store.stats();
    assert_eq!((stats.alerts, stats.lost, stats.depth), (301, 100, 0));
    assert_eq!(store.reader().alerts(at(0), 1_000).unwrap().len(), 301);
}

#[test]
fn the_end_waits_for_no_disk() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::write(&state, "").unwrap();
    let config = StoreConfig { retry: Duration::from_hours(1), ..config() };
    let store = EventStore::open(&state, &config, at(1)).unwrap();
    (0..700).for_each(|n| store.alert(alert("192.0.2.7", 10, n)));
    let counters = store.counters.clone();
    drop(store);
    assert_eq!(counters.snapshot(0).lost, 700, "what was given up is counted");
}

/// A newer version added a column and a table, raised the version, and knows a detector that this one does not.
fn make_newer(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "ALTER TABLE decisions ADD COLUMN colour TEXT;
             CREATE TABLE novelties (x);
             PRAGMA user_version = 99;",
        )
        .unwrap();
}

#[test]
fn blocks_of_a_newer_version_stay_in_force() {
    for with_unknown in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(EVENTS);
        let (blocked, ended) =
            (decision("192.0.2.7/32", 100, Some(1 << 32)), decision("192.0.2.8/32", 90, Some(95)));
        {
            let store = open(directory.path());
            store.decision(blocked.clone());
            store.decision(ended.clone());
            store.alert(alert("192.0.2.7", 100, 0));
            assert!(store.flush(PATIENCE));
        }
        make_newer(&path);
        if with_unknown {
            let sql = "UPDATE decisions SET record = replace(record, '\"scanner\"', '\"omens\"') WHERE since = 90000000";
            assert_eq!(rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
        }
        let bytes = fs::read(&path).unwrap();
        let store = EventStore::open(directory.path(), &config(), at(1_700_000_000)).unwrap();
        assert_eq!(store.reader().decisions_active(at(200)).unwrap(), [blocked], "{with_unknown}");
        let kept = directory.path().join("events.db.newer-20231114T221320Z");
        assert!(fs::read(&kept).unwrap() == bytes, "the newer version finds it as it left it");
        let damages = store.damages();
        assert_eq!(damages.len(), 1);
        assert_eq!((damages[0].kept.as_ref(), damages[0].lacks_rules), (Ok(&kept), with_unknown));
        assert!(damages[0].to_string().contains("version 99") && damages[0].to_string().contains("mv "));
        works(&store);
        // The next start is an ordinary one.
        drop(store);
        let store = open(directory.path());
        assert_eq!(store.reader().decisions_active(at(200)).unwrap().len(), 1);
        assert_eq!(store.damages(), []);
    }
}

/// Cut anywhere, the database opens, with what is left or anew, and nothing of it is thrown away.
#[test]
fn a_truncated_database_is_used_or_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    (0..40).for_each(|n| store.decision(decision(&format!("192.0.2.{n}/32"), 100 + n, Some(1 << 32))));
    assert!(store.flush(PATIENCE));
    drop(store);
    let whole = fs::read(directory.path().join(EVENTS)).unwrap();
    let step = 509;
    for length in (0..whole.len()).step_by(step).chain([1, 15, 16, 99, 100, 4_095, 4_096, 4_097]) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(EVENTS), &whole[..length]).unwrap();
        let store = open(directory.path());
        let read = store.reader().decisions_active(at(200));
        wait_until(&store, |stats| read.is_ok() || stats.generation > 1);
        works(&store);
        let kept = moved(directory.path());
        let is_said = length == 0 || read.as_ref().is_ok_and(|read| read.len() == 40) || kept.len() == 1;
        let read = read.map(|read| read.len());
        assert!(is_said, "cut at {length} of {}: nobody is told: {read:?}, {:?}", whole.len(), store.stats());
        assert_eq!(store.damages().len(), kept.len(), "cut at {length}");
        if let [kept] = &kept[..] {
            assert_eq!(fs::read(kept).unwrap().len(), length, "cut at {length}");
        }
    }
}
