//! `bpf-linker`, built against the LLVM that matches the compiler.

use std::process::Command;

use anyhow::{Context as _, Result};
use sensor_toolchain::Compiler;

use super::apt;
use crate::process;
use crate::progress::{self, Step};

/// The release that was tested with Debian's compiler.
const VERSION: &str = "0.13.0";
/// The LLVM of Debian's compiler, and what linking with it needs.
const LLVM_PACKAGES: &[&str] = &["llvm-22-dev", "zlib1g-dev", "libzstd-dev", "g++"];
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// The linker spends its time inside LLVM: optimizing its own code only makes installing it slow.
const QUICK_BUILD: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
];

/// Finds the linker, or installs it.
pub(super) fn ensure(compiler: &Compiler) -> Result<()> {
    if let Some(found) = sensor_toolchain::find_linker() {
        progress::done(&format!("bpf-linker: {}", found.display()));
        return Ok(());
    }
    let step = Step::start("installing bpf-linker (cargo install; a minute or two)");
    let mut install = cargo_install();
    if compiler.has_prebuilt_core() {
        apt::install(LLVM_PACKAGES)?;
        with_debian_llvm(&mut install);
    }
    process::capture(&mut install).context("bpf-linker could not be installed")?;
    step.done("installed bpf-linker");
    Ok(())
}

fn cargo_install() -> Command {
    // Outside the workspace, so that its configuration does not apply.
    let mut command = process::cargo();
    command.current_dir("/");
    command.args(["install", "bpf-linker", "--locked"]);
    command
}

fn with_debian_llvm(install: &mut Command) {
    install.args(["--version", VERSION, "--no-default-features", "--features", "llvm-22"]);
    install.env("LLVM_PREFIX", LLVM_PREFIX).env("LLVM_SYS_221_PREFIX", LLVM_PREFIX);
    install.envs(QUICK_BUILD.iter().copied());
}
