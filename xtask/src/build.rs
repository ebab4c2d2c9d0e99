//! `cargo xtask build`

use std::ffi::OsStr;

use anyhow::Result;

use crate::{process, setup, workspace};

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

/// Becomes a program of the tests that starts the daemon, as root and optimized; returns only when that fails.
pub(crate) fn and_become(program: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<()> {
    release(&["sensor", "sensor-tests"])?;
    become_built("release", program, args)
}

/// The same, not optimized and only the two programs: the tests use the same build, and a fresh clone gets there in
/// minutes.
pub(crate) fn and_become_soon(program: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args([
        "build",
        "--package",
        "sensor",
        "--package",
        "sensor-tests",
        "--bin",
        "sensor",
        "--bin",
        program,
    ]);
    process::run(&mut cargo)?;
    become_built("debug", program, args)
}

fn become_built(profile: &str, program: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<()> {
    let built = workspace::target_dir().join(profile);
    let sensor = built.join("sensor").display().to_string();
    let mut command = process::as_root(built.join(program), &[("SENSOR_BIN", &sensor)]);
    command.args(args);
    Err(process::exec(command))
}
