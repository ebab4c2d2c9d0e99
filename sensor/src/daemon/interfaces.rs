//! What is said and done about interfaces that go and come.

use tracing::{info, warn};

use super::engine::Engine;
use crate::kernel::{Presence, PresenceChange};
use crate::metrics::InterfacePresence;

impl Engine {
    /// Looks at the interfaces served, attaches to those that came back, and tells what changed.
    pub(super) fn look_at_interfaces(&mut self) {
        for change in self.dataplane.look_again(self.config.xdp) {
            tell(&change);
        }
    }

    /// Every interface that is to be served.
    pub(super) fn presence(&self) -> Vec<InterfacePresence> {
        let attachments = self.dataplane.attachments().iter();
        let presence = attachments.map(|attachment| InterfacePresence {
            interface: attachment.interface.clone(),
            is_up: attachment.presence == Presence::Up,
            reattached: attachment.reattached,
        });
        presence.collect()
    }
}

fn tell(change: &PresenceChange) {
    let PresenceChange { interface, presence, reattached, error } = change;
    match (presence, error) {
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
