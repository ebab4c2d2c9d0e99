//! The thread that follows key logs: files that grow and are replaced, and named pipes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use nix::libc::O_NONBLOCK;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::capture::keylog::KeyLog;
use crate::capture::secret::Secret;

/// Polling interval: a connection's bytes wait at least this long for a line.
const PAUSE: TimeSpec = TimeSpec::from_duration(Duration::from_millis(20));
/// Maximum queued secrets.
const QUEUE: usize = 16_384;
/// Bytes read from one file at once.
const CHUNK: usize = 64 << 10;
/// Chunks of one file before the next one's turn.
const TURN: usize = 64;

/// The running thread; dropping it ends it.
#[derive(Debug)]
pub(super) struct KeyLogs {
    secrets: Receiver<Secret>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    lost: AtomicU64,
    malformed: AtomicU64,
}

impl KeyLogs {
    /// Starts following these files. Their existing content belongs to earlier connections.
    pub(super) fn start(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let (sender, secrets) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let mut files: Vec<Followed> = paths.iter().map(|path| Followed::new(path.clone())).collect();
        files.iter_mut().for_each(|file| file.look(true));
        let others = shared.clone();
        let thread = std::thread::Builder::new()
            .name("key logs".to_owned())
            .spawn(move || follow(files, &sender, &others));
        Ok(Self {
            secrets,
            shared,
            thread: Some(thread.context("cannot start the thread that follows key logs")?),
        })
    }

    /// The next secret, if there is one.
    pub(super) fn next_secret(&self) -> Option<Secret> {
        self.secrets.try_recv().ok()
    }

    /// Secrets lost because too many waited, and invalid lines.
    pub(super) fn losses(&self) -> (u64, u64) {
        (self.shared.lost.load(Ordering::Relaxed), self.shared.malformed.load(Ordering::Relaxed))
    }
}

impl Drop for KeyLogs {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that follows key logs had panicked");
        }
    }
}

fn follow(mut files: Vec<Followed>, sender: &SyncSender<Secret>, shared: &Shared) {
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    while !shared.stop.load(Ordering::Acquire) {
        let mut malformed = 0_u64;
        for file in &mut files {
            file.read(&mut buffer, &mut |secret| {
                if let Err(TrySendError::Full(_)) = sender.try_send(secret) {
                    shared.lost.fetch_add(1, Ordering::Relaxed);
                }
            });
            file.look(false);
            malformed = malformed.saturating_add(file.log.counters().malformed);
        }
        shared.malformed.store(malformed, Ordering::Relaxed);
        let _slept = ppoll(&mut [], Some(PAUSE), None);
    }
}

/// A key log.
struct Followed {
    path: PathBuf,
    open: Option<Open>,
    log: KeyLog,
    /// An error was already logged.
    told: bool,
}

struct Open {
    file: File,
    id: (u64, u64),
    read: u64,
}

impl Followed {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None, log: KeyLog::default(), told: false }
    }

    /// Opens it, or its replacement. For a file that existed before it was followed, only additions count.
    fn look(&mut self, first: bool) {
        let about = match std::fs::metadata(&self.path) {
            Ok(about) => about,
            // It may have been moved aside before its replacement exists.
            Err(error) => return self.tell(&error),
        };
        let id = (about.dev(), about.ino());
        if self.open.as_ref().is_some_and(|open| open.id == id) {
            return;
        }
        match open(&self.path, &about, first) {
            Ok((file, read)) => {
                info!(path = %self.path.display(), "following a key log");
                self.log.restart();
                self.told = false;
                self.open = Some(Open { file, id, read });
            }
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.told, true) {
            warn!(path = %self.path.display(), %error, "a key log cannot be read; it is retried");
        }
    }

    /// Reads additions.
    fn read(&mut self, buffer: &mut [u8], each: &mut impl FnMut(Secret)) {
        let Some(open) = &mut self.open else { return };
        // It was truncated and restarted.
        if open.file.metadata().is_ok_and(|about| about.is_file() && about.len() < open.read)
            && open.file.seek(SeekFrom::Start(0)).is_ok()
        {
            open.read = 0;
            self.log.restart();
        }
        for _ in 0..TURN {
            match open.file.read(buffer) {
                Ok(0) => return,
                Ok(count) => {
                    open.read = open.read.saturating_add(count as u64);
                    self.log.read(buffer.get(..count).unwrap_or_default(), &mut *each);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.tell(&error),
            }
        }
    }
}

fn open(path: &PathBuf, about: &Metadata, first: bool) -> io::Result<(File, u64)> {
    if !about.is_file() && !about.file_type().is_fifo() {
        return Err(io::Error::other("it is neither a file nor a named pipe"));
    }
    let mut file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let read = if first && about.is_file() { file.seek(SeekFrom::End(0))? } else { 0 };
    Ok((file, read))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::capture::secret::Random;

    fn line(number: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "5e".repeat(48))
    }

    /// The random values of all secrets that come within the patience of a test.
    fn wait_for(logs: &KeyLogs, numbers: &[u8]) {
        let mut wanted: Vec<Random> = numbers.iter().map(|number| [*number; 32]).collect();
        for _ in 0..500 {
            while let Some(secret) = logs.next_secret() {
                let Secret::Logged { random, .. } = secret else { panic!("{secret:?}") };
                assert_eq!(wanted.first(), Some(&random), "in order, and once");
                wanted.remove(0);
            }
            if wanted.is_empty() {
                return;
            }
            let _slept = ppoll(&mut [], Some(PAUSE), None);
        }
        panic!("{} secrets did not come", wanted.len());
    }

    #[test]
    fn a_file_is_followed_through_growth_rotation_and_truncation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.log");
        fs::write(&path, line(1)).unwrap();
        let logs = KeyLogs::start(std::slice::from_ref(&path)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let second = line(2);
        let (start, end) = second.split_at(40);
        file.write_all(start.as_bytes()).unwrap();
        file.write_all(end.as_bytes()).unwrap();
        wait_for(&logs, &[2]);
        fs::rename(&path, directory.path().join("keys.log.1")).unwrap();
        file.write_all(line(3).as_bytes()).unwrap();
        wait_for(&logs, &[3]);
        fs::write(&path, line(4) + &line(5)).unwrap();
        wait_for(&logs, &[4, 5]);
        fs::write(&path, line(6)).unwrap();
        wait_for(&logs, &[6]);
        assert_eq!(logs.losses(), (0, 0));
    }

    #[test]
    fn a_named_pipe_is_read_whoever_writes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let logs = KeyLogs::start(&[path.clone(), directory.path().join("absent")]).unwrap();
        for number in 1..=3 {
            OpenOptions::new().write(true).open(&path).unwrap().write_all(line(number).as_bytes()).unwrap();
            wait_for(&logs, &[number]);
        }
    }
}
