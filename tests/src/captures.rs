//! Captures of what passes the server's interface, and what a replay reads of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::daemon::{PATIENCE, binary};
use crate::netns::{INTERFACE, Namespace};
use crate::wait::wait_until;

/// tcpdump in the server's namespace.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    path: PathBuf,
}

impl Capture {
    /// Starts it, with a buffer of so many KiB and a filter, and waits until it captures.
    ///
    /// In immediate mode the kernel keeps room of the whole snap length for each packet, 256 KiB: in the 2 MiB of the default,
    /// the ninth that tcpdump has not read yet is lost.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(server: &Namespace, path: PathBuf, buffer_kib: u32, filter: &str) -> Result<Self> {
        let mut tcpdump = server.command("tcpdump");
        tcpdump.args([
            "-i",
            INTERFACE,
            "-B",
            &buffer_kib.to_string(),
            "-s",
            "0",
            "--immediate-mode",
            "-U",
            "-w",
        ]);
        tcpdump.arg(&path).arg(filter).stdout(Stdio::null()).stderr(Stdio::null());
        let child = tcpdump.spawn().context("cannot start tcpdump")?;
        let capture = Self { child, path };
        // The file has its header once packets are captured.
        let is_up = wait_until(PATIENCE, || fs::metadata(&capture.path).is_ok_and(|about| about.len() >= 24));
        ensure!(is_up, "tcpdump writes nothing");
        Ok(capture)
    }

    /// The file so far.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends it; the file.
    ///
    /// # Errors
    /// If it does not end.
    pub fn end(mut self) -> Result<PathBuf> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(self.path)
    }
}

/// The records of a replay, and its summary.
///
/// # Errors
/// If the replay fails.
pub fn replay(capture: &Path, more: &[&str]) -> Result<(Vec<Value>, Value)> {
    let mut sensor = Command::new(binary()?);
    sensor.args(["replay", "--exchanges", "--json"]).args(more).arg(capture);
    let output = sensor.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let records = text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>()?;
    let summary = String::from_utf8(output.stderr)?;
    let summary = summary.lines().last().context("no summary")?;
    Ok((records, serde_json::from_str(summary)?))
}
