//! Reads files that nobody but this program may have written.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::replace::directory_of;

/// Maximum size of a state file read whole: the default tables give some 40 MiB.
const MAX: u64 = 256 << 20;
/// Bits of a mode by which others may write.
const OTHERS_WRITE: u32 = 0o022;
/// Mode bits that give others any access.
const OTHERS: u32 = 0o077;

/// Why a file is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The system refuses.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is a link, a directory, a device.
    #[error("it is {0}, not a regular file")]
    NoFile(&'static str),
    /// Somebody else owns it, and may have put anything there.
    #[error("it belongs to user {0}, who may have put anything there")]
    Foreign(u32),
    /// Others may read or write it.
    #[error("its mode is {0:04o}, so others may {1} it")]
    Exposed(u32, &'static str),
    /// Its content cannot be valid.
    #[error("it has {0} bytes; more than {MAX} are not read")]
    Large(u64),
}

/// Reads a file; `None` if there is none.
///
/// Links are not followed. It must belong to this process's user or to root (for root also to the owner of the
/// directory, who can replace it anyway), and others must not be able to write it, nor to read it if it is `secret`.
///
/// # Errors
/// If it exists and cannot be read or trusted.
pub fn read_own(path: &Path, secret: bool) -> Result<Option<Vec<u8>>, Unfit> {
    // Without waiting for the other end of a pipe.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(Unfit::NoFile("a symbolic link"));
        }
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(Unfit::NoFile(if found.is_dir() {
            "a directory"
        } else {
            "a device, a pipe or a socket"
        }));
    }
    let own = geteuid();
    let is_trusted = [0, own.as_raw()].contains(&found.uid())
        || own.is_root() && fs::metadata(directory_of(path))?.uid() == found.uid();
    if !is_trusted {
        return Err(Unfit::Foreign(found.uid()));
    }
    let mode = found.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(Unfit::Exposed(mode, "write"));
    }
    if secret && mode & OTHERS != 0 {
        return Err(Unfit::Exposed(mode, "read"));
    }
    if found.len() > MAX {
        return Err(Unfit::Large(found.len()));
    }
    let mut bytes = Vec::new();
    file.take(MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn only_what_is_ours_alone_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let file = |name: &str, mode| {
            fs::write(place(name), "x").unwrap();
            fs::set_permissions(place(name), Permissions::from_mode(mode)).unwrap();
        };
        file("private", 0o600);
        file("readable", 0o644);
        file("group", 0o620);
        file("anybody", 0o602);
        symlink(place("private"), place("link")).unwrap();
        fs::create_dir(place("directory")).unwrap();
        nix::unistd::mkfifo(&place("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let told = |name: &str, secret| match read_own(&place(name), secret) {
            Ok(found) => format!("{:?}", found.map(|bytes| bytes.len())),
            Err(error) => error.to_string(),
        };
        for (name, secret, expected) in [
            ("missing", true, "None"),
            ("private", true, "Some(1)"),
            ("readable", false, "Some(1)"),
            ("readable", true, "its mode is 0644, so others may read it"),
            ("group", false, "its mode is 0620, so others may write it"),
            ("anybody", false, "its mode is 0602, so others may write it"),
            ("link", false, "it is a symbolic link, not a regular file"),
            ("directory", false, "it is a directory, not a regular file"),
            ("pipe", false, "it is a device, a pipe or a socket, not a regular file"),
        ] {
            assert_eq!(told(name, secret), expected, "{name}");
        }
        if geteuid().is_root() {
            file("foreign", 0o600);
            chown(place("foreign"), Some(4_711), None).unwrap();
            assert_eq!(told("foreign", false), "it belongs to user 4711, who may have put anything there");
            // The owner of the directory can replace the file anyway, and root reads on his behalf.
            chown(directory.path(), Some(4_711), None).unwrap();
            assert_eq!(told("foreign", true), "Some(1)");
        }
    }
}
