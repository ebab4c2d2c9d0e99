//! Ends a blocked client's open connections.

use tracing::{info, warn};

use super::config::Config;
use super::engine::Engine;
use crate::decide::{Decision, Measure};
use crate::enforce::Mode;
use crate::kernel::Closer;

/// What ends connections, if a detector asks for that and the kernel can. Created before privileges are dropped.
pub(super) fn closer(config: &Config) -> Option<Closer> {
    if config.decide.close_connections.is_empty() {
        return None;
    }
    match Closer::new() {
        Ok(closer) => Some(closer),
        Err(error) => {
            info!(%error, "blocks do not end open connections; the server does, after its own time-out");
            None
        }
    }
}

impl Engine {
    /// Ends the connections of the client that a decision blocks.
    pub(super) fn end_connections(&mut self, decision: &Decision) {
        let prefix = decision.prefix;
        let is_wanted = decision.measure == Measure::Block
            && self.policy.mode() == Mode::Enforce
            && self.config.decide.close_connections.contains(&decision.threat);
        let Some(closer) = self.responder.closer.as_ref().filter(|_| is_wanted) else { return };
        // Connections of an allowed address within the prefix go on.
        let mut allows = self.policy.allows().into_keys();
        if allows.any(|allowed| prefix.contains(&allowed)) || self.policy.allows_group_within(&prefix) {
            info!(%prefix, "open connections are not ended: some of its addresses are allowed");
            return;
        }
        match closer.close(&[prefix]) {
            Ok(0) => {}
            Ok(ended) => {
                let counts = &mut self.responder.counts;
                counts.connections_closed = counts.connections_closed.saturating_add(ended);
                info!(%prefix, ended, "open connections of a blocked client ended");
            }
            Err(error) => warn!(%prefix, %error, "open connections of a blocked client could not be ended"),
        }
    }
}
