//! From samples of the client table to a history.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::history::{History, Tally};
use super::ladder::RUNGS;
use super::prefixes::PrefixMap;
use super::track::{Track, all_rates};
use crate::clock::Timestamp;
use crate::enforce::Scope;

/// Clients watched at a time. Of more, a random sample is: among 4,096 clients the 99th percentile is known to
/// within 0.5 % of rank (three standard deviations of a binomial).
pub const MAX_TRACKED: usize = 4_096;

/// How long a client that a detector named is not asked what is usual.
const NAMED_FOR: Duration = Duration::from_secs(86_400);
/// Such clients at most; beyond, the one that was named longest ago is forgotten.
const MAX_NAMED: usize = 4_096;
/// A period of peaks: a client that stays is counted once in each.
const PERIOD: Duration = Duration::from_secs(3_600);
/// Longest time between two samples that is still looked at as one step; after a longer one, nothing is concluded.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// The stride at which no more than [`MAX_TRACKED`] of so many clients are sampled: a power of two.
#[must_use]
pub fn stride_for(clients: u64) -> u32 {
    let bound = u64::try_from(MAX_TRACKED).unwrap_or(u64::MAX);
    let needed = clients.div_ceil(bound).max(1).next_power_of_two();
    u32::try_from(needed).unwrap_or(1 << 31)
}

/// What holds for a client now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Its limits.
    #[default]
    Limited,
    /// No limit, since it is allowed.
    Allowed,
    /// It is blocked.
    Blocked,
}

/// A client as one sample shows it; totals since its admission.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its network address.
    pub client: IpAddr,
    /// By [`Dimension`]; connections modulo 2^24.
    pub totals: [u64; 4],
    /// Frames over a limit, or blocked.
    pub drops: u64,
    /// What holds for it.
    pub standing: Standing,
}

/// Watches clients.
#[derive(Debug)]
pub struct Observer {
    tracks: HashMap<IpAddr, Track>,
    history: History,
    rates: [[f32; RUNGS]; 4],
    scopes: PrefixMap<()>,
    named: PrefixMap<Timestamp>,
    stride: u32,
    /// Samples so far.
    samples: u64,
    last: Option<Timestamp>,
    period: Timestamp,
    /// Clients in the last sample, whether or not there was room to watch them.
    sampled: u64,
    /// New clients in it.
    fresh: u64,
    admitted: Option<u64>,
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(History::default())
    }
}

impl Observer {
    /// Goes on with what an earlier one had seen.
    #[must_use]
    pub fn new(history: History) -> Self {
        Self {
            tracks: HashMap::new(),
            history,
            rates: all_rates(),
            scopes: PrefixMap::default(),
            named: PrefixMap::default(),
            stride: 1,
            samples: 0,
            last: None,
            period: Timestamp::default(),
            sampled: 0,
            fresh: 0,
            admitted: None,
        }
    }

    /// Which prefixes have limits of their own.
    pub fn set_scopes(&mut self, scopes: impl Iterator<Item = IpNet>) {
        self.scopes = scopes.map(|prefix| (prefix, ())).collect();
    }

    /// A detector named these clients.
    pub fn name(&mut self, clients: IpNet, now: Timestamp) {
        if self.named.len() >= MAX_NAMED {
            self.named.remove_least();
        }
        self.named.insert(clients, now);
    }

    /// Clients watched now, and the stride of the sample that they are.
    #[must_use]
    pub fn watched(&self) -> (usize, u32) {
        (self.tracks.len(), self.stride)
    }

    /// The stride of the next sample, by how many clients the last one showed. It becomes smaller where there are half
    /// as many as it could be smaller for, lest it goes to and fro.
    #[must_use]
    pub fn next_stride(&self) -> u32 {
        let clients = self.sampled.saturating_mul(self.stride.into());
        let (needed, generous) = (stride_for(clients), stride_for(clients.saturating_mul(2)));
        if needed > self.stride { needed } else { generous.min(self.stride) }
    }

    /// A sample of every `stride`th bucket. `admitted` counts clients that the kernel has let in since its start.
    pub fn sample(
        &mut self,
        now: Timestamp,
        stride: u32,
        admitted: u64,
        clients: impl FnOnce(&mut dyn FnMut(Seen)),
    ) {
        let step = self
            .last
            .map(|last| now.since(last))
            .filter(|step| *step > Duration::ZERO && *step <= LONGEST_STEP);
        // Clients of buckets that were not looked at before have been there for an unknown time.
        let comparable = step.is_some() && stride >= self.stride;
        (self.stride, self.last) = (stride, Some(now));
        self.samples = self.samples.saturating_add(1);
        (self.sampled, self.fresh) = (0, 0);
        clients(&mut |seen| self.see(&seen, step, comparable));
        self.settle(now, step);
        if comparable {
            self.miss(now, admitted);
        }
        self.admitted = Some(admitted);
    }

    fn see(&mut self, seen: &Seen, step: Option<Duration>, comparable: bool) {
        self.sampled = self.sampled.saturating_add(1);
        let known = self.tracks.len();
        let seconds = step.map(|step| step.as_secs_f32());
        let track = match self.tracks.entry(seen.client) {
            Entry::Occupied(found) => found.into_mut(),
            // A stride follows the number of clients, which may leap: the next one brings them down.
            Entry::Vacant(_) if known >= 2 * MAX_TRACKED => return,
            Entry::Vacant(free) => {
                self.fresh = self.fresh.saturating_add(1);
                let fresh = if comparable { Track::default() } else { Track::known(seen.totals, seen.drops) };
                free.insert(fresh)
            }
        };
        track.seen = self.samples;
        track.update(seen.totals, seen.drops, seconds, &self.rates);
        track.allowed = seen.standing == Standing::Allowed;
        track.blocked |= seen.standing == Standing::Blocked;
    }

    /// Takes in clients that left and, at the end of a period, all.
    fn settle(&mut self, now: Timestamp, step: Option<Duration>) {
        let is_over = now.since(self.period) >= PERIOD || now < self.period;
        let Self { tracks, history, scopes, named, samples, .. } = self;
        let today = history.today(now);
        today.since.get_or_insert(now);
        let nanoseconds = step.map_or(0, |step| u64::try_from(step.as_nanos()).unwrap_or(u64::MAX));
        today.observed_ns = today.observed_ns.saturating_add(nanoseconds);
        tracks.retain(|client, track| {
            let is_here = track.seen == *samples;
            if !is_here || is_over {
                today.fold(track, scope_of(scopes, *client), named.longest(*client).is_some());
                track.begin_period();
            }
            is_here
        });
        if is_over {
            self.period = now;
            self.named.retain(|since| now.since(*since) < NAMED_FOR);
        }
    }

    /// Counts clients that were let in and gone before anybody looked, as far as the sample tells.
    fn miss(&mut self, now: Timestamp, admitted: u64) {
        let Some(before) = self.admitted else { return };
        let came = admitted.saturating_sub(before);
        let seen = self.fresh.saturating_mul(u64::from(self.stride));
        // A sample of a part tells only roughly how many came.
        let missed = if self.stride == 1 { came.saturating_sub(seen) } else { 0 };
        let excluded = &mut self.history.today(now).excluded;
        excluded.missed = excluded.missed.saturating_add(missed);
    }

    /// What is to be kept: everything seen so far, with the clients that are here as if they left now.
    #[must_use]
    pub fn kept(&self, now: Timestamp) -> History {
        let mut history = self.history.clone();
        let today = history.today(now);
        self.fold_all(today);
        history
    }

    /// Everything seen since then, whole days, with the clients that are here.
    pub(super) fn together(&self, since: Option<Timestamp>) -> Tally {
        let mut tally = self.history.together(since);
        self.fold_all(&mut tally);
        tally
    }

    fn fold_all(&self, tally: &mut Tally) {
        for (client, track) in &self.tracks {
            tally.fold(track, scope_of(&self.scopes, *client), self.named.longest(*client).is_some());
        }
    }
}

fn scope_of(scopes: &PrefixMap<()>, client: IpAddr) -> Scope {
    scopes.longest(client).map_or(Scope::Default, |(prefix, ())| Scope::Prefix(prefix))
}

impl Seen {
    /// Totals in the order of [`sensor_common::abi::Dimension::ALL`]; `bytes` are those of frames.
    #[must_use]
    pub const fn totals(packets: u64, bytes: u64, connections: u64, requests: u64) -> [u64; 4] {
        [packets, bytes.saturating_mul(8), connections, requests]
    }
}
