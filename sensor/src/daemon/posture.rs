//! `sensor posture`: a snapshot from the thread that reads HTTP, judged elsewhere.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::commands::Commands;
use super::engine::Engine;
use crate::clock::Timestamp;
use crate::control::wire::PostureReport;
use crate::posture::{Ask, Documented, Inventory, Snapshot, draft, report};
use crate::route::Operation;

/// The file with the inventory.
pub(super) const POSTURE: &str = "posture.json";
/// How long the thread may take. It sleeps for 100 ms at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the thread finds who asked for a snapshot.
#[derive(Debug, Default)]
pub(super) struct Desk {
    is_wanted: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<Arc<Snapshot>>>>,
}

impl Desk {
    /// Orders a snapshot.
    fn order(&self) -> oneshot::Receiver<Arc<Snapshot>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Who gave up no longer waits.
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        self.is_wanted.store(true, Ordering::Release);
        receiver
    }

    /// The thread's side: serves what was ordered since.
    pub(super) fn serve(&self, inventory: &Inventory, now: Timestamp) {
        if !self.is_wanted.swap(false, Ordering::AcqRel) {
            return;
        }
        let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let snapshot = Arc::new(inventory.snapshot(now));
        for sender in waiting {
            let _who_gave_up_gets_none = sender.send(Arc::clone(&snapshot));
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
        let snapshot = tokio::time::timeout(PATIENCE, desk.order()).await.ok().and_then(Result::ok);
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
    fn a_snapshot_is_served_once_it_was_ordered_to_all_who_did() {
        let (desk, inventory) = (Desk::default(), Inventory::new(&Config::default()));
        let at = Timestamp::from_unix_micros(7);
        desk.serve(&inventory, at);
        let (mut one, mut other, gone) = (desk.order(), desk.order(), desk.order());
        assert!(one.try_recv().is_err(), "not served yet");
        drop(gone);
        desk.serve(&inventory, at);
        let taken = one.try_recv().unwrap();
        assert_eq!(taken.at, at);
        assert!(Arc::ptr_eq(&taken, &other.try_recv().unwrap()), "made once");
        assert_eq!(Arc::strong_count(&taken), 1, "nobody else holds it");
    }

    #[test]
    fn who_gave_up_is_forgotten() {
        let desk = Desk::default();
        for _ in 0..1_000 {
            drop(desk.order());
        }
        assert_eq!(desk.waiting.lock().unwrap().len(), 1);
    }
}
