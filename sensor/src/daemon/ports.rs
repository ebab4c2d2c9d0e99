//! Which ports are watched: configured ones, or those found to speak HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::kernel;

/// Segments of connections that were given up after which a port without any exchange is assumed to speak something else.
const ENOUGH: u64 = 256;
/// How long such a port is ignored.
const REST: Duration = Duration::from_secs(600);

/// Most ports watched only because they have answered: a host publishes fewer.
const MAX_ANSWERED: usize = 256;

/// The watched ports.
#[derive(Debug)]
pub(super) struct Watch {
    /// As configured; detected if none are.
    configured: Option<BTreeSet<u16>>,
    ports: BTreeSet<u16>,
    segments: BTreeMap<u16, u64>,
    confirmed: BTreeSet<u16>,
    resting: BTreeMap<u16, Timestamp>,
}

impl Watch {
    pub(super) fn new(configured: Option<BTreeSet<u16>>) -> Self {
        Self {
            configured,
            ports: BTreeSet::new(),
            segments: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            resting: BTreeMap::new(),
        }
    }

    pub(super) const fn ports(&self) -> &BTreeSet<u16> {
        &self.ports
    }

    /// Ports that answered in HTTP, as long as there is a listener; configured ones, for ever.
    pub(super) const fn confirmed(&self) -> &BTreeSet<u16> {
        &self.confirmed
    }

    /// A segment with payload, to or from a port of this host, of a connection that cannot be read: one whose request only
    /// takes its time says nothing against the port.
    #[inline]
    pub(super) fn note_unread(&mut self, port: u16) {
        if self.configured.is_none() && !self.confirmed.contains(&port) {
            let count = self.segments.entry(port).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Queries this host's sockets; returns the ports if they changed. `answered` are ports that were seen to accept
    /// connections though the listener may be elsewhere.
    pub(super) fn refresh(
        &mut self,
        confirmed: &BTreeSet<u16>,
        answered: &BTreeSet<u16>,
        now: Timestamp,
    ) -> Option<&BTreeSet<u16>> {
        let ports = match &self.configured {
            Some(ports) => {
                self.confirmed.extend(confirmed);
                ports.clone()
            }
            None => self.choose(&with(kernel::listening_ports(), answered), confirmed, now),
        };
        if ports == self.ports {
            return None;
        }
        self.ports = ports;
        Some(&self.ports)
    }

    fn choose(
        &mut self,
        listening: &BTreeSet<u16>,
        confirmed: &BTreeSet<u16>,
        now: Timestamp,
    ) -> BTreeSet<u16> {
        self.confirmed.extend(confirmed);
        // A port given up by one service may be taken by another.
        self.confirmed.retain(|port| listening.contains(port));
        self.resting.retain(|port, since| listening.contains(port) && now.since(*since) < REST);
        for (port, segments) in std::mem::take(&mut self.segments) {
            if self.confirmed.contains(&port) || !listening.contains(&port) {
                continue;
            }
            if segments >= ENOUGH {
                self.resting.insert(port, now);
            } else {
                self.segments.insert(port, segments);
            }
        }
        listening.iter().copied().filter(|port| !self.resting.contains_key(port)).collect()
    }
}

/// The ports with a listener, and those that answered without one here.
fn with(mut listening: BTreeSet<u16>, answered: &BTreeSet<u16>) -> BTreeSet<u16> {
    let elsewhere: Vec<u16> = answered.difference(&listening).copied().take(MAX_ANSWERED).collect();
    listening.extend(elsewhere);
    listening
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports<const N: usize>(ports: [u16; N]) -> BTreeSet<u16> {
        BTreeSet::from(ports)
    }

    #[test]
    fn a_port_that_speaks_something_else_rests() {
        let mut watch = Watch::new(None);
        let start = Timestamp::from_unix_micros(1);
        assert_eq!(watch.choose(&ports([22, 80]), &ports([]), start), ports([22, 80]));
        for _ in 0..ENOUGH {
            watch.note_unread(22);
            watch.note_unread(80);
        }
        assert_eq!(watch.choose(&ports([22, 80]), &ports([80]), start), ports([80]));
        assert_eq!(watch.choose(&ports([22, 80]), &ports([]), start.plus(REST)), ports([22, 80]));
    }

    #[test]
    fn another_service_on_the_port_is_looked_at_anew() {
        let mut watch = Watch::new(None);
        let start = Timestamp::from_unix_micros(1);
        (0..ENOUGH).for_each(|_| watch.note_unread(22));
        assert_eq!(watch.choose(&ports([22]), &ports([]), start), ports([]));
        assert_eq!(watch.choose(&ports([]), &ports([]), start), ports([]));
        assert_eq!(watch.choose(&ports([22]), &ports([]), start), ports([22]));
    }

    #[test]
    fn ports_that_answer_count_like_those_with_a_listener() {
        assert_eq!(with(ports([22, 80]), &ports([80, 8_080])), ports([22, 80, 8_080]));
        let many: BTreeSet<u16> = (1..=1_000).collect();
        assert_eq!(with(ports([1, 9_999]), &many).len(), MAX_ANSWERED + 2);
    }

    #[test]
    fn configured_ports_stay() {
        let mut watch = Watch::new(Some(ports([1, 2])));
        let start = Timestamp::from_unix_micros(1);
        assert_eq!(watch.refresh(&ports([]), &ports([9]), start), Some(&ports([1, 2])));
        (0..ENOUGH).for_each(|_| watch.note_unread(1));
        assert_eq!(watch.refresh(&ports([2]), &ports([9]), start), None);
        assert_eq!(watch.confirmed(), &ports([2]));
    }
}
