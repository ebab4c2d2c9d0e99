//! Clients named by proxies on this host, and whether the kernel confirms them.
//!
//! A forwarding header is a proxy's claim. If the proxy is on this host, its client's packets arrive here with the
//! client's address, so the kernel can drop them. But through a proxy that forwards clients' own headers, an attacker
//! could have anybody blocked. So a name counts only while its owner is connected to a server of this host and sends
//! data: a forged address cannot complete a TCP connection. A client that is not connected is never blocked on a
//! proxy's claim.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::clock::{self, Timestamp};
use crate::kernel::connected_clients;
use crate::prefix::ClientNet;

/// How long a name counts, and how recently its owner must have sent data.
const RECENT: Duration = Duration::from_secs(10);
/// Names remembered; beyond that, a client is treated as behind a remote proxy.
const MOST: usize = 65_536;
/// Minimum interval between sweeps of old names to make room.
const SWEEP: Duration = Duration::from_secs(1);
/// Age from which the list of sockets is refreshed.
const FRESH: Duration = Duration::from_millis(50);
/// The same as a multiple of the query's duration, for hosts with very many connections.
const SHARE: u32 = 10;

/// The current knowledge; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    named: Arc<Mutex<Named>>,
    connected: Arc<Mutex<Connected>>,
}

#[derive(Debug, Default)]
struct Named {
    /// The proxy that last named a client, and when.
    by_client: HashMap<ClientNet, (IpAddr, Timestamp)>,
    swept: Timestamp,
}

/// The clients connected at the last query.
#[derive(Debug, Default)]
struct Connected {
    clients: BTreeSet<IpAddr>,
    asked: Option<Timestamp>,
    took: Duration,
}

impl Claims {
    /// A trusted proxy named a client as its peer.
    pub(super) fn note(&self, client: ClientNet, proxy: IpAddr, now: Timestamp) {
        let mut named = lock(&self.named);
        if named.by_client.len() >= MOST && !named.by_client.contains_key(&client) {
            if now.since(named.swept) < SWEEP && now >= named.swept {
                return;
            }
            named.swept = now;
            named.by_client.retain(|_, (_, at)| now.since(*at) <= RECENT);
            if named.by_client.len() >= MOST {
                return;
            }
        }
        named.by_client.insert(client, (proxy, now));
    }

    /// The proxy that recently named a client.
    pub(super) fn proxy_of(&self, client: ClientNet, now: Timestamp) -> Option<IpAddr> {
        let named = lock(&self.named);
        let (proxy, at) = named.by_client.get(&client)?;
        (now.since(*at) <= RECENT).then_some(*proxy)
    }

    /// Whether, by the kernel, a client is connected to a server of this host and sent data recently.
    pub(super) fn is_connected(&self, client: ClientNet, now: Timestamp) -> bool {
        let mut connected = lock(&self.connected);
        if connected.is_older(connected.took.saturating_mul(SHARE).max(FRESH), now) {
            connected.ask(now);
        }
        connected.has(client)
    }

    /// The same by a list that was made after a moment. None while another one would take too much of the time.
    pub(super) fn is_connected_after(
        &self,
        client: ClientNet,
        seen: Timestamp,
        now: Timestamp,
    ) -> Option<bool> {
        let mut connected = lock(&self.connected);
        if connected.asked.is_none_or(|asked| asked <= seen || now < asked) {
            if !connected.is_older(connected.took.saturating_mul(SHARE), now) {
                return None;
            }
            connected.ask(now);
        }
        Some(connected.has(client))
    }
}

impl Connected {
    fn is_older(&self, age: Duration, now: Timestamp) -> bool {
        self.asked.is_none_or(|asked| now < asked || now.since(asked) >= age)
    }

    fn ask(&mut self, now: Timestamp) {
        let before = clock::monotonic();
        self.clients = connected_clients(RECENT).unwrap_or_else(|error| {
            warn!(%error, "connections cannot be listed: clients behind a proxy on this host are not blocked in the kernel");
            BTreeSet::new()
        });
        self.took = clock::monotonic().saturating_sub(before);
        self.asked = Some(now);
    }

    fn has(&self, client: ClientNet) -> bool {
        self.clients.iter().any(|address| client.contains(*address))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> ClientNet {
        ClientNet::of(IpAddr::from(number.to_be_bytes()))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_name_counts_for_a_while() {
        let (claims, proxy) = (Claims::default(), IpAddr::from([127, 0, 0, 1]));
        claims.note(client(7), proxy, at(100));
        assert_eq!(claims.proxy_of(client(7), at(110)), Some(proxy));
        assert_eq!(claims.proxy_of(client(7), at(111)), None);
        assert_eq!(claims.proxy_of(client(8), at(100)), None);
    }

    #[test]
    fn names_have_a_bound_and_new_ones_come_when_old_ones_have_gone() {
        let (claims, proxy) = (Claims::default(), IpAddr::from([127, 0, 0, 1]));
        let most = u32::try_from(MOST).unwrap();
        (0..most).for_each(|number| claims.note(client(number), proxy, at(100)));
        claims.note(client(most), proxy, at(105));
        assert_eq!(claims.proxy_of(client(most), at(105)), None, "there is no room");
        claims.note(client(3), proxy, at(106));
        assert_eq!(claims.proxy_of(client(3), at(112)), Some(proxy), "the known are renewed");
        claims.note(client(most), proxy, at(112));
        assert_eq!(claims.proxy_of(client(most), at(112)), Some(proxy));
        assert!(lock(&claims.named).by_client.len() <= 2);
    }

    #[test]
    fn who_is_not_connected_is_not_confirmed() {
        let claims = Claims::default();
        // TEST-NET-1 (RFC 5737).
        assert!(!claims.is_connected(ClientNet::of(IpAddr::from([192, 0, 2, 1])), clock::now()));
    }
}
