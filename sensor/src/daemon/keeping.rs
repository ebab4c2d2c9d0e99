//! The thread that writes learned data to files: a disk may take seconds, which the thread that reads HTTP cannot
//! afford.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use tracing::{debug, warn};

use super::learned::Baselines;
use crate::detect::Learning;
use crate::posture::{self, Snapshot};
use crate::route::Learned;
use crate::store::StateFile;

/// Data to write.
pub(super) enum Kept {
    Routes(Learned),
    Baselines(Learning),
    /// It shares its rows with the inventory; they are written as they were.
    Posture(Snapshot),
}

/// The running thread. Dropping it waits until everything is written.
#[derive(Debug)]
pub(super) struct Keeper {
    sender: Option<SyncSender<Kept>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it.
    pub(super) fn start(
        routes: StateFile<Option<Learned>>,
        baselines: Baselines,
        posture: StateFile<posture::Kept>,
    ) -> anyhow::Result<Self> {
        // One of each kind: while these wait, newer ones are not needed yet.
        let (sender, receiver) = sync_channel(3);
        let thread = std::thread::Builder::new()
            .name("keeping".to_owned())
            .spawn(move || write_all(&receiver, &routes, &baselines, &posture))
            .context("cannot start the thread that stores learned data")?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Submits data for writing; skipped if earlier data still waits for the disk: the next submission contains it.
    pub(super) fn keep(&self, kept: Kept) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(kept) {
            debug!("what was learned waits for the disk");
        }
    }

    /// Has it written, however long that takes.
    pub(super) fn keep_surely(&self, kept: Kept) {
        let sent = self.sender.as_ref().map(|sender| sender.send(kept));
        if sent.is_some_and(|sent| sent.is_err()) {
            warn!("learned data is not stored: the thread that writes it has ended");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that stores learned data had panicked");
        }
    }
}

/// Writes until all senders are gone.
fn write_all(
    receiver: &Receiver<Kept>,
    routes: &StateFile<Option<Learned>>,
    baselines: &Baselines,
    posture: &StateFile<posture::Kept>,
) {
    for kept in receiver {
        match kept {
            Kept::Routes(learned) => {
                if let Err(error) = routes.save(&Some(learned)) {
                    warn!(%error, "learned routes could not be stored; after a restart they are learned again");
                }
            }
            Kept::Posture(snapshot) => {
                if let Err(error) = posture.save(&snapshot.kept()) {
                    warn!(%error, "the inventory of routes could not be stored; after a restart it begins again");
                }
            }
            Kept::Baselines(learned) => {
                if let Err(error) = baselines.save(&learned.finish()) {
                    warn!(%error, "the detectors' learned data could not be stored; after a restart it is learned again");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::learned::{BASELINES, ROUTES};
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn what_was_given_last_is_on_the_disk_when_it_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Baselines::open(directory.path(), BASELINES).unwrap();
        let posture = StateFile::open(directory.path(), super::super::posture::POSTURE).unwrap();
        let routes = StateFile::open(directory.path(), ROUTES).unwrap();
        let keeper = Keeper::start(routes, open(), posture).unwrap();
        let numbered = |number: u32| Learning::of("spikes", number.into());
        for number in 0..100 {
            keeper.keep(Kept::Baselines(numbered(number)));
        }
        keeper.keep_surely(Kept::Baselines(numbered(100)));
        drop(keeper);
        assert_eq!(open().recall(Timestamp::default()), (numbered(100).finish(), None));
    }
}
