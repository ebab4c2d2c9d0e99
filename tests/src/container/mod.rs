//! A Debian root with its own systemd as the first process, for tests of the package and its unit.

mod base;
pub mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::daemon::PATIENCE;
use crate::netns::Namespace;
use crate::process::unique;
use crate::wait::wait_until;

pub use base::{base, package};

/// Where the files of [`Container::share`] are, inside.
pub const SHARED: &str = "/run/shared";

/// What runs first in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Debian's systemd, up to `multi-user.target`.
    Systemd,
    /// Nothing that starts anything, as in the root of a container image.
    Nothing,
}

/// A running container; dropping it ends and removes it. What changes in the root is in a layer of its own.
#[derive(Debug)]
pub struct Container {
    init: Child,
    group: String,
    place: TempDir,
    log: PathBuf,
}

impl Container {
    /// Starts one in this network namespace, with its own namespaces for everything else, and waits until it has
    /// booted.
    /// # Errors
    /// If it does not; the error has what it logged.
    pub fn start(base: &Path, net: &Namespace, first: First) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let group = format!("sensor-container-{}-{number}", unique());
        let place = tempfile::Builder::new().prefix("sensor-container-").tempdir()?;
        let log = place.path().join("log");
        let mut command = net.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child"]);
        command.args(["sh", "-c", include_str!("boot.sh"), "sh"]).arg(base).arg(place.path()).arg(&group);
        command.arg(match first {
            First::Systemd => "/lib/systemd/systemd --system --unit=multi-user.target --show-status=no",
            First::Nothing => "/bin/sleep infinity",
        });
        let file = fs::File::create(&log)?;
        let init = command.stdout(file.try_clone()?).stderr(file).stdin(Stdio::null()).spawn()?;
        let container = Self { init, group, place, log };
        let has_booted = || match first {
            First::Systemd => container
                .run(&["systemctl", "is-system-running"])
                .is_ok_and(|output| matches!(output.stdout.trim_ascii(), b"running" | b"degraded")),
            First::Nothing => {
                container.run(&["test", "-d", SHARED]).is_ok_and(|output| output.status.success())
            }
        };
        let booted = wait_until(PATIENCE * 2, has_booted);
        ensure!(booted, "the container has not booted:\n{}", container.log());
        Ok(container)
    }

    /// The first process's number, outside.
    fn pid(&self) -> Option<u32> {
        let id = self.init.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Runs a program inside to its end.
    ///
    /// # Errors
    /// If the container is not there yet, or nothing can be started.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        let pid = self.pid().context("the container has no process")?;
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid.to_string(), "--all", "--root", "--wd", "--"]);
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]);
        command.args(["DEBIAN_FRONTEND=noninteractive"]).args(words).stdin(Stdio::null());
        command.output().with_context(|| format!("cannot run {command:?}"))
    }

    /// Runs a program inside that must succeed; returns what it printed.
    ///
    /// # Errors
    /// If it fails, with its words.
    pub fn ok(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        let (said, printed) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        ensure!(
            output.status.success(),
            "`{}`: {}: {printed}{said}\n{}",
            words.join(" "),
            output.status,
            self.journal()
        );
        Ok(printed.into_owned())
    }

    /// A property of the unit.
    ///
    /// # Errors
    /// If systemd does not tell.
    pub fn property(&self, name: &str) -> Result<String> {
        let shown = self.ok(&["systemctl", "show", "sensor", "--value", "--property", name])?;
        Ok(shown.trim().to_owned())
    }

    /// Copies a file to [`SHARED`]; returns its path inside.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn share(&self, file: &Path) -> Result<String> {
        let name = file.file_name().context("a file has a name")?;
        fs::copy(file, self.place.path().join("shared").join(name))?;
        Ok(format!("{SHARED}/{}", name.to_string_lossy()))
    }

    /// All files of the root, sorted, without other file systems.
    ///
    /// # Errors
    /// If `find` fails.
    pub fn files(&self) -> Result<Vec<String>> {
        let found = self.ok(&["find", "/", "-xdev"])?;
        let mut files: Vec<String> = found.lines().map(str::to_owned).collect();
        files.sort();
        Ok(files)
    }

    /// What the unit logged.
    fn journal(&self) -> String {
        let journal = self.run(&["journalctl", "--unit=sensor", "--no-pager", "--lines=30", "--output=cat"]);
        journal.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The kernel ends everything in the namespace with its first process.
        let _killed = self.init.kill();
        let _ended = self.init.wait();
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let unified = mounts.lines().find_map(|line| {
            let mut columns = line.split(' ').skip(1);
            columns.next().filter(|_| columns.next() == Some("cgroup2"))
        });
        let Some(group) = unified.map(|place| Path::new(place).join(&self.group)) else { return };
        let is_gone = || {
            let mut find = Command::new("find");
            find.arg(&group).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]);
            find.stderr(Stdio::null()).status().is_ok() && !group.exists()
        };
        // Its processes may still be ending.
        let _removed = wait_until(PATIENCE, is_gone);
    }
}
