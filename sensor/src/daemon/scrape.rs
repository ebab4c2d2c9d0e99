//! The content of one scrape.

use super::engine::Engine;
use super::sensing::Published;
use crate::kernel::KernelError;
use crate::metrics::{Capacities, Sensing, Snapshot, WebStats};
use crate::notify::Notifier;

impl Engine {
    /// Everything for one scrape.
    pub(super) fn scrape(&self, web: WebStats) -> Result<Snapshot, KernelError> {
        let sense = &self.config.sense;
        Ok(Snapshot {
            web: Some(web),
            sensing: self.sensing.as_ref().map(|sensing| sensing.look(sensing_of)),
            webhook: self.responder.notifier.as_ref().map(Notifier::stats).map(|stats| stats.webhook),
            capacities: Some(Capacities {
                blocks: u64::from(self.config.capacities.blocks),
                streams: u64::try_from(sense.pipeline.streams.max_connections).unwrap_or(u64::MAX),
                stream_bytes: u64::try_from(sense.pipeline.streams.max_buffered).unwrap_or(u64::MAX),
            }),
            ..self.snapshot()?
        })
    }
}

const fn sensing_of(told: &Published) -> Sensing {
    Sensing {
        refused_instructions: told.refused_instructions,
        failures_uncounted: told.failures_uncounted,
        log_errors: told.log_errors,
        datagrams: told.datagrams,
    }
}
