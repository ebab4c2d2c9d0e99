//! Finds or mounts a BPF file system for pins.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::error::KernelError;

/// Where systemd and most distributions mount it.
const STANDARD: &str = "/sys/fs/bpf";

/// Creates `directory` on a BPF file system, mounting one if there is none.
///
/// # Errors
/// If mounting or creating the directory fails, with the failing step.
pub(super) fn ensure(directory: &Path) -> Result<(), KernelError> {
    if !is_bpffs(existing_ancestor(directory)) {
        let target =
            if directory.starts_with(STANDARD) { PathBuf::from(STANDARD) } else { directory.to_owned() };
        create(&target)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("bpf"), &target, Some("bpf"), flags, Some("mode=0700"))
            .map_err(|errno| pin_error(&target, "mounting a BPF file system", errno.into()))?;
    }
    create(directory)
}

/// Removes a pin directory that is empty, and the file system that [`ensure`] mounted there.
pub(super) fn release(directory: &Path) -> Result<(), KernelError> {
    let is_mount_point = directory.parent().is_some_and(|parent| !is_bpffs(parent)) && is_bpffs(directory);
    if is_mount_point {
        umount(directory).map_err(|errno| pin_error(directory, "unmounting", errno.into()))?;
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(pin_error(directory, "removing the directory", error))
        }
        _ => Ok(()),
    }
}

pub(super) fn create(directory: &Path) -> Result<(), KernelError> {
    fs::create_dir_all(directory).map_err(|error| pin_error(directory, "creating the directory", error))
}

pub(super) fn pin_error(path: &Path, what: &'static str, source: std::io::Error) -> KernelError {
    KernelError::Pin { path: path.to_owned(), what, source }
}

fn existing_ancestor(directory: &Path) -> &Path {
    directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

/// Whether a path lies on a BPF file system.
pub(super) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}
