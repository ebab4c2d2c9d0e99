//! Parts that do not work: reported by `sensor status`, to the service manager, by readiness and as a metric, until
//! they do. A daemon that reports `ready` and nothing else has nothing here.

use super::engine::Engine;
use super::sensing::Sensing;
use crate::kernel::Presence;
use crate::metrics::{Degraded, Part};
use crate::store::EventStore;

/// Why interfaces of a kind cannot be served.
pub(super) const UNREADABLE: &str = "its frames begin with neither an Ethernet nor an IP header, so no source address \
                                     can be read; serve the interface on which its packets arrive instead";

/// Without tc.
pub(super) const UNPROVEN: &str = "clients cannot prove their addresses, because the programs at tc are not attached: \
                                   forged sources can keep the client table full; the log says why";

impl Engine {
    /// Everything that is wrong, with remedies.
    pub(super) fn degraded(&self) -> Vec<Degraded> {
        let mut found = Vec::new();
        let mut say = |part, what: String| found.push(Degraded { part, what });
        if self.config.sense.enabled && self.sensing.is_none() {
            let why = self.http_trouble.as_deref().unwrap_or("the daemon is starting");
            say(Part::Http, format!("HTTP is not seen; limits and blocks work. {why}"));
        }
        for (part, damage) in &self.damages {
            say(*part, damage.to_string());
        }
        for damage in self.sensing.iter().flat_map(Sensing::damages) {
            say(Part::Learned, damage.to_string());
        }
        if let Some(error) = &self.unkept {
            say(
                Part::Commands,
                format!(
                    "the last change was not saved and holds only until a restart: {error}; retried twice a minute and on reload"
                ),
            );
        }
        for unserved in self.unserved() {
            say(Part::Interfaces, unserved);
        }
        if !self.dataplane.proves_addresses() {
            say(Part::Interfaces, UNPROVEN.to_owned());
        }
        for inner in self.dataplane.inner().iter().filter(|inner| inner.presence == Presence::Refused) {
            let interface = &inner.interface;
            say(
                Part::Http,
                format!(
                    "{interface}: HTTP is not read there, since the interface came while the sensor ran; restart it"
                ),
            );
        }
        for trouble in self.group_troubles() {
            say(Part::Groups, trouble);
        }
        self.degraded_records(&mut say);
        if let Some(why) = self.fleet_trouble() {
            say(Part::Fleet, why);
        }
        if let Some(why) = self.crowdsec_trouble() {
            say(Part::Crowdsec, why);
        }
        if !self.dataplane.is_pinned() {
            say(
                Part::Pins,
                "limits and blocks end with the daemon; its log says why they could not be pinned".to_owned(),
            );
        }
        found
    }

    /// Interfaces on which nothing is limited or blocked, each with the reason.
    pub(super) fn unserved(&self) -> Vec<String> {
        let attachments = self.dataplane.attachments().iter();
        let unserved = attachments.filter_map(|attachment| {
            let why = match attachment.presence {
                Presence::Unreadable => UNREADABLE,
                Presence::Refused => "the program could not be attached again; see the log",
                Presence::Up | Presence::Down | Presence::Gone => return None,
            };
            Some(format!("{}: nothing is limited or blocked there: {why}", attachment.interface))
        });
        unserved.collect()
    }

    fn degraded_records(&self, say: &mut impl FnMut(Part, String)) {
        match &self.responder.events {
            None => say(Part::Events, "nothing is stored; see the log".to_owned()),
            Some(events) => {
                let stats = events.stats();
                if !stats.healthy {
                    let path = self.config.paths.state_dir.join(crate::store::EVENTS);
                    say(
                        Part::Events,
                        format!(
                            "{} cannot be written: {} records queued, {} lost; check free space and permissions",
                            path.display(),
                            stats.depth,
                            stats.lost
                        ),
                    );
                }
            }
        }
        for damage in self.responder.events.iter().flat_map(EventStore::damages) {
            say(Part::Events, damage.to_string());
        }
        if let Some(file) = self.responder.deny_file.as_ref().filter(|file| file.is_failing()) {
            say(
                Part::DenyFile,
                format!(
                    "{} cannot be written; the proxy keeps denying the clients in the old file",
                    file.path().display()
                ),
            );
        }
    }
}

/// One line with everything, for the service manager.
pub(super) fn whole(degraded: &[Degraded]) -> String {
    let texts: Vec<String> = degraded.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "ready".to_owned() } else { format!("degraded: {}", texts.join("; ")) }
}

/// One line for readiness: the parts, without the paths of their files.
pub(super) fn parts(degraded: &[Degraded]) -> String {
    let mut parts: Vec<&str> = degraded.iter().map(|found| found.part.label()).collect();
    parts.dedup();
    if parts.is_empty() {
        "ok\n".to_owned()
    } else {
        format!("degraded: {}; `sensor status` says more\n", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_told_parts_and_the_manager_all() {
        let said = |part, what: &str| Degraded { part, what: what.to_owned() };
        let found = [
            said(Part::Http, "/var/lib/sensor/hash.key: 0 bytes"),
            said(Part::Events, "x"),
            said(Part::Events, "y"),
        ];
        assert_eq!(parts(&[]), "ok\n");
        assert_eq!(parts(&found), "degraded: http, events; `sensor status` says more\n");
        assert_eq!(whole(&[]), "ready");
        assert_eq!(whole(&found), "degraded: http: /var/lib/sensor/hash.key: 0 bytes; events: x; events: y");
    }
}
