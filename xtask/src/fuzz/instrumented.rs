//! Building with LLVM's coverage instrumentation, which needs no nightly compiler.

use std::env::consts::ARCH;
use std::path::PathBuf;

use anyhow::Result;

use crate::{process, workspace};

pub(super) const PACKAGE: &str = "sensor-fuzz";
const PROFILE: &str = "fuzz";

/// What libFuzzer is told: which edges an input takes, how often, and the operands of comparisons. No address
/// sanitizer: it needs a nightly, and the rooms that are fuzzed have no `unsafe`.
const RUSTFLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Where everything about fuzzing is that git does not keep.
pub(super) fn dir() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

/// The program of a target.
pub(super) fn program(target: &str) -> PathBuf {
    dir().join(triple()).join(PROFILE).join(target)
}

/// Builds every target: what they share takes nearly all of the time.
pub(super) fn build() -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--package", PACKAGE, "--bins", "--features", "libfuzzer", "--profile", PROFILE]);
    // Named, so that the flags do not reach build scripts and procedural macros.
    cargo.args(["--target", &triple(), "--target-dir"]).arg(dir());
    cargo.env("RUSTFLAGS", RUSTFLAGS.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // The eBPF program is that of the daemon's debug build, which these flags do not touch.
    cargo.env(sensor_toolchain::TARGET_DIR_OVERRIDE, workspace::target_dir().join("debug/bpf-target"));
    process::run(&mut cargo)
}

fn triple() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}
