//! Connections that appear twice in a capture.
//!
//! On a host with containers, a capture on all interfaces has each segment before and after the port mapping: with
//! another server address, perhaps another client address, and the same sequence numbers. Only the server chooses its
//! initial sequence number, so two handshakes with the same numbers on both sides, at nearly the same time, are one.

use std::time::Duration;

use super::connection::Phase;
use super::counters::bump;
use super::protocol::{CloseCause, Protocol};
use super::sequence::Sequence;
use super::streams::Streams;
use crate::capture::Endpoint;
use crate::clock::Timestamp;

/// Slots for handshakes; a new one replaces an unrelated one in its slot.
const PLACES: usize = 1_024;

/// Going from one interface to the next takes less time than this.
const NEARLY: Duration = Duration::from_secs(1);

/// A handshake with both numbers known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shaken {
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    /// Their initial sequence numbers.
    pub(super) numbers: (Sequence, Sequence),
    /// When the SYN was seen.
    pub(super) began: Timestamp,
}

/// The last handshakes.
#[derive(Debug, Default)]
pub(super) struct Twins {
    places: Vec<Option<Shaken>>,
}

impl Twins {
    /// Records a handshake. Returns the one that it duplicates, or that duplicates it, if any.
    pub(super) fn note(&mut self, shaken: Shaken) -> Option<Shaken> {
        if self.places.is_empty() {
            self.places = vec![None; PLACES];
        }
        let (client, server) = (shaken.numbers.0.0, shaken.numbers.1.0);
        let mixed = client.rotate_left(16).wrapping_add(server).wrapping_mul(0x9e37_79b1);
        let place = usize::try_from(mixed >> 16).unwrap_or_default().checked_rem(PLACES)?;
        let known = self.places.get_mut(place)?;
        let twin = known.filter(|known| known.is_twin(&shaken));
        // The one that started first stays.
        if twin.is_none_or(|twin| shaken.began < twin.began) {
            *known = Some(shaken);
        }
        twin
    }
}

impl Shaken {
    /// Port mappings keep the client's port if it is free.
    fn is_twin(&self, other: &Self) -> bool {
        let apart = self.began.since(other.began).max(other.began.since(self.began));
        let same = (self.client, self.server) == (other.client, other.server);
        let port = self.client.port() == other.client.port();
        self.numbers == other.numbers && port && !same && apart <= NEARLY
    }
}

impl<P: Protocol> Streams<P> {
    /// Stops a connection that duplicates another, or the other one, whichever started later.
    pub(super) fn look_for_twin(&mut self, index: usize, time: Timestamp) {
        let Some(connection) = self.table.get_mut(index) else { return };
        let shaken = Shaken {
            client: connection.client,
            server: connection.server,
            numbers: (connection.client_half.isn, connection.server_half.isn),
            began: connection.last_seen,
        };
        let Some(twin) = self.twins.note(shaken) else { return };
        let first = self.table.find(twin.client, twin.server).map(|(first, _)| first);
        let Some(first) = first.filter(|first| *first != index) else { return };
        // If the other has already continued, it stays.
        let waits = self.table.get_mut(first).is_some_and(|first| first.phase == Phase::SynReceived);
        let later = if waits && shaken.began < twin.began { first } else { index };
        bump(&mut self.counters.twins);
        self.with(later, time, |connection, context| {
            // Its handshake does not count as incomplete.
            connection.phase = Phase::Stopped;
            connection.close(CloseCause::Stopped, context);
            connection.last_seen = time;
        });
        self.table.reclass(later);
    }
}
