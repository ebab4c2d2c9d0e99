//! The content of one scrape.

use super::engine::Engine;
use super::published::Published;
use crate::kernel::KernelError;
use crate::metrics::{AccessLogStats, Capacities, Sensing, Snapshot, WebStats};
use crate::notify::Notifier;

impl Engine {
    /// Everything for one scrape.
    pub(super) fn scrape(&self, web: WebStats) -> Result<Snapshot, KernelError> {
        let sense = &self.config.sense;
        let notify = self.responder.notifier.as_ref().map(Notifier::stats);
        Ok(Snapshot {
            web: Some(web),
            sensing: self.sensing.as_ref().map(|sensing| sensing.look(sensing_of)),
            access_logs: self.sensing.as_ref().map(|sensing| sensing.look(logs_of)).unwrap_or_default(),
            webhook: notify.map(|stats| stats.webhook),
            syslog: notify.and_then(|stats| stats.syslog),
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

fn logs_of(told: &Published) -> Vec<AccessLogStats> {
    let stats = told.access_logs.iter().map(|log| {
        let others = [log.refused, log.untimely, log.seen_twice].into_iter();
        AccessLogStats {
            path: log.path.clone(),
            judged: log.lines.saturating_sub(others.fold(0, u64::saturating_add)),
            refused: log.refused,
            untimely: log.untimely,
            seen_twice: log.seen_twice,
            gaps: log.gaps,
            unread_bytes: log.unread_bytes,
            is_readable: log.is_readable,
        }
    });
    stats.collect()
}
