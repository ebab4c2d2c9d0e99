//! The key of an installation, with which principals and accounts are hashed.
//!
//! Another key would change all hashes, so a key is created once and never replaced. Anyone who can read it can guess
//! principals in records and alerts, so a key readable by others is refused.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::identity::Key;
use crate::store::{Unfit, create, read_own};

/// Its file in the state directory.
const KEY_FILE: &str = "hash.key";
/// Its length in bytes.
const LENGTH: usize = 32;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It does not exist.
    #[error("{0}: there is no key yet; the daemon creates it when it first starts")]
    Missing(PathBuf),
    /// It cannot be created.
    #[error("{path}: the key could not be created: {source}; retried twice a minute and on reload")]
    Make {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It cannot be read, or not trusted.
    #[error("{path}: {source}; {remedy}", remedy = remedy(path, source))]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Unfit,
    },
    /// It is not a key.
    #[error(
        "{path}: {length} bytes, and a key has 32; put the file back from a backup, or remove it: a new key is then made, \
         with which users and tokens of earlier records are not recognised"
    )]
    Length {
        /// Which file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
}

fn remedy(path: &Path, why: &Unfit) -> String {
    let path = path.display();
    match why {
        Unfit::Exposed(_, "read") => format!(
            "`chmod 600 {path}` if nobody has read it; else remove it: a new key is then made, with which users and \
             tokens of earlier records are not recognised"
        ),
        Unfit::Io(_) => "make it readable by the daemon's user".to_owned(),
        Unfit::NoFile(_) | Unfit::Foreign(_) | Unfit::Exposed(..) | Unfit::Large(_) => format!(
            "see who put it there; the key is a regular file of the daemon's own user with mode 0600, {path}"
        ),
    }
}

/// Reads the key of an installation.
///
/// # Errors
/// If it does not exist, others can read or could have written it, or it is not 32 bytes long.
pub fn read_key(state_dir: &Path) -> Result<Key, KeyError> {
    let path = state_dir.join(KEY_FILE);
    match read_own(&path, true) {
        Ok(Some(bytes)) => {
            let bytes = Zeroizing::new(bytes);
            let whole: Result<[u8; LENGTH], _> = bytes.as_slice().try_into();
            whole.map(Key::from_bytes).map_err(|_wrong| KeyError::Length { path, length: bytes.len() })
        }
        Ok(None) => Err(KeyError::Missing(path)),
        Err(source) => Err(KeyError::Unfit { path, source }),
    }
}

/// Reads the key of an installation, creating it if it does not exist.
///
/// # Errors
/// As [`read_key`], or if it cannot be written; then there still is none.
pub(super) fn ensure_key(state_dir: &Path) -> Result<Key, KeyError> {
    let path = match read_key(state_dir) {
        Err(KeyError::Missing(path)) => path,
        found => return found,
    };
    let mut bytes = Zeroizing::new([0; LENGTH]);
    let made = getrandom::fill(bytes.as_mut_slice())
        .map_err(io::Error::from)
        .and_then(|()| create(&path, bytes.as_slice(), 0o600));
    made.map_err(|source| KeyError::Make { path, source })?;
    // What the next start will find is what counts.
    read_key(state_dir)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read_key(directory.path()), Err(KeyError::Missing(_))));
        ensure_key(directory.path()).unwrap();
        let path = directory.path().join(KEY_FILE);
        let made = fs::read(&path).unwrap();
        ensure_key(directory.path()).unwrap();
        assert_eq!((fs::read(&path).unwrap(), made.len()), (made, LENGTH));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_is_none_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        ensure_key(directory.path()).unwrap();
        let path = directory.path().join(KEY_FILE);
        for length in (0..LENGTH).chain([LENGTH + 1, 64]) {
            fs::write(&path, vec![7; length]).unwrap();
            let told = ensure_key(directory.path()).unwrap_err().to_string();
            assert!(told.contains(&format!("{length} bytes")) && told.contains("backup"), "{told}");
            assert_eq!(fs::read(&path).unwrap(), vec![7; length]);
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        ensure_key(directory.path()).unwrap();
        let path = directory.path().join(KEY_FILE);
        for mode in [0o640, 0o604, 0o620, 0o601, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let told = ensure_key(directory.path()).unwrap_err().to_string();
            assert!(told.contains(&format!("{mode:04o}")), "{told}");
            assert!(mode & 0o022 != 0 || told.contains("chmod 600"), "{told}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        ensure_key(directory.path()).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let told = ensure_key(directory.path()).unwrap_err().to_string();
        assert!(told.contains("symbolic link"), "{told}");
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    fn a_full_disk_leaves_no_half_key_and_room_brings_a_whole_one() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: a file system can be mounted by root only");
            return;
        }
        // The thread's mounts end with it.
        std::thread::scope(|scope| scope.spawn(fill_and_empty).join().unwrap());
    }

    fn fill_and_empty() {
        let directory = tempfile::tempdir().unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
        let ballast = directory.path().join("ballast");
        fs::write(&ballast, vec![1; 1 << 20]).unwrap_err();
        let told = ensure_key(directory.path()).unwrap_err().to_string();
        assert!(told.contains("No space left") && told.contains("retried"), "{told}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the ballast is there");
        fs::remove_file(&ballast).unwrap();
        ensure_key(directory.path()).unwrap();
        assert_eq!(fs::read(directory.path().join(KEY_FILE)).unwrap().len(), LENGTH);
    }
}
