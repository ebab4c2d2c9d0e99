//! The thread between detectors and the kernel: it waits for the engine's lock, so that the thread that reads segments
//! does not have to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tracing::debug;

use super::claims::Claims;
use super::commands::Commands;
use crate::detect::Signal;

/// Maximum queued signals.
const QUEUE: usize = 4_096;

/// The sending side for signals.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    sender: SyncSender<Signal>,
    lost: Arc<AtomicU64>,
    /// Receives the clients that proxies name, for decisions.
    pub(super) claims: Claims,
}

impl Signals {
    /// Starts the thread, which ends when the last sender is dropped.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(commands: &Arc<Commands>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Signal>(QUEUE);
        let claims = commands.engine().responder.claims.clone();
        let commands = commands.clone();
        std::thread::Builder::new().name("deciding".to_owned()).spawn(move || {
            while let Ok(signal) = receiver.recv() {
                commands.engine().respond(&signal);
            }
        })?;
        Ok(Self { sender, lost: Arc::default(), claims })
    }

    /// Queues a signal; if the queue is full, it is lost and counted.
    pub(super) fn send(&self, signal: Signal) {
        if let Err(TrySendError::Full(signal) | TrySendError::Disconnected(signal)) =
            self.sender.try_send(signal)
        {
            let before = self.lost.fetch_add(1, Ordering::Relaxed);
            debug!(threat = signal.threat.slug(), before, "too many signals wait; one is lost");
        }
    }

    /// Signals lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
