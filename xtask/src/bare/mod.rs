//! A bare machine: `setup` and `demo` in a minimal Debian, with only this machine's kernel and network.
//!
//! Whatever a command needs and does not install shows here. Besides debootstrap's result there are only this
//! repository's files, the sources of apt and cargo, and what an earlier run downloaded and built in there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::outcome::{Outcome, Skip};
use crate::process;
use crate::progress::Step;
use crate::workspace;

const WHAT: &str = "setup and demo on a bare machine";

/// Environment variables for access to the network; all others are removed.
const NETWORK: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY",
];

/// Runs the check, or reports why it cannot run.
///
/// # Errors
///
/// Where `setup` or `demo` fails in there.
pub(crate) fn check() -> Result<Outcome> {
    let base = match base() {
        Ok(base) => base,
        Err(error) => return Ok(Outcome::Skipped(Skip::new(WHAT, format!("{error:#}")))),
    };
    let place = cache();
    let layer = tempfile::Builder::new().prefix("bare-").tempdir_in(&place)?;
    let source = layer.path().join("source");
    copy_source(&source)?;
    for kept in ["target", "cargo"] {
        fs::create_dir_all(place.join("bare").join(kept))?;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", include_str!("room.sh"), "sh"]);
    unshare.arg(&base).arg(layer.path()).arg(place.join("bare"));
    let network = NETWORK.iter().filter_map(|name| Some(format!("{name}={}", env::var(name).ok()?)));
    unshare.args(network);
    process::run(&mut unshare).context(WHAT)?;
    Ok(Outcome::Passed(Vec::new()))
}

/// Where roots are kept.
fn cache() -> PathBuf {
    workspace::target_dir().join("debian")
}

/// A root with nothing but what each Debian of this machine's release has, and the certificates that downloading takes.
fn base() -> Result<PathBuf> {
    ensure!(process::is_root(), "it needs root, for namespaces");
    for program in ["debootstrap", "unshare", "git", "apt-get"] {
        ensure!(process::in_path(program).is_some(), "{program} is not installed");
    }
    let release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.context("no VERSION_CODENAME in /etc/os-release")?.to_owned();
    let root = cache().join(format!("bare-{release}"));
    if root.is_dir() {
        return Ok(root);
    }
    let mirror = mirror(&release)?;
    fs::create_dir_all(cache())?;
    // Beside it, so that a root that is there is whole.
    let scratch = tempfile::Builder::new().prefix("bare-").tempdir_in(cache())?;
    let half = scratch.path().join("root");
    let step = Step::start("making a minimal Debian (debootstrap, a minute)");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=ca-certificates", &release]).arg(&half).arg(&mirror);
    process::capture(&mut debootstrap)?;
    fs::rename(half, &root)?;
    step.done("made a minimal Debian");
    Ok(root)
}

/// Where apt gets this release from.
fn mirror(release: &str) -> Result<String> {
    let mut targets = Command::new("apt-get");
    let format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
    targets.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let listed = process::capture(&mut targets)?;
    let mirror = listed.lines().find_map(|line| line.strip_suffix(&format!(" {release} main")));
    Ok(mirror.with_context(|| format!("apt has no mirror of {release}"))?.to_owned())
}

/// The files of the repository as they are here, built ones left out.
fn copy_source(to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let script = "git ls-files -z --cached --others --exclude-standard | \
                  tar --create --null --ignore-failed-read --files-from=- | tar --extract --directory=\"$1\"";
    let mut copy = Command::new("sh");
    copy.args(["-c", script, "sh"]).arg(to).current_dir(workspace::root());
    process::capture_as("copying the repository", &mut copy)?;
    ensure!(to.join("Cargo.toml").is_file(), "the repository cannot be copied");
    Ok(())
}
