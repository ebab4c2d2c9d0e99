//! What building for another machine takes: its C compiler and library, Rust's standard library for it, and an emulator to
//! try what was built.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt;
use crate::dist::Target;
use crate::process;
use crate::progress::{self, Step};

/// Finds what is needed for a machine, or installs it. Nothing is needed for this one.
pub(super) fn ensure(target: Target) -> Result<()> {
    if !target.is_foreign() {
        return Ok(());
    }
    let (arch, triple) = (target.arch(), target.triple());
    let compiler = format!("gcc-{}-linux-gnu", arch.replace('_', "-"));
    let library = format!("libc6-dev-{}-cross", target.oci());
    let wanted = [&*compiler, &*library, "qemu-user"];
    let missing: Vec<&str> = wanted.into_iter().filter(|package| !apt::installed(package)).collect();
    if !missing.is_empty() {
        let step = Step::start(&format!("installing the cross-compiler for {arch} (apt)"));
        apt::install(&missing)?;
        step.done(&format!("installed the cross-compiler for {arch}"));
    }
    let installed = process::capture(Command::new("rustup").args(["target", "list", "--installed"]))
        .with_context(|| format!("without rustup, Rust's standard library for {triple} cannot be had"))?;
    if !installed.lines().any(|line| line == triple) {
        let step = Step::start(&format!("installing Rust's standard library for {triple} (rustup)"));
        process::capture(Command::new("rustup").args(["target", "add", &triple]))
            .with_context(|| format!("Rust's standard library for {triple} cannot be had"))?;
        step.done(&format!("installed Rust's standard library for {triple}"));
    }
    progress::done(&format!("cross-building for {triple}"));
    Ok(())
}
