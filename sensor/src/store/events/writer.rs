//! The writing thread.
//!
//! ```text
//!             ┌── error: full, unreadable, locked ── pause, try again; what comes meanwhile waits in the queue
//! take ── write ── settled
//!             ├── error: corrupt ── move aside, begin anew, try again
//!             └── error: this record ── leave it out, count it
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::{error, info, warn};

use super::config::StoreConfig;
use super::counters::{Counters, add};
use super::database::{Database, DatabaseError, Remedy};
use super::newer::{self, Taken};
use super::queue::{Queue, Record};
use crate::clock::Timestamp;
use crate::duration::doubled;
use crate::store::aside::{Aside, Damage, move_aside};

/// Records per transaction.
const BATCH: usize = 256;
/// Chunks pruned before the writer checks its queue again, or stops until the next time.
const CHUNKS: usize = 64;

#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    config: StoreConfig,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    database: Option<Database>,
    /// As of the last record or request.
    now: Timestamp,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        config: StoreConfig,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        now: Timestamp,
    ) -> Self {
        Self { path, config, queue, counters, database: None, now }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        while let Some(work) = self.queue.take(BATCH) {
            self.now = work.prune.unwrap_or(self.now).max(newest(&work.records));
            if work.corrupt {
                self.replace("a reader found it corrupt".to_owned(), None);
            }
            let count = work.records.len();
            self.write_all(work.records);
            self.queue.settle(count);
            if work.prune.is_some() && self.database.is_none() {
                // Nothing is queued, and there may be room again.
                self.prepare();
            }
            if work.prune.is_some() || count > 0 {
                self.prune(work.prune);
            }
        }
    }

    fn write_all(&mut self, records: Vec<Record>) {
        let mut failures: u32 = 0;
        while !records.is_empty() {
            let Err(error) = self.try_write(&records) else { break };
            if error.remedy() == Remedy::Refuse {
                return self.write_singly(&records);
            }
            failures = failures.saturating_add(1);
            // The queue's end may have come just now; the last attempt is made without a pause.
            if self.recover(&error, failures) {
                if let Err(error) = self.try_write(&records) {
                    add(&self.counters.lost, records.len());
                    error!(%error, lost = records.len(), "the event store stops without writing these records");
                }
                return;
            }
        }
    }

    /// Drops what the database refuses.
    fn write_singly(&mut self, records: &[Record]) {
        for record in records {
            if let Err(error) = self.try_write(std::slice::from_ref(record)) {
                add(&self.counters.lost, 1);
                error!(%error, "a record was not stored");
            }
        }
    }

    fn try_write(&mut self, records: &[Record]) -> Result<(), DatabaseError> {
        let written = self.open().and_then(|database| database.write(records));
        self.counters.healthy.store(written.is_ok(), Relaxed);
        if written.is_err() {
            add(&self.counters.write_errors, 1);
        } else {
            self.count(records);
        }
        written
    }

    fn count(&self, records: &[Record]) {
        for record in records {
            let counter = match record {
                Record::Alert(_) => &self.counters.alerts,
                Record::Incident(_) => &self.counters.incidents,
                Record::Decision(_) => &self.counters.decisions,
                Record::Audit(_) => &self.counters.audit,
            };
            add(counter, 1);
        }
    }

    /// Responds to an error; returns whether the queue was closed meanwhile.
    fn recover(&mut self, error: &DatabaseError, failures: u32) -> bool {
        match error.remedy() {
            Remedy::Replace if failures == 1 => {
                self.replace_for(error);
                return false;
            }
            Remedy::Wait => {
                if failures == 1 {
                    warn!(%error, path = %self.path.display(), "events are not written; they are queued");
                }
                // Our own size limit may have been reached.
                self.prune(None);
            }
            Remedy::Reopen | Remedy::Replace | Remedy::Refuse => {
                if failures == 1 {
                    warn!(%error, path = %self.path.display(), "events are not written; they are queued");
                }
                self.database = None;
            }
        }
        let earlier = failures.saturating_sub(1);
        self.queue.pause(doubled(self.config.retry, earlier, StoreConfig::MAX_RETRY))
    }

    /// Opens the database before anything is to be written, so that readers find it.
    pub(super) fn prepare(&mut self) {
        let opened = self.open().map(drop);
        self.counters.healthy.store(opened.is_ok(), Relaxed);
        let Err(error) = opened else { return };
        add(&self.counters.write_errors, 1);
        if error.remedy() == Remedy::Replace {
            self.replace_for(&error);
        } else {
            warn!(%error, path = %self.path.display(), "the event store cannot be opened; events are queued");
        }
    }

    fn open(&mut self) -> Result<&mut Database, DatabaseError> {
        if self.database.as_ref().is_some_and(|database| !database.is_in_place()) {
            warn!(path = %self.path.display(), "the event store was removed or replaced; reopening it");
            self.database = None;
        }
        if self.database.is_none() {
            self.database = Some(Database::open(&self.path, &self.config)?);
            self.counters.generation.fetch_add(1, Relaxed);
        }
        // It was just put there.
        self.database.as_mut().ok_or(DatabaseError::Foreign)
    }

    fn replace_for(&mut self, error: &DatabaseError) {
        // Its decisions are in force: they are copied to the new one, as far as this version understands them.
        let is_newer = matches!(error, DatabaseError::Newer(_));
        let taken = is_newer.then(|| {
            newer::decisions(&self.path).unwrap_or_else(|error| {
                warn!(%error, path = %self.path.display(), "decisions of a newer version cannot be read");
                Taken { decisions: Vec::new(), unreadable: usize::MAX }
            })
        });
        self.replace(error.to_string(), taken);
    }

    /// Moves the database aside and creates another, with what was adopted from a newer version's.
    fn replace(&mut self, why: String, taken: Option<Taken>) {
        self.database = None;
        let aside = if taken.is_some() { Aside::Newer } else { Aside::Corrupt };
        let (instead, lacks_rules) = match &taken {
            Some(Taken { decisions, unreadable: 0 }) => (
                format!("a new one has its {} decisions; the history stays in the old one", decisions.len()),
                false,
            ),
            Some(Taken { decisions, .. }) => (
                format!("a new one has {} of its decisions; the others are not understood", decisions.len()),
                true,
            ),
            None => ("a new one was created".to_owned(), true),
        };
        let kept = move_aside(&self.path, aside, self.now).map_err(|error| error.to_string());
        let damage = Damage { path: self.path.clone(), why, kept, instead, lacks_rules };
        error!("{damage}");
        self.counters.note_damage(damage);
        let decisions: Vec<Record> =
            taken.into_iter().flat_map(|taken| taken.decisions).map(Record::Decision).collect();
        let opened = self
            .open()
            .and_then(|database| decisions.chunks(BATCH).try_for_each(|some| database.write(some)));
        self.counters.healthy.store(opened.is_ok(), Relaxed);
        if let Err(error) = opened {
            warn!(%error, path = %self.path.display(), "cannot create a new event store; events are queued");
        }
    }

    /// Prunes by size, and by age if a time is given.
    fn prune(&mut self, by_age: Option<Timestamp>) {
        let (now, max_age): (Timestamp, Duration) = (self.now, self.config.max_age);
        let Some(database) = &mut self.database else { return };
        let mut sum = 0_usize;
        for _ in 0..CHUNKS {
            let pruned = match by_age {
                Some(now) => database.prune_by_age(now, max_age),
                None => Ok((0, false)),
            };
            let step = pruned.and_then(|aged| Ok((aged, database.prune_by_size(now)?)));
            let (aged, sized) = match step {
                Ok(step) => step,
                Err(error) => {
                    add(&self.counters.write_errors, 1);
                    warn!(%error, "old events cannot be removed");
                    break;
                }
            };
            sum = sum.saturating_add(aged.0).saturating_add(sized.0);
            // After one chunk for size, check again: the chunk's return value does not show what it freed.
            if !aged.1 && sized.0 == 0 || !self.queue.is_empty() {
                break;
            }
        }
        add(&self.counters.pruned, sum);
        if sum > 0 {
            info!(removed = sum, "old events were removed");
        }
    }
}

fn newest(records: &[Record]) -> Timestamp {
    let time = |record: &Record| match record {
        Record::Alert(alert) => alert.ts,
        Record::Incident(incident) => incident.last,
        Record::Audit(entry) => entry.ts,
        Record::Decision(decision) => decision.since,
    };
    records.iter().map(time).max().unwrap_or_default()
}
