//! Tests of the event store.

mod full_disk;
mod keeping;
mod kill;
mod retention;
mod trouble;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::decide::{self, Cause, Change, Measure, RecordId};
use crate::detect::Threat;

/// Long enough for a slow machine; what is awaited comes much sooner.
const PATIENCE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn config() -> StoreConfig {
    StoreConfig { retry: Duration::from_millis(5), ..StoreConfig::default() }
}

fn open(directory: &Path) -> EventStore {
    EventStore::open(directory, &config(), at(1)).unwrap()
}

fn alert(client: &str, seconds: u64, sequence: u64) -> Alert {
    let signal = decide::signal(client, seconds);
    Alert::from_signal(&signal, RecordId::new(signal.at, sequence, 0))
}

fn entry(subject: &str, seconds: u64) -> AuditEntry {
    AuditEntry {
        id: RecordId::new(at(seconds), 0, 1),
        ts: at(seconds),
        what: Change::BlockAdded,
        subject: subject.to_owned(),
        cause: Cause::Detector { detector: Threat::Scanner },
        alert_id: None,
        until: None,
        detail: None,
    }
}

fn decision(prefix: &str, since: u64, until: Option<u64>) -> Decision {
    Decision {
        prefix: prefix.parse().unwrap(),
        measure: Measure::Block,
        since: at(since),
        until: until.map(at),
        threat: Threat::Scanner,
        alert_id: RecordId::new(at(since), 0, 0),
        repetition: 0,
        lifted: false,
    }
}

/// Waits for a condition that nothing wakes us for.
fn wait_until(store: &EventStore, condition: impl Fn(&StoreStats) -> bool) -> StoreStats {
    for _ in 0..20_000 {
        let stats = store.stats();
        if condition(&stats) {
            return stats;
        }
        // Lets time pass as the writer does.
        let _closed = store.queue.pause(Duration::from_millis(1));
    }
    panic!("never came true: {:?}", store.stats());
}
