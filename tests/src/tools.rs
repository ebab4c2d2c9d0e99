//! Programs that tests use, and what happens where one is missing.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use sensor_toolchain::{Purpose, needs};

/// Where a program is, if it is installed. Looks where administrators' programs are, too.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// A directory in the target directory for packages of other languages' registries, kept between runs.
///
/// # Errors
/// If it cannot be created.
pub fn directory(name: &str) -> Result<PathBuf> {
    let own = env::current_exe()?;
    let directory = own.ancestors().nth(3).context("no target directory")?.join("schemas").join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Packages of PyPI, installed into a directory of this name that is kept between runs. Where they cannot be had, that is
/// reported as [`say_skipped`] does, with what they are for, and there is none.
///
/// # Errors
/// If the directory cannot be written.
pub fn python_packages(test: &str, (name, what): (&str, &str), packages: &[&str]) -> Result<Option<PathBuf>> {
    let directory = directory(name)?;
    let ready = directory.join("ready");
    if !ready.exists() {
        let mut pip = Command::new("pip3");
        pip.args(["install", "--quiet", "--upgrade", "--disable-pip-version-check", "--target"]);
        let why = match pip.arg(&directory).args(packages).output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            say_skipped(test, &format!("{what} cannot be had: {why}"));
            return Ok(None);
        }
        fs::write(ready, "")?;
    }
    Ok(Some(directory))
}

/// Why tests in network namespaces with these programs cannot run; `None` if they can.
#[must_use]
pub fn obstacle(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("it needs root, for network namespaces and BPF".to_owned());
    }
    let needed = needs(Purpose::Namespaces).map(|need| need.program).chain(programs.iter().copied());
    let missing: Vec<&str> = needed.filter(|program| find(program).is_none()).collect();
    if missing.is_empty() {
        None
    } else {
        Some(format!("not installed: {}; `cargo xtask setup --tests` installs it", missing.join(", ")))
    }
}

/// Whether a test cannot run here; reports it on stderr, bypassing the harness's capture.
#[must_use]
pub fn skipped(test: &str, programs: &[&str]) -> bool {
    let Some(obstacle) = obstacle(programs) else { return false };
    say_skipped(test, &obstacle);
    true
}

/// Reports that something is not tested, and why.
pub fn say_skipped(what: &str, why: &str) {
    // Where stderr is gone there is nobody to tell.
    let _told = writeln!(io::stderr().lock(), "SKIPPED: {what} because {why}");
}
