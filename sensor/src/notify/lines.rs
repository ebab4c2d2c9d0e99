//! Alerts as JSON lines, written by a separate thread.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tracing::warn;

/// Totals of alert lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineStats {
    /// Lines written.
    pub written: u64,
    /// Lines that could not be written.
    pub failed: u64,
    /// Lines dropped because the queue was full.
    pub dropped: u64,
    /// Lines in the queue.
    pub depth: u64,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    depth: AtomicU64,
}

/// Maximum lines in the queue.
const QUEUE: usize = 4_096;

#[derive(Debug)]
pub(super) struct Lines {
    queue: SyncSender<Arc<str>>,
    counters: Arc<Counters>,
    writer: JoinHandle<()>,
}

impl Lines {
    /// Lines go to a file, or to the standard output.
    pub(super) fn start(path: Option<PathBuf>) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let own = counters.clone();
        let writer = thread::Builder::new().name("alert-lines".to_owned()).spawn(move || match path {
            Some(path) => run(&lines, &own, LogFile::new(path)),
            None => run(&lines, &own, Stdout),
        })?;
        Ok(Self { queue, counters, writer })
    }

    pub(super) fn push(&self, line: Arc<str>) {
        self.counters.depth.fetch_add(1, Relaxed);
        if self.queue.try_send(line).is_err() {
            self.counters.depth.fetch_sub(1, Relaxed);
            self.counters.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn stats(&self) -> LineStats {
        LineStats {
            written: self.counters.written.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
            dropped: self.counters.dropped.load(Relaxed),
            depth: self.counters.depth.load(Relaxed),
        }
    }

    /// Writes the queue, and ends.
    pub(super) fn close(self) -> LineStats {
        let Self { queue, counters, writer } = self;
        drop(queue);
        if writer.join().is_err() {
            warn!("the writer of alert lines had already ended");
        }
        LineStats {
            written: counters.written.load(Relaxed),
            failed: counters.failed.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            depth: counters.depth.load(Relaxed),
        }
    }
}

/// A target for lines.
trait Sink {
    /// Writes a line, or returns why not.
    fn write(&mut self, line: &str) -> io::Result<()>;
}

fn run(lines: &Receiver<Arc<str>>, counters: &Counters, mut sink: impl Sink) {
    let mut is_failing = false;
    for line in lines {
        let written = sink.write(&line);
        let counter = if written.is_ok() { &counters.written } else { &counters.failed };
        counter.fetch_add(1, Relaxed);
        counters.depth.fetch_sub(1, Relaxed);
        let was_failing = std::mem::replace(&mut is_failing, written.is_err());
        if let Err(error) = written
            && !was_failing
        {
            warn!(%error, "alert lines cannot be written");
        }
    }
}

struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// A file that may be renamed at any time, as logrotate does.
struct LogFile {
    path: PathBuf,
    open: Option<(File, (u64, u64))>,
    /// Whether an error truncated a line, so that the next one must start on a new line.
    is_torn: bool,
}

impl LogFile {
    const fn new(path: PathBuf) -> Self {
        Self { path, open: None, is_torn: false }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let in_place = fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        if self.open.as_ref().is_none_or(|(_, identity)| Some(*identity) != in_place) {
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
            let metadata = file.metadata()?;
            self.is_torn = false;
            self.open = Some((file, (metadata.dev(), metadata.ino())));
        }
        self.open.as_mut().map(|(file, _)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Sink for LogFile {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let is_torn = self.is_torn;
        let file = self.file()?;
        let start = if is_torn { "\n" } else { "" };
        // In one call, so that a reader rarely sees half a line.
        let written = file.write_all(format!("{start}{line}\n").as_bytes());
        self.is_torn = written.is_err();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_short_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = LogFile::new(directory.path().join("alerts.jsonl"));
        file.write("one").unwrap();
        file.file().unwrap().write_all(b"tw").unwrap();
        file.is_torn = true;
        file.write("three").unwrap();
        file.write("four").unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "one\ntw\nthree\nfour\n");
    }
}
