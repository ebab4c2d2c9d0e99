//! The root that containers start from, created once.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

/// What is in it besides the packages that every system has.
const INCLUDE: &str = "--include=systemd,systemd-sysv";

/// A root of this machine's own release, created with debootstrap from apt's configured mirror. It is kept in cargo's
/// build directory: creating it takes a minute or two. `None` if none can be had, which is reported.
#[must_use]
pub fn base(test: &str) -> Option<PathBuf> {
    make().map_err(|error| tools::say_skipped(test, &format!("no clean root can be had: {error:#}"))).ok()
}

fn make() -> Result<PathBuf> {
    let own = env::current_exe()?;
    // A test is in `target/PROFILE/deps`.
    let cache = &own.ancestors().nth(3).context("no target directory")?.join("debian");
    let (mirror, release) = mirror()?;
    let root = cache.join(format!("root-{release}"));
    if root.is_dir() {
        return Ok(root);
    }
    fs::create_dir_all(cache)?;
    // Created next to it, so that an existing root is complete.
    let scratch = tempfile::Builder::new().prefix("root-").tempdir_in(cache)?;
    let half = scratch.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", INCLUDE, &release]).arg(&half).arg(&mirror);
    let output = debootstrap.output().context("cannot start debootstrap")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    ensure!(output.status.success(), "debootstrap failed: {last:?}");
    fs::rename(half, &root)?;
    Ok(root)
}

/// Where apt gets this release from, and what the release is called.
fn mirror() -> Result<(String, String)> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(COMPONENT)",
        "Created-By: Packages",
    ]);
    let output = targets.output().context("cannot start apt-get")?;
    let release = fs::read_to_string("/etc/os-release")?;
    let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.context("no VERSION_CODENAME in /etc/os-release")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let mirror = listed.lines().find_map(|line| line.strip_suffix(&format!(" {release} main")));
    let mirror = mirror.with_context(|| format!("apt has no mirror of {release}"))?;
    Ok((mirror.to_owned(), release.to_owned()))
}

/// The package to test, which `SENSOR_DEB` names.
#[must_use]
pub fn package() -> Option<PathBuf> {
    env::var_os("SENSOR_DEB").map(PathBuf::from).filter(|named| named.is_file())
}
