//! Kernels from the distribution's packages, unpacked and never installed.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::progress::{self, Step};
use crate::workspace;

/// Built for virtual machines: small, and with the drivers of one built in.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel on disk.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As in 6.1.
    pub(super) version: String,
    /// What the boot loader loads.
    pub(super) image: PathBuf,
    /// The directory with its modules.
    pub(super) modules: PathBuf,
}

/// Finds the unpacked kernel, or downloads and unpacks it.
pub(super) fn get(version: &str) -> Result<Kernel> {
    let dir = workspace::target_dir().join("vm").join(format!("linux-{version}"));
    if let Ok(kernel) = unpacked(version, &dir) {
        progress::done(&format!("Linux {version}: {}", file_name(&kernel.image)));
        return Ok(kernel);
    }
    let step = Step::start(&format!("downloading Linux {version} (apt)"));
    let package = package(version)?;
    download(&package, &dir)?;
    let kernel = unpacked(version, &dir)?;
    step.done(&format!("downloaded Linux {version}: {package}"));
    Ok(kernel)
}

fn unpacked(version: &str, dir: &Path) -> Result<Kernel> {
    let image = only_entry(&dir.join("boot"), "vmlinuz-")?;
    // Merged /usr: newer packages have it below usr.
    let modules =
        only_entry(&dir.join("lib/modules"), "").or_else(|_| only_entry(&dir.join("usr/lib/modules"), ""))?;
    Ok(Kernel { version: version.to_owned(), image, modules })
}

fn only_entry(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let found = paths.find(|path| file_name(path).starts_with(prefix));
    found.with_context(|| format!("{} has nothing called {prefix}…", dir.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

fn package(version: &str) -> Result<String> {
    let prefix = format!("linux-image-{version}.");
    let names = process::capture(Command::new("apt-cache").args(["pkgnames", &prefix]))?;
    match newest(&names, &prefix) {
        Some(name) => Ok(name.to_owned()),
        None => bail!("apt knows no package {prefix}*{FLAVOUR}"),
    }
}

/// The newest package of the flavour; the variants for debugging have longer names.
fn newest<'a>(names: &'a str, prefix: &str) -> Option<&'a str> {
    let images = names.lines().filter(|name| name.starts_with(prefix) && name.ends_with(FLAVOUR));
    images.max_by(|a, b| natural_order(a, b))
}

/// Compares the numbers in two names one by one, so that 10 comes after 9.
fn natural_order(a: &str, b: &str) -> Ordering {
    numbers(a).cmp(&numbers(b))
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Unpacks into a directory of its own, and renames it when complete: an interrupted download is no kernel.
fn download(package: &str, dir: &Path) -> Result<()> {
    let parent = dir.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let scratch = tempfile::tempdir_in(parent)?;
    let mut apt = Command::new("apt-get");
    // As root, apt would download as a user who may not write here.
    apt.args(["download", "-o", "APT::Sandbox::User=root", package]).current_dir(scratch.path());
    process::capture(&mut apt)?;
    let archive = only_entry(scratch.path(), "linux-image-")?;
    let contents = scratch.path().join("contents");
    process::capture(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&contents))?;
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    fs::rename(&contents, dir).with_context(|| format!("moving to {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_image_of_the_flavour_is_taken() {
        let names = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-10-cloud-amd64\n\
                     linux-image-6.1.0-11-cloud-amd64-dbg\nlinux-image-6.1.0-12-amd64\n";
        assert_eq!(newest(names, "linux-image-6.1."), Some("linux-image-6.1.0-10-cloud-amd64"));
        assert_eq!(newest(names, "linux-image-6.12."), None);
    }

    #[test]
    fn names_of_backports_compare_too() {
        let names = "linux-image-6.12.117+deb12-cloud-amd64\nlinux-image-6.12.74+deb12-cloud-amd64\n";
        assert_eq!(newest(names, "linux-image-6.12."), Some("linux-image-6.12.117+deb12-cloud-amd64"));
    }

    #[test]
    fn half_a_kernel_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("boot")).unwrap();
        fs::write(dir.path().join("boot/vmlinuz-6.1.0-1-cloud-amd64"), "").unwrap();
        assert!(unpacked("6.1", dir.path()).is_err());
        fs::create_dir_all(dir.path().join("lib/modules/6.1.0-1-cloud-amd64")).unwrap();
        assert!(unpacked("6.1", dir.path()).is_ok());
    }
}
