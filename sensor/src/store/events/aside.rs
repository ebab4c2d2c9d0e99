//! Moving a database out of the way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;

/// Databases that are kept for somebody to look at; the oldest go, so that they do not fill the disk.
const KEPT: usize = 3;
/// What SQLite has beside a database. The log belongs to it; the index of the log is made anew.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// Renames the database to `events.db.corrupt-20260131T235959Z`; its new path.
pub(super) fn move_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let time: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let target = beside(path, &format!(".corrupt-{time}Z"));
    fs::rename(path, &target)?;
    ignore_missing(fs::rename(beside(path, LOG), beside(&target, LOG)))?;
    ignore_missing(fs::remove_file(beside(path, INDEX)))?;
    remove_oldest(path)?;
    Ok(target)
}

fn remove_oldest(path: &Path) -> io::Result<()> {
    let prefix = format!("{}.corrupt-", path.file_name().unwrap_or_default().to_string_lossy());
    let is_moved = |found: &PathBuf| {
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && !name.ends_with(LOG)
    };
    let entries = fs::read_dir(path.parent().unwrap_or(Path::new("/")))?;
    let mut moved: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_moved).collect();
    moved.sort();
    for old in moved.iter().rev().skip(KEPT) {
        fs::remove_file(old)?;
        ignore_missing(fs::remove_file(beside(old, LOG)))?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
