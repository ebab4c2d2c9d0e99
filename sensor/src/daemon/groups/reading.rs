//! Reads the databases: at the start, for a new rule, and when they were replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::daemon::engine::OUT_OF_REACH;
use crate::detect::CountryOf;
use crate::enforce::{EnforceError, Members, Policy};
use crate::groups::{DatabaseError, Databases, Group, Origins, SharedOrigins, Stamp};
use crate::store::KeptNetworks;

/// Networks of groups that could not be read, each with the reason.
pub(in crate::daemon) type Troubles = BTreeMap<Group, String>;

/// What was read of the databases.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Reading {
    /// Read, and to be part of the next change of policy.
    pub(super) fresh: Members,
    /// The files that were read last.
    pub(super) stamps: [Option<Stamp>; 2],
    /// Whether they are being read now.
    pub(super) under_way: Arc<AtomicBool>,
    pub(super) troubles: Troubles,
    /// For naming the groups of offenders, and for detectors that compare countries.
    pub(in crate::daemon) origins: SharedOrigins,
    /// What a restart falls back to. Locked before the engine, never after it.
    pub(super) kept: Arc<Mutex<KeptNetworks>>,
    /// Whether the networks in force are in it, as far as they can be.
    pub(super) is_kept: bool,
    /// Why they are not.
    pub(super) unkept: Option<String>,
}

impl Reading {
    /// Reads the networks of all groups that a policy names. For those that cannot be read, takes what was in force
    /// when the last daemon ended.
    pub(in crate::daemon) fn begin(
        databases: &Databases,
        state_dir: &Path,
        policy: &mut Policy,
        now: Timestamp,
    ) -> Self {
        let stamps = databases.stamps();
        let kept = KeptNetworks::new(state_dir);
        let (mut members, mut troubles) = read(databases, &policy.groups());
        for (group, why) in &mut troubles {
            recall(&kept, *group, (&mut members, why), now);
        }
        policy.set_members(members);
        Self {
            fresh: Members::new(),
            stamps,
            under_way: Arc::default(),
            troubles,
            origins: SharedOrigins::new(open(databases, &Origins::default())),
            kept: Arc::new(Mutex::new(kept)),
            is_kept: false,
            unkept: None,
        }
    }

    /// If the networks that the databases name today have no room, takes those of the last daemon, which had; returns
    /// whether it did.
    pub(in crate::daemon) fn fall_back(
        &mut self,
        why: &EnforceError,
        policy: &mut Policy,
        now: Timestamp,
    ) -> bool {
        if !matches!(why, EnforceError::TooManyNetworks { .. }) {
            return false;
        }
        let mut members = Members::new();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for group in policy.groups() {
            let mut trouble = why.to_string();
            recall(&kept, group, (&mut members, &mut trouble), now);
            // Of a new rule, there are none: that it has no effect is better than no daemon.
            members.entry(group).or_default();
            let and = |known: &mut String| *known = format!("{known}; {trouble}");
            self.troubles.entry(group).and_modify(and).or_insert_with(|| trouble.clone());
        }
        policy.set_members(members);
        true
    }

    /// How detectors learn in which country an address is.
    pub(in crate::daemon) fn countries(&self) -> CountryOf {
        let origins = self.origins.clone();
        Arc::new(move |address| {
            // The decoder of the format is not ours, and a file may hold anything.
            let country = catch_unwind(AssertUnwindSafe(|| origins.get().country(address))).ok()??;
            country.as_bytes().try_into().ok()
        })
    }

    /// What was read for the change of policy that is made now.
    pub(in crate::daemon) fn take(&mut self) -> Members {
        mem::take(&mut self.fresh)
    }

    /// After a change of policy: groups may have other networks, or no rule.
    pub(in crate::daemon) const fn changed(&mut self) {
        self.is_kept = false;
    }
}

/// Takes the networks of a group that were in force last, or says why there are none.
fn recall(kept: &KeptNetworks, group: Group, (members, why): (&mut Members, &mut String), now: Timestamp) {
    let (networks, damage) = kept.recall(group, now);
    if let Some(networks) = networks {
        info!(%group, networks = networks.len(), "networks of a group as they were in force before");
        members.insert(group, Arc::new(networks));
    }
    if let Some(damage) = damage {
        *why = format!("{why}; {damage}");
    }
}

/// Reads the networks of groups, and says which cannot be read.
pub(super) fn read(databases: &Databases, groups: &BTreeSet<Group>) -> (Members, Troubles) {
    let (mut members, mut troubles) = (Members::new(), Troubles::new());
    // The decoder of the format is not ours, and a file may hold anything.
    let Ok(found) = catch_unwind(AssertUnwindSafe(|| databases.networks(groups))) else {
        warn!("reading the databases of groups panicked");
        troubles.extend(groups.iter().map(|group| (*group, "reading its database panicked".to_owned())));
        return (members, troubles);
    };
    for (group, networks) in found {
        match networks {
            Ok(networks) => {
                info!(%group, networks = networks.len(), "networks of a group read");
                members.insert(group, Arc::new(networks));
            }
            Err(error) => {
                warn!(%group, %error, "the networks of a group cannot be read");
                troubles.insert(group, told(&error));
            }
        }
    }
    (members, troubles)
}

/// Why a group is not known, with what the operator cannot see from outside.
fn told(error: &DatabaseError) -> String {
    let text = error.to_string();
    if text.contains("Permission denied") { format!("{text}: {OUT_OF_REACH}") } else { text }
}

/// The databases for looking addresses up, or what was open before in the place of one that cannot be read.
pub(super) fn open(databases: &Databases, before: &Origins) -> Origins {
    let tell = |error: &DatabaseError| warn!(%error, "alerts do not name the groups of offenders");
    let opened = catch_unwind(AssertUnwindSafe(|| before.reopened(databases, tell)));
    opened.unwrap_or_else(|_panic| before.clone())
}

/// Databases are being read until this is dropped, be it by a panic.
pub(super) struct UnderWay(Arc<AtomicBool>);

impl UnderWay {
    /// None if they are being read.
    pub(super) fn begin(flag: &Arc<AtomicBool>) -> Option<Self> {
        (!flag.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(flag)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::enforce::{BlockRule, Layer, Origin};
    use crate::groups::Networks;

    /// A rule's networks come from the database, else from what was kept; if they have no room, as they were kept.
    #[test]
    fn what_cannot_be_read_or_has_no_room_is_as_it_was_kept() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_micros(1_700_000_000_000_000);
        let (old, new): (Group, Group) = ("asn:64500".parse().unwrap(), "country:XX".parse().unwrap());
        let kept: Arc<Networks> = Arc::new(["192.0.2.0/24".parse().unwrap()].into_iter().collect());
        let mut files = KeptNetworks::new(directory.path());
        files.keep(&Members::from([(old, Arc::clone(&kept))]), &[old].into()).unwrap();
        let rule = BlockRule { until: None, reason: None, origin: Origin::Command, since: now };
        let mut commands = Layer::default();
        commands.groups.blocks.extend([(old, rule.clone()), (new, rule)]);
        let mut policy = Policy::new(Layer::default(), commands);
        let mut reading = Reading::begin(&Databases::default(), directory.path(), &mut policy, now);
        assert_eq!(policy.networks(old), Some(&kept));
        assert_eq!(policy.networks(new), None);
        assert!(reading.troubles[&old].contains("names.asn_database"), "{:?}", reading.troubles);
        // The database of another day names more than there is room for.
        let many: Networks =
            ["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()].into_iter().collect();
        policy.set_members(Members::from([(old, Arc::new(many.clone())), (new, Arc::new(many))]));
        let refused = EnforceError::TooManyNetworks { what: "blocked", networks: 2_000_000 };
        assert!(reading.fall_back(&refused, &mut policy, now));
        assert_eq!(policy.networks(old), Some(&kept));
        assert!(policy.networks(new).is_some_and(|networks| networks.is_empty()));
        assert!(reading.troubles[&new].contains("2000000 networks"), "{:?}", reading.troubles);
        let other = EnforceError::SplitsClient { scope: "2001:db8::/65".parse().unwrap(), client_bits: 64 };
        assert!(!reading.fall_back(&other, &mut policy, now));
    }

    #[test]
    fn what_the_sandbox_refuses_is_explained() {
        let unreadable =
            |error: &str| DatabaseError::Unreadable { path: "a.mmdb".into(), error: error.to_owned() };
        assert!(told(&unreadable("Permission denied (os error 13)")).contains("restart"));
        assert!(!told(&unreadable("No such file or directory (os error 2)")).contains("restart"));
    }

    #[test]
    fn a_panic_ends_the_reading() {
        let flag = Arc::default();
        let reading = UnderWay::begin(&flag).unwrap();
        assert!(UnderWay::begin(&flag).is_none(), "one at a time");
        let ended = thread::spawn(move || {
            let _reading = reading;
            panic!("a test");
        });
        assert!(ended.join().is_err());
        assert!(UnderWay::begin(&flag).is_some());
    }
}
