//! `cargo xtask dist`: the package for Debian and Ubuntu, and a tarball of the same files.

mod portable;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{build, process, setup, workspace};

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
}

/// Runs the command.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::packager()?;
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => {
            setup::build_tools()?;
            build::release(&["sensor"])?;
            workspace::release("sensor")
        }
    };
    let out = args.out.clone().unwrap_or_else(|| workspace::target_dir().join("dist"));
    let package = package(&binary, &out, args.fast)?;
    let tarball = tarball(&package, &out)?;
    for file in [package, tarball] {
        println!("{} ({} KiB)", file.display(), fs::metadata(&file)?.len() / 1024);
    }
    Ok(())
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
    package(binary, &workspace::target_dir().join("dist/test"), true).map(Some)
}

/// Fills the directory that the package's list of files names, and has the package made.
fn package(binary: &Path, out: &Path, fast: bool) -> Result<PathBuf> {
    let stage = workspace::release("package");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir_all(&stage)?;
    let stripped = stage.join("sensor");
    process::capture(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
    portable::check(&stripped)?;
    generate(&stripped, &["config"], &stage)?;
    generate(&stripped, &["man"], &stage.join("man"))?;
    compress(&stage.join("man"))?;
    generate(&stripped, &["completions"], &stage.join("completions"))?;
    fs::create_dir_all(out)?;
    let mut deb = process::cargo();
    deb.args(["deb", "--quiet", "--package", "sensor", "--no-build", "--no-strip", "--output"]).arg(out);
    if fast {
        deb.arg("--fast");
    }
    let printed = process::capture(&mut deb)?;
    let package = printed.lines().rev().map(Path::new).find(|path| path.is_file());
    Ok(package.with_context(|| format!("cargo-deb named no package: {printed}"))?.to_owned())
}

/// Has the program write what it knows about itself.
fn generate(binary: &Path, what: &[&str], directory: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    process::capture(command.arg("generate").args(what).arg("--out").arg(directory)).map(drop)
}

/// Compresses every file of a directory, as Debian wants man pages; without time stamps.
fn compress(directory: &Path) -> Result<()> {
    let files: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    process::capture(Command::new("gzip").args(["-9", "--no-name"]).args(files)).map(drop)
}

/// The package's files below one directory, for systems with other packages.
fn tarball(package: &Path, out: &Path) -> Result<PathBuf> {
    let name = format!("sensor-{}-{ARCH}-linux", env!("CARGO_PKG_VERSION"));
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
