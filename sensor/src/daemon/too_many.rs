//! Requests over the limit that are answered with `429`.

use sensor_common::abi::Event;
use tracing::{info, warn};

use super::engine::Engine;
use crate::control::wire::TooManyReport;
use crate::kernel::TooMany;
use crate::metrics::Snapshot;

impl Engine {
    /// Begins to answer them, if that was opted for; after the mirror, which is to be behind it.
    pub(super) fn answer_too_many(&mut self) {
        self.dataplane.attach_too_many();
        match self.dataplane.too_many_trouble() {
            Some(error) => warn!(%error, "requests over the limit are dropped, not answered with 429"),
            None if self.config.too_many == TooMany::Answer => {
                info!("requests over the limit are answered with 429 where possible");
            }
            None => {}
        }
    }

    /// For reports.
    pub(super) fn too_many(&self, snapshot: &Snapshot) -> Option<TooManyReport> {
        let event = |event| snapshot.events.get(&event).copied().unwrap_or(0);
        let dropped = [Event::TooManyShape, Event::TooManySocket, Event::TooManyFailed];
        (self.config.too_many == TooMany::Answer).then(|| TooManyReport {
            trouble: self.dataplane.too_many_trouble().map(ToString::to_string),
            answered: event(Event::TooManyAnswered),
            dropped: dropped.into_iter().fold(0, |sum, kind| sum.saturating_add(event(kind))),
        })
    }
}
