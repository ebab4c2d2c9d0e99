//! A process that is killed while it writes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

const DIRECTORY: &str = "SENSOR_TEST_KILLED_STORE";

/// The process that is killed: this test binary, entered here.
#[test]
#[ignore = "entered by the test below, in a process of its own"]
fn writes_until_killed() {
    let directory = std::env::var(DIRECTORY).unwrap();
    let store = open(Path::new(&directory));
    let mut out = io::stdout();
    for n in 0.. {
        store.alert(alert("192.0.2.7", 1_000 + n, n));
        store.audit(entry("192.0.2.7", 1_000 + n));
        store.decision(decision("192.0.2.7/32", 1_000 + n, None));
        if n % 7 == 0 && store.flush(PATIENCE) {
            writeln!(out, "\nkept {n}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn what_was_written_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = 0;
    // Each time over what the one before left.
    for enough in [1, 60, 400] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::events::tests::kill::writes_until_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told = lines.filter_map(|line| line.strip_prefix("kept ")?.parse::<u64>().ok());
        let seen = told.find(|told| *told >= enough).unwrap();
        child.kill().unwrap();
        kept = told.last().unwrap_or(seen).max(seen).max(kept);
        child.wait().unwrap();
        let connection = rusqlite::Connection::open(directory.path().join(EVENTS)).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        drop(connection);
        let store = open(directory.path());
        let reader = store.reader();
        let alerts = reader.alerts(at(0), 100_000).unwrap();
        let count = usize::try_from(kept).unwrap() + 1;
        assert!(alerts.len() >= count);
        for (alert, second) in alerts.iter().zip(1_000..).take(count) {
            assert_eq!(alert.ts, at(second));
        }
        assert!(reader.audit(at(0), 100_000).unwrap().len() >= count);
        assert!(reader.decisions_active(at(1)).unwrap().len() >= count);
        assert_eq!(store.stats().generation, 1, "nothing was moved aside");
    }
}
