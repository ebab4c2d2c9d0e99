//! Atomic file replacement: the only way in which this program writes a file that must survive a crash.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use tempfile::NamedTempFile;

/// Suffix of a file that is not in its place yet.
const UNFINISHED: &str = ".unfinished";

/// Replaces a file's content with `bytes`. Whatever happens meanwhile (a full disk, a crash, a power failure), the old
/// or the new file is there, complete. When this returns, the new one is on the disk.
///
/// # Errors
/// If it cannot be written. The old file then stays, unless only synchronising the directory failed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    written(path, bytes, mode)?.persist(path).map_err(|error| error.error)?;
    sync(directory_of(path))
}

/// The same for a file that must not exist yet.
///
/// # Errors
/// If it exists, or cannot be written; then there is none.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    written(path, bytes, mode)?.persist_noclobber(path).map_err(|error| error.error)?;
    sync(directory_of(path))
}

/// Gives the current file a second name, replacing whatever had that name.
pub(super) fn keep_as(path: &Path, second: &Path) -> io::Result<()> {
    let unfinished = directory_of(path).join(format!("{}{UNFINISHED}", prefix_of(second)));
    ignore_missing(fs::remove_file(&unfinished))?;
    fs::hard_link(path, &unfinished)?;
    fs::rename(&unfinished, second)?;
    // If both names already refer to the same file, renaming does nothing (rename(2)).
    ignore_missing(fs::remove_file(&unfinished))
}

/// Removes what killed writers of this file left behind.
pub(super) fn remove_unfinished(path: &Path) {
    let prefix = prefix_of(path);
    let is_unfinished = |found: &PathBuf| {
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(UNFINISHED)
    };
    let entries = fs::read_dir(directory_of(path)).into_iter().flatten().flatten();
    for left in entries.map(|entry| entry.path()).filter(is_unfinished) {
        // It takes some space and is harmless.
        let _removed = fs::remove_file(left);
    }
}

/// Treats the absence of a file as success.
pub(super) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn written(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(&prefix_of(path))
        .suffix(UNFINISHED)
        .tempfile_in(directory_of(path))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn prefix_of(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Synchronises the new name to the disk.
fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // For file systems that cannot do this for directories.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        other => other,
    }
}
