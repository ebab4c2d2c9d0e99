//! Control groups by the number under which the kernel tells them: the inode of their directory.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

/// Where the hierarchy of version 2 is: alone, or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// A file that every group of version 2 has.
const MARK: &str = "cgroup.procs";
/// Most directories looked at; a host with a thousand containers has some thousands.
const MAX_GROUPS: usize = 65_536;

/// Paths of these groups, from the root of the hierarchy on; of those that there are.
#[must_use]
pub fn group_paths(wanted: &HashSet<u64>) -> HashMap<u64, String> {
    root().map(|root| find(root, |group| wanted.contains(&group), wanted.len())).unwrap_or_default()
}

/// Paths of all groups.
#[must_use]
pub fn all_groups() -> HashMap<u64, String> {
    root().map(|root| find(root, |_| true, MAX_GROUPS)).unwrap_or_default()
}

fn root() -> Option<&'static Path> {
    ROOTS.iter().rev().map(Path::new).find(|root| root.join(MARK).exists())
}

fn find(root: &Path, is_wanted: impl Fn(u64) -> bool, most: usize) -> HashMap<u64, String> {
    let mut found = HashMap::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    let mut left = MAX_GROUPS;
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if found.len() >= most || left == 0 {
                return found;
            }
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            left = left.saturating_sub(1);
            let path = entry.path();
            if is_wanted(entry.ino()) {
                let below = path.strip_prefix(root).unwrap_or(&path);
                found.insert(entry.ino(), format!("/{}", below.display()));
            }
            open.push(path);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn groups_are_found_by_the_inode_of_their_directory() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("system.slice/nginx.service");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(root.path().join("user.slice")).unwrap();
        let number = inner.metadata().unwrap().ino();
        let expected = HashMap::from([(number, "/system.slice/nginx.service".to_owned())]);
        let of = |group| [number, 1].contains(&group);
        assert_eq!(find(root.path(), of, 1), expected);
        assert_eq!(find(root.path(), of, 2), expected, "others are not there");
        assert!(find(root.path(), of, 0).is_empty());
        assert_eq!(find(root.path(), |_| true, 9).len(), 3);
    }
}
