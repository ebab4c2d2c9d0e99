//! The pin directory: what outlives the daemon, and whether it can be reused.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use aya::maps::{MapData, MapInfo};
use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg};
use nix::unistd::{Gid, Uid, fchownat};
use sensor_common::abi::{COUNTERS, EVENTS, Slot, maps};
use sensor_common::table::{MARKS, NETWORKS, SITES, WAYS};

use super::attach;
use super::config::Capacities;
use super::error::KernelError;
use super::mirror;
use super::mount::{self, pin_error};
use super::settings::SettingsView;
use crate::groups::MAX_NETWORKS;

/// A pin directory whose lock this process holds.
#[derive(Clone, Debug)]
pub struct Pins {
    directory: PathBuf,
    lock: std::sync::Arc<Flock<File>>,
}

impl Pins {
    /// Prepares a directory on a BPF file system and takes its lock.
    ///
    /// # Errors
    /// If there can be no BPF file system there, or another daemon holds the directory.
    pub fn open(directory: &Path) -> Result<Self, KernelError> {
        mount::ensure(directory)?;
        for part in [Self::MAPS, Self::LINKS] {
            mount::create(&directory.join(part))?;
        }
        let file = File::open(directory).map_err(|error| pin_error(directory, "opening", error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_locked| KernelError::PinsInUse(directory.to_owned()))?;
        Ok(Self { directory: directory.to_owned(), lock: std::sync::Arc::new(lock) })
    }

    /// Gives the directory and everything pinned in it to a user: only the owner of a pin can open it.
    ///
    /// # Errors
    /// If this process may not change the owner.
    pub fn give(&self, uid: Uid, gid: Gid) -> Result<(), KernelError> {
        let parts = [Self::MAPS, Self::LINKS].map(|part| self.directory.join(part));
        let pinned = parts.iter().flat_map(|part| attach::pinned_links(part)).collect::<Vec<_>>();
        for path in pinned.iter().chain(&parts).chain([&self.directory]) {
            fchownat(AT_FDCWD, path, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
                .map_err(|errno| pin_error(path, "giving it to the daemon's user", errno.into()))?;
        }
        Ok(())
    }

    /// The same directory, reached through the descriptor that holds its lock: for a user who may not enter its
    /// parents.
    #[must_use]
    pub fn by_descriptor(self) -> Self {
        let directory = format!("/proc/self/fd/{}", self.lock.as_raw_fd()).into();
        Self { directory, ..self }
    }

    /// Its path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    const MAPS: &str = "maps";
    const LINKS: &str = "links";

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.directory.join(Self::MAPS).join(name)
    }

    pub(super) fn links(&self) -> PathBuf {
        self.directory.join(Self::LINKS)
    }
}

/// Detaches everything pinned in a directory and removes it. Returns the interfaces freed.
///
/// # Errors
/// If another daemon holds the directory, or a pin cannot be removed.
pub fn unload(directory: &Path) -> Result<Vec<String>, KernelError> {
    if !directory.exists() || !mount::is_bpffs(directory) {
        return Ok(Vec::new());
    }
    let pins = Pins::open(directory)?;
    let mut freed = Vec::new();
    for link in attach::pinned_links(&pins.links()) {
        attach::remove_pin(&link)?;
        if let Some(interface) = link.file_name().and_then(|name| name.to_str()) {
            mirror::detach_stale(interface);
        }
        freed.extend(link.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    for name in maps::PINNED {
        attach::remove_pin(&pins.map(name))?;
    }
    for part in [Pins::MAPS, Pins::LINKS] {
        let part = directory.join(part);
        fs::remove_dir(&part).map_err(|error| pin_error(&part, "removing the directory", error))?;
    }
    drop(pins);
    mount::release(directory)?;
    Ok(freed)
}

/// Maps sized by the configuration.
pub(super) fn sizes(capacities: &Capacities) -> [(&'static str, u32); 11] {
    let buckets = capacities.buckets();
    // Tries take memory for the entries that they have.
    let tries = |singles: u32| singles.saturating_add(MAX_NETWORKS);
    [
        (maps::TAGS, buckets),
        (maps::SLOTS, buckets.saturating_mul(WAYS)),
        (maps::DETAILS, buckets.saturating_mul(WAYS)),
        (maps::DOORKEEPER, capacities.doorkeeper_words()),
        (maps::SCOPES, capacities.scope_entries()),
        (maps::SCOPE_V4, tries(capacities.scopes)),
        (maps::SCOPE_V6, tries(capacities.scopes)),
        (maps::ALLOW_V4, tries(capacities.allows)),
        (maps::ALLOW_V6, tries(capacities.allows)),
        (maps::BLOCK_V4, tries(capacities.blocks)),
        (maps::BLOCK_V6, tries(capacities.blocks)),
    ]
}

/// Whether pinned maps can be reused. If not, they are unpinned: a program that still uses them keeps them until it is
/// replaced.
pub(super) fn adopt_or_clear(pins: &Pins, capacities: &Capacities) -> Result<bool, KernelError> {
    if fits(pins, capacities) {
        return Ok(true);
    }
    for name in maps::PINNED {
        attach::remove_pin(&pins.map(name))?;
    }
    Ok(false)
}

fn fits(pins: &Pins, capacities: &Capacities) -> bool {
    let fixed = [
        (maps::SETTINGS, 1),
        (maps::SHARED, 1),
        (maps::NETWORKS, NETWORKS),
        (maps::SITES, SITES),
        (maps::MARKS, MARKS),
        (maps::COUNTERS, COUNTERS),
        (maps::EVENTS, EVENTS),
    ];
    let sizes_fit = sizes(capacities).into_iter().chain(fixed).all(|(name, entries)| {
        MapInfo::from_pin(pins.map(name)).is_ok_and(|info| info.max_entries() == entries)
    });
    let slots_fit = MapInfo::from_pin(pins.map(maps::SLOTS))
        .is_ok_and(|info| usize::try_from(info.value_size()).is_ok_and(|size| size == size_of::<Slot>()));
    sizes_fit && slots_fit && has_current_version(pins)
}

fn has_current_version(pins: &Pins) -> bool {
    let open = |name| MapData::from_pin(pins.map(name)).ok();
    let (Some(settings), Some(shared)) = (open(maps::SETTINGS), open(maps::SHARED)) else { return false };
    SettingsView::new(&settings, &shared).is_ok_and(|view| view.is_current())
}
