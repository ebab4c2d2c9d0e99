//! `cargo-deb`, which makes the package.

use anyhow::{Context as _, Result};

use super::linker::{QUICK_BUILD, outside_workspace};
use crate::process;
use crate::progress::{self, Step};

/// The release that was tested.
const VERSION: &str = "3.8.0";

/// Finds the packager, or installs it.
pub(super) fn ensure() -> Result<()> {
    if let Ok(version) = process::capture(process::cargo().args(["deb", "--version"])) {
        progress::done(&format!("cargo-deb {}", version.trim()));
        return Ok(());
    }
    let step = Step::start("installing cargo-deb (half a minute)");
    let mut install = outside_workspace();
    install.args(["install", "cargo-deb", "--locked", "--version", VERSION]);
    install.envs(QUICK_BUILD.iter().copied());
    process::capture(&mut install).context("cargo-deb could not be installed")?;
    step.done("installed cargo-deb");
    Ok(())
}
