//! What all hosts decided and still holds, by client and host; pure.
//!
//! Each host's last record about a client and measure counts, by sequence, so records may come twice, late, or in any
//! order: all hosts that have seen the same records agree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use super::config::Bounds;
use super::key::PublicKey;
use super::record::{Act, Record};
use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::decide::Measure;

/// How far ahead of this host's clock a record may be. NTP keeps hosts within a second; without it they drift minutes.
const MAX_AHEAD: Duration = Duration::from_secs(300);

/// A client, and what is done about it.
pub type Subject = (IpNet, Measure);

/// A record with its signed form, which any host may send again.
#[derive(Clone, Debug)]
struct Kept {
    record: Record,
    blob: Vec<u8>,
}

/// A host's share.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    records: usize,
    /// Theoretical arrival time of its next decision (GCRA).
    next: Timestamp,
}

/// What the other hosts say about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which of them holds it off longest.
    pub by: PublicKey,
    /// Until when; absent: for good.
    pub until: Option<Timestamp>,
    /// Since when, by that host's clock.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// All records that are remembered.
#[derive(Debug)]
pub struct Standing {
    own: PublicKey,
    bounds: Bounds,
    records: BTreeMap<Subject, BTreeMap<PublicKey, Kept>>,
    by_end: BTreeSet<(Timestamp, Subject, PublicKey)>,
    hosts: BTreeMap<PublicKey, Tally>,
    /// Whom a person let go on this host alone, and when.
    declined: BTreeMap<Subject, Timestamp>,
    last_of_own: u64,
}

impl Standing {
    /// Nothing yet.
    #[must_use]
    pub const fn new(own: PublicKey, bounds: Bounds) -> Self {
        Self {
            own,
            bounds,
            records: BTreeMap::new(),
            by_end: BTreeSet::new(),
            hosts: BTreeMap::new(),
            declined: BTreeMap::new(),
            last_of_own: 0,
        }
    }

    /// Takes a verified record. Returns whether it is news; one that came before, or was overtaken, is not.
    ///
    /// # Errors
    /// If the host may not say that, or not now; the same record may be offered again.
    pub fn offer(
        &mut self,
        by: PublicKey,
        record: Record,
        blob: &[u8],
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        self.admit(by, record, blob, now, false)
    }

    /// Takes a record again that was in force here before a restart.
    ///
    /// # Errors
    /// As [`Self::offer`], but never for its pace.
    pub fn recall(
        &mut self,
        by: PublicKey,
        record: Record,
        blob: &[u8],
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        self.admit(by, record, blob, now, true)
    }

    fn admit(
        &mut self,
        by: PublicKey,
        record: Record,
        blob: &[u8],
        now: Timestamp,
        is_known: bool,
    ) -> Result<bool, Refusal> {
        let subject = (record.prefix, record.measure);
        let known = self.records.get(&subject).and_then(|hosts| hosts.get(&by));
        if known.is_some_and(|known| known.record.sequence >= record.sequence) {
            return Ok(false);
        }
        if record.remembered_until().is_some_and(|until| until <= now) {
            return Ok(false);
        }
        if record.at > now.plus(MAX_AHEAD) {
            return Err(Refusal::Early);
        }
        if self.bounds.is_too_wide(&record.prefix) && by != self.own {
            return Err(Refusal::Wide);
        }
        let is_new = known.is_none();
        let tally = self.hosts.entry(by).or_default();
        if is_new && tally.records >= self.bounds.max_records {
            return Err(Refusal::Full);
        }
        // Letting one's own client go is always possible; ending what others decided is a decision.
        let is_charged = matches!(record.act, Act::Hold { .. }) || record.lifts_all();
        if by != self.own && is_charged && !is_known {
            tally.next = self.bounds.charge(tally.next, now).ok_or(Refusal::Rate)?;
        }
        self.insert(by, Kept { record, blob: blob.to_vec() });
        Ok(true)
    }

    fn insert(&mut self, by: PublicKey, kept: Kept) {
        let subject = (kept.record.prefix, kept.record.measure);
        self.remove(subject, by);
        if by == self.own {
            self.last_of_own = self.last_of_own.max(kept.record.sequence);
        }
        if let Some(until) = kept.record.remembered_until() {
            self.by_end.insert((until, subject, by));
        }
        self.records.entry(subject).or_default().insert(by, kept);
        let tally = self.hosts.entry(by).or_default();
        tally.records = tally.records.saturating_add(1);
    }

    fn remove(&mut self, subject: Subject, by: PublicKey) {
        let Some(hosts) = self.records.get_mut(&subject) else { return };
        let Some(kept) = hosts.remove(&by) else { return };
        if hosts.is_empty() {
            self.records.remove(&subject);
        }
        if let Some(until) = kept.record.remembered_until() {
            self.by_end.remove(&(until, subject, by));
        }
        if let Some(tally) = self.hosts.get_mut(&by) {
            tally.records = tally.records.saturating_sub(1);
        }
    }

    /// What other hosts' records amount to. The one that ends last counts.
    #[must_use]
    pub fn effect(&self, subject: &Subject, now: Timestamp) -> Option<Effect> {
        let hosts = self.records.get(subject)?;
        let lifted = self.void(subject).max(self.declined.get(subject).copied());
        let holds = hosts.iter().filter(|(by, _)| **by != self.own).filter_map(|(by, kept)| {
            let Act::Hold { until, reason } = &kept.record.act else { return None };
            let since = kept.record.at;
            let stands = until.is_none_or(|until| until > now) && lifted.is_none_or(|lifted| since > lifted);
            stands.then(|| Effect { by: *by, until: *until, since, reason: reason.clone() })
        });
        holds.max_by_key(|effect| (effect.until.is_none(), effect.until))
    }

    /// What each host says about a client, this one included, whether or not it is lifted.
    pub fn said<'a>(&'a self, subject: &Subject) -> impl Iterator<Item = Effect> + use<'a> {
        let hosts = self.records.get(subject).into_iter().flatten();
        hosts.filter_map(|(by, kept)| {
            let Act::Hold { until, reason } = &kept.record.act else { return None };
            Some(Effect { by: *by, until: *until, since: kept.record.at, reason: reason.clone() })
        })
    }

    /// Decisions until then are void, because a person lifted them.
    #[must_use]
    pub fn void(&self, subject: &Subject) -> Option<Timestamp> {
        self.records.get(subject)?.values().filter_map(|kept| kept.record.void).max()
    }

    /// Whether this host says that the client is to be held off.
    #[must_use]
    pub fn holds(&self, subject: &Subject) -> bool {
        self.own_record(subject).is_some_and(|record| matches!(record.act, Act::Hold { .. }))
    }

    fn own_record(&self, subject: &Subject) -> Option<&Record> {
        Some(&self.records.get(subject)?.get(&self.own)?.record)
    }

    /// Clients that this host says are to be held off.
    pub fn own_holds(&self) -> impl Iterator<Item = Subject> + '_ {
        self.records.keys().filter(|subject| self.holds(subject)).copied()
    }

    /// The last sequence of this host's records.
    #[must_use]
    pub const fn last_of_own(&self) -> u64 {
        self.last_of_own
    }

    /// This host's record about a client in its signed form.
    #[must_use]
    pub fn own_blob(&self, subject: &Subject) -> Option<&[u8]> {
        Some(&self.records.get(subject)?.get(&self.own)?.blob)
    }

    /// Until when this host's record about a client has to be remembered.
    #[must_use]
    pub fn own_end(&self, subject: &Subject) -> Option<Option<Timestamp>> {
        self.own_record(subject).map(Record::remembered_until)
    }

    /// The latest time in a record about a client.
    #[must_use]
    pub fn latest(&self, subject: &Subject) -> Option<Timestamp> {
        self.records.get(subject)?.values().map(|kept| kept.record.at).max()
    }

    /// Ignores, on this host alone, what was said about a client until now.
    pub fn decline(&mut self, subject: Subject, now: Timestamp) {
        // By others' clocks, some of it may be said later.
        let until = self.latest(&subject).map_or(now, |latest| latest.max(now));
        self.declined.insert(subject, until);
    }

    /// Every client that somebody said something about.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> + '_ {
        self.records.keys().copied()
    }

    /// Everything that is remembered, with its end, in its signed form.
    pub fn blobs(&self) -> impl Iterator<Item = (PublicKey, Option<Timestamp>, &[u8])> {
        let all = self.records.values().flatten();
        all.map(|(by, kept)| (*by, kept.record.remembered_until(), kept.blob.as_slice()))
    }

    /// Records by host.
    pub fn counts(&self) -> impl Iterator<Item = (PublicKey, usize)> + '_ {
        self.hosts.iter().map(|(key, tally)| (*key, tally.records))
    }

    /// How many records are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.values().fold(0, |sum, tally| sum.saturating_add(tally.records))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets a host's records until a moment; returns whom they were about.
    pub fn forget(&mut self, by: PublicKey, until: Timestamp) -> Vec<Subject> {
        let of_host = self
            .records
            .iter()
            .filter(|(_, hosts)| hosts.get(&by).is_some_and(|kept| kept.record.at <= until));
        let subjects: Vec<Subject> = of_host.map(|(subject, _)| *subject).collect();
        subjects.iter().for_each(|subject| self.remove(*subject, by));
        subjects
    }

    /// Forgets what has ended; returns whom it was about.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Subject> {
        let ended: Vec<_> = self.by_end.iter().take_while(|(until, ..)| *until <= now).copied().collect();
        for (_, subject, by) in &ended {
            self.remove(*subject, *by);
        }
        if !ended.is_empty() {
            let records = &self.records;
            self.declined.retain(|subject, _| records.contains_key(subject));
        }
        ended.into_iter().map(|(_, subject, _)| subject).collect()
    }
}

#[cfg(test)]
mod tests;
