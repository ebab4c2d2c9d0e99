//! A disk that is full.

use std::fs;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// A file system of one mebibyte, seen by this thread and those it starts only.
fn tiny_file_system(directory: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn events_wait_while_the_disk_is_full() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: a file system can be mounted by root only");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // The thread's mounts end with it.
    thread::scope(|scope| scope.spawn(|| fill_and_empty(directory.path())).join().unwrap());
}

fn fill_and_empty(directory: &Path) {
    tiny_file_system(directory);
    let store = open(directory);
    store.alert(alert("192.0.2.7", 1, 0));
    assert!(store.flush(PATIENCE));
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap_err();
    for n in 1..=2_000 {
        store.alert(alert("192.0.2.7", 1 + n, n));
    }
    let stats = wait_until(&store, |stats| stats.write_errors > 3);
    assert!(!stats.healthy && stats.depth > 0 && stats.lost == 0, "{stats:?}");
    // What is there can still be read.
    let read = store.reader().alerts(at(0), 5_000).unwrap();
    assert_eq!(read[0], alert("192.0.2.7", 1, 0));
    let errors = store.stats().write_errors;
    wait_until(&store, |stats| stats.write_errors > errors);
    fs::remove_file(&ballast).unwrap();
    // There is room for some, not for all: what is written stays whole.
    let stats = wait_until(&store, |stats| stats.alerts > 200);
    assert_eq!((stats.lost, stats.generation >= 1), (0, true));
    drop(store);
    let connection = rusqlite::Connection::open(directory.join(EVENTS)).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
