//! Signals of one attack belong together: people are told once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::id::RecordId;
use crate::clock::Timestamp;
use crate::detect::{Severity, Signal, Subject, Threat};

/// Incidents at a time.
const CAPACITY: usize = 8_192;

#[derive(Clone, Copy, Debug)]
struct Incident {
    alert: RecordId,
    severity: Severity,
    last: Timestamp,
}

/// The incidents that go on.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    open: BTreeMap<(Threat, Subject), Incident>,
    evicted: u64,
}

/// Whether people are to be told of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It begins something, or makes it worse; the alert has this identifier.
    Yes(RecordId),
    /// It belongs to what this alert told.
    No(RecordId),
}

impl Incidents {
    /// Takes a signal in. `new` makes the identifier of an alert.
    pub(super) fn note(&mut self, signal: &Signal, quiet: Duration, new: impl FnOnce() -> RecordId) -> News {
        let key = (signal.threat, signal.subject.clone());
        if let Some(incident) = self.open.get_mut(&key) {
            let goes_on = signal.at.since(incident.last) < quiet;
            incident.last = incident.last.max(signal.at);
            if goes_on && signal.severity <= incident.severity {
                return News::No(incident.alert);
            }
            *incident = Incident { alert: new(), severity: signal.severity, last: signal.at };
            return News::Yes(incident.alert);
        }
        if self.open.len() >= CAPACITY {
            self.make_room(signal.at, quiet);
        }
        let incident = Incident { alert: new(), severity: signal.severity, last: signal.at };
        self.open.insert(key, incident);
        News::Yes(incident.alert)
    }

    fn make_room(&mut self, now: Timestamp, quiet: Duration) {
        self.open.retain(|_, incident| now.since(incident.last) < quiet);
        if self.open.len() < CAPACITY {
            return;
        }
        // The least severe, then the one that was silent for longest: forgetting it means telling it again.
        let least = self.open.iter().min_by_key(|(_, incident)| (incident.severity, incident.last));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.open.remove(&key);
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    /// Incidents that were forgotten for want of room.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}
