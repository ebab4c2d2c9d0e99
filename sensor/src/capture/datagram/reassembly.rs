//! All datagrams being reassembled, bounded in number, bytes and time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::header::{Key, Part};
use super::queue::{Queue, Step, Whole};
use super::{DatagramConfig, Refusal};
use crate::clock::Timestamp;

/// How long a datagram may wait (`net.ipv4.ipfrag_time`, `net.ipv6.ip6frag_time`), from its first fragment on.
const WAIT_V4: Duration = Duration::from_secs(30);
const WAIT_V6: Duration = Duration::from_secs(60);

/// Maximum fragments from a source between two of one datagram (`net.ipv4.ipfrag_max_dist`); beyond it, IPv4's
/// identification may have wrapped, and the earlier fragments are dropped.
const MAX_DISTANCE: u64 = 64;

/// Overhead of keeping a fragment, besides its bytes.
pub(super) const OVERHEAD: usize = 128;

/// Fragments from an IPv4 source so far, and the number of its waiting datagrams.
#[derive(Debug, Default)]
struct Source {
    fragments: u64,
    datagrams: usize,
}

#[derive(Debug, Default)]
pub(super) struct Reassembly {
    config: DatagramConfig,
    queues: BTreeMap<Key, Queue>,
    sources: BTreeMap<IpAddr, Source>,
    /// Keys in the order in which their timers started, for IPv4 and IPv6; some are gone or restarted since.
    ages: [VecDeque<(Timestamp, Key)>; 2],
    bytes: usize,
}

impl Reassembly {
    pub(super) fn new(config: DatagramConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Takes a fragment; returns the datagram that it completes.
    pub(super) fn take(&mut self, now: Timestamp, part: &Part<'_>) -> Result<Option<Whole>, Refusal> {
        let needed = part.bytes.len().saturating_add(OVERHEAD);
        let is_known = self.queues.contains_key(&part.key);
        let is_full = self.bytes.saturating_add(needed) > self.config.max_bytes
            || (!is_known && self.queues.len() >= self.config.max_datagrams);
        if is_full {
            return Err(Refusal::Room);
        }
        let mut queue = match self.queues.remove(&part.key) {
            Some(queue) => queue,
            None => self.begin(now, &part.key),
        };
        let before = cost(&queue);
        if self.is_too_far(&mut queue, &part.key) {
            queue.reset(now);
            self.ages_of(queue.is_v4).push_back((now, part.key));
        }
        let step = queue.take(part);
        self.bytes = self.bytes.saturating_sub(before);
        match step {
            Step::Ignored if queue.is_empty() => {
                self.end(&part.key, queue.is_v4);
                Err(Refusal::Ignored)
            }
            Step::Waits | Step::Ignored => {
                let outcome = if matches!(step, Step::Waits) { Ok(None) } else { Err(Refusal::Ignored) };
                self.bytes = self.bytes.saturating_add(cost(&queue));
                self.queues.insert(part.key, queue);
                outcome
            }
            Step::Dropped => {
                self.end(&part.key, queue.is_v4);
                Err(Refusal::Overlap)
            }
            Step::Complete => {
                self.end(&part.key, queue.is_v4);
                queue.join().map(Some)
            }
        }
    }

    /// Drops those whose time has run out; returns their number.
    pub(super) fn expire(&mut self, now: Timestamp) -> u64 {
        let mut expired = 0_u64;
        for is_v4 in [true, false] {
            let wait = if is_v4 { WAIT_V4 } else { WAIT_V6 };
            while let Some((since, key)) = self.ages_of(is_v4).front().copied() {
                // A clock that goes back expires nothing.
                if now.since(since) < wait {
                    break;
                }
                self.ages_of(is_v4).pop_front();
                let is_due = self.queues.get(&key).is_some_and(|queue| queue.since == since);
                if let Some(queue) = is_due.then(|| self.queues.remove(&key)).flatten() {
                    self.bytes = self.bytes.saturating_sub(cost(&queue));
                    self.end(&key, is_v4);
                    expired = expired.saturating_add(1);
                }
            }
        }
        expired
    }

    fn begin(&mut self, now: Timestamp, key: &Key) -> Queue {
        let is_v4 = key.source.is_ipv4();
        if is_v4 {
            let source = self.sources.entry(key.source).or_default();
            source.datagrams = source.datagrams.saturating_add(1);
        }
        let most = self.config.max_datagrams.saturating_mul(2);
        let Self { queues, ages: [v4, v6], .. } = self;
        let ages = if is_v4 { v4 } else { v6 };
        if ages.len() >= most {
            ages.retain(|(since, key)| queues.get(key).is_some_and(|queue| queue.since == *since));
        }
        ages.push_back((now, *key));
        Queue::new(now, is_v4)
    }

    fn end(&mut self, key: &Key, is_v4: bool) {
        if !is_v4 {
            return;
        }
        if let Some(source) = self.sources.get_mut(&key.source) {
            source.datagrams = source.datagrams.saturating_sub(1);
            if source.datagrams == 0 {
                self.sources.remove(&key.source);
            }
        }
    }

    /// `ip_frag_too_far`; counts the fragment.
    fn is_too_far(&mut self, queue: &mut Queue, key: &Key) -> bool {
        let Some(source) = self.sources.get_mut(&key.source).filter(|_| queue.is_v4) else { return false };
        source.fragments = source.fragments.saturating_add(1);
        let distance = source.fragments.saturating_sub(queue.count);
        queue.count = source.fragments;
        !queue.is_empty() && distance > MAX_DISTANCE
    }

    fn ages_of(&mut self, is_v4: bool) -> &mut VecDeque<(Timestamp, Key)> {
        let [v4, v6] = &mut self.ages;
        if is_v4 { v4 } else { v6 }
    }

    /// Datagrams and bytes waiting.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.queues.len(), self.bytes)
    }
}

fn cost(queue: &Queue) -> usize {
    let (pieces, bytes) = queue.size();
    pieces.saturating_mul(OVERHEAD).saturating_add(bytes)
}
