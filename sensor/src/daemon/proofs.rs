//! Which proxies on this host tell the truth about their clients, without anybody having configured them.
//!
//! A proxy here has its clients' connections open while it asks the application behind it. So the client that its
//! forwarding header names must be connected to this host at that moment, by the kernel's own list of sockets. Where that
//! is so in nearly all of many cases, of several clients, the header counts from then on. A proxy that passes on what
//! clients claim is contradicted by the first forged address, and one that sends no header for most requests proves
//! nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::prefix::ClientNet;

/// Cases that are looked at: the last ones.
const CASES: usize = 100;
/// Of them, how many must hold at first, and how many so that it stays.
const PROVEN_FROM: usize = 97;
const PROVEN_TO: usize = 90;
/// Clients that they must be of: one attacker has few addresses.
const CLIENTS: usize = 4;
/// Clients remembered of a proxy.
const MOST_CLIENTS: usize = 64;
/// Peers looked at: a host has few addresses.
const MOST_PEERS: usize = 16;
/// Between two cases: each takes a list of the host's sockets.
const EVERY: Duration = Duration::from_millis(20);
const EVERY_PROVEN: Duration = Duration::from_secs(1);

/// What is known of the peers on this host that ask applications.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    peers: BTreeMap<IpAddr, Cases>,
}

#[derive(Debug, Default)]
struct Cases {
    held: VecDeque<bool>,
    clients: BTreeSet<ClientNet>,
    looked: Timestamp,
    proven: bool,
}

impl Proofs {
    /// A request of a peer on this host, with the client that it names. `is_connected` asks the kernel, which may not be
    /// possible now. Returns whether the proven peers are others than before.
    pub(super) fn note(
        &mut self,
        peer: IpAddr,
        client: Option<ClientNet>,
        now: Timestamp,
        is_connected: impl FnOnce(ClientNet) -> Option<bool>,
    ) -> bool {
        if self.peers.len() >= MOST_PEERS && !self.peers.contains_key(&peer) {
            return false;
        }
        let cases = self.peers.entry(peer).or_default();
        let every = if cases.proven { EVERY_PROVEN } else { EVERY };
        if now.since(cases.looked) < every && now >= cases.looked {
            return false;
        }
        let Some(holds) = client.map_or(Some(false), is_connected) else { return false };
        cases.looked = now;
        if let Some(client) = client.filter(|_| holds && cases.clients.len() < MOST_CLIENTS) {
            cases.clients.insert(client);
        }
        if cases.held.len() >= CASES {
            cases.held.pop_front();
        }
        cases.held.push_back(holds);
        let was = cases.proven;
        cases.judge();
        if cases.proven && !was {
            info!(%peer, "a proxy on this host is proven: the clients that it names are connected here");
        }
        if was && !cases.proven {
            warn!(%peer, "a proxy on this host is no longer believed: clients that it named were not connected here");
        }
        was != cases.proven
    }

    /// Peers whose headers count.
    pub(super) fn proven(&self) -> impl Iterator<Item = IpAddr> {
        self.peers.iter().filter(|(_, cases)| cases.proven).map(|(peer, _)| *peer)
    }
}

impl Cases {
    fn judge(&mut self) {
        let held = self.held.iter().filter(|held| **held).count();
        let failed = self.held.len().saturating_sub(held);
        self.proven = if self.proven {
            failed <= CASES.saturating_sub(PROVEN_TO)
        } else {
            held >= PROVEN_FROM && self.clients.len() >= CLIENTS
        };
        if !self.proven && failed > CASES.saturating_sub(PROVEN_TO) {
            // Its clients have to be seen again.
            self.clients.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn client(number: u8) -> ClientNet {
        ClientNet::of(IpAddr::from([192, 0, 2, number]))
    }

    /// Cases a second apart: the client that was named, and whether it was connected. Whether the proxy is believed after
    /// each.
    fn play(cases: impl IntoIterator<Item = (Option<u8>, bool)>) -> Vec<bool> {
        let mut proofs = Proofs::default();
        let mut believed = Vec::new();
        for ((named, connected), second) in cases.into_iter().zip(1_u64..) {
            let now = Timestamp::from_unix_micros(second * 1_000_000);
            let before = proofs.proven().count();
            let changed = proofs.note(PROXY, named.map(client), now, |_| Some(connected));
            assert_eq!(changed, before != proofs.proven().count());
            believed.push(proofs.proven().any(|peer| peer == PROXY));
        }
        believed
    }

    #[test]
    fn an_honest_proxy_is_believed_after_many_cases() {
        let believed = play((0..200).map(|case| (Some(case % 10), case % 50 != 7)));
        assert!(!believed[90] && believed[199], "one of fifty clients may be gone when it is asked about");
        assert_eq!(
            believed.iter().filter(|now| !**now).count(),
            believed.iter().position(|now| *now).unwrap()
        );
    }

    #[test]
    fn few_clients_no_header_and_contradictions_prove_nothing() {
        for (what, cases) in [
            ("one attacker names itself", (0..500).map(|_| (Some(1), true)).collect::<Vec<_>>()),
            (
                "most requests have no header",
                (0..500).map(|case| ((case % 10 == 0).then_some(1), true)).collect(),
            ),
            (
                "forged names among true ones",
                (0..36).cycle().take(500).map(|case| (Some(case % 9), case % 12 != 0)).collect(),
            ),
            ("nobody is connected", (0..9).cycle().take(500).map(|case| (Some(case), false)).collect()),
        ] {
            assert!(play(cases).iter().all(|believed| !believed), "{what}");
        }
    }

    #[test]
    fn who_begins_to_lie_is_believed_no_longer() {
        let honest = |count| (0..9).cycle().take(count).map(|case| (Some(case), true));
        let lies = || (0..20).map(|_| (Some(200), false));
        let believed = play(honest(150).chain(lies()));
        assert!(believed[149] && !believed[169]);
        // And not again before as many true ones.
        let believed = play(honest(150).chain(lies()).chain(honest(80)));
        assert!(!believed[249]);
    }

    #[test]
    fn cases_are_spread_over_time() {
        let mut proofs = Proofs::default();
        let now = Timestamp::from_unix_micros(5_000_000);
        let mut asked = 0;
        for _ in 0..1_000 {
            proofs.note(PROXY, Some(client(1)), now, |_| {
                asked += 1;
                Some(true)
            });
        }
        assert_eq!(asked, 1);
        for number in 0..100 {
            proofs.note(IpAddr::from([127, 0, 1, number]), None, now, |_| Some(true));
        }
        assert_eq!(proofs.peers.len(), MOST_PEERS);
    }
}
