//! The user that a daemon runs as if root starts it by hand. A service manager sets the user itself, and the daemon is
//! then never root.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use caps::Capability;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{Gid, Uid, User, fchownat, getgrouplist, setgid, setgroups, setuid};
use tracing::info;

use super::config::Config;
use crate::kernel::{Pins, probe};

/// The daemon's user: the one named, or the owner of the state, such as a unit's user. `None` for the current one.
///
/// # Errors
/// If there is no such user, or this process may not switch to it.
pub(super) fn wanted(named: Option<&str>, state_dir: &Path) -> Result<Option<User>> {
    let current = Uid::effective();
    let user = match named {
        Some(name) => {
            let found = User::from_name(name).context("looking up users")?;
            found.with_context(|| format!("there is no user `{name}`; `--user` names one of this host"))?
        }
        None => match owner_of(state_dir) {
            Some(owner) if current.is_root() && !owner.is_root() => {
                let found = User::from_uid(owner).context("looking up users")?;
                found.with_context(|| {
                    format!("{} belongs to user {owner}, which does not exist", state_dir.display())
                })?
            }
            _ => return Ok(None),
        },
    };
    ensure!(
        current.is_root() || current == user.uid,
        "only root can run the daemon as another user; start it as {} without `--user`",
        user.name
    );
    Ok((current != user.uid).then_some(user))
}

fn owner_of(directory: &Path) -> Option<Uid> {
    let metadata = fs::symlink_metadata(directory).ok()?;
    metadata.is_dir().then(|| Uid::from_raw(metadata.uid()))
}

/// Switches to that user, keeping only the capabilities that set-up needs; what a root daemon left behind is given to
/// the user. Without one, existing files are given to the current user.
///
/// # Errors
/// If the system refuses.
pub(super) fn become_user(user: Option<&User>, config: &Config, pins: Option<Pins>) -> Result<Option<Pins>> {
    let current = Uid::effective();
    let (uid, gid) = user.map_or((current, Gid::effective()), |user| (user.uid, user.gid));
    if current.is_root()
        && let Some(pins) = &pins
    {
        pins.give(uid, gid)?;
    }
    let Some(user) = user else { return Ok(pins) };
    give_state(&config.paths.state_dir, uid, gid)?;
    switch(Some(user), &probe::NEEDED)?;
    info!(user = user.name, "no longer root");
    // The file system around the pins may belong to root.
    Ok(pins.map(|pins| pins.by_descriptor()))
}

/// Switches to a user, if one is given, and keeps only these capabilities.
///
/// # Errors
/// If the system refuses.
pub(super) fn switch(user: Option<&User>, kept: &[Capability]) -> Result<()> {
    let Some(user) = user else {
        return probe::keep_only(kept, || Ok(())).context("cannot give up capabilities");
    };
    let name = CString::new(user.name.as_str()).context("the name of a user")?;
    let groups = getgrouplist(&name, user.gid).context("the groups of a user")?;
    probe::keep_only(kept, || {
        setgroups(&groups)?;
        setgid(user.gid)?;
        setuid(user.uid)
    })
    .with_context(|| format!("cannot become user {}", user.name))
}

/// Creates the directory, and gives away root's files in it; links are not followed.
fn give_state(directory: &Path, uid: Uid, gid: Gid) -> Result<()> {
    if !directory.exists() {
        let parent = directory.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        DirBuilder::new().mode(0o700).create(directory).with_context(|| directory.display().to_string())?;
    }
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let files = entries.flatten().map(|entry| entry.path());
    for path in files.chain([directory.to_owned()]) {
        let metadata = fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        // Another hard link may be anywhere.
        let is_ours = metadata.is_dir() || (metadata.is_file() && metadata.nlink() == 1);
        if is_ours && metadata.uid() == 0 {
            fchownat(AT_FDCWD, &path, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
                .with_context(|| format!("cannot give away {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_becomes_who_is_not_there() {
        let error = wanted(Some("no-such-user"), Path::new("/nonexistent")).unwrap_err().to_string();
        assert_eq!(error, "there is no user `no-such-user`; `--user` names one of this host");
        let own = tempfile::tempdir().unwrap();
        assert!(wanted(None, own.path()).unwrap().is_none(), "its own state");
        assert!(wanted(None, Path::new("/nonexistent")).unwrap().is_none(), "no state yet");
    }

    #[test]
    fn only_what_is_roots_is_given_away() {
        if !Uid::effective().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (state, other) = (directory.path().join("state"), directory.path().join("other"));
        fs::write(&other, "").unwrap();
        let (uid, gid) = (Uid::from_raw(4_711), Gid::from_raw(4_711));
        give_state(&state, uid, gid).unwrap();
        for name in ["hash.key", "foreign", "linked"] {
            fs::write(state.join(name), "").unwrap();
        }
        std::os::unix::fs::chown(state.join("foreign"), Some(99), Some(99)).unwrap();
        fs::hard_link(state.join("linked"), directory.path().join("twice")).unwrap();
        std::os::unix::fs::symlink(&other, state.join("link")).unwrap();
        give_state(&state, uid, gid).unwrap();
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!(owner(&state), 4_711);
        assert_eq!(owner(&state.join("hash.key")), 4_711);
        assert_eq!(owner(&state.join("foreign")), 99);
        assert_eq!(owner(&state.join("linked")), 0, "it has a second name");
        assert_eq!(owner(&other), 0, "a link was followed");
        assert_eq!(
            wanted(None, &state).map_err(|error| error.to_string()).unwrap_err(),
            format!("{} belongs to user 4711, which does not exist", state.display())
        );
    }
}
