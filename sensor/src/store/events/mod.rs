//! The event store: alerts, incidents, decisions and the audit trail, in SQLite.
//!
//! Storing a record never waits for the disk. One thread writes; what cannot be written is queued, within bounds, and
//! written once possible. Committed records survive the process, however it ends; a power failure may cost the last
//! moments, never the rest (write-ahead log, `synchronous = NORMAL`).

mod config;
mod counters;
mod database;
mod incidents;
mod newer;
mod queue;
mod reader;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use config::StoreConfig;
pub use counters::StoreStats;
use counters::{Counters, add};
pub use incidents::Which;
use queue::{Queue, Record};
pub use reader::{MOST as MOST_RECORDS, ReadError, Reader};
use writer::Writer;

use super::aside::Damage;
use crate::clock::Timestamp;
use crate::decide::{Alert, AuditEntry, Decision, Incident};

/// The name of the database in the state directory.
pub const EVENTS: &str = "events.db";

/// The event store. Dropping it first writes everything queued.
#[derive(Debug)]
pub struct EventStore {
    path: PathBuf,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// Until it runs in its thread.
    waiting: Mutex<Option<Writer>>,
    writer: Option<JoinHandle<()>>,
}

impl EventStore {
    /// Opens the database of a state directory, for reading at once, for writing from [`Self::start`] on. If that is
    /// impossible, the store logs and counts it, and retries later: nothing else depends on it. An unusable file is
    /// moved aside; decisions from a newer version's file are adopted.
    #[must_use]
    pub fn prepare(directory: &Path, config: &StoreConfig, now: Timestamp) -> Self {
        let path = directory.join(EVENTS);
        let queue = Arc::new(Queue::new(config.queue));
        let counters = Arc::new(Counters::default());
        let mut writer = Writer::new(path.clone(), config.clone(), queue.clone(), counters.clone(), now);
        writer.prepare();
        Self { path, queue, counters, waiting: Mutex::new(Some(writer)), writer: None }
    }

    /// The same, and starts writing.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn open(directory: &Path, config: &StoreConfig, now: Timestamp) -> io::Result<Self> {
        let mut store = Self::prepare(directory, config, now);
        store.start()?;
        Ok(store)
    }

    /// Starts the writing thread. It inherits its creator's capabilities: a daemon drops its own first.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(&mut self) -> io::Result<()> {
        if let Some(writer) = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let thread = thread::Builder::new().name("events".to_owned());
            self.writer = Some(thread.spawn(|| writer.run())?);
        }
        Ok(())
    }

    /// Stores an alert.
    pub fn alert(&self, alert: Alert) {
        self.push(Record::Alert(Box::new(alert)));
    }

    /// Stores an incident, or its new state, with the participants that changed.
    pub fn incident(&self, incident: Incident) {
        self.push(Record::Incident(Box::new(incident)));
    }

    /// Stores a decision, or its new state.
    pub fn decision(&self, decision: Decision) {
        self.push(Record::Decision(decision));
    }

    /// Stores an audit entry.
    pub fn audit(&self, entry: AuditEntry) {
        self.push(Record::Audit(entry));
    }

    fn push(&self, record: Record) {
        if !self.queue.push(record) {
            add(&self.counters.lost, 1);
        }
    }

    /// Requests removal of expired records; to be called every minute or so.
    pub fn retain(&self, now: Timestamp) {
        self.queue.ask_to_prune(now);
    }

    /// Waits until everything submitted so far is written or given up; returns whether it is. For shutdown and for
    /// tests.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }

    /// A reader with its own connection.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.path.clone(), self.queue.clone(), self.counters.clone())
    }

    /// Databases that were unusable, since the start.
    #[must_use]
    pub fn damages(&self) -> Vec<Damage> {
        self.counters.damages()
    }

    /// Totals.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.counters.snapshot(self.queue.depth())
    }
}

impl Drop for EventStore {
    fn drop(&mut self) {
        self.queue.close();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the event store had already ended");
        }
    }
}
