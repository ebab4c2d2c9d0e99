//! Reactions to interfaces that go and come back, and to steps of civil time.

use std::time::Duration;

use tracing::{info, warn};

use super::engine::Engine;
use crate::clock::KernelClock;
use crate::control::wire::InnerReport;
use crate::kernel::{Presence, PresenceChange};
use crate::metrics::InterfacePresence;

/// From this size on, a change of civil time counts as a step: time daemons correct less by the second.
const CLOCK_STEP: Duration = Duration::from_secs(1);

impl Engine {
    /// Checks the served interfaces, attaches to those that came back, and logs changes.
    pub(super) fn look_at_interfaces(&mut self) {
        for change in self.dataplane.look_again(self.config.xdp) {
            tell(&change);
        }
    }

    /// Logs that civil time was set: expiries until then may have been early or late.
    pub(super) fn watch_clock(&mut self, reading: KernelClock) {
        let moved = reading.moved(self.civil_time);
        if moved >= CLOCK_STEP {
            self.counts.clock_steps = self.counts.clock_steps.saturating_add(1);
            warn!(seconds = moved.as_secs(), "the system's clock was set");
        }
        self.civil_time = reading;
    }

    /// Every interface that should be served.
    pub(super) fn presence(&self) -> Vec<InterfacePresence> {
        let attachments = self.dataplane.attachments().iter();
        let presence = attachments.map(|attachment| InterfacePresence {
            interface: attachment.interface.clone(),
            is_inner: false,
            is_up: attachment.presence == Presence::Up,
            reattached: attachment.reattached,
        });
        let inner = self.dataplane.inner().iter().map(|inner| InterfacePresence {
            interface: inner.interface.clone(),
            is_inner: true,
            is_up: inner.presence == Presence::Up,
            reattached: inner.reattached,
        });
        presence.chain(inner).collect()
    }

    /// The inner interfaces, in the form of reports.
    pub(super) fn inner(&self) -> Vec<InnerReport> {
        let inner = self.dataplane.inner().iter();
        inner.map(|inner| InnerReport { interface: inner.interface.clone(), state: inner.presence }).collect()
    }
}

fn tell(change: &PresenceChange) {
    let PresenceChange { interface, presence, reattached, is_matched, error } = change;
    match (presence, error) {
        (Presence::Gone, _) if *is_matched => info!(%interface, "an inner interface is gone"),
        (_, None) if *is_matched && *reattached => info!(%interface, "HTTP is read on a new inner interface"),
        (Presence::Refused, Some(error)) if *is_matched => {
            warn!(%interface, %error, "HTTP is not read on a new inner interface");
        }
        (Presence::Gone, _) => {
            warn!(%interface, "the interface is gone; it is served again when it comes back")
        }
        (Presence::Refused, Some(error)) => {
            warn!(%interface, %error, "the interface came back, and is NOT served");
        }
        (_, Some(error)) => {
            warn!(%interface, %error, "the interface came back; HTTP on it is not seen until a restart, limits and blocks work");
        }
        (_, None) if *reattached => info!(%interface, state = presence.label(), "attached again"),
        (_, None) => info!(%interface, state = presence.label(), "the interface changed"),
    }
}
