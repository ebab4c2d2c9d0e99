//! `cargo-deny`, which checks the licences, sources and versions of dependencies.

use anyhow::{Context as _, Result};

use super::linker::{QUICK_BUILD, outside_workspace};
use crate::process;
use crate::progress::{self, Step};

/// The release that was tested; it builds with Rust 1.88 and later.
const VERSION: &str = "0.20.2";

/// Finds it, or installs it.
pub(super) fn ensure() -> Result<()> {
    if let Ok(version) = process::capture(process::cargo().args(["deny", "--version"])) {
        progress::done(version.trim());
        return Ok(());
    }
    let step = Step::start("installing cargo-deny (a minute or two)");
    let mut install = outside_workspace();
    install.args(["install", "cargo-deny", "--locked", "--version", VERSION]);
    install.envs(QUICK_BUILD.iter().copied());
    process::capture(&mut install).context("cargo-deny could not be installed")?;
    step.done("installed cargo-deny");
    Ok(())
}
