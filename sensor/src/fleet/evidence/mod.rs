//! What hosts of a fleet see of the same attack: each says once a second what it counted, and reads what the others did.
//!
//! ```text
//! detector ── inbox, bounded ── ledger: slots of this host ── sign ══ sensor:{NAME}:evidence:SLOT:KEY, which expires
//!    ▲                            ▲                                            ║
//!    └─ board: latest outlook ─ judge ─ slots of other hosts ── trusted? signed? newer?
//! ```
//!
//! A slot's record has all that its host counted in it so far, so a later one replaces it, and one that is lost is made
//! good by the next. The detector neither waits for the server nor for the task that speaks with it: what does not fit
//! the inbox is counted, and an outlook is taken only if the board is free.

mod courier;
mod ledger;
mod record;
mod state;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use zeroize::Zeroizing;

use crate::detect::shared::{Outlook, Shared, Told};
use crate::identity::FleetKeys;
use crate::store::{Unfit, read_own};

pub use courier::{Peers, run};
pub use ledger::Ledger;
pub use state::{EvidenceCounts, EvidenceState};

/// Attempts that wait to be counted: more than a host answers in a second or two.
const INBOX: usize = 16_384;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum FleetKeysError {
    /// The file cannot be read, or not trusted.
    #[error("{0}: {1}")]
    Unfit(PathBuf, Unfit),
    /// It is not there.
    #[error("{0}: no such file")]
    Missing(PathBuf),
    /// It has something else in it.
    #[error("{0}: {1}")]
    Malformed(PathBuf, &'static str),
}

/// Reads the keys with which the fleet hashes what its hosts see.
///
/// # Errors
/// If others may read the file, or it has no keys.
pub fn read_keys(path: &Path) -> Result<FleetKeys, FleetKeysError> {
    let bytes = match read_own(path, true) {
        Ok(Some(bytes)) => Zeroizing::new(bytes),
        Ok(None) => return Err(FleetKeysError::Missing(path.to_owned())),
        Err(error) => return Err(FleetKeysError::Unfit(path.to_owned(), error)),
    };
    FleetKeys::parse(&bytes).map_err(|why| FleetKeysError::Malformed(path.to_owned(), why))
}

/// The latest outlook.
pub(super) type Board = Mutex<Option<Arc<Outlook>>>;

/// The detectors' side.
pub struct Desk {
    inbox: Sender<Told>,
    board: Arc<Board>,
    state: Arc<EvidenceState>,
}

/// The other side: what detectors told, and where they look.
pub struct Counter {
    pub(super) inbox: Receiver<Told>,
    pub(super) board: Arc<Board>,
    pub(super) state: Arc<EvidenceState>,
}

/// Both sides.
#[must_use]
pub fn desk() -> (Desk, Counter) {
    let (sender, inbox) = channel(INBOX);
    let (board, state) = (Arc::new(Board::default()), Arc::new(EvidenceState::default()));
    (
        Desk { inbox: sender, board: Arc::clone(&board), state: Arc::clone(&state) },
        Counter { inbox, board, state },
    )
}

impl Counter {
    /// For reports.
    #[must_use]
    pub const fn state(&self) -> &Arc<EvidenceState> {
        &self.state
    }
}

impl Shared for Desk {
    fn tell(&self, told: Told) {
        if self.inbox.try_send(told).is_err() {
            self.state.count_lost();
        }
    }

    fn outlook(&self) -> Option<Arc<Outlook>> {
        // The board is held only while a pointer is exchanged. If it is held now, the next look is soon enough.
        self.board.try_lock().ok()?.clone()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Desk(..)")
    }
}

#[cfg(test)]
mod tests;
