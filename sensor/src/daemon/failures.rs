//! Failed requests, by client.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::kernel::ClientPrefixes;
use crate::prefix::ClientNet;

/// Clients whose failures are counted; beyond that, others are not.
const MAX_CLIENTS: usize = 65_536;

/// Counts since the start.
#[derive(Debug)]
pub(super) struct Failures {
    clients: ClientPrefixes,
    counts: HashMap<ClientNet, u64>,
    uncounted: u64,
}

impl Failures {
    pub(super) fn new(clients: ClientPrefixes) -> Self {
        Self { clients, counts: HashMap::new(), uncounted: 0 }
    }

    /// Counts a failure of the client with an address.
    pub(super) fn count(&mut self, address: IpAddr) {
        let client = self.clients.net_of(address);
        if self.counts.len() < MAX_CLIENTS || self.counts.contains_key(&client) {
            let count = self.counts.entry(client).or_default();
            *count = count.saturating_add(1);
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    pub(super) const fn by_client(&self) -> &HashMap<ClientNet, u64> {
        &self.counts
    }

    /// Failures of clients for which there was no room.
    pub(super) const fn uncounted(&self) -> u64 {
        self.uncounted
    }
}
