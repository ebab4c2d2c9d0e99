//! Looking for the compiler, its `core` and the linker.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{DEBIAN_PREFIX, TARGET};

/// The rustup name of the toolchain that `cargo xtask setup` links to Debian's compiler.
pub const LINKED: &str = "sensor-bpf";
/// The rustup name of the toolchain that builds `core` from source.
pub const NIGHTLY: &str = "nightly";
/// The environment variable that names another rustup toolchain than these two.
pub const NAME_OVERRIDE: &str = "SENSOR_BPF_TOOLCHAIN";

/// A compiler and a linker that were seen to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpfToolchain {
    compiler: Compiler,
    linker: PathBuf,
}

/// A compiler that runs and has, or can build, `core` for the BPF target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    launcher: Launcher,
    core: Core,
    llvm: Option<u32>,
}

/// How the compiler is started.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Launcher {
    /// Through `rustup run NAME`.
    Rustup(String),
    /// By absolute path below this prefix, for hosts without rustup.
    Prefix(PathBuf),
}

/// Where `core` for the BPF target comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Core {
    /// Installed beside the compiler.
    Prebuilt,
    /// Built by cargo from `rust-src`; only nightly compilers allow that.
    FromSource,
}

/// What building eBPF programs lacks on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    what: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "building the eBPF programs needs {}; run `cargo xtask setup`", self.what)
    }
}

impl std::error::Error for Missing {}

impl BpfToolchain {
    /// One line for a person: which compiler, which `core`, which linker.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} and {}", self.compiler.describe(), self.linker.display())
    }

    /// A `cargo` command of this toolchain, with the linker first in `PATH` and without the variables of
    /// an outer cargo that would choose another compiler or other flags.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut command = self.compiler.launcher.command("cargo");
        for outer in ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"]
        {
            command.env_remove(outer);
        }
        if let Launcher::Prefix(prefix) = &self.compiler.launcher {
            // Without this a rustc found earlier in PATH would be paired with this cargo.
            command.env("RUSTC", prefix.join("bin/rustc"));
        }
        command.env("PATH", self.path());
        command
    }

    pub(crate) fn core(&self) -> Core {
        self.compiler.core
    }

    fn path(&self) -> std::ffi::OsString {
        let linker_dir = self.linker.parent().map(Path::to_path_buf);
        let rest = env::var_os("PATH").unwrap_or_default();
        let dirs = linker_dir.into_iter().chain(env::split_paths(&rest));
        env::join_paths(dirs).unwrap_or(rest.clone())
    }
}

impl Compiler {
    /// One line for a person: which compiler, and where its `core` comes from.
    #[must_use]
    pub fn describe(&self) -> String {
        let core = match self.core {
            Core::Prebuilt => "prebuilt core",
            Core::FromSource => "core from rust-src",
        };
        format!("{} ({core})", self.launcher.describe())
    }

    /// True when `core` was installed with the compiler, as Debian's packages do.
    #[must_use]
    pub fn has_prebuilt_core(&self) -> bool {
        self.core == Core::Prebuilt
    }

    /// The major version of the compiler's LLVM, if it says so. `bpf-linker` reads what the compiler
    /// writes, so its own LLVM must not be older.
    #[must_use]
    pub fn llvm(&self) -> Option<u32> {
        self.llvm
    }
}

impl Launcher {
    fn describe(&self) -> String {
        match self {
            Self::Rustup(name) => format!("toolchain `{name}`"),
            Self::Prefix(prefix) => format!("the compiler in {}", prefix.join("bin").display()),
        }
    }

    fn command(&self, program: &str) -> Command {
        match self {
            Self::Rustup(name) => {
                let mut command = Command::new("rustup");
                command.args(["run", name, program]);
                command
            }
            Self::Prefix(prefix) => Command::new(prefix.join("bin").join(program)),
        }
    }

    /// Runs the compiler: a toolchain that is listed but does not start is no toolchain.
    fn compiler(&self) -> Result<Compiler, String> {
        let version = self.rustc(&["--version", "--verbose"])?;
        let sysroot = PathBuf::from(self.rustc(&["--print", "sysroot"])?);
        let core = core_of(&sysroot, version.contains("-nightly"))?;
        Ok(Compiler { launcher: self.clone(), core, llvm: llvm_of(&version) })
    }

    fn rustc(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command("rustc").args(arguments).env_remove("RUSTUP_TOOLCHAIN").output();
        match output {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            Ok(_) => Err("not installed, or its rustc does not run".to_owned()),
            Err(error) => Err(format!("its rustc cannot be started: {error}")),
        }
    }
}

/// Finds the toolchain, and checks that its compiler runs, has a `core` for the BPF target or the source
/// to build one, and that `bpf-linker` is there.
///
/// The linked toolchain goes before nightly: somebody set it up for this, and it does not change under us.
///
/// # Errors
///
/// [`Missing`], a sentence that names every toolchain that was tried and what it lacks.
pub fn find() -> Result<BpfToolchain, Missing> {
    let compiler = find_compiler()?;
    let linker = find_linker().ok_or_else(|| Missing { what: "bpf-linker".to_owned() })?;
    Ok(BpfToolchain { compiler, linker })
}

/// The first half of [`find`], for those who install the other half.
///
/// # Errors
///
/// As [`find`].
pub fn find_compiler() -> Result<Compiler, Missing> {
    let mut reasons = Vec::new();
    for launcher in candidates() {
        match launcher.compiler() {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => reasons.push(format!("{}: {reason}", launcher.describe())),
        }
    }
    let what = format!("a compiler with `core` for {TARGET} ({})", reasons.join("; "));
    Err(Missing { what })
}

fn candidates() -> Vec<Launcher> {
    if in_path("rustup").is_none() {
        return vec![Launcher::Prefix(PathBuf::from(DEBIAN_PREFIX))];
    }
    match env::var(NAME_OVERRIDE) {
        Ok(name) if !name.is_empty() => vec![Launcher::Rustup(name)],
        _ => vec![Launcher::Rustup(LINKED.to_owned()), Launcher::Rustup(NIGHTLY.to_owned())],
    }
}

fn core_of(sysroot: &Path, nightly: bool) -> Result<Core, String> {
    let rustlib = sysroot.join("lib/rustlib");
    if has_core(&rustlib.join(TARGET).join("lib")) {
        return Ok(Core::Prebuilt);
    }
    let has_source = rustlib.join("src/rust/library/core").is_dir();
    match (nightly, has_source) {
        (true, true) => Ok(Core::FromSource),
        (true, false) => Err(format!("it has neither rust-src nor a core for {TARGET}")),
        (false, _) => Err(format!("it has no core for {TARGET} and is not a nightly that could build one")),
    }
}

fn llvm_of(version: &str) -> Option<u32> {
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    llvm.split('.').next()?.parse().ok()
}

fn has_core(libraries: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// Where `bpf-linker` is: in `PATH`, or where `cargo install` puts it.
#[must_use]
pub fn find_linker() -> Option<PathBuf> {
    const LINKER: &str = "bpf-linker";
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::home_dir().map(|home| home.join(".cargo"));
    let installed = cargo_home.into_iter().chain(home).map(|dir| dir.join("bin").join(LINKER));
    in_path(LINKER).or_else(|| installed.into_iter().find(|file| file.is_file()))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysroot(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        dir
    }

    #[test]
    fn a_prebuilt_core_is_enough_for_any_compiler() {
        let dir = sysroot(&["lib/rustlib/bpfel-unknown-none/lib/libcore-0123.rlib"]);
        assert_eq!(core_of(dir.path(), false), Ok(Core::Prebuilt));
        assert_eq!(core_of(dir.path(), true), Ok(Core::Prebuilt));
    }

    #[test]
    fn metadata_alone_is_no_core() {
        let dir = sysroot(&["lib/rustlib/bpfel-unknown-none/lib/libcore-0123.rmeta"]);
        assert!(core_of(dir.path(), false).is_err());
    }

    #[test]
    fn source_helps_only_a_nightly() {
        let dir = sysroot(&["lib/rustlib/src/rust/library/core/src/lib.rs"]);
        assert_eq!(core_of(dir.path(), true), Ok(Core::FromSource));
        assert!(core_of(dir.path(), false).unwrap_err().contains("not a nightly"));
    }

    #[test]
    fn an_empty_sysroot_says_what_it_lacks() {
        let dir = sysroot(&[]);
        assert!(core_of(dir.path(), true).unwrap_err().contains("rust-src"));
    }

    #[test]
    fn the_version_of_llvm_is_read() {
        let version = "rustc 1.97.0-nightly\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(llvm_of(version), Some(22));
        assert_eq!(llvm_of("rustc 1.97.0\n"), None);
    }

    #[test]
    fn missing_names_the_thing_and_the_command() {
        let text = Missing { what: "bpf-linker".to_owned() }.to_string();
        assert_eq!(text, "building the eBPF programs needs bpf-linker; run `cargo xtask setup`");
    }
}
