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

/// Clients tracked at once. If there are more, a random sample is: among 4,096 clients the 99th percentile is known to
/// within 0.5 % of rank (three standard deviations of a binomial).
pub const MAX_TRACKED: usize = 4_096;

/// How long a client that a detector named does not count.
const NAMED_FOR: Duration = Duration::from_secs(86_400);
/// Maximum such clients; beyond that, the one named longest ago is dropped.
const MAX_NAMED: usize = 4_096;
/// A period of peaks: a persistent client counts once in each.
const PERIOD: Duration = Duration::from_secs(3_600);
/// Longest interval between samples that counts as one step; after a longer one, nothing is concluded.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// The stride at which at most [`MAX_TRACKED`] of this many clients are sampled: a power of two.
#[must_use]
pub fn stride_for(clients: u64) -> u32 {
    let bound = u64::try_from(MAX_TRACKED).unwrap_or(u64::MAX);
    let needed = clients.div_ceil(bound).max(1).next_power_of_two();
    u32::try_from(needed).unwrap_or(1 << 31)
}

/// The rules that currently apply to the client.
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

/// Tracks clients.
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
    /// Clients in the last sample, whether or not there was room to track them.
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
    /// Continues from earlier data.
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

    /// Clients tracked now, and the stride of their sample.
    #[must_use]
    pub fn watched(&self) -> (usize, u32) {
        (self.tracks.len(), self.stride)
    }

    /// The stride of the next sample, by the number of clients in the last one. It shrinks only at half the number that
    /// would allow it, to avoid oscillation.
    #[must_use]
    pub fn next_stride(&self) -> u32 {
        let clients = self.sampled.saturating_mul(self.stride.into());
        let (needed, generous) = (stride_for(clients), stride_for(clients.saturating_mul(2)));
        if needed > self.stride { needed } else { generous.min(self.stride) }
    }

    /// A sample of every `stride`th bucket. `admitted` counts clients admitted by the kernel since its start.
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
        // Clients of buckets that were not sampled before have been there for an unknown time.
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
            // A stride follows the number of clients, which may jump: the next one reduces them.
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

    /// Records clients that left and, at the end of a period, all.
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

    /// Counts clients that were admitted and gone between samples, as far as the sample shows.
    fn miss(&mut self, now: Timestamp, admitted: u64) {
        let Some(before) = self.admitted else { return };
        let came = admitted.saturating_sub(before);
        let seen = self.fresh.saturating_mul(u64::from(self.stride));
        // A partial sample shows only roughly how many came.
        let missed = if self.stride == 1 { came.saturating_sub(seen) } else { 0 };
        let excluded = &mut self.history.today(now).excluded;
        excluded.missed = excluded.missed.saturating_add(missed);
    }

    /// Data to store: everything seen so far, with current clients as if they left now.
    #[must_use]
    pub fn kept(&self, now: Timestamp) -> History {
        let mut history = self.history.clone();
        let today = history.today(now);
        self.fold_all(today);
        history
    }

    /// Everything seen since then, in whole days, including current clients.
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
