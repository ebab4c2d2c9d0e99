//! This host as a member of the fleet: what it says, and what it takes from the others.
//!
//! Nothing here waits. What is to be said goes to a bounded queue; what does not fit is counted, and said after the next
//! connection, because everything that stands is compared with the server's then.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::config::FleetConfig;
use super::key::{PublicKey, SigningKey};
use super::record::{Act, Record};
use super::refusal::Refusal;
use super::roster::{Roster, Says, Statement};
use super::standing::{Effect, Standing, Subject};
use super::state::LinkState;
use crate::clock::Timestamp;

/// How long a lifted decision without an end is remembered as lifted. Hosts that were away for longer start anew.
const REMEMBER_LIFT: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Something for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// A record.
    Record {
        /// In its signed form.
        blob: Vec<u8>,
        /// Until when it is remembered.
        end: Option<Timestamp>,
        /// The record that it replaces.
        replaces: Option<Vec<u8>>,
    },
    /// What the authority said.
    Statement {
        /// Its place in the server's table.
        place: String,
        /// In its signed form.
        blob: Vec<u8>,
    },
}

/// A member.
#[derive(Debug)]
pub struct Member {
    config: FleetConfig,
    key: SigningKey,
    roster: Roster,
    standing: Standing,
    outbox: Sender<Saying>,
    sequence: u64,
    /// Records refused, by cause.
    refused: BTreeMap<Refusal, u64>,
    taken: u64,
    /// Whether records were refused that may be taken later.
    put_off: bool,
    state: Arc<LinkState>,
}

impl Member {
    /// A member that knows nothing yet, and the queue of what it says.
    #[must_use]
    pub fn new(config: FleetConfig, key: SigningKey, now: Timestamp) -> (Self, Receiver<Saying>) {
        let (outbox, queue) = channel(config.queue.max(1));
        let member = Self {
            roster: Roster::new(config.name.clone(), config.authority),
            standing: Standing::new(key.public(), config.bounds),
            sequence: now.unix_nanos().checked_div(1_000).unwrap_or(0),
            state: Arc::default(),
            refused: BTreeMap::new(),
            taken: 0,
            put_off: false,
            outbox,
            config,
            key,
        };
        (member, queue)
    }

    /// This host's key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &FleetConfig {
        &self.config
    }

    /// Who belongs to the fleet.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What stands.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The connection.
    #[must_use]
    pub const fn state(&self) -> &Arc<LinkState> {
        &self.state
    }

    /// Records refused, by cause.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }

    /// Records of other hosts that were news.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether records should be read again, because some were refused that may be taken now.
    pub fn takes_again(&mut self) -> bool {
        std::mem::take(&mut self.put_off)
    }

    /// Counts a record that this host does not apply.
    pub fn refuse(&mut self, why: Refusal) {
        let count = self.refused.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    /// Says that a client is to be held off.
    pub fn hold(&mut self, subject: Subject, until: Option<Timestamp>, reason: String, now: Timestamp) {
        self.say(subject, Act::Hold { until, reason }, false, now);
    }

    /// Says that a client is no longer to be held off: by this host's decision, or by anybody's.
    pub fn lift(&mut self, subject: Subject, everyones: bool, now: Timestamp) {
        if !everyones && !self.standing.holds(&subject) {
            return;
        }
        // As long as anything could come back that it lifts.
        let ends = self.standing.effect(&subject, now).map(|effect| effect.until);
        let own = self.standing.own_end(&subject);
        let ends = [ends, own].into_iter().flatten().map(|end| end.unwrap_or(now.plus(REMEMBER_LIFT)));
        let until = ends.max().unwrap_or(now).max(now.plus(REMEMBER_LIFT));
        self.say(subject, Act::Lift { until }, everyones, now);
    }

    fn say(&mut self, subject: Subject, act: Act, everyones: bool, now: Timestamp) {
        if !self.config.publish {
            return;
        }
        self.sequence = self.sequence.max(self.standing.last_of_own()).saturating_add(1);
        // As precise as it is written; and not earlier than what it lifts, whatever the clocks of other hosts say.
        let now = Timestamp::from_unix_micros(now.unix_nanos().checked_div(1_000).unwrap_or(0));
        let at = if everyones {
            self.standing.latest(&subject).map_or(now, |latest| latest.max(now))
        } else {
            now
        };
        let void = if everyones { Some(at) } else { self.standing.void(&subject).filter(|void| *void <= at) };
        let (prefix, measure) = subject;
        let record = Record { sequence: self.sequence, at, prefix, measure, void, act };
        let end = record.remembered_until();
        let Some(blob) = record.clone().seal(&self.config.name, &self.key) else { return };
        let replaces = self.standing.own_blob(&subject).map(<[u8]>::to_vec);
        // This host's own records are bounded by its own tables.
        if self.standing.offer(self.key.public(), record, &blob, now) == Ok(true) {
            self.send(Saying::Record { blob, end, replaces });
        }
    }

    fn send(&self, saying: Saying) {
        if self.outbox.try_send(saying).is_err() {
            self.state.count_lost();
        }
    }

    /// Takes a record in its signed form. Returns whom it is about if it is news.
    pub fn take(&mut self, blob: &[u8], now: Timestamp) -> Option<Subject> {
        match self.try_take(blob, now) {
            Ok(news) => news,
            Err(why) => {
                self.put_off |= why == Refusal::Rate;
                self.refuse(why);
                None
            }
        }
    }

    /// Takes what this host remembers from before a restart.
    pub fn recall(&mut self, blobs: &[Vec<u8>], now: Timestamp) {
        for blob in blobs {
            let known = self.opened(blob);
            let taken = known.and_then(|(by, record)| self.standing.recall(by, record, blob, now));
            if let Err(why) = taken {
                self.refuse(why);
            }
        }
    }

    fn try_take(&mut self, blob: &[u8], now: Timestamp) -> Result<Option<Subject>, Refusal> {
        let (by, record) = self.opened(blob)?;
        let subject = (record.prefix, record.measure);
        let is_news = self.standing.offer(by, record, blob, now)?;
        if is_news && by != self.key.public() {
            self.taken = self.taken.saturating_add(1);
        }
        Ok(is_news.then_some(subject))
    }

    fn opened(&self, blob: &[u8]) -> Result<(PublicKey, Record), Refusal> {
        let own = self.key.public();
        let trusts = |key| if key == own { Ok(()) } else { self.roster.trusts(key) };
        let (by, record) = Record::open(blob, &self.config.name, trusts)?;
        if self.roster.host(by).is_some_and(|host| host.undone.is_some_and(|undone| record.at <= undone)) {
            return Err(Refusal::Undone);
        }
        Ok((by, record))
    }

    /// Takes a statement of the authority, from the server or from a command. Returns whom it concerns, and whether it
    /// is news.
    ///
    /// # Errors
    /// If the authority did not sign it.
    pub fn hear(&mut self, blob: &[u8]) -> Result<(bool, Vec<Subject>), Refusal> {
        let Some(statement) = self.roster.hear(blob)? else { return Ok((false, Vec::new())) };
        let concerned = match statement.says {
            Says::Undo => self.standing.forget(statement.key, statement.at),
            // Its records may have been refused before.
            Says::Enrol { .. } => {
                self.put_off = true;
                Vec::new()
            }
            Says::Expel => Vec::new(),
        };
        Ok((true, concerned))
    }

    /// Takes a statement from a command, and says it to the others.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn tell(&mut self, statement: &Statement, blob: Vec<u8>) -> Result<Vec<Subject>, Refusal> {
        let (is_news, concerned) = self.hear(&blob)?;
        if is_news {
            self.send(Saying::Statement { place: statement.place(), blob });
        }
        Ok(concerned)
    }

    /// What the other hosts say about a client.
    #[must_use]
    pub fn effect(&self, subject: &Subject, now: Timestamp) -> Option<Effect> {
        if self.config.apply { self.standing.effect(subject, now) } else { None }
    }

    /// The name of a host.
    #[must_use]
    pub fn name_of(&self, key: PublicKey) -> String {
        let named = self.roster.host(key).map(|host| host.host.clone()).filter(|name| !name.is_empty());
        named.unwrap_or_else(|| key.to_string())
    }

    /// Ignores on this host what others said about a client.
    pub fn decline(&mut self, subject: Subject, now: Timestamp) {
        self.standing.decline(subject, now);
    }

    /// Forgets what has ended; returns whom it was about.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Subject> {
        self.standing.expire(now)
    }

    /// Everything that the server should have: statements, and records of hosts that are still trusted; and whether each
    /// is this host's to say at once. What others have to say is said only if they do not.
    #[must_use]
    pub fn everything(&self) -> Vec<(Saying, bool)> {
        let own = self.key.public();
        // An expulsion must not come later than the enrolment that the expelled host says again.
        let enrolment = format!("enrol:{own}");
        let statements = self.roster.blobs().map(|(place, blob)| {
            let is_own = !place.starts_with("enrol:") || place == enrolment;
            (Saying::Statement { place: place.to_owned(), blob: blob.to_vec() }, is_own)
        });
        let records = self.standing.blobs().filter(|(by, ..)| *by == own || self.roster.trusts(*by).is_ok());
        let records = records.filter(|(by, ..)| *by != own || self.config.publish);
        let records = records
            .map(|(by, end, blob)| (Saying::Record { blob: blob.to_vec(), end, replaces: None }, by == own));
        statements.chain(records).collect()
    }
}

#[cfg(test)]
mod tests;
