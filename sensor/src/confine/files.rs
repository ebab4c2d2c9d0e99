//! Which files, ports and other processes a running daemon may reach (Landlock).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, PathFdError, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::{Layer, Reach};
use crate::kernel;

/// What is requested of the kernel: all that Linux 6.12 supports. An older kernel applies the part it supports.
const FILES: ABI = ABI::V5;
const PORTS: ABI = ABI::V4;
const SCOPES: ABI = ABI::V6;

/// The C library's own files, and what it loads to resolve users, groups and hosts.
const SYSTEM: [&str; 11] = [
    "/etc",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
];

/// Target of the resolver configuration's link, on most hosts.
const RESOLVER: &str = "/etc/resolv.conf";
/// Long DNS answers come over TCP.
const DNS: u16 = 53;

/// Puts the calling thread, and any that it starts, into the sandbox.
pub(super) fn restrict(reach: &Reach) -> Result<Layer, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(FILES))?
        .handle_access(AccessNet::from_all(PORTS))?;
    ruleset = if reach.speaks_to_abstract_sockets {
        ruleset.scope(Scope::Signal)?
    } else {
        ruleset.scope(Scope::from_all(SCOPES))?
    };
    let mut created = ruleset.create()?;
    let [read, keep, remove] = RIGHTS;
    let system = SYSTEM.iter().map(PathBuf::from).chain(reach.reads.iter().cloned());
    created = allow(created, system.chain([PathBuf::from(RESOLVER)]).flat_map(|path| places(&path)), read)?;
    created = allow(created, reach.keeps.iter().flat_map(|path| places(path)), keep)?;
    created = allow(created, reach.removes.iter().flat_map(|path| places(path)), remove)?;
    let dns = (!reach.ports.is_empty()).then_some(DNS);
    for port in reach.ports.iter().copied().chain(dns) {
        created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(layer(&created.restrict_self()?))
}

/// Reading; making, changing and removing files; removing them.
const RIGHTS: [BitFlags<AccessFs>; 3] = [
    make_bitflags!(AccessFs::{ReadFile | ReadDir}),
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | RemoveFile}),
    make_bitflags!(AccessFs::{RemoveFile}),
];

/// The directories that contain a path, by its name and by the target of its links. Directories, because files are
/// replaced: a rule about a file ends with that file.
fn places(path: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    for path in [Some(path.to_owned()), path.canonicalize().ok()].into_iter().flatten() {
        if path.is_dir() {
            places.insert(path);
        } else {
            places.extend(path.parent().map(Path::to_owned));
        }
    }
    places
}

fn allow(
    mut ruleset: RulesetCreated,
    directories: impl Iterator<Item = PathBuf>,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for directory in directories.collect::<BTreeSet<_>>() {
        match PathFd::new(&directory) {
            Ok(opened) => ruleset = ruleset.add_rule(PathBeneath::new(opened, rights))?,
            Err(PathFdError::OpenCall { source, .. }) => {
                // A path that does not exist now stays out of reach.
                tracing::debug!(%source, directory = %directory.display(), "not within reach");
            }
            Err(_unknown) => {}
        }
    }
    Ok(ruleset)
}

fn layer(status: &RestrictionStatus) -> Layer {
    let version = kernel::landlock_version();
    match status.ruleset {
        RulesetStatus::FullyEnforced => Layer::full(format!("Landlock {version}")),
        RulesetStatus::PartiallyEnforced => Layer::partial(format!("Landlock {version}{}", missing(version))),
        RulesetStatus::NotEnforced => {
            Layer::off("Landlock is missing in this kernel, switched off, or refused")
        }
    }
}

/// What a version of Landlock lacks of what is requested.
#[must_use]
pub fn missing(version: u32) -> &'static str {
    match version {
        ..=2 => ": neither truncation, TCP ports, devices nor signals are restricted",
        3 => ": neither TCP ports, devices nor signals are restricted",
        4 => ": neither devices nor signals are restricted",
        5 => ": neither signals nor abstract sockets are restricted",
        _ => "",
    }
}
