//! The thread that follows the logs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use tracing::{info, warn};

use super::AccessLog;
use crate::capture::log::follow::{CHUNK, Follower, Position, Step, Turns};
use crate::clock;
use crate::store::{Damage, StateFile};

/// The file with how far each log was read, by its path.
const POSITIONS: &str = "access-logs.json";
/// Polling interval: a request is judged at most this much later than its server writes it down. Looking at a file that
/// has not changed takes some microseconds.
const PAUSE: Duration = Duration::from_millis(200);
/// How often positions are stored, if they have changed. After a crash, lines of this time are read again.
const KEEP: Duration = Duration::from_secs(1);
/// Chunks of lines that wait for the pipeline; more wait in their file.
const QUEUE: usize = 4;
/// Chunks of one log before the next one's turn.
const TURN: usize = 16;

/// How far each log was read.
type Positions = BTreeMap<String, Vec<Position>>;

/// Lines of a log.
#[derive(Debug)]
pub(super) struct Batch {
    /// Which log.
    pub(super) log: usize,
    /// Whole lines with their ends.
    pub(super) lines: Vec<u8>,
    /// Lines that were refused before they were whole.
    pub(super) refused: u64,
    /// How far the log is read when these lines are.
    pub(super) positions: Vec<Position>,
}

/// What the thread knows of a log.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) turns: Turns,
    pub(super) unread: u64,
    pub(super) trouble: Option<String>,
}

/// The running thread; dropping it stores how far the logs were read, and ends it.
pub(in crate::daemon) struct AccessLogs {
    batches: Option<Receiver<Batch>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    /// Of each log, how far the pipeline has come.
    done: Mutex<Vec<Vec<Position>>>,
    states: Mutex<Vec<State>>,
}

impl AccessLogs {
    /// Follows these logs from where an earlier run stopped; logs that are followed for the first time, from their end.
    pub(in crate::daemon) fn start(
        logs: &[AccessLog],
        state_dir: &Path,
    ) -> anyhow::Result<(Self, Option<Damage>)> {
        let mut file: StateFile<Positions> = StateFile::open(state_dir, POSITIONS)?;
        let (earlier, damage) = file.recall(clock::now());
        let now = clock::monotonic();
        let followed: Vec<Followed> = logs
            .iter()
            .map(|log| {
                let name = log.path.display().to_string();
                let follower = Follower::new(&log.path, earlier.get(&name).map(Vec::as_slice), now);
                let sent = follower.positions();
                Followed { name, follower, sent, is_told: false }
            })
            .collect();
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            done: Mutex::new(followed.iter().map(|log| log.sent.clone()).collect()),
            states: Mutex::new(vec![State::default(); followed.len()]),
        });
        let (sender, batches) = sync_channel(QUEUE);
        let worker = Worker { followed, sender, shared: shared.clone(), file, stored: earlier };
        let thread = std::thread::Builder::new()
            .name("access logs".to_owned())
            .spawn(move || worker.run())
            .context("cannot start the thread that follows access logs")?;
        Ok((Self { batches: Some(batches), shared, thread: Some(thread) }, damage))
    }

    /// The next lines, if there are any.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        self.batches.as_ref()?.try_recv().ok()
    }

    /// The pipeline has taken everything up to there.
    pub(super) fn is_done(&self, log: usize, positions: Vec<Position>) {
        let mut done = self.shared.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = done.get_mut(log) {
            *place = positions;
        }
    }

    /// What is known of each log.
    pub(super) fn states(&self) -> Vec<State> {
        self.shared.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for AccessLogs {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // A full queue must not hold the thread.
        drop(self.batches.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that follows access logs had panicked");
        }
    }
}

struct Followed {
    name: String,
    follower: Follower,
    /// Positions last sent.
    sent: Vec<Position>,
    /// Its trouble was logged.
    is_told: bool,
}

struct Worker {
    followed: Vec<Followed>,
    sender: SyncSender<Batch>,
    shared: Arc<Shared>,
    file: StateFile<Positions>,
    stored: Positions,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0; CHUNK];
        let mut kept = Duration::ZERO;
        while !self.shared.stop.load(Ordering::Acquire) {
            let mut has_more = false;
            for number in 0..self.followed.len() {
                match self.take_turn(number, &mut buffer) {
                    Some(more) => has_more |= more,
                    // Nobody takes them any more.
                    None => self.shared.stop.store(true, Ordering::Release),
                }
            }
            let now = clock::monotonic();
            if now.saturating_sub(kept) >= KEEP {
                kept = now;
                self.keep();
            }
            if !has_more {
                let _slept = ppoll(&mut [], Some(TimeSpec::from_duration(PAUSE)), None);
            }
        }
        self.keep();
    }

    /// Sends what there is of a log; whether there is more. None if nobody takes it.
    fn take_turn(&mut self, number: usize, buffer: &mut [u8]) -> Option<bool> {
        let followed = self.followed.get_mut(number)?;
        let mut has_more = true;
        for _ in 0..TURN {
            let step = followed.follower.step(buffer, clock::monotonic());
            let positions = followed.follower.positions();
            has_more = step.is_some();
            let (lines, refused) = match step {
                Some(Step::Lines(from, length)) => {
                    let lines = buffer.get(from..).and_then(|rest| rest.get(..length)).unwrap_or_default();
                    (lines.to_vec(), 0)
                }
                Some(Step::Refused) => (Vec::new(), 1),
                Some(Step::Skipped) | None => (Vec::new(), 0),
            };
            if has_more || positions != followed.sent {
                followed.sent.clone_from(&positions);
                self.sender.send(Batch { log: number, lines, refused, positions }).ok()?;
            }
            if !has_more {
                break;
            }
        }
        followed.tell();
        let state = State {
            turns: followed.follower.turns(),
            unread: followed.follower.unread(),
            trouble: followed.follower.trouble().map(|(_, trouble)| trouble.to_owned()),
        };
        let mut states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = states.get_mut(number) {
            *place = state;
        }
        Some(has_more)
    }

    fn keep(&mut self) {
        let done = self.shared.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let names = self.followed.iter().map(|followed| followed.name.clone());
        let positions: Positions = names.zip(done).collect();
        if positions == self.stored {
            return;
        }
        match self.file.save(&positions) {
            Ok(()) => self.stored = positions,
            Err(error) => {
                warn!(%error, "how far access logs were read could not be stored; a restart reads lines again");
            }
        }
    }
}

impl Followed {
    /// Logs what changes.
    fn tell(&mut self) {
        let path = &self.name;
        match (self.follower.trouble(), self.is_told) {
            (Some((_, error)), false) => warn!(path, error, "an access log cannot be read; it is retried"),
            (None, true) => info!(path, "following an access log"),
            _ => {}
        }
        self.is_told = self.follower.trouble().is_some();
    }
}
