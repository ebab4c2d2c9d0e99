//! The database as used by the writer.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, params};

use super::config::StoreConfig;
use super::incidents;
use super::queue::Record;
use super::schema::{self, NEVER, micros};
use crate::clock::Timestamp;
use crate::decide::Decision;
use crate::printable::to_json;

/// The response to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Wait: the disk is full.
    Wait,
    /// Wait, and open the file again.
    Reopen,
    /// Move the file out of the way.
    Replace,
    /// Leave the record out.
    Refuse,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("a record cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it belongs to another program")]
    Foreign,
    #[error("it is truncated: it ends within a page")]
    Cut,
    #[error("it was written by a newer version of this program (tables of version {0})")]
    Newer(i64),
}

impl DatabaseError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Io(_) => Remedy::Reopen,
            Self::Json(_) => Remedy::Refuse,
            Self::Foreign | Self::Newer(_) | Self::Cut => Remedy::Replace,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Remedy::Replace,
                Some(ErrorCode::DiskFull) => Remedy::Wait,
                Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) | None => {
                    Remedy::Refuse
                }
                // Anything else may improve with another connection.
                Some(_) => Remedy::Reopen,
            },
        }
    }
}

/// Bytes of a page; the default of SQLite and of the system's page cache.
const PAGE: u64 = 4_096;
/// How long a write waits if another program, such as a backup, has the database locked.
const BUSY: Duration = Duration::from_secs(2);
/// Rows removed at once.
const CHUNK: u32 = 500;
/// Pages returned to the file system at once.
const VACUUM: u32 = 2_048;

#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    identity: (u64, u64),
    max_bytes: u64,
}

impl Database {
    /// Opens the file, creating it if it does not exist.
    pub(super) fn open(path: &Path, config: &StoreConfig) -> Result<Self, DatabaseError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        // Created here and not by SQLite, for its mode, which the write-ahead log inherits.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        if is_cut(path)? {
            return Err(DatabaseError::Cut);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        // Before anything is written: a newer version will need it unchanged.
        let version = schema::version(&connection)?.map_err(|unknown| match unknown {
            schema::Unknown::Newer(version) => DatabaseError::Newer(version),
            schema::Unknown::Foreign => DatabaseError::Foreign,
        })?;
        // The first must come before the file has content.
        connection.execute_batch(&format!(
            "PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA journal_size_limit = 4194304;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA max_page_count = {};",
            (config.max_bytes / PAGE).max(1)
        ))?;
        schema::migrate(&mut connection, version)?;
        let identity = identity(path)?;
        Ok(Self { connection, path: path.to_owned(), identity, max_bytes: config.max_bytes })
    }

    /// Whether the file is still in its place: what is written to a removed file is lost.
    pub(super) fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|identity| identity == self.identity)
    }

    /// Writes all or none.
    pub(super) fn write(&mut self, records: &[Record]) -> Result<(), DatabaseError> {
        let transaction = self.connection.transaction()?;
        for record in records {
            insert(&transaction, record)?;
        }
        Ok(transaction.commit()?)
    }

    /// Removes some expired records; returns how many rows, and whether there may be more.
    pub(super) fn prune_by_age(
        &mut self,
        now: Timestamp,
        max_age: Duration,
    ) -> Result<(usize, bool), DatabaseError> {
        let oldest = micros(now).saturating_sub(i64::try_from(max_age.as_micros()).unwrap_or(NEVER));
        self.prune(oldest, oldest)
    }

    /// Removes some of the oldest records if the database nears its maximum size; returns how many rows, and whether
    /// there may be more.
    pub(super) fn prune_by_size(&mut self, now: Timestamp) -> Result<(usize, bool), DatabaseError> {
        if self.used_bytes()? <= self.max_bytes.saturating_sub(self.max_bytes / 10) {
            return Ok((0, false));
        }
        for offset in [CHUNK, CHUNK / 10, 0] {
            if let Some(cut) = self.oldest(now, offset)? {
                return self.prune(cut, micros(now));
            }
        }
        Ok((0, false))
    }

    /// The time of the oldest removable record, after this many others. Alerts and audit entries belong together, so
    /// both are cut at one moment.
    fn oldest(&self, now: Timestamp, offset: u32) -> Result<Option<i64>, DatabaseError> {
        let found = self.connection.query_row(
            "SELECT ts FROM alerts UNION ALL SELECT ts FROM audit UNION ALL SELECT ts FROM incidents WHERE NOT open
             UNION ALL SELECT since FROM decisions WHERE lifted OR until <= ?1
             ORDER BY 1 LIMIT 1 OFFSET ?2",
            params![micros(now), offset],
            |row| row.get(0),
        );
        Ok(found.optional()?)
    }

    /// Removes records of that time or older; decisions only if they had ended by the other. A decision in force stays,
    /// whatever its age.
    fn prune(&mut self, before: i64, ended: i64) -> Result<(usize, bool), DatabaseError> {
        let transaction = self.connection.transaction()?;
        let mut most = 0;
        let mut sum = 0_usize;
        for table in ["alerts", "audit"] {
            let sql = format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE ts <= ?1 ORDER BY ts LIMIT ?2)"
            );
            let gone = transaction.prepare_cached(&sql)?.execute(params![before, CHUNK])?;
            most = most.max(gone);
            sum = sum.saturating_add(gone);
        }
        let (incidents, more) = incidents::prune(&transaction, before)?;
        sum = sum.saturating_add(incidents);
        let gone = transaction
            .prepare_cached(
                "DELETE FROM decisions WHERE (prefix, measure, since) IN (
                     SELECT prefix, measure, since FROM decisions
                     WHERE since <= ?1 AND (lifted OR until <= ?2) ORDER BY since LIMIT ?3)",
            )?
            .execute(params![before, ended, CHUNK])?;
        transaction.commit()?;
        if sum.saturating_add(gone) > 0 {
            // Each row of the result is a page returned.
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM})"))?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        let chunk = usize::try_from(CHUNK).unwrap_or(usize::MAX);
        Ok((sum.saturating_add(gone), more || most.max(gone) >= chunk))
    }

    /// Bytes of the pages in use.
    fn used_bytes(&self) -> Result<u64, DatabaseError> {
        let number = |pragma: &str| self.connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
        Ok(u64::try_from(pages).unwrap_or(0).saturating_mul(PAGE))
    }
}

/// Whether the file ends within a page. SQLite reads missing bytes as zeros, and rows in that page as absent. If there
/// is a log, it may contain the whole page.
fn is_cut(path: &Path) -> std::io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // Offset 16 of the header: the size of a page; 1 stands for 64 KiB (sqlite.org/fileformat2.html).
    let mut header = [0; 18];
    if length == 0 || file.read_exact(&mut header).is_err() {
        // An empty file was never written; SQLite would treat one of a few bytes the same.
        return Ok(length > 0);
    }
    let [.., high, low] = header;
    let page = match u16::from_be_bytes([high, low]) {
        1 => 1 << 16,
        page => u64::from(page),
    };
    Ok(page >= 512 && !length.is_multiple_of(page))
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn insert(transaction: &Transaction<'_>, record: &Record) -> Result<(), DatabaseError> {
    match record {
        Record::Alert(alert) => {
            let text = to_json(alert)?;
            insert_into(transaction, "alerts", &alert.id.to_string(), alert.ts, alert.about.prefix(), &text)
        }
        Record::Audit(entry) => {
            let text = to_json(entry)?;
            insert_into(transaction, "audit", &entry.id.to_string(), entry.ts, entry.prefix(), &text)
        }
        Record::Incident(incident) => incidents::insert(transaction, incident),
        Record::Decision(decision) => insert_decision(transaction, decision),
    }
}

/// Replaces, because after an error it is unknown whether the first attempt was written.
fn insert_into(
    transaction: &Transaction<'_>,
    table: &str,
    id: &str,
    at: Timestamp,
    prefix: Option<IpNet>,
    text: &str,
) -> Result<(), DatabaseError> {
    let (first, last) = prefix.map(|prefix| schema::range(&prefix)).unzip();
    let sql =
        format!("INSERT OR REPLACE INTO {table} (id, ts, first, last, record) VALUES (?1, ?2, ?3, ?4, ?5)");
    transaction.prepare_cached(&sql)?.execute(params![id, micros(at), first, last, text])?;
    Ok(())
}

fn insert_decision(transaction: &Transaction<'_>, decision: &Decision) -> Result<(), DatabaseError> {
    let text = to_json(decision)?;
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO decisions (prefix, measure, since, until, lifted, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        decision.prefix.to_string(),
        decision.measure.label(),
        micros(decision.since),
        decision.until.map_or(NEVER, micros),
        decision.lifted,
        text
    ])?;
    Ok(())
}
