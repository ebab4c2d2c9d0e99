//! Which modules the machine loads, in which order.
//!
//! The index that says so (`modules.dep`) is made when a kernel is installed, and ours is only unpacked;
//! but each module names what it depends on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Virtual network cards, and the hooks for tc programs.
const WANTED: &[&str] = &["veth", "sch_ingress", "cls_bpf"];

/// A module as the kernel loads it.
pub(super) struct Module {
    /// Its name, with underscores.
    pub(super) name: String,
    /// Its object code, decompressed.
    pub(super) code: Vec<u8>,
}

/// Reads the wanted modules and what they depend on, dependencies first. What is built into the kernel is
/// left out.
pub(super) fn read(modules: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(&modules.join("kernel"), &mut files)?;
    let list = modules.join("modules.builtin");
    let builtin = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let builtin: Vec<String> = builtin.lines().map(|line| module_name(Path::new(line))).collect();
    let mut loaded = Vec::new();
    for name in WANTED {
        load(name, &files, &builtin, &mut loaded)?;
    }
    Ok(loaded)
}

fn load(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    builtin: &[String],
    loaded: &mut Vec<Module>,
) -> Result<()> {
    if builtin.iter().any(|known| known == name) || loaded.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let Some(file) = files.get(name) else { bail!("this kernel has no module {name}") };
    let code = decompressed(file)?;
    for dependency in dependencies(&code) {
        load(&dependency, files, builtin, loaded)?;
    }
    loaded.push(Module { name: name.to_owned(), code });
    Ok(())
}

fn find(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.to_string_lossy().contains(".ko") {
            files.insert(module_name(&path), path);
        }
    }
    Ok(())
}

/// The name without directory and extension; files may have dashes where the kernel has underscores.
fn module_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn decompressed(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(file).with_context(|| format!("reading {}", file.display())),
    };
    let mut command = Command::new(program);
    let output = command.args(["--decompress", "--stdout"]).arg(file).output();
    let output = output.with_context(|| format!("starting {program}; run `cargo xtask setup --tests`"))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", process::show(&command), output.status);
    }
    Ok(output.stdout)
}

/// What a module's information section names after `depends=`; the entries are separated by NUL.
fn dependencies(code: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"depends=";
    let entry = code.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(KEY));
    let names = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(builtin: &str, modules: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("kernel/net")).unwrap();
        fs::write(dir.path().join("modules.builtin"), builtin).unwrap();
        for (file, depends) in modules {
            let code = format!("ELF\0license=GPL\0depends={depends}\0name=x\0");
            fs::write(dir.path().join("kernel/net").join(file), code).unwrap();
        }
        dir
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let modules = [("veth.ko", "a-b,c"), ("a-b.ko", "c"), ("c.ko", ""), ("cls_bpf.ko", "c")];
        let dir = kernel("kernel/net/sched/sch_ingress.ko\n", &modules);
        let names: Vec<String> = read(dir.path()).unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["c", "a_b", "veth", "cls_bpf"]);
    }

    #[test]
    fn a_missing_module_is_named() {
        let dir = kernel("kernel/net/sched/sch_ingress.ko\n", &[("cls_bpf.ko", "")]);
        let error = read(dir.path()).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("this kernel has no module veth"));
    }
}
