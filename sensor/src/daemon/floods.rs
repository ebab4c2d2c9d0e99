//! Feeds the kernel's drops to the flood detector.

use sensor_common::abi::{Reason, Verdict};
use tracing::warn;

use super::engine::Engine;
use crate::clock::Timestamp;
use crate::detect::flood::{Flood, REASONS, Shed};
use crate::detect::{self, Response, Threat};

/// The detector, if it is on.
pub(super) fn detector(config: &detect::Config) -> Option<Flood> {
    (config.response(Threat::Flood) != Response::Off).then(|| Flood::new(&config.flood))
}

impl Engine {
    /// Runs every second: reads the counters and, during a flood, the clients.
    pub(super) fn watch_floods(&mut self, now: Timestamp) {
        let Some(mut flood) = self.flood.take_if(|flood| flood.is_due(now)) else { return };
        match self.shed() {
            Ok(shed) => {
                let (clients, prefixes) = (self.dataplane.clients(), self.config.tuning.prefixes);
                let mut signals = Vec::new();
                let look = |tell: &mut dyn FnMut(crate::prefix::ClientNet, u64)| {
                    let looked =
                        clients.for_each(|client| tell(prefixes.net_of(client.address), client.slot.drops));
                    if let Err(error) = looked {
                        warn!(%error, "the clients of a flood cannot be identified");
                    }
                };
                flood.observe(now, shed, look, &mut signals);
                signals.iter().for_each(|signal| self.respond(signal));
            }
            Err(error) => warn!(%error, "the kernel's drop counters cannot be read"),
        }
        self.flood = Some(flood);
    }

    fn shed(&self) -> Result<Shed, crate::kernel::KernelError> {
        let counters = self.dataplane.counters();
        let mut shed = Shed::default();
        for attachment in self.dataplane.attachments() {
            for (total, (reason, _)) in shed.iter_mut().zip(REASONS) {
                for verdict in [Verdict::Drop, Verdict::WouldDrop] {
                    *total = total.saturating_add(counters.shed(attachment.slot, verdict, reason)?);
                }
                if reason == Reason::NewcomerRate {
                    let answered = counters.shed(attachment.slot, Verdict::Answer, Reason::SynCookie)?;
                    *total = total.saturating_add(answered);
                }
            }
        }
        Ok(shed)
    }
}
