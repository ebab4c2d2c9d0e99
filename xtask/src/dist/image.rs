//! A container image without a container engine: what is in it, and the archive.
//!
//! It has the program, the C library that it is linked with, and the authorities of certificates; no shell and no packages.

use std::collections::{BTreeMap, btree_map};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Target;
use super::oci::{self, Entry};
use crate::process;

/// Of Debian's `ca-certificates`: whom webhooks over TLS trust.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Users that programs look up. The groups of the control socket are not there: in a container root alone asks.
const PASSWD: &str = "root:x:0:0:root:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Makes the archive of an image of a program that is stripped, with its configuration at its defaults.
pub(super) fn archive(program: &Path, configuration: &Path, target: Target, out: &Path) -> Result<PathBuf> {
    let entries = entries(program, configuration, target)?;
    let version = env!("CARGO_PKG_VERSION");
    let file = out.join(format!("sensor-{version}-{}.oci.tar", target.arch()));
    let image = oci::Image { architecture: target.oci(), version, entries: &entries };
    fs::write(&file, image.archive()?).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn entries(program: &Path, configuration: &Path, target: Target) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = [
        ("dev", 0o755),
        ("etc", 0o755),
        ("etc/sensor", 0o755),
        ("etc/ssl", 0o755),
        ("etc/ssl/certs", 0o755),
        ("lib", 0o755),
        ("proc", 0o555),
        ("run", 0o755),
        ("run/sensor", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("usr/bin", 0o755),
        ("var", 0o755),
        ("var/lib", 0o755),
        ("var/lib/sensor", 0o700),
    ]
    .map(|(path, mode)| Entry::directory(path, mode))
    .into();
    entries.push(Entry::file("usr/bin/sensor", 0o755, fs::read(program)?));
    entries.push(Entry::file("etc/sensor/sensor.toml", 0o644, fs::read(configuration)?));
    for (path, text) in [("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/nsswitch.conf", NSSWITCH)] {
        entries.push(Entry::file(path, 0o644, text.into()));
    }
    let authorities = fs::read(AUTHORITIES)
        .with_context(|| format!("{AUTHORITIES} cannot be read: is ca-certificates installed?"))?;
    entries.push(Entry::file(AUTHORITIES.trim_start_matches('/'), 0o644, authorities));
    let interpreter = interpreter(program)?;
    for (library, file) in libraries(program, target)? {
        entries.push(Entry::file(&format!("lib/{library}"), 0o755, fs::read(file)?));
    }
    // The kernel looks for it where the program says.
    let name = interpreter.file_name().context("the interpreter has no name")?.to_string_lossy().into_owned();
    let path = interpreter.strip_prefix("/").unwrap_or(&interpreter);
    let parent = path.parent().unwrap_or(path).display().to_string();
    if !entries.iter().any(|entry| entry.path == parent) {
        entries.push(Entry::directory(&parent, 0o755));
    }
    let path = path.display().to_string();
    if !entries.iter().any(|entry| entry.path == path) {
        entries.push(Entry::file(&path, 0o755, fs::read(target.library(&name)?)?));
    }
    Ok(entries)
}

/// The program's dynamic linker.
fn interpreter(program: &Path) -> Result<PathBuf> {
    let headers = readelf(&["--program-headers"], program)?;
    // As in `[Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]`.
    let found = headers.split_once("program interpreter: ").and_then(|(_, rest)| rest.split_once(']'));
    Ok(found.context("the program is not linked dynamically")?.0.into())
}

/// The libraries that the program needs, and those that they need, by name.
fn libraries(program: &Path, target: Target) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut files = vec![program.to_owned()];
    while let Some(file) = files.pop() {
        for name in needed(&file)? {
            if let btree_map::Entry::Vacant(place) = found.entry(name) {
                let library = target.library(place.key())?;
                files.push(place.insert(library).clone());
            }
        }
    }
    ensure!(!found.is_empty(), "the program needs no library");
    Ok(found)
}

/// What one file names.
fn needed(file: &Path) -> Result<Vec<String>> {
    let dynamic = readelf(&["--dynamic"], file)?;
    let named = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    Ok(named.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect())
}

fn readelf(what: &[&str], file: &Path) -> Result<String> {
    process::capture(Command::new("readelf").arg("--wide").args(what).arg(file).env("LC_ALL", "C"))
}
