//! `cargo xtask vm`: the kernel-side tests on other Linux versions, in virtual machines.
//!
//! Verifiers differ, and only running shows how. The machines are emulated, so this needs neither
//! virtualization nor root: it costs a minute for all.

mod boot;
mod elf;
mod emulator;
mod initramfs;
mod kernel;
mod modules;

use std::env::consts::ARCH;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;

use self::emulator::Emulator;
use self::kernel::Kernel;

use crate::outcome::{Outcome, Skip};
use crate::progress::Step;
use crate::{process, workspace};

/// The oldest that is supported, and the newest long-term one of the same distribution.
const VERSIONS: &[&str] = &["6.1", "6.12"];
/// What makes the machines.
const PROGRAMS: &[&str] = &[initramfs::BUSYBOX, "cpio", "ldd", "apt-get", "dpkg-deb"];
/// The binary that runs the fixture table.
pub(crate) const SUITE: &str = "sensor-vm-init";

/// Flags of `vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Boot this Linux version instead, as in 6.1; may be repeated.
    #[arg(long = "kernel", value_name = "VERSION")]
    kernels: Vec<String>,
}

/// Runs the command; what is left out is reported, and no failure.
pub(crate) fn command(args: &Args) -> Result<()> {
    let skips = match run(&args.kernels, None)? {
        Outcome::Passed(skips) => skips,
        Outcome::Skipped(skip) => vec![skip],
    };
    for skip in skips {
        println!("{skip}");
    }
    Ok(())
}

/// Boots these versions, or the usual ones if there are none, with the suite if it is built already.
///
/// # Errors
///
/// When the tests fail, or anything but getting hold of the emulator and the kernels does.
pub(crate) fn run(versions: &[String], suite: Option<PathBuf>) -> Result<Outcome> {
    if let Some(reason) = impossible() {
        return Ok(Outcome::Skipped(Skip::new("tests on other kernels", reason)));
    }
    let usual: Vec<String> = VERSIONS.iter().map(|version| (*version).to_owned()).collect();
    let versions = if versions.is_empty() { &usual } else { versions };
    let mut kernels = Vec::new();
    let mut skips = Vec::new();
    for version in versions {
        match kernel::get(version) {
            Ok(kernel) => kernels.push(kernel),
            Err(error) => skips.push(Skip::new(format!("tests on Linux {version}"), format!("{error:#}"))),
        }
    }
    if kernels.is_empty() {
        let reasons: Vec<String> = skips.into_iter().map(|skip| skip.reason).collect();
        return Ok(Outcome::Skipped(Skip::new("tests on other kernels", reasons.join("; "))));
    }
    let emulator = match emulator::get() {
        Ok(emulator) => emulator,
        Err(error) => return Ok(Outcome::Skipped(Skip::new("tests on other kernels", format!("{error:#}")))),
    };
    let suite = suite.map_or_else(build_suite, Ok)?;
    test(&emulator, &kernels, &suite)?;
    Ok(Outcome::Passed(skips))
}

/// All machines beside each other: what each does is mostly one thread's work.
fn test(emulator: &Emulator, kernels: &[Kernel], suite: &Path) -> Result<()> {
    thread::scope(|scope| {
        let start = |kernel| scope.spawn(move || boot::test(emulator, kernel, suite));
        let machines: Vec<_> = kernels.iter().map(start).collect();
        let ended =
            machines.into_iter().map(|machine| machine.join().unwrap_or_else(|panic| resume_unwind(panic)));
        // All of them have ended before the first failure is told.
        let ended: Vec<Result<()>> = ended.collect();
        ended.into_iter().collect()
    })
}

fn impossible() -> Option<String> {
    if ARCH != "x86_64" {
        return Some(format!("the machines are x86_64 and this one is {ARCH}"));
    }
    let missing: Vec<&str> =
        PROGRAMS.iter().copied().filter(|program| process::in_path(program).is_none()).collect();
    if !missing.is_empty() {
        return Some(format!("{} cannot be found (`cargo xtask setup --tests`)", missing.join(", ")));
    }
    let busybox = process::in_path(initramfs::BUSYBOX)?;
    let dynamic = !elf::is_static(&busybox).unwrap_or(false);
    dynamic.then(|| format!("{} is not a static binary; install busybox-static", busybox.display()))
}

/// Builds the suite as the tests on this kernel are built, so that next to nothing is compiled again.
fn build_suite() -> Result<PathBuf> {
    let step = Step::start(&format!("building {SUITE}"));
    let mut cargo = process::cargo();
    cargo.args(["build", "--package", "sensor-tests", "--bin", SUITE]);
    process::capture(&mut cargo)?;
    let suite = workspace::target_dir().join("debug").join(SUITE);
    step.done(&format!("built {SUITE}"));
    Ok(suite)
}
