//! `cargo xtask build`

use anyhow::Result;

use crate::{process, setup};

/// Flags of `build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimize, as for installing.
    #[arg(long)]
    release: bool,
}

/// Builds the default members; the eBPF packages are built by their build scripts.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    let mut cargo = process::cargo();
    cargo.arg("build");
    if args.release {
        cargo.arg("--release");
    }
    process::run(&mut cargo)
}

/// Builds optimized `packages`, with cargo's own progress on the terminal.
pub(crate) fn release(packages: &[&str]) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--release"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    process::run(&mut cargo)
}
