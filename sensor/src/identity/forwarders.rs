//! Untrusted peers that report other clients' addresses: proxies missing from the configuration, and liars.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Peers counted.
const PLACES: usize = 16;

/// A peer that is not a trusted proxy but sends forwarding headers, or PROXY protocol headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarder {
    /// Its address on the wire.
    pub peer: IpAddr,
    /// A lower bound of its requests with such headers.
    pub requests: u64,
}

/// The busiest of them, by the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, "Efficient computation of
/// frequent and top-k elements in data streams", 2005): a peer that sends more than one in [`PLACES`] of all is among
/// them, however many others there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Forwarders {
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    peer: IpAddr,
    count: u64,
    /// How much of the count may belong to earlier peers in the slot.
    inherited: u64,
}

impl Forwarders {
    /// One more request.
    pub(super) fn note(&mut self, peer: IpAddr) {
        if let Some(place) = self.places.iter_mut().find(|place| place.peer == peer) {
            place.count = place.count.saturating_add(1);
        } else if self.places.len() < PLACES {
            self.places.push(Place { peer, count: 1, inherited: 0 });
        } else if let Some(least) = self.places.iter_mut().min_by_key(|place| place.count) {
            *least = Place { peer, count: least.count.saturating_add(1), inherited: least.count };
        }
    }

    /// The peers, the busiest first.
    pub(super) fn busiest(&self) -> Vec<Forwarder> {
        let sure = |place: &Place| place.count.saturating_sub(place.inherited);
        let mut peers: Vec<Forwarder> =
            self.places.iter().map(|place| Forwarder { peer: place.peer, requests: sure(place) }).collect();
        peers.sort_by_key(|forwarder| std::cmp::Reverse(forwarder.requests));
        peers
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Counts are never too high, and nobody who sends more than a sixteenth is missing.
        #[test]
        fn the_busiest_are_there(senders in prop::collection::vec(prop_oneof![0_u32..4, 0_u32..1_000], 1..2_000)) {
            let address = |sender: u32| IpAddr::from(Ipv4Addr::from_bits(sender));
            let mut forwarders = Forwarders::default();
            senders.iter().for_each(|sender| forwarders.note(address(*sender)));
            let found = forwarders.busiest();
            prop_assert!(found.len() <= PLACES && found.is_sorted_by_key(|found| std::cmp::Reverse(found.requests)));
            let count = |peer| senders.iter().filter(|sender| address(**sender) == peer).count();
            for forwarder in &found {
                prop_assert!(forwarder.requests <= count(forwarder.peer) as u64, "{forwarder:?}");
            }
            for sender in 0..4 {
                let is_frequent = count(address(sender)) > senders.len() / PLACES;
                prop_assert!(!is_frequent || found.iter().any(|found| found.peer == address(sender)));
            }
        }
    }
}
