//! `cargo xtask setup`: finds what building and testing need, and installs what is missing.
//!
//! It may run any number of times; what is there is only looked at.

mod apt;
mod cross;
mod denier;
mod linker;
mod packager;
mod packages;
mod toolchain;

use anyhow::Result;

use crate::dist::Target;
use crate::outcome::Skip;

/// Flags of `setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also install what the tests and measurements use (servers, clients, virtual machines).
    #[arg(long)]
    tests: bool,
}

/// Runs the command.
pub(crate) fn command(args: &Args) -> Result<()> {
    if !args.tests {
        return for_demo();
    }
    for skip in everything()? {
        println!("{skip}");
    }
    Ok(())
}

/// What building needs: a compiler for eBPF programs, and their linker.
///
/// # Errors
///
/// When something is missing and cannot be installed: nothing can be built then.
pub(crate) fn build_tools() -> Result<()> {
    toolchain::ensure()
}

/// What building and network namespaces need: enough for the demonstration.
///
/// # Errors
///
/// As [`build_tools`], and when a program is missing and cannot be installed.
pub(crate) fn for_demo() -> Result<()> {
    build_tools()?;
    packages::ensure_namespaces()
}

/// What making packages needs.
///
/// # Errors
///
/// When it is missing and cannot be installed.
pub(crate) fn packager() -> Result<()> {
    packager::ensure()
}

/// What building for another machine needs.
///
/// # Errors
///
/// When it is missing and cannot be installed.
pub(crate) fn cross(target: Target) -> Result<()> {
    cross::ensure(target)
}

/// What checking dependencies needs.
///
/// # Errors
///
/// When it is missing and cannot be installed.
pub(crate) fn denier() -> Result<()> {
    denier::ensure()
}

/// What building and testing need.
///
/// # Returns
///
/// The tests that will not run, each with the package that could not be installed.
///
/// # Errors
///
/// As [`build_tools`].
pub(crate) fn everything() -> Result<Vec<Skip>> {
    build_tools()?;
    let mut skips = packages::ensure();
    // A cache of what it took to install it makes the next run quick; without it, one stage fails and says why.
    if let Err(error) = denier() {
        skips.push(Skip::new("the check of dependencies", format!("{error:#}")));
    }
    Ok(skips)
}
