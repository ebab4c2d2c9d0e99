//! The networks of groups that were in force last, a file each in the state directory, where the daemon's sandbox lets it
//! make files and no directories: a database that cannot be read after a restart must not lift a block.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aside::Damage;
use super::file::{StateFile, StoreError};
use super::replace::ignore_missing;
use crate::clock::Timestamp;
use crate::enforce::Members;
use crate::groups::{Group, MAX_NETWORKS, Networks};

/// Begins the name of each file.
const PREFIX: &str = "group-";
/// Ends the name of each file.
const SUFFIX: &str = ".json";

/// The files.
#[derive(Debug)]
pub struct KeptNetworks {
    directory: PathBuf,
    /// What this process wrote to them.
    written: BTreeMap<Group, Arc<Networks>>,
}

impl KeptNetworks {
    /// Those in a state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { directory: state_dir.to_owned(), written: BTreeMap::new() }
    }

    /// What was kept of a group, if anything; and what could not be used.
    #[must_use]
    pub fn recall(&self, group: Group, now: Timestamp) -> (Option<Networks>, Option<Damage>) {
        let Ok(mut file) = StateFile::<Networks>::open(&self.directory, &name_of(group)) else {
            return (None, None);
        };
        let (networks, damage) = file.recall(now);
        let is_usable = !networks.is_empty() && networks.len() <= MAX_NETWORKS as usize;
        (is_usable.then_some(networks), damage)
    }

    /// Keeps these networks, and what was kept of other groups that rules name.
    ///
    /// # Errors
    /// If they cannot be written; what was kept before stays then.
    pub fn keep(&mut self, members: &Members, named: &BTreeSet<Group>) -> Result<(), StoreError> {
        for (group, networks) in members {
            if self.written.get(group).is_some_and(|written| Arc::ptr_eq(written, networks)) {
                continue;
            }
            StateFile::<Networks>::open(&self.directory, &name_of(*group))?.save(networks)?;
            self.written.insert(*group, Arc::clone(networks));
        }
        self.written.retain(|group, _| members.contains_key(group));
        self.remove_others(named)
    }

    /// Removes files of groups without a rule, also those that were moved aside.
    fn remove_others(&self, named: &BTreeSet<Group>) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let group = name.to_str().and_then(group_of);
            if group.is_some_and(|group| !named.contains(&group)) {
                let path = entry.path();
                ignore_missing(fs::remove_file(&path)).map_err(|source| StoreError::Io { path, source })?;
            }
        }
        Ok(())
    }
}

/// Such as `group-asn-64500.json`.
fn name_of(group: Group) -> String {
    format!("{PREFIX}{}{SUFFIX}", group.to_string().replace(':', "-"))
}

/// The group of a file, by its name.
fn group_of(name: &str) -> Option<Group> {
    let (group, _) = name.strip_prefix(PREFIX)?.split_once(SUFFIX)?;
    group.replacen('-', ":", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All groups have networks.
    fn keep(kept: &mut KeptNetworks, members: &Members) -> Result<(), StoreError> {
        kept.keep(members, &members.keys().copied().collect())
    }

    fn group(text: &str) -> Group {
        text.parse().unwrap()
    }

    fn networks(texts: &[&str]) -> Arc<Networks> {
        Arc::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn networks_of_groups_are_kept_until_no_rule_names_them() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_micros(1_700_000_000_000_000);
        let mut kept = KeptNetworks::new(directory.path());
        assert_eq!(kept.recall(group("asn:64500"), now), (None, None));
        keep(&mut kept, &Members::new()).unwrap();
        let (system, country) =
            (networks(&["192.0.2.0/24", "2001:db8::/32"]), networks(&["198.51.100.0/24"]));
        let mut members =
            Members::from([(group("asn:64500"), Arc::clone(&system)), (group("country:XX"), country)]);
        keep(&mut kept, &members).unwrap();
        let recalled = |text: &str| KeptNetworks::new(directory.path()).recall(group(text), now).0;
        assert_eq!(recalled("asn:64500").as_ref(), Some(&*system));
        // Other networks, and a group that is gone.
        let others = networks(&["203.0.113.0/24"]);
        members.insert(group("asn:64500"), Arc::clone(&others));
        members.remove(&group("country:XX"));
        keep(&mut kept, &members).unwrap();
        assert_eq!(recalled("asn:64500").as_ref(), Some(&*others));
        assert_eq!(recalled("country:XX"), None);
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_micros(1_700_000_000_000_000);
        let mut kept = KeptNetworks::new(directory.path());
        let members = Members::from([(group("asn:64500"), networks(&["192.0.2.0/24"]))]);
        keep(&mut kept, &members).unwrap();
        let path = directory.path().join("group-asn-64500.json");
        fs::write(&path, "[\"192.0.2.0/2").unwrap();
        let (found, damage) = kept.recall(group("asn:64500"), now);
        assert_eq!(found, None);
        assert_eq!(damage.map(|damage| damage.path), Some(path.clone()));
        assert!(!path.exists());
        // Its group has a rule, though no networks: the file that was moved aside stays.
        kept.keep(&Members::new(), &[group("asn:64500")].into()).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let mut again = KeptNetworks::new(directory.path());
        keep(&mut again, &members).unwrap();
        assert_eq!(again.recall(group("asn:64500"), now).0.as_ref(), Some(&*members[&group("asn:64500")]));
        keep(&mut again, &Members::new()).unwrap();
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "what was moved aside goes with its group");
    }

    #[test]
    fn a_full_disk_is_told_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state");
        fs::write(&place, "in the way").unwrap();
        let mut kept = KeptNetworks::new(&place);
        let members = Members::from([(group("asn:64500"), networks(&["192.0.2.0/24"]))]);
        assert!(keep(&mut kept, &members).unwrap_err().to_string().contains("state"));
        fs::remove_file(&place).unwrap();
        keep(&mut kept, &members).unwrap();
        let now = Timestamp::from_unix_micros(0);
        assert!(kept.recall(group("asn:64500"), now).0.is_some());
    }
}
