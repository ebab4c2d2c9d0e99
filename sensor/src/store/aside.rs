//! Moves unusable files out of the way, so that a start without them loses nothing.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::replace::{directory_of, ignore_missing};
use crate::clock::Timestamp;

/// Damaged files kept for inspection; the oldest are removed, so that they do not fill the disk.
const KEPT: usize = 3;
/// SQLite's files next to a database. The log belongs to it; the log's index is created again.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// Why a file is moved aside, and whether all of them are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// It is unusable: the last [`KEPT`] are kept.
    Corrupt,
    /// A newer version wrote it, which will need it again: each is kept until somebody removes it.
    Newer,
}

impl Aside {
    const fn label(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Newer => "newer",
        }
    }
}

/// A stored file that could not be used as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Its new path, or why it could not be moved.
    pub kept: Result<PathBuf, String>,
    /// What is used instead.
    pub instead: String,
    /// Whether rules that were in force may be missing.
    pub lacks_rules: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, why, instead, .. } = self;
        write!(out, "{}: {why}; {instead}; ", path.display())?;
        match &self.kept {
            Ok(kept) => write!(
                out,
                "the file was kept as {0}; to restore it, stop the daemon, repair it, `mv {0} {1}`, start",
                kept.display(),
                path.display()
            ),
            Err(error) => write!(out, "the file could not be moved aside ({error}) and is not written to"),
        }
    }
}

/// Renames a file, with SQLite's files next to it, to `NAME.corrupt-20260131T235959Z` or the like; returns its new
/// path, which was not in use.
pub(super) fn move_aside(path: &Path, aside: Aside, now: Timestamp) -> io::Result<PathBuf> {
    let time: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let base = beside(path, &format!(".{}-{time}Z", aside.label()));
    let names = std::iter::once(base.clone()).chain((2..100_u8).map(|n| beside(&base, &format!("-{n}"))));
    let is_free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    let target = names.into_iter().find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(path, &target)?;
    ignore_missing(fs::rename(beside(path, LOG), beside(&target, LOG)))?;
    ignore_missing(fs::remove_file(beside(path, INDEX)))?;
    remove_oldest(path)?;
    Ok(target)
}

fn remove_oldest(path: &Path) -> io::Result<()> {
    let prefix =
        format!("{}.{}-", path.file_name().unwrap_or_default().to_string_lossy(), Aside::Corrupt.label());
    let is_moved = |found: &PathBuf| {
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && !name.ends_with(LOG)
    };
    let entries = fs::read_dir(directory_of(path))?;
    let mut moved: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_moved).collect();
    moved.sort();
    for old in moved.iter().rev().skip(KEPT) {
        // It may be a directory in the file's place: somebody should look at it.
        let _removed = fs::remove_file(old);
        ignore_missing(fs::remove_file(beside(old, LOG)))?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
