//! One target: its program, its corpora, and running it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::instrumented;
use super::report::{self, Breakage, Totals};
use crate::{process, workspace};

/// Where a process ends that has lost a bound.
const MEMORY_MIB: u32 = 1024;
/// Seconds for one input. What takes longer costs more than its size.
const INPUT_SECONDS: u32 = 1;
/// Longest input: a head at its bound of 64 KiB, with what the entries take besides.
const INPUT_BYTES: u32 = 70_000;

/// A file of `fuzz/targets`.
pub(super) struct Target {
    name: String,
}

/// How a run ended.
pub(super) enum Ended {
    /// All postconditions held.
    Held(Totals),
    /// One did not.
    Broke(Breakage),
}

/// The names of all targets.
pub(super) fn all() -> Result<Vec<String>> {
    let dir = workspace::root().join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == "rs"));
        names.extend(stem.map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

impl Target {
    /// The target of this name.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs it for `time`, from what both corpora hold.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends in a way that leaves no input.
    pub(super) fn run(&self, time: Duration) -> Result<Ended> {
        let artifacts = instrumented::dir().join("artifacts").join(&self.name);
        for dir in [&artifacts, &self.found(), &self.kept()] {
            fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        }
        let mut command = self.command();
        command.arg(format!("-max_total_time={}", time.as_secs()));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        // New inputs go to the first.
        command.args([self.found(), self.kept()]);
        let (succeeded, log) = process::watch(&mut command)?;
        if succeeded {
            return report::totals(&log).map(Ended::Held);
        }
        report::breakage(&log).map(Ended::Broke).with_context(|| process::show(&command))
    }

    /// Adds to the kept corpus the smallest found inputs that reach an edge which nothing there reaches. How
    /// often an edge is taken does not count here: that takes ten times the files and is soon found again.
    ///
    /// # Errors
    ///
    /// When libFuzzer fails.
    pub(super) fn keep(&self) -> Result<()> {
        let mut command = self.command();
        command.args(["-set_cover_merge=1", "-use_counters=0"]).args([self.kept(), self.found()]);
        process::capture(&mut command).map(drop)
    }

    /// The command that runs one input.
    pub(super) fn again(&self, artifact: &Path) -> Command {
        let mut command = Command::new(instrumented::program(&self.name));
        command.arg(artifact);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(instrumented::program(&self.name));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
        command.arg(format!("-timeout={INPUT_SECONDS}"));
        command.arg(format!("-max_len={INPUT_BYTES}"));
        command
    }

    fn found(&self) -> PathBuf {
        instrumented::dir().join("corpus").join(&self.name)
    }

    fn kept(&self) -> PathBuf {
        workspace::root().join("fuzz/corpus").join(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_a_program_of_the_package_and_has_a_corpus() {
        let manifest = fs::read_to_string(workspace::root().join("fuzz/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let bins = manifest["bin"].as_array().unwrap().iter();
        let mut programs: Vec<&str> = bins.map(|bin| bin["name"].as_str().unwrap()).collect();
        programs.sort_unstable();
        assert_eq!(all().unwrap(), programs);
        for name in programs {
            let kept = fs::read_dir(Target::new(name).kept()).map(Iterator::count);
            assert!(kept.is_ok_and(|inputs| inputs > 0), "{name} has no corpus");
        }
    }

    #[test]
    fn memory_and_time_of_an_input_are_bounded() {
        let shown = process::show(&Target::new("http").command());
        assert!(shown.ends_with("fuzz/http -rss_limit_mb=1024 -timeout=1 -max_len=70000"), "{shown}");
    }
}
