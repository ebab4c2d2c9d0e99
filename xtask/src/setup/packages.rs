//! Programs that commands run: real servers, clients, firewalls and machines. [`sensor_toolchain::needs`] lists them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Error, Result};
use sensor_toolchain::{Need, Purpose, needs};

use super::apt;
use crate::outcome::Skip;
use crate::process;
use crate::progress::{self, Step};

/// A package, and everything that cannot run without it.
struct Package {
    name: &'static str,
    without: Vec<&'static str>,
}

/// Only for Debian's compiler; rustup's nightly has its own as a component.
const CLIPPY: Need = Need {
    package: "rust-web-clippy",
    program: "cargo-clippy",
    purpose: Purpose::Tests,
    without: "clippy of the eBPF programs",
};

/// Installs what network namespaces take.
///
/// # Errors
///
/// Where something is missing and cannot be installed.
pub(super) fn ensure_namespaces() -> Result<()> {
    let missing = missing(needs(Purpose::Namespaces).copied());
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if names.is_empty() {
        progress::done("network namespaces: all programs");
        return Ok(());
    }
    let step = Step::start(&format!("installing {} (apt)", names.join(" ")));
    apt::install(&names).with_context(|| format!("missing for network namespaces: {}", names.join(", ")))?;
    step.done(&format!("installed {}", names.join(" ")));
    Ok(())
}

/// Installs what tests take.
///
/// # Returns
///
/// What will not be tested: a machine without one of these packages can still test the rest.
pub(super) fn ensure() -> Vec<Skip> {
    let clippy = needs_clippy().then_some(CLIPPY);
    let missing = missing(needs(Purpose::Tests).copied().chain(clippy));
    if missing.is_empty() {
        progress::done("test tools: all packages");
        return Vec::new();
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let step = Step::start(&format!("installing test tools: {} (apt)", names.join(" ")));
    let skips = install(&missing);
    if skips.is_empty() {
        step.done(&format!("installed test tools: {}", names.join(" ")));
    }
    skips
}

fn needs_clippy() -> bool {
    apt::available() && sensor_toolchain::find_compiler().is_ok_and(|compiler| compiler.has_prebuilt_core())
}

fn missing(needs: impl Iterator<Item = Need>) -> Vec<Package> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for need in needs.filter(|need| !is_there(need)) {
        packages.entry(need.package).or_default().push(need.without);
    }
    packages.into_iter().map(|(name, without)| Package { name, without }).collect()
}

/// By whatever package: Node's own has npm in it, and refuses Debian's.
fn is_there(need: &Need) -> bool {
    process::in_path(need.program).is_some() || (apt::available() && apt::installed(need.package))
}

impl Package {
    fn skips(&self, error: &Error) -> Vec<Skip> {
        let reason = format!("package {} could not be installed: {error:#}", self.name);
        self.without.iter().map(|what| Skip::new(*what, &*reason)).collect()
    }
}

/// All at once, which is quick; one by one only when that fails, so that one package that this release
/// does not have costs no other.
fn install(missing: &[Package]) -> Vec<Skip> {
    if let Err(error) = apt::update() {
        return missing.iter().flat_map(|package| package.skips(&error)).collect();
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if apt::install_listed(&names).is_ok() {
        return Vec::new();
    }
    let one_by_one = missing.iter().map(|package| (package, apt::install_listed(&[package.name])));
    one_by_one
        .filter_map(|(package, result)| result.err().map(|error| package.skips(&error)))
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::workspace;

    /// The texts between quotes of the lists of programs in a source: `skipped("test", &["ip", "nginx"])`.
    fn programs(source: &str) -> Vec<&str> {
        let calls = source.split("skipped(").chain(source.split("obstacle(")).skip(1);
        let lists = calls.filter_map(|call| call.split_once(')')?.0.split_once("&[")?.1.split_once(']'));
        lists.flat_map(|(list, _)| list.split('"').skip(1).step_by(2)).collect()
    }

    fn sources(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn whatever_a_test_asks_for_is_in_the_list() {
        let mut found = Vec::new();
        for directory in ["tests/tests", "tests/src"] {
            sources(&workspace::root().join(directory), &mut found);
        }
        let asked: Vec<&str> = found.iter().flat_map(|source| programs(source)).collect();
        assert!(asked.contains(&"nginx"), "the lists are not found any more");
        for program in asked {
            assert!(
                needs(Purpose::Tests).any(|need| need.program == program),
                "{program} is not in the list of needs"
            );
        }
    }
}
