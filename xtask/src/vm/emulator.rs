//! The emulator: the one that is installed, or else the distribution's, unpacked and never installed.
//!
//! Installing it may ask for the removal of packages that somebody uses, such as the disk tools of another
//! version. Unpacked below the build directory, it is in nobody's way.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::progress::Step;
use crate::{process, workspace};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// A program that runs machines.
#[derive(Debug)]
pub(super) enum Emulator {
    /// From the `PATH`.
    Installed(PathBuf),
    /// With its libraries and firmware below this directory.
    Unpacked(PathBuf),
}

/// Finds the emulator, or downloads and unpacks it.
///
/// # Errors
///
/// When it is not installed, and apt knows it not or cannot get it.
pub(super) fn get() -> Result<Emulator> {
    if let Some(program) = process::in_path(PROGRAM) {
        return Ok(Emulator::Installed(program));
    }
    let root = workspace::target_dir().join("vm").join("emulator");
    if !root.join("usr/bin").join(PROGRAM).is_file() {
        let step = Step::start(&format!("downloading {PACKAGE} and its libraries (apt)"));
        download(&root)?;
        step.done(&format!("downloaded {PACKAGE}"));
    }
    Ok(Emulator::Unpacked(root))
}

impl Emulator {
    /// The command that all machines start with.
    pub(super) fn command(&self) -> Command {
        let root = match self {
            Self::Installed(program) => return Command::new(program),
            Self::Unpacked(root) => root,
        };
        let mut command = Command::new(root.join("usr/bin").join(PROGRAM));
        let libraries = ["usr/lib", "lib", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
        let libraries = libraries.map(|dir| root.join(dir).to_string_lossy().into_owned());
        command.env("LD_LIBRARY_PATH", libraries.join(":"));
        for firmware in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(root.join(firmware));
        }
        command
    }
}

/// Unpacks into a directory of its own, and renames it when complete.
fn download(root: &Path) -> Result<()> {
    let parent = root.parent().unwrap_or(root);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let scratch = tempfile::tempdir_in(parent)?;
    let packages = closure()?;
    let mut apt = Command::new("apt-get");
    // As root, apt would download as a user who may not write here.
    apt.args(["download", "-o", "APT::Sandbox::User=root"]).args(&packages).current_dir(scratch.path());
    process::capture(&mut apt)?;
    let contents = scratch.path().join("contents");
    for entry in fs::read_dir(scratch.path())? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            process::capture(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&contents))?;
        }
    }
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("removing {}", root.display()))?;
    }
    fs::rename(&contents, root).with_context(|| format!("moving to {}", root.display()))
}

/// The package, and what an installation would bring along.
fn closure() -> Result<BTreeSet<String>> {
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--simulate", "--no-install-recommends", PACKAGE]);
    let packages = installed_by(&process::capture(&mut apt)?);
    if !packages.contains(PACKAGE) {
        bail!("apt would not install {PACKAGE}");
    }
    Ok(packages)
}

/// The names in lines such as `Inst seabios (1.16.2-1 Debian:12 [all])`.
fn installed_by(simulation: &str) -> BTreeSet<String> {
    let lines = simulation.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_tells_what_would_be_installed() {
        let simulation = "Reading package lists...\nRemv qemu-utils [1:10]\nInst seabios (1.16.2-1 [all])\n\
                          Inst qemu-system-x86 (1:7.2 [amd64])\nConf seabios (1.16.2-1 [all])\n";
        let names: Vec<String> = installed_by(simulation).into_iter().collect();
        assert_eq!(names, ["qemu-system-x86", "seabios"]);
    }

    #[test]
    fn an_unpacked_one_brings_its_libraries_and_firmware() {
        let command = Emulator::Unpacked(PathBuf::from("/x")).command();
        assert_eq!(
            process::show(&command),
            format!("/x/usr/bin/{PROGRAM} -L /x/usr/share/qemu -L /x/usr/share/seabios")
        );
        assert!(command.get_envs().any(|(name, _)| name == "LD_LIBRARY_PATH"));
    }
}
