//! Reads stored records, concurrently with the writer.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, params};
use serde::de::DeserializeOwned;

use super::counters::{Counters, add};
use super::queue::Queue;
use super::schema::{self, micros};
use crate::clock::Timestamp;
use crate::decide::{Alert, AuditEntry, Decision, RecordId};

/// The database cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct ReadError {
    path: PathBuf,
    source: rusqlite::Error,
}

/// Maximum records per answer: the decisions of a default-sized block table.
pub const MOST: usize = 131_072;
/// How long to wait if the database is locked.
const BUSY: Duration = Duration::from_secs(2);

/// A read-only connection. It does not wait for the writer, nor the writer for it; it does wait for the disk, so
/// asynchronous tasks should not call it directly.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// With its generation.
    connection: Mutex<Option<(u64, Connection)>>,
}

impl Reader {
    pub(super) fn new(path: PathBuf, queue: Arc<Queue>, counters: Arc<Counters>) -> Self {
        Self { path, queue, counters, connection: Mutex::default() }
    }

    /// The latest alerts since a moment, at most `limit`, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn alerts(&self, since: Timestamp, limit: usize) -> Result<Vec<Alert>, ReadError> {
        let sql = "SELECT record FROM (SELECT ts, id, record FROM alerts WHERE ts >= ?1
                   ORDER BY ts DESC, id DESC LIMIT ?2) ORDER BY ts, id";
        self.records(sql, params![micros(since), bounded(limit)])
    }

    /// One alert.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn alert(&self, id: RecordId) -> Result<Option<Alert>, ReadError> {
        let sql = "SELECT record FROM alerts WHERE id = ?1";
        Ok(self.records(sql, params![id.to_string()])?.pop())
    }

    /// The latest alerts about clients or networks that share an address with the prefix, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn alerts_about(&self, prefix: &IpNet, limit: usize) -> Result<Vec<Alert>, ReadError> {
        self.about("alerts", prefix, limit)
    }

    /// The latest audit entries about them, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn audit_about(&self, prefix: &IpNet, limit: usize) -> Result<Vec<AuditEntry>, ReadError> {
        self.about("audit", prefix, limit)
    }

    /// The latest audit entries since a moment, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn audit(&self, since: Timestamp, limit: usize) -> Result<Vec<AuditEntry>, ReadError> {
        let sql = "SELECT record FROM (SELECT ts, id, record FROM audit WHERE ts >= ?1
                   ORDER BY ts DESC, id DESC LIMIT ?2) ORDER BY ts, id";
        self.records(sql, params![micros(since), bounded(limit)])
    }

    /// Decisions in force, latest start first; at most [`MOST`].
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn decisions_active(&self, now: Timestamp) -> Result<Vec<Decision>, ReadError> {
        let sql = "SELECT record FROM decisions WHERE until > ?1 AND NOT lifted ORDER BY since DESC LIMIT ?2";
        self.records(sql, params![micros(now), bounded(MOST)])
    }

    /// Decisions in force at some time after a moment, including lifted ones, latest start first: the history for
    /// escalation.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn decisions_since(&self, since: Timestamp, limit: usize) -> Result<Vec<Decision>, ReadError> {
        let sql = "SELECT record FROM decisions WHERE until > ?1 ORDER BY since DESC LIMIT ?2";
        self.records(sql, params![micros(since), bounded(limit)])
    }

    fn about<T: DeserializeOwned>(
        &self,
        table: &str,
        prefix: &IpNet,
        limit: usize,
    ) -> Result<Vec<T>, ReadError> {
        let (first, last) = schema::range(prefix);
        let sql = format!(
            "SELECT record FROM (SELECT ts, id, record FROM {table} WHERE first <= ?2 AND last >= ?1
             ORDER BY ts DESC, id DESC LIMIT ?3) ORDER BY ts, id"
        );
        self.records(&sql, params![first, last, bounded(limit)])
    }

    pub(super) fn records<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<Vec<T>, ReadError> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.counters.generation.load(Relaxed);
        let current = held.take().filter(|(of, _)| *of == generation);
        let read =
            current.map_or_else(|| self.open(), |(_, connection)| Ok(connection)).and_then(|connection| {
                let texts = texts(&connection, sql, params)?;
                *held = Some((generation, connection));
                Ok(texts)
            });
        let texts = read.map_err(|source| {
            let code = source.sqlite_error_code();
            if matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
                self.queue.report_corruption();
            }
            ReadError { path: self.path.clone(), source }
        })?;
        let records: Vec<T> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        // From another version, or damaged: the others are still worth reading.
        add(&self.counters.unreadable, texts.len().saturating_sub(records.len()));
        Ok(records)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        // The daemon's sandbox has no directory for temporary files.
        connection.execute_batch("PRAGMA temp_store = MEMORY;")?;
        Ok(connection)
    }
}

fn texts(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<String>> {
    connection.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect()
}

pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit.min(MOST)).unwrap_or(i64::MAX)
}
