//! Captures of what passes the server's interface, and what a replay reads of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::daemon::{PATIENCE, binary};
use crate::netns::{INTERFACE, Namespace};
use crate::wait::wait_until;

/// tcpdump in the server's namespace.
pub struct Capture {
    child: Child,
    said: BufReader<ChildStderr>,
    path: PathBuf,
}

/// How many packets tcpdump has written, and how many passed its filter and were lost.
struct Count {
    captured: u64,
    received: u64,
    dropped: u64,
}

impl Capture {
    /// Starts it, with a buffer of so many KiB and a filter, and waits until it captures.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(server: &Namespace, path: PathBuf, buffer_kib: u32, filter: &str) -> Result<Self> {
        let mut tcpdump = server.command("tcpdump");
        tcpdump.args(["-i", INTERFACE, "-B", &buffer_kib.to_string(), "-s", "0", "-U", "-w"]);
        tcpdump.arg(&path).arg(filter).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = tcpdump.spawn().context("cannot start tcpdump")?;
        let said = BufReader::new(child.stderr.take().context("no standard error")?);
        let capture = Self { child, said, path };
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

    /// Ends it once it has written all that has passed; the file.
    ///
    /// # Errors
    /// If it does not end, or has lost packets.
    pub fn end(mut self) -> Result<PathBuf> {
        // What it has not read when it is told to end is lost.
        let mut last = None;
        let is_whole = wait_until(PATIENCE, || {
            last = Some(self.count());
            last.as_ref().is_some_and(|count| count.as_ref().is_ok_and(Count::is_whole))
        });
        self.signal(Signal::SIGINT)?;
        self.child.wait()?;
        let Count { captured, received, dropped } = last.context("not asked")??;
        ensure!(
            is_whole && dropped == 0,
            "the capture has {captured} of {received} packets, {dropped} dropped"
        );
        Ok(self.path)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Asks it, which it answers in one line.
    fn count(&mut self) -> Result<Count> {
        self.signal(Signal::SIGUSR1)?;
        let mut line = String::new();
        while self.said.read_line(&mut line)? > 0 {
            if let Some(count) = Count::of(&line) {
                return Ok(count);
            }
            line.clear();
        }
        bail!("tcpdump has ended");
    }
}

impl Count {
    /// Of a line like `tcpdump: 3 packets captured, 4 packets received by filter, 0 packets dropped by kernel`.
    fn of(line: &str) -> Option<Self> {
        let (_, counts) = line.split_once("tcpdump: ")?;
        let mut counts = counts.split(", ").map(|count| count.split(' ').next()?.parse().ok());
        let mut next = || counts.next().flatten();
        Some(Self { captured: next()?, received: next()?, dropped: next()? })
    }

    const fn is_whole(&self) -> bool {
        self.captured.saturating_add(self.dropped) >= self.received
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
