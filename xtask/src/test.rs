//! `cargo xtask test`: every check and every test, in the order in which a fault is found soonest.

use std::env::consts::ARCH;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::outcome::{Outcome, Skip};
use crate::stages::{self, Stage};
use crate::{bare, deny, dist, fuzz, process, setup, tidy, vm, workspace};

/// They build only for the BPF target, so cargo's workspace commands leave them out.
const EBPF_PACKAGES: [&str; 2] = ["sensor-ebpf", "sensor-tests-ebpf"];

/// Its programs link only with what `cargo xtask fuzz` asks for.
const FUZZ_PACKAGE: &str = "sensor-fuzz";

/// For all targets together.
const FUZZ_SECONDS: u64 = 60;

/// Flags of `test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the tests on other kernels, which take most of the time.
    #[arg(long)]
    skip_vm: bool,
    /// Leave out setup and demonstration on a bare machine, where everything is built once more.
    #[arg(long)]
    skip_bare: bool,
    /// Build the daemon for arm64, too, and run it in an emulator; every dependency is compiled once more.
    #[arg(long)]
    arm64: bool,
    /// Run the remaining stages after one has failed.
    #[arg(long)]
    keep_going: bool,
}

/// Runs the command.
pub(crate) fn command(args: &Args) -> Result<()> {
    stages::run(&all(args), args.keep_going)
}

fn all(args: &Args) -> Vec<Stage> {
    let (skip_vm, skip_bare, with_arm64) = (args.skip_vm, args.skip_bare, args.arm64);
    vec![
        Stage::new("setup", || setup::everything().map(Outcome::Passed)),
        Stage::plain("tidy", tidy::command),
        Stage::new("dependencies", deny::check),
        Stage::plain("format", || process::run(process::cargo().args(["fmt", "--all", "--check"]))),
        Stage::plain("clippy", clippy),
        Stage::new("clippy of the eBPF programs", clippy_ebpf),
        // With overflow checks and debug assertions: the tests are about behaviour, not speed.
        Stage::plain("build", build),
        Stage::new("tests", tests),
        Stage::plain("documentation tests", doc_tests),
        Stage::new("arm64", move || arm64(with_arm64)),
        Stage::plain("soak", soak),
        Stage::new("fuzz", || fuzz::smoke(FUZZ_SECONDS)),
        Stage::new("a bare machine", move || bare_machine(skip_bare)),
        Stage::new("tests on other kernels", move || other_kernels(skip_vm)),
    ]
}

/// A cargo command over every member that builds for this machine as it is.
fn workspace_command(words: &[&str]) -> Command {
    let mut cargo = process::cargo();
    cargo.args(words).arg("--workspace");
    for package in EBPF_PACKAGES.into_iter().chain([FUZZ_PACKAGE]) {
        cargo.args(["--exclude", package]);
    }
    cargo
}

fn clippy() -> Result<()> {
    let flags = ["--all-targets", "--", "-D", "warnings"];
    process::run(workspace_command(&["clippy"]).args(flags))?;
    // On its own: it compiles the fuzz entries into `sensor`.
    process::run(process::cargo().args(["clippy", "--package", FUZZ_PACKAGE]).args(flags))
}

/// Everything that later stages run. All at once: with fewer packages or without the tests, dependencies have other
/// features, and they and `sensor` would be compiled once more.
fn build() -> Result<()> {
    process::run(workspace_command(&["build"]).arg("--all-targets"))
}

fn clippy_ebpf() -> Result<Outcome> {
    let toolchain = sensor_toolchain::find()?;
    for package in EBPF_PACKAGES {
        let Some(mut clippy) = sensor_toolchain::clippy(&toolchain, package, ARCH) else {
            let reason = format!("there is no clippy for {}", toolchain.describe());
            return Ok(Outcome::Skipped(Skip::new("clippy of the eBPF programs", reason)));
        };
        // Its own directory: the compiler differs from that of every other build.
        clippy.current_dir(workspace::root()).env("CARGO_TARGET_DIR", workspace::target_dir().join("bpf"));
        process::run(&mut clippy)?;
    }
    Ok(Outcome::Passed(Vec::new()))
}

/// A program from the stage `build`.
fn built(program: &str) -> PathBuf {
    workspace::target_dir().join("debug").join(program)
}

fn tests() -> Result<Outcome> {
    let binary = built("sensor");
    // The same program as the other tests', so that no second build is needed.
    let package = dist::for_tests(&binary);
    let has_nextest = process::in_path("cargo-nextest").is_some();
    let words: &[&str] = if has_nextest { &["nextest", "run"] } else { &["test", "--all-targets"] };
    let mut cargo = workspace_command(words);
    cargo.env("SENSOR_BIN", &binary);
    if let Ok(Some(package)) = &package {
        cargo.env("SENSOR_DEB", package);
    }
    let image = dist::image_for_tests(&binary);
    if let Ok(Some(image)) = &image {
        cargo.env("SENSOR_IMAGE", image);
    }
    if !process::is_root() {
        // Namespaces and programs in the kernel need root; the compiler does not.
        cargo.env(runner_variable(), "sudo -E");
    }
    process::run(&mut cargo)?;
    let mut skips = Vec::new();
    if package?.is_none() {
        skips.push(Skip::new("installing the package", "dpkg-deb is not installed"));
    }
    if image?.is_none() {
        skips.push(Skip::new("the container image", "binutils or gcc are not installed"));
    }
    Ok(Outcome::Passed(skips))
}

/// The short one, of debug builds: a minute and a quarter, of which half a minute is load.
fn soak() -> Result<()> {
    let sensor = built("sensor").display().to_string();
    process::run(process::as_root(built("sensor-soak"), &[("SENSOR_BIN", &sensor)]).arg("--quick"))
}

/// The daemon's program for the other machine that it is packaged for, run by an emulator.
fn arm64(wanted: bool) -> Result<Outcome> {
    if !wanted {
        return Ok(Outcome::Skipped(Skip::new("the build for arm64", "--arm64 was not given")));
    }
    let target = dist::Target::Aarch64;
    if let Err(error) = setup::cross(target) {
        return Ok(Outcome::Skipped(Skip::new("the build for arm64", format!("{error:#}"))));
    }
    let program = target.build(false)?;
    let mut cargo = process::cargo();
    cargo.args(["test", "--package", "sensor-tests", "--test", "package", "foreign_machine::"]);
    process::run(cargo.env("SENSOR_FOREIGN", program).env("SENSOR_BIN", built("sensor")))?;
    Ok(Outcome::Passed(Vec::new()))
}

fn runner_variable() -> String {
    format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", ARCH.to_uppercase())
}

fn doc_tests() -> Result<()> {
    process::run(&mut workspace_command(&["test", "--doc"]))
}

fn bare_machine(skip: bool) -> Result<Outcome> {
    if skip {
        return Ok(Outcome::Skipped(Skip::new("a bare machine", "--skip-bare was given")));
    }
    bare::check()
}

fn other_kernels(skip: bool) -> Result<Outcome> {
    if skip {
        return Ok(Outcome::Skipped(Skip::new("tests on other kernels", "--skip-vm was given")));
    }
    vm::run(&[], Some(built(vm::SUITE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_for_other_builds_are_excluded() {
        let shown = process::show(&workspace_command(&["clippy"]));
        assert!(
            shown.ends_with("--exclude sensor-ebpf --exclude sensor-tests-ebpf --exclude sensor-fuzz"),
            "{shown}"
        );
    }

    #[test]
    fn the_runner_variable_names_this_target() {
        let name = runner_variable();
        assert!(name.starts_with("CARGO_TARGET_") && name.ends_with("_LINUX_GNU_RUNNER"), "{name}");
    }
}
