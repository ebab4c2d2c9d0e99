//! What a package or an image is built for: this machine, or another by cross-compiling.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, workspace};

/// A machine that a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// 64-bit x86.
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
    /// 64-bit ARM.
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

impl Target {
    /// This machine.
    pub(crate) fn here() -> Result<Self> {
        match ARCH {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            other => bail!("nothing is packaged for {other}"),
        }
    }

    /// As Rust and the kernel name it.
    pub(crate) const fn arch(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian, Go and container images name it.
    pub(crate) const fn oci(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// As rustc names it.
    pub(crate) fn triple(self) -> String {
        format!("{}-unknown-linux-gnu", self.arch())
    }

    /// Whether it takes a cross-compiler.
    pub(crate) fn is_foreign(self) -> bool {
        self.arch() != ARCH
    }

    /// A program of GNU's for it, such as `gcc` and `strip`.
    pub(crate) fn tool(self, name: &str) -> String {
        if self.is_foreign() { format!("{}-linux-gnu-{name}", self.arch()) } else { name.to_owned() }
    }

    /// Where its linker finds a library.
    pub(crate) fn library(self, name: &str) -> Result<PathBuf> {
        let found = process::capture(Command::new(self.tool("gcc")).arg(format!("-print-file-name={name}")))?;
        let path = PathBuf::from(found.trim());
        ensure!(path.is_absolute() && path.is_file(), "the compiler for {} knows no {name}", self.arch());
        path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))
    }

    /// Runs a program for it here: by the emulator of user space where it is foreign.
    pub(crate) fn command(self, program: &Path) -> Command {
        if !self.is_foreign() {
            return Command::new(program);
        }
        let mut emulator = Command::new(format!("qemu-{}", self.arch()));
        emulator.args(["-L", &format!("/usr/{}-linux-gnu", self.arch())]).arg(program);
        emulator
    }

    /// `cargo build` of the daemon for it; the optimized one where `release`.
    pub(crate) fn build(self, release: bool) -> Result<PathBuf> {
        let mut cargo = process::cargo();
        cargo.args(["build", "--package", "sensor"]);
        if release {
            cargo.arg("--release");
        }
        if self.is_foreign() {
            let triple = self.triple();
            let linker = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
            cargo.args(["--target", &triple]).env(linker, self.tool("gcc"));
        }
        process::run(&mut cargo)?;
        Ok(self.directory(release).join("sensor"))
    }

    /// Where cargo puts what it builds for it.
    pub(crate) fn directory(self, release: bool) -> PathBuf {
        let mut directory = workspace::target_dir();
        if self.is_foreign() {
            directory.push(self.triple());
        }
        directory.join(if release { "release" } else { "debug" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_each_world() {
        let arm = Target::Aarch64;
        assert_eq!((arm.arch(), arm.oci()), ("aarch64", "arm64"));
        assert_eq!(arm.triple(), "aarch64-unknown-linux-gnu");
        let here = Target::here().unwrap();
        assert!(!here.is_foreign() && here.tool("strip") == "strip");
        assert!(here.library("libc.so.6").unwrap().is_file());
        assert!(here.library("no-such-library.so.1").is_err());
    }
}
