//! The compiler for eBPF programs and its linker, from rustup or from Debian.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use sensor_toolchain::{Compiler, DEBIAN_PREFIX, LINKED, NIGHTLY};

use super::{apt, linker};
use crate::process;
use crate::progress::{self, Step};

/// Rust 1.96 with a `core` for the BPF target, and what its build scripts link with.
const COMPILER_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf", "gcc", "libc6-dev"];

/// Finds the toolchain, or installs what of it is missing.
pub(super) fn ensure() -> Result<()> {
    if sensor_toolchain::find().is_err() {
        install()?;
    }
    let toolchain = sensor_toolchain::find()?;
    progress::done(&format!("eBPF: {}", toolchain.describe()));
    Ok(())
}

/// A compiler, and the way to get it.
struct Way {
    name: &'static str,
    install: fn() -> Result<()>,
}

const DEBIAN: Way = Way { name: "Debian's compiler", install: with_debian_compiler };
const NIGHTLY_OF_RUSTUP: Way = Way { name: "rustup's nightly", install: || with_compiler(install_nightly) };

/// What is likely to work first. Where Debian has its compiler for BPF, its LLVM is there too; elsewhere rustup's nightly
/// is what people have.
fn install() -> Result<()> {
    let has_debian = apt::offers(COMPILER_PACKAGES);
    let (first, second) = if has_debian { (DEBIAN, NIGHTLY_OF_RUSTUP) } else { (NIGHTLY_OF_RUSTUP, DEBIAN) };
    let Err(refused) = (first.install)() else { return Ok(()) };
    progress::note(&format!("{} cannot be had here; trying {}", first.name, second.name));
    (second.install)().with_context(|| {
        format!("eBPF programs cannot be built here. {}: {refused:#}. {}", first.name, second.name)
    })
}

/// Installs the linker, and before it a compiler if there is none yet.
fn with_compiler(install: impl FnOnce() -> Result<Compiler>) -> Result<()> {
    let compiler = match sensor_toolchain::find_compiler() {
        Ok(compiler) => compiler,
        Err(_missing) => install()?,
    };
    progress::done(&format!("eBPF compiler: {}", compiler.describe()));
    linker::ensure(&compiler)
}

/// Also when there is a nightly, for whose LLVM there may be no linker.
fn with_debian_compiler() -> Result<()> {
    let compiler = install_debian()?;
    ensure!(compiler.has_prebuilt_core(), "{} hides Debian's compiler", compiler.describe());
    linker::ensure(&compiler)
}

fn install_nightly() -> Result<Compiler> {
    if process::in_path("rustup").is_none() {
        bail!("rustup is not installed, so its nightly is not tried");
    }
    let step = Step::start("installing a nightly with its library source (rustup)");
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", NIGHTLY, "--component", "rust-src", "--profile", "minimal"]);
    // Updating rustup itself is nobody's wish here, and fails where a distribution installed it.
    rustup.arg("--no-self-update");
    process::capture(&mut rustup)?;
    let compiler = sensor_toolchain::find_compiler()?;
    step.done("installed a nightly with its library source");
    Ok(compiler)
}

fn install_debian() -> Result<Compiler> {
    let step = Step::start("installing Debian's compiler for BPF (apt)");
    apt::install(COMPILER_PACKAGES)?;
    if process::in_path("rustup").is_some() {
        // Without the link, Debian's cargo would find rustup's rustc in PATH.
        process::capture(Command::new("rustup").args(["toolchain", "link", LINKED, DEBIAN_PREFIX]))?;
    }
    let compiler = sensor_toolchain::find_compiler()?;
    step.done("installed Debian's compiler for BPF");
    Ok(compiler)
}
