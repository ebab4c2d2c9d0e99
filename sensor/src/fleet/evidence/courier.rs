//! The task that exchanges slots with other hosts, once a second.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::{cmd, pipe};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::Counter;
use super::ledger::Ledger;
use crate::clock::{self, Timestamp};
use crate::detect::shared::{Outlook, SLOT, SLOTS, Thresholds};
use crate::fleet::config::FleetConfig;
use crate::fleet::key::{PublicKey, SigningKey};
use crate::fleet::link::{Link, LinkError};
use crate::identity::FleetKeys;

/// How often: with one exchange on each host, sums are at most two seconds old.
const EVERY: Duration = Duration::from_secs(1);
/// Other hosts that are heard: in a larger fleet those whose keys follow this host's, so that each host is heard by as many.
/// An attack on all hosts is found from a part of them, and what a host reads does not grow with the fleet.
const MOST_HEARD: usize = 64;
/// Most exchanges that are left out after a failure.
const PAUSE: u32 = 3;

/// The daemon's side.
pub trait Peers: Send + Sync + 'static {
    /// Keys of hosts whose records are taken.
    fn trusted(&self) -> Vec<PublicKey>;
}

/// Exchanges slots until it is dropped.
pub async fn run(
    config: FleetConfig,
    (keys, signer): (FleetKeys, SigningKey),
    thresholds: Thresholds,
    mut counter: Counter,
    peers: impl Peers,
) {
    let mut courier =
        Courier { config, signer, ledger: Ledger::new(keys, thresholds), link: None, failed: 0, rests: 0 };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock::now();
        courier.ledger.advance(now);
        while let Ok(told) = counter.inbox.try_recv() {
            courier.ledger.count(&told);
        }
        let outlook = courier.turn(now, &counter, &peers).await;
        counter.state.set_unsaid(courier.ledger.unsaid());
        *counter.board.lock().unwrap_or_else(PoisonError::into_inner) = outlook;
    }
}

struct Courier {
    config: FleetConfig,
    signer: SigningKey,
    ledger: Ledger,
    link: Option<Link>,
    /// Failed exchanges in a row, and how many are left out for that.
    failed: u32,
    rests: u32,
}

impl Courier {
    /// One exchange; none if there are no sums.
    async fn turn(&mut self, now: Timestamp, counter: &Counter, peers: &impl Peers) -> Option<Arc<Outlook>> {
        if self.rests > 0 {
            self.rests = self.rests.saturating_sub(1);
            return None;
        }
        let heard = neighbours(peers.trusted(), self.signer.public());
        self.ledger.retain(&heard);
        if let Err(error) = self.exchange(now, counter, &heard).await {
            self.link = None;
            self.rests = self.failed.min(PAUSE);
            self.failed = self.failed.saturating_add(1);
            if counter.state.failed(error.to_string()) {
                warn!(%error, "no evidence of other hosts; detectors count on this host alone");
            }
            return None;
        }
        self.failed = 0;
        let outlook = self.config.apply.then(|| self.ledger.outlook(now))?;
        counter.state.summed(self.ledger.heard(), outlook.routes.len(), clock::monotonic());
        Some(Arc::new(outlook))
    }

    async fn exchange(
        &mut self,
        now: Timestamp,
        counter: &Counter,
        heard: &BTreeSet<PublicKey>,
    ) -> Result<(), LinkError> {
        let is_new = self.link.is_none();
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.config).await?,
        };
        if is_new {
            info!(server = self.config.server(), "exchanging evidence with the fleet");
            // A server that was away may have lost everything.
            self.ledger.say_again();
            self.catch_up(&mut link, counter, heard).await?;
        }
        let records = if self.config.publish {
            self.ledger.records(now, &self.config.name, &self.signer)
        } else {
            self.ledger.keep_to_itself();
            Vec::new()
        };
        let mut commands = pipe();
        for (number, blob) in &records {
            let key = self.key(*number, self.signer.public());
            commands.cmd("SET").arg(key).arg(blob.as_slice()).arg("PX").arg(lifetime()).ignore();
        }
        let wanted: Vec<(u64, PublicKey)> = self.wanted(heard, false);
        if !wanted.is_empty() {
            let asked = commands.cmd("MGET");
            wanted.iter().for_each(|(number, by)| {
                asked.arg(self.key(*number, *by));
            });
        }
        if wanted.is_empty() && !records.is_empty() {
            let () = link.ask_all(&commands).await?;
        } else if !wanted.is_empty() {
            let (blobs,): (Vec<Option<Vec<u8>>>,) = link.ask_all(&commands).await?;
            self.take(wanted, blobs, counter);
        }
        self.ledger.said(&records);
        counter.state.count_sent(u64::try_from(records.len()).unwrap_or(0));
        self.link = Some(link);
        Ok(())
    }

    /// Reads what others said within the period that is judged, slot by slot.
    async fn catch_up(
        &mut self,
        link: &mut Link,
        counter: &Counter,
        heard: &BTreeSet<PublicKey>,
    ) -> Result<(), LinkError> {
        for (number, by) in self.wanted(heard, true).chunk_by(|one, other| one.0 == other.0).map(split) {
            let mut command = cmd("MGET");
            by.iter().for_each(|by| {
                command.arg(self.key(number, *by));
            });
            let blobs: Vec<Option<Vec<u8>>> = link.ask(&command, Duration::ZERO).await?;
            self.take(by.into_iter().map(|by| (number, by)).collect(), blobs, counter);
        }
        Ok(())
    }

    /// What is read: nothing on a host that only tells.
    fn wanted(&self, heard: &BTreeSet<PublicKey>, all: bool) -> Vec<(u64, PublicKey)> {
        let slots = self.ledger.wanted(all).filter(|_| self.config.apply);
        slots.flat_map(|number| heard.iter().map(move |by| (number, *by))).collect()
    }

    fn take(&mut self, wanted: Vec<(u64, PublicKey)>, blobs: Vec<Option<Vec<u8>>>, counter: &Counter) {
        for ((number, by), blob) in wanted.into_iter().zip(blobs) {
            let Some(blob) = blob else { continue };
            match self.ledger.take(by, number, &blob, &self.config.name) {
                Ok(true) => counter.state.count_taken(),
                Ok(false) => {}
                Err(_why) => counter.state.count_refused(),
            }
        }
    }

    fn key(&self, number: u64, by: PublicKey) -> String {
        format!("sensor:{{{}}}:evidence:{number}:{by}", self.config.name)
    }
}

fn split(part: &[(u64, PublicKey)]) -> (u64, Vec<PublicKey>) {
    (part.first().map_or(0, |(number, _)| *number), part.iter().map(|(_, by)| *by).collect())
}

/// How long the server keeps a slot, in milliseconds: as long as anybody may read it.
fn lifetime() -> u64 {
    let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX).saturating_add(2);
    crate::duration::milliseconds(SLOT.saturating_mul(slots))
}

/// The hosts that are heard.
fn neighbours(trusted: Vec<PublicKey>, own: PublicKey) -> BTreeSet<PublicKey> {
    let all: BTreeSet<PublicKey> = trusted.into_iter().filter(|key| *key != own).collect();
    let after = all.range((Bound::Excluded(own), Bound::Unbounded));
    after.chain(all.range(..own)).take(MOST_HEARD).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::key::key;

    #[test]
    fn in_a_large_fleet_each_host_hears_and_is_heard_by_as_many() {
        let all: Vec<PublicKey> = (0..=200).map(|number| key(number).public()).collect();
        let mut heard_by = std::collections::BTreeMap::<PublicKey, usize>::new();
        for own in &all {
            let heard = neighbours(all.clone(), *own);
            assert!(heard.len() == MOST_HEARD && !heard.contains(own));
            heard.into_iter().for_each(|key| *heard_by.entry(key).or_default() += 1);
        }
        assert!(heard_by.len() == all.len() && heard_by.values().all(|count| *count == MOST_HEARD));
        assert_eq!(neighbours(all[..3].to_vec(), all[0]).len(), 2);
    }
}
