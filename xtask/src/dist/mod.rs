//! `cargo xtask dist`: the package for Debian and Ubuntu, a tarball of the same files, and a container image.

mod image;
mod oci;
mod portable;
mod target;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

pub(crate) use target::Target;

use crate::{process, setup, workspace};

/// Flags of `dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Package this program; by default an optimized build of this checkout.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where the results go [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compress fast rather than well, for tests.
    #[arg(long)]
    fast: bool,
    /// Make a container image, as an OCI archive, in place of the package. It takes no container engine.
    #[arg(long)]
    image: bool,
    /// Which machine it is for [default: this one]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Target>,
}

/// Runs the command.
pub(crate) fn command(args: &Args) -> Result<()> {
    let target = args.arch.map_or_else(Target::here, Ok)?;
    if !args.image {
        setup::packager()?;
    }
    setup::cross(target)?;
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => {
            setup::build_tools()?;
            target.build(true)?
        }
    };
    let out = args.out.clone().unwrap_or_else(|| workspace::target_dir().join("dist"));
    fs::create_dir_all(&out)?;
    let files = if args.image {
        vec![image(&binary, &out, target)?]
    } else {
        let package = package(&binary, &out, args.fast, target)?;
        let tarball = tarball(&package, &out, target)?;
        vec![package, tarball]
    };
    for file in files {
        println!("{} ({} KiB)", file.display(), fs::metadata(&file)?.len() / 1024);
    }
    Ok(())
}

/// An image of a program that is built.
fn image(binary: &Path, out: &Path, target: Target) -> Result<PathBuf> {
    let stage = tempfile::tempdir_in(out)?;
    let stripped = strip(binary, stage.path(), target)?;
    generate(&stripped, &["config"], stage.path(), target)?;
    image::archive(&stripped, &stage.path().join("sensor.toml"), target, out)
}

/// The program without its symbols, which runs where it shall.
fn strip(binary: &Path, directory: &Path, target: Target) -> Result<PathBuf> {
    let stripped = directory.join("sensor");
    process::capture(Command::new(target.tool("strip")).arg("-o").arg(&stripped).arg(binary))?;
    portable::check(&stripped)?;
    Ok(stripped)
}

/// The package of a program that is built, for tests; `None` on systems without packages of this kind.
///
/// # Errors
///
/// When it cannot be made, or the program would not run on the systems that the package is for.
pub(crate) fn for_tests(binary: &Path) -> Result<Option<PathBuf>> {
    if process::in_path("dpkg-deb").is_none() {
        return Ok(None);
    }
    setup::packager()?;
    package(binary, &workspace::target_dir().join("dist/test"), true, Target::here()?).map(Some)
}

/// The image of a program that is built, for tests; `None` on systems without the tools.
///
/// # Errors
///
/// As [`for_tests`].
pub(crate) fn image_for_tests(binary: &Path) -> Result<Option<PathBuf>> {
    if ["gcc", "strip", "readelf"].iter().any(|tool| process::in_path(tool).is_none()) {
        return Ok(None);
    }
    let out = workspace::target_dir().join("dist/test");
    fs::create_dir_all(&out)?;
    image(binary, &out, Target::here()?).map(Some)
}

/// Fills the directory that the package's list of files names, and has the package made.
fn package(binary: &Path, out: &Path, fast: bool, target: Target) -> Result<PathBuf> {
    let stage = target.directory(true).join("package");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir_all(&stage)?;
    let stripped = strip(binary, &stage, target)?;
    generate(&stripped, &["config"], &stage, target)?;
    generate(&stripped, &["man"], &stage.join("man"), target)?;
    compress(&stage.join("man"))?;
    generate(&stripped, &["completions"], &stage.join("completions"), target)?;
    fs::create_dir_all(out)?;
    let mut deb = process::cargo();
    deb.args(["deb", "--quiet", "--package", "sensor", "--no-build", "--no-strip", "--output"]).arg(out);
    if fast {
        deb.arg("--fast");
    }
    if target.is_foreign() {
        deb.args(["--target", &target.triple()]);
    }
    let printed = process::capture(&mut deb)?;
    let package = printed.lines().rev().map(Path::new).find(|path| path.is_file());
    Ok(package.with_context(|| format!("cargo-deb named no package: {printed}"))?.to_owned())
}

/// Has the program write what it knows about itself.
fn generate(binary: &Path, what: &[&str], directory: &Path, target: Target) -> Result<()> {
    let mut command = target.command(binary);
    process::capture(command.arg("generate").args(what).arg("--out").arg(directory)).map(drop)
}

/// Compresses every file of a directory, as Debian wants man pages; without time stamps.
fn compress(directory: &Path) -> Result<()> {
    let files: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    process::capture(Command::new("gzip").args(["-9", "--no-name"]).args(files)).map(drop)
}

/// The package's files below one directory, for systems with other packages.
fn tarball(package: &Path, out: &Path, target: Target) -> Result<PathBuf> {
    let name = format!("sensor-{}-{}-linux", env!("CARGO_PKG_VERSION"), target.arch());
    let directory = tempfile::tempdir_in(out)?;
    let inner = directory.path().join(&name);
    process::capture(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&inner))?;
    let file = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=root:0", "--group=root:0", "--sort=name", "--directory"]);
    process::capture(tar.arg(directory.path()).arg("--file").arg(&file).arg(&name))?;
    ensure!(file.is_file(), "tar made no {}", file.display());
    Ok(file)
}
