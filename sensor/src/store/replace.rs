//! Replacing files whole: the one way in which this program writes a file that must survive a crash.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use tempfile::NamedTempFile;

/// The end of the name of a file that is not in its place yet.
const UNFINISHED: &str = ".unfinished";

/// Puts `bytes` in the place of a file. Whatever happens meanwhile (a full disk, a crash, a power failure), there is the
/// old file or the new one, whole. When this returns, the new one is on the disk.
///
/// # Errors
/// If it cannot be written. The old file then stays, unless only the directory could not be synchronised.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    written(path, bytes, mode)?.persist(path).map_err(|error| error.error)?;
    sync(directory_of(path))
}

/// The same for a file that must not be there yet.
///
/// # Errors
/// If it is there, or cannot be written; then there is none.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    written(path, bytes, mode)?.persist_noclobber(path).map_err(|error| error.error)?;
    sync(directory_of(path))
}

/// Has a second name stand for the file as it is now, in the place of what had that name.
pub(super) fn keep_as(path: &Path, second: &Path) -> io::Result<()> {
    let unfinished = directory_of(path).join(format!("{}{UNFINISHED}", prefix_of(second)));
    ignore_missing(fs::remove_file(&unfinished))?;
    fs::hard_link(path, &unfinished)?;
    fs::rename(&unfinished, second)?;
    // Where both names stood for the same file already, renaming does nothing (rename(2)).
    ignore_missing(fs::remove_file(&unfinished))
}

/// Removes what writers of this file left behind when they were killed.
pub(super) fn remove_unfinished(path: &Path) {
    let prefix = prefix_of(path);
    let is_unfinished = |found: &PathBuf| {
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(UNFINISHED)
    };
    let entries = fs::read_dir(directory_of(path)).into_iter().flatten().flatten();
    for left in entries.map(|entry| entry.path()).filter(is_unfinished) {
        // It takes some room and harms nobody.
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

/// Has the new name on the disk, too.
fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // File systems without that for directories.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        other => other,
    }
}
