//! `sensor posture`: a snapshot from the thread that reads HTTP, judged elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::commands::Commands;
use super::engine::Engine;
use crate::clock::Timestamp;
use crate::control::wire::PostureReport;
use crate::posture::{Ask, Documented, Inventory, Snapshot, draft, report};
use crate::route::Operation;

/// The file with the inventory.
pub(super) const POSTURE: &str = "posture.json";
/// Between two looks whether the snapshot is there. The thread sleeps for 100 ms at most.
const LOOK: Duration = Duration::from_millis(20);
/// Looks until the thread is given up.
const LOOKS: u32 = 250;

/// Rounds of the thread for which a snapshot waits to be taken: some seconds.
const ROUNDS: u32 = 50;

/// Where the thread leaves a snapshot for who asked.
#[derive(Debug, Default)]
pub(super) struct Desk {
    is_wanted: AtomicBool,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    wanted: u64,
    served: u64,
    taken: u64,
    /// Rounds of the thread since the snapshot was made.
    rounds: u32,
    snapshot: Option<Arc<Snapshot>>,
}

impl Desk {
    /// Orders a snapshot; its number.
    fn order(&self) -> u64 {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.wanted = orders.wanted.saturating_add(1);
        self.is_wanted.store(true, Ordering::Release);
        orders.wanted
    }

    fn take(&self, number: u64) -> Option<Arc<Snapshot>> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = orders.snapshot.clone().filter(|_| orders.served >= number)?;
        orders.taken = orders.taken.max(number);
        Some(snapshot)
    }

    /// The thread's side: serves what was ordered since.
    pub(super) fn serve(&self, inventory: &Inventory, now: Timestamp) {
        if self.is_wanted.swap(false, Ordering::AcqRel) {
            let snapshot = Some(Arc::new(inventory.snapshot(now)));
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            (orders.served, orders.rounds) = (orders.wanted, 0);
            orders.snapshot = snapshot;
        }
    }

    /// Forgets a snapshot that nobody holds any more: what it shares with the inventory is copied when it changes.
    pub(super) fn clear(&self) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let is_left = orders.snapshot.as_ref().is_some_and(|snapshot| Arc::strong_count(snapshot) == 1);
        orders.rounds = orders.rounds.saturating_add(1);
        // One that is about to be taken stays, unless whoever ordered it is gone.
        if is_left && (orders.taken >= orders.wanted || orders.rounds >= ROUNDS) {
            orders.snapshot = None;
        }
    }
}

impl Engine {
    fn posture_desk(&self) -> Result<(Arc<Desk>, Option<Vec<Operation>>), String> {
        let sensing = self.sensing.as_ref().ok_or("HTTP is not seen; see `sensor status`")?;
        let config = &self.config.sense;
        if !config.pipeline.posture.enabled {
            return Err("posture is switched off: `[posture] enabled = false`".to_owned());
        }
        let operations = config.openapi.is_some().then(|| config.operations.clone());
        Ok((sensing.posture_desk(), operations))
    }
}

impl Commands {
    /// What the API looks like from outside.
    pub(super) async fn posture(
        &self,
        route: Option<String>,
        since: Option<Timestamp>,
        drafts: bool,
    ) -> Result<PostureReport, String> {
        let (desk, operations) = self.engine().posture_desk()?;
        let number = desk.order();
        let mut snapshot = None;
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK).await;
            snapshot = desk.take(number);
            if snapshot.is_some() {
                break;
            }
        }
        let snapshot = snapshot.ok_or("the thread that reads HTTP does not answer; see `sensor status`")?;
        let judged = tokio::task::spawn_blocking(move || {
            let documented = operations.map(Documented::new);
            let ask = Ask { route: route.as_deref(), since, documented: documented.as_ref() };
            let openapi = drafts.then(|| draft(&snapshot, &ask));
            PostureReport { report: report(&snapshot, &ask), openapi }
        });
        judged.await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::Config;

    #[test]
    fn a_snapshot_is_served_once_it_was_ordered_and_forgotten_when_nobody_holds_it() {
        let (desk, inventory) = (Desk::default(), Inventory::new(&Config::default()));
        let at = Timestamp::from_unix_micros(7);
        desk.serve(&inventory, at);
        assert!(desk.take(1).is_none(), "nobody asked");
        let number = desk.order();
        assert!(desk.take(number).is_none(), "not served yet");
        desk.serve(&inventory, at);
        let taken = desk.take(number).unwrap();
        assert_eq!(taken.at, at);
        desk.clear();
        assert!(desk.take(number).is_some(), "still held");
        drop(taken);
        desk.clear();
        assert!(desk.take(number).is_none());
        let number = desk.order();
        desk.serve(&inventory, at);
        desk.clear();
        assert!(desk.take(number).is_some(), "forgotten before it was taken");
        desk.order();
        desk.serve(&inventory, at);
        (0..ROUNDS).for_each(|_| desk.clear());
        assert!(desk.take(number).is_none(), "kept for who is gone");
    }
}
