//! What a compromised daemon could do: a library loaded into it tries that from inside, within all of its sandboxes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Builds the library.
///
/// # Errors
/// If there is no C compiler, or it fails.
pub fn library(directory: &Path) -> Result<PathBuf> {
    let (source, built) = (directory.join("probe.c"), directory.join("probe.so"));
    fs::write(&source, include_str!("probe.c"))?;
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&built).arg(&source);
    let output = compile.output().context("cannot start cc")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(built)
}

/// How each try ended: `done`, or the name of an error.
#[derive(Clone, Debug, Default)]
pub struct Tries(BTreeMap<String, String>);

impl Tries {
    /// Reads what the library wrote; `None` if it is not at its end yet.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let tries: BTreeMap<_, _> = lines.map(|(what, how)| (what.to_owned(), how.to_owned())).collect();
        tries.contains_key("end").then_some(Self(tries))
    }

    /// How one ended.
    ///
    /// # Errors
    /// If it was not tried.
    pub fn of(&self, what: &str) -> Result<&str> {
        self.0.get(what).map(String::as_str).with_context(|| format!("`{what}` was not tried: {self:?}"))
    }

    /// Whatever must be impossible in any sandbox of the daemon's own.
    ///
    /// # Errors
    /// If it is.
    pub fn nothing_foreign_is_possible(&self) -> Result<()> {
        let writes = self.0.iter().filter(|(what, _)| {
            ["write:", "make:", "list:", "bpf_", "socket_packet", "socket_raw", "fork"]
                .iter()
                .any(|kind| what.starts_with(kind))
        });
        let possible: Vec<_> = writes.filter(|(_, how)| *how == "done").collect();
        ensure!(possible.is_empty(), "possible from inside: {possible:?}");
        for (what, how) in [
            ("bpf_prog_load", "EPERM"),
            ("bpf_map_create", "EPERM"),
            ("socket_stream", "EPERM"),
            ("fork", "EPERM"),
            ("signal_init", "EPERM"),
            ("read:/proc/self/status", "done"),
        ] {
            ensure!(self.of(what)? == how, "{what} is not {how}: {self:?}");
        }
        Ok(())
    }

    /// Access to root's files and sockets, which must also be impossible.
    ///
    /// # Errors
    /// If they can be had.
    pub fn nothing_of_roots_is_possible(&self) -> Result<()> {
        ensure!(self.of("uid")? != "0", "it is root");
        let roots = ["read:/etc/shadow", "read:/proc/1/environ", "read:/root/.bashrc"];
        let mine =
            self.0.iter().filter(|(what, _)| roots.contains(&what.as_str()) || what.starts_with("connect:"));
        let possible: Vec<_> = mine.filter(|(_, how)| *how == "done").collect();
        ensure!(possible.is_empty(), "possible from inside: {possible:?}");
        // Not refused by who listens, but not there.
        for socket in ["/run/systemd/private", "/run/dbus/system_bus_socket", "/run/systemd/journal/stdout"] {
            let how = self.of(&format!("connect:{socket}"))?;
            ensure!(how == "ENOENT", "{socket} is there: {how}");
        }
        Ok(())
    }
}
