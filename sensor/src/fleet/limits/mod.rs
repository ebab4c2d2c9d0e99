//! Limits of principals that hold for all hosts of a fleet: 100 a minute for a key, wherever its requests arrive.
//!
//! ```text
//! detector ── inbox, bounded ── ledger: what is not said yet ══ EVALSHA charge.lua ══ sensor:{NAME}:limit:HASH:ROUTE:RATE
//!    ▲                                                                     ║
//!    └────────────── verdicts ◄────────────────────────────────────────────╝
//! ```
//!
//! The server keeps a theoretical arrival time for each principal, and one for each client's part, and a script there
//! charges them (`charge.lua`): no two hosts can spend the same budget. Nothing is lent in advance: a passive sensor lets
//! pass what passes and only has to know soon when it is too much, and what is lent to a host that the principal does not
//! come back to would be missing elsewhere. Instead a host keeps for itself what it need not say yet: at most a second, and
//! at most such a part of what was left that all hosts together keep a quarter of it, for each client of a principal.
//!
//! What the server holds is not signed: whoever may write to it can use up budgets, or give them back.

mod courier;
mod ledger;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::detect::shared::{Charge, SharedLimits, Verdict};

pub use courier::run;
pub use ledger::Ledger;
pub use state::{LimitCounts, LimitState};

/// Charges that wait: more than a host makes in a quarter of a second.
const INBOX: usize = 65_536;
/// Verdicts that wait for the detector.
const MOST_VERDICTS: usize = 65_536;

/// What came, and whether something did.
#[derive(Debug, Default)]
struct Board {
    verdicts: Mutex<Vec<Verdict>>,
    is_news: AtomicBool,
    /// Whether the last call failed.
    is_away: AtomicBool,
}

impl Board {
    fn answers(&self, answers: bool) {
        self.is_away.store(!answers, Ordering::Relaxed);
    }

    fn put(&self, more: Vec<Verdict>) {
        if more.is_empty() {
            return;
        }
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens.
        if verdicts.len().saturating_add(more.len()) > MOST_VERDICTS {
            verdicts.clear();
        }
        verdicts.extend(more);
        self.is_news.store(true, Ordering::Release);
    }
}

/// The detector's side.
pub struct LimitDesk {
    inbox: Sender<Charge>,
    board: Arc<Board>,
    state: Arc<LimitState>,
}

/// The other side: what the detector charges, and where it looks.
pub struct Charges {
    inbox: Receiver<Charge>,
    board: Arc<Board>,
    state: Arc<LimitState>,
}

/// Both sides.
#[must_use]
pub fn desk() -> (LimitDesk, Charges) {
    let (sender, inbox) = channel(INBOX);
    let (board, state) = (Arc::new(Board::default()), Arc::new(LimitState::default()));
    (
        LimitDesk { inbox: sender, board: Arc::clone(&board), state: Arc::clone(&state) },
        Charges { inbox, board, state },
    )
}

impl Charges {
    /// For reports.
    #[must_use]
    pub const fn state(&self) -> &Arc<LimitState> {
        &self.state
    }
}

impl SharedLimits for LimitDesk {
    fn charge(&self, charge: Charge) -> bool {
        if self.inbox.try_send(charge).is_err() {
            self.state.count_lost(1);
            return false;
        }
        !self.board.is_away.load(Ordering::Relaxed)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        if !self.board.is_news.load(Ordering::Acquire) {
            return Vec::new();
        }
        // The board is held only while verdicts are put there. If it is held now, the next look is soon enough.
        let Ok(mut verdicts) = self.board.verdicts.try_lock() else { return Vec::new() };
        self.board.is_news.store(false, Ordering::Release);
        std::mem::take(&mut *verdicts)
    }
}

impl fmt::Debug for LimitDesk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LimitDesk(..)")
    }
}
