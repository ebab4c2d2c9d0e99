//! Totals of the event store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::store::aside::Damage;

/// Totals since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Alerts written.
    pub alerts: u64,
    /// Incidents written, once per change.
    pub incidents: u64,
    /// Decisions written.
    pub decisions: u64,
    /// Audit entries written.
    pub audit: u64,
    /// Failed attempts to write, open or prune. Records that could not be written are queued and retried.
    pub write_errors: u64,
    /// Records dropped: the queue was full, the database refused them, or they were still queued at the end.
    pub lost: u64,
    /// Records removed because they were too old or the database too large.
    pub pruned: u64,
    /// Stored records that could not be understood.
    pub unreadable: u64,
    /// Queued records.
    pub depth: u64,
    /// How often a database was created anew or replaced; its contents then have to be written again.
    pub generation: u64,
    /// Whether writing works, as far as known.
    pub healthy: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) alerts: AtomicU64,
    pub(super) incidents: AtomicU64,
    pub(super) decisions: AtomicU64,
    pub(super) audit: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) pruned: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) generation: AtomicU64,
    pub(super) healthy: AtomicBool,
    damages: Mutex<Vec<Damage>>,
}

/// Databases moved aside that are reported; a later one replaces the last.
const MAX_DAMAGES: usize = 4;

pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
}

impl Counters {
    pub(super) fn note_damage(&self, damage: Damage) {
        let mut damages = self.damages.lock().unwrap_or_else(PoisonError::into_inner);
        damages.truncate(MAX_DAMAGES.saturating_sub(1));
        damages.push(damage);
    }

    pub(super) fn damages(&self) -> Vec<Damage> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn snapshot(&self, depth: usize) -> StoreStats {
        StoreStats {
            alerts: self.alerts.load(Relaxed),
            incidents: self.incidents.load(Relaxed),
            decisions: self.decisions.load(Relaxed),
            audit: self.audit.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            lost: self.lost.load(Relaxed),
            pruned: self.pruned.load(Relaxed),
            unreadable: self.unreadable.load(Relaxed),
            depth: u64::try_from(depth).unwrap_or(u64::MAX),
            generation: self.generation.load(Relaxed),
            healthy: self.healthy.load(Relaxed),
        }
    }
}
