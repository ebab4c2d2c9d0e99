//! Building an eBPF package from a build script.
//!
//! This is what `aya_build::build_ebpf` does, with one difference that makes it ours: that function reads
//! `RUSTC_BOOTSTRAP` from its own process, which a build script can only set with `unsafe`.
#![expect(clippy::print_stdout, reason = "build scripts speak to cargo on stdout")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::find::{self, BpfToolchain, Core, NAME_OVERRIDE};
use crate::{DEBIAN_PREFIX, TARGET};

/// Crates that use unstable features for the BPF target: aya's, and the binaries of this workspace. Every
/// build names them all, or cargo would build what they share again for each.
const UNSTABLE_CRATES: &[&str] = &["aya_ebpf", "dataplane", "secrets", "testplane"];

/// Flags beyond the target's defaults.
///
/// `v3` (Linux 5.1, 32-bit subregisters) gives shorter programs than the generic processor. Misaligned
/// loads keep a packet field one instruction instead of one for each byte.
const EXTRA_RUSTFLAGS: &[&str] = &["-Ctarget-cpu=v3", "-Ctarget-feature=+allows-misaligned-mem-access"];

/// The environment variable that names the directory where the BPF dependencies are built. For a build with a
/// target directory of its own, which can so share them with that of another profile.
pub const TARGET_DIR_OVERRIDE: &str = "SENSOR_BPF_TARGET_DIR";

/// Builds the binaries `bins` of the eBPF package `package`, whose manifest is in `root_dir`, into
/// `OUT_DIR/<bin name>`. For build scripts only: it reads cargo's variables and prints cargo's directives.
///
/// # Errors
///
/// When no toolchain is found, the build fails (the compiler's messages are on stderr), or a binary that
/// `bins` names was not produced.
pub fn build(package: &str, root_dir: &str, bins: &[&str]) -> Result<()> {
    rerun_if_changed(root_dir);
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    let endian = variable("CARGO_CFG_TARGET_ENDIAN")?;
    ensure!(endian == "little", "the eBPF programs are built for little-endian hosts only, not for {arch}");

    let toolchain = find::find()?;
    let mut command = toolchain.cargo();
    arguments(&mut command, &toolchain, package, &out_dir);
    environment(&mut command, &toolchain, &arch);
    let built = run(&mut command).with_context(|| format!("building eBPF package {package}"))?;

    for bin in bins {
        let Some((_, executable)) = built.iter().find(|(name, _)| name == bin) else {
            bail!("package {package} has no binary `{bin}`; its binaries are {:?}", names(&built));
        };
        let destination = out_dir.join(bin);
        fs::copy(executable, &destination)
            .with_context(|| format!("copying {} to {}", executable.display(), destination.display()))?;
    }
    Ok(())
}

/// The command that runs clippy over the eBPF package `package`, or `None` when
/// this toolchain has no clippy.
#[must_use]
pub fn clippy(toolchain: &BpfToolchain, package: &str, target_arch: &str) -> Option<Command> {
    if !toolchain.cargo().args(["clippy", "--version"]).output().ok()?.status.success() {
        return None;
    }
    let mut command = toolchain.cargo();
    command.args(["clippy", "--package", package, "--bins", "--release", "--target", TARGET]);
    if toolchain.core() == Core::FromSource {
        command.args(["-Z", "build-std=core"]);
    }
    environment(&mut command, toolchain, target_arch);
    command.args(["--", "-D", "warnings"]);
    Some(command)
}

fn rerun_if_changed(root_dir: &str) {
    println!("cargo:rerun-if-changed={root_dir}");
    println!("cargo:rerun-if-changed={}", Path::new(root_dir).join("../sensor-common").display());
    println!("cargo:rerun-if-env-changed={NAME_OVERRIDE}");
    // A compiler installed or upgraded since the last failure must be noticed.
    let prebuilt = Path::new(DEBIAN_PREFIX).join("lib/rustlib").join(TARGET);
    if prebuilt.exists() {
        println!("cargo:rerun-if-changed={}", prebuilt.display());
    }
}

fn arguments(command: &mut Command, toolchain: &BpfToolchain, package: &str, out_dir: &Path) {
    command.args(["build", "--package", package, "--bins", "--release", "--target", TARGET]);
    command.arg("--message-format=json-render-diagnostics");
    if toolchain.core() == Core::FromSource {
        command.args(["-Z", "build-std=core"]);
    }
    let shared = env::var_os(TARGET_DIR_OVERRIDE).map(PathBuf::from);
    command.arg("--target-dir").arg(shared.unwrap_or_else(|| bpf_target_dir(out_dir)));
}

/// Where the BPF dependencies are built, once for all build scripts of a profile: beside the profile's own
/// files, since the outer cargo holds the lock on its target directory. `OUT_DIR` is `build/PACKAGE/out` there.
fn bpf_target_dir(out_dir: &Path) -> PathBuf {
    out_dir.ancestors().nth(3).unwrap_or(out_dir).join("bpf-target")
}

fn environment(command: &mut Command, toolchain: &BpfToolchain, target_arch: &str) {
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags(target_arch).join("\x1f"));
    // bpf-linker optimizes across crates itself.
    command.env("CARGO_PROFILE_RELEASE_LTO", "false");
    match toolchain.core() {
        // Names, never "1": with "1" cargo offers its own unstable features too, and every dependency may
        // detect a nightly and use what this compiler has in another form.
        Core::Prebuilt => command.env("RUSTC_BOOTSTRAP", UNSTABLE_CRATES.join(",")),
        Core::FromSource => command.env_remove("RUSTC_BOOTSTRAP"),
    };
}

fn rustflags(target_arch: &str) -> Vec<String> {
    let arch = if target_arch.starts_with("riscv64") { "riscv64" } else { target_arch };
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ];
    flags.extend(EXTRA_RUSTFLAGS.iter().map(|flag| (*flag).to_owned()));
    flags
}

/// Runs cargo and returns the executables it names, as (target name, path).
fn run(command: &mut Command) -> Result<Vec<(String, PathBuf)>> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().with_context(|| {
        format!("starting {}; is rustup in PATH?", command.get_program().to_string_lossy())
    })?;
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    ensure!(output.status.success(), "`{}` failed ({})", arguments.join(" "), output.status);
    executables(&String::from_utf8_lossy(&output.stdout))
}

fn executables(messages: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value =
            serde_json::from_str(line).with_context(|| format!("cargo printed invalid JSON: {line}"))?;
        let executable = message.get("executable").and_then(Value::as_str);
        let name = message.pointer("/target/name").and_then(Value::as_str);
        if let (Some(name), Some(executable)) = (name, executable) {
            found.push((name.to_owned(), PathBuf::from(executable)));
        }
    }
    Ok(found)
}

fn names(built: &[(String, PathBuf)]) -> Vec<&str> {
    built.iter().map(|(name, _)| name.as_str()).collect()
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set; call this from a build script"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bpf_builds_of_one_profile_share_a_directory() {
        for out in ["/t/debug/build/a-1/out", "/t/debug/build/b-2/out"] {
            assert_eq!(bpf_target_dir(Path::new(out)), Path::new("/t/debug/bpf-target"));
        }
    }

    #[test]
    fn flags_name_the_architecture_of_the_host() {
        assert!(rustflags("x86_64").contains(&"--cfg=bpf_target_arch=\"x86_64\"".to_owned()));
        assert!(rustflags("riscv64gc").contains(&"--cfg=bpf_target_arch=\"riscv64\"".to_owned()));
    }

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lib\"},\"executable\":null}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"dataplane\"},\"executable\":\"/x/d\"}\n",
        );
        let found = executables(messages).unwrap();
        assert_eq!(found, [("dataplane".to_owned(), PathBuf::from("/x/d"))]);
    }

    #[test]
    fn a_broken_message_is_an_error() {
        assert!(executables("{\"reason\":").is_err());
    }
}
