//! The queue of records to write. Adding to it never waits for the disk.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::decide::{Alert, AuditEntry, Decision, Incident};

/// Something to write.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Alert(Box<Alert>),
    /// With the participants that changed.
    Incident(Box<Incident>),
    Decision(Decision),
    Audit(AuditEntry),
}

/// The writer's next task.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) records: Vec<Record>,
    /// Prune by age, as of this moment.
    pub(super) prune: Option<Timestamp>,
    /// A reader found the database corrupt.
    pub(super) corrupt: bool,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Record>,
    accepted: u64,
    settled: u64,
    prune: Option<Timestamp>,
    corrupt: bool,
    closed: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step of this file leaves an inconsistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there was room.
    #[must_use]
    pub(super) fn push(&self, record: Record) -> bool {
        let mut state = self.state();
        if state.waiting.len() >= self.capacity || state.closed {
            return false;
        }
        state.waiting.push_back(record);
        state.accepted = state.accepted.saturating_add(1);
        self.changed.notify_all();
        true
    }

    pub(super) fn depth(&self) -> usize {
        let state = self.state();
        usize::try_from(state.accepted.saturating_sub(state.settled)).unwrap_or(usize::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    pub(super) fn ask_to_prune(&self, now: Timestamp) {
        self.state().prune = Some(now);
        self.changed.notify_all();
    }

    pub(super) fn report_corruption(&self) {
        self.state().corrupt = true;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Waits for work, at most `most` records; none once the queue is closed and empty.
    pub(super) fn take(&self, most: usize) -> Option<Work> {
        let idle = |state: &mut State| {
            state.waiting.is_empty() && state.prune.is_none() && !state.corrupt && !state.closed
        };
        let mut state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed && state.waiting.is_empty() {
            return None;
        }
        let count = state.waiting.len().min(most);
        let records = state.waiting.drain(..count).collect();
        Some(Work { records, prune: state.prune.take(), corrupt: std::mem::take(&mut state.corrupt) })
    }

    /// This many of the records taken are written, or given up.
    pub(super) fn settle(&self, count: usize) {
        let mut state = self.state();
        state.settled = state.settled.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.changed.notify_all();
    }

    /// Waits until everything accepted so far is settled; returns whether it is.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let state = self.state();
        let target = state.accepted;
        let open = |state: &mut State| state.settled < target;
        let waited = self.changed.wait_timeout_while(state, timeout, open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits, unless the queue is closed; returns whether it is.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let open = |state: &mut State| !state.closed;
        let waited = self.changed.wait_timeout_while(self.state(), time, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }
}
