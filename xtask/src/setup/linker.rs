//! `bpf-linker`, built against an LLVM that reads what the compiler writes.

use std::process::Command;

use anyhow::{Context as _, Result};
use sensor_toolchain::Compiler;

use super::apt;
use crate::process;
use crate::progress::{self, Step};

/// The release that was tested.
const VERSION: &str = "0.13.0";
/// The LLVM of Debian's compiler, and of the nightlies of its time.
const LLVM: u32 = 22;

/// For tools that spend their time elsewhere (the linker in LLVM): optimizing them only makes installing them slow.
pub(super) const QUICK_BUILD: &[(&str, &str)] = &[
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
    let step = Step::start("installing bpf-linker (a minute or two)");
    install(compiler).context("bpf-linker could not be installed; `cargo binstall bpf-linker` may help")?;
    step.done("installed bpf-linker");
    Ok(())
}

/// A ready-made binary where there is a tool that fetches it; else one built with the distribution's LLVM;
/// else whatever LLVM cargo finds.
fn install(compiler: &Compiler) -> Result<()> {
    if process::in_path("cargo-binstall").is_some() && !compiler.has_prebuilt_core() {
        let arguments = ["binstall", "--no-confirm", "bpf-linker"];
        return process::capture(outside_workspace().args(arguments)).map(drop);
    }
    let mut install = outside_workspace();
    install.args(["install", "bpf-linker", "--locked"]);
    if apt::available() {
        let llvm = compiler.llvm().unwrap_or(LLVM);
        let dev = format!("llvm-{llvm}-dev");
        apt::install(&[&dev, "zlib1g-dev", "libzstd-dev", "g++"])?;
        with_llvm(&mut install, llvm);
    }
    process::capture(&mut install).map(drop)
}

/// The workspace's configuration of cargo does not apply to a tool.
pub(super) fn outside_workspace() -> Command {
    let mut command = process::cargo();
    command.current_dir("/");
    command
}

fn with_llvm(install: &mut Command, llvm: u32) {
    let prefix = format!("/usr/lib/llvm-{llvm}");
    install.args(["--version", VERSION, "--no-default-features", "--features", &format!("llvm-{llvm}")]);
    install.env("LLVM_PREFIX", &prefix).env(format!("LLVM_SYS_{llvm}1_PREFIX"), &prefix);
    install.envs(QUICK_BUILD.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_gets_the_compilers_llvm() {
        let mut command = Command::new("cargo");
        with_llvm(&mut command, 22);
        assert!(process::show(&command).ends_with("--no-default-features --features llvm-22"));
        let prefix = command.get_envs().find(|(name, _)| *name == "LLVM_SYS_221_PREFIX");
        assert_eq!(prefix.and_then(|(_, value)| value), Some("/usr/lib/llvm-22".as_ref()));
    }
}
