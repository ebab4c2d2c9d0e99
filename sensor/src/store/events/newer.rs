//! Adopts what is possible from a newer version's database.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::reader::MOST;
use crate::decide::Decision;

/// Decisions from a newer version's database, and how many others this version does not understand.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) decisions: Vec<Decision>,
    pub(super) unreadable: usize,
}

/// Reads the decisions, including lifted and ended ones, which escalation needs. Nothing is written.
pub(super) fn decisions(path: &Path) -> rusqlite::Result<Taken> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut statement = connection.prepare("SELECT record FROM decisions ORDER BY since DESC LIMIT ?1")?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let mut taken = Taken::default();
    for text in statement.query_map([most], |row| row.get::<_, String>(0))? {
        match text.ok().and_then(|text| serde_json::from_str(&text).ok()) {
            Some(decision) => taken.decisions.push(decision),
            None => taken.unreadable = taken.unreadable.saturating_add(1),
        }
    }
    Ok(taken)
}
