//! Incidents in the database. Participants have rows of their own: in an attack by thousands of clients, only some
//! change at a time.

use ipnet::IpNet;
use rusqlite::{Transaction, params};

use super::database::DatabaseError;
use super::reader::{ReadError, Reader, bounded};
use super::schema::{self, micros};
use crate::clock::Timestamp;
use crate::decide::{About, Incident, Participant, RecordId, State};
use crate::printable::to_json;

/// Incidents removed at once: each may have thousands of participants.
const CHUNK: usize = 50;

/// Selects incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that started, or continued, since a moment.
    Since(Timestamp),
    /// Those still open.
    Open,
    /// Those with a report after a moment.
    Told(Timestamp),
    /// Those that share an address with a prefix, by subject or participants.
    Of(IpNet),
    /// Those about an account, a principal, a route or the host, as records have it.
    About(String),
}

/// Writes an incident, with the participants it contains.
pub(super) fn insert(transaction: &Transaction<'_>, incident: &Incident) -> Result<(), DatabaseError> {
    let id = incident.id.to_string();
    for participant in &incident.offenders {
        let (first, last) = schema::range(&participant.client.prefix());
        let text = to_json(participant)?;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO participants (incident, first, last, record) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, first, last, text])?;
    }
    let alone = Incident { offenders: Vec::new(), ..incident.clone() };
    let subject = match &incident.about {
        About::Client(client) => client.to_string(),
        About::Subject(subject) => subject.clone(),
    };
    let (first, last) = incident.about.prefix().map(|prefix| schema::range(&prefix)).unzip();
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO incidents (id, ts, told, open, subject, first, last, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id,
            micros(incident.last),
            micros(incident.told),
            incident.state == State::Open,
            subject,
            first,
            last,
            to_json(&alone)?
        ])?;
    Ok(())
}

/// Removes some that are over and expired; returns how many, and whether there may be more.
pub(super) fn prune(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<(usize, bool)> {
    let ids: Vec<String> = transaction
        .prepare_cached("SELECT id FROM incidents WHERE ts <= ?1 AND NOT open ORDER BY ts LIMIT ?2")?
        .query_map(params![before, bounded(CHUNK)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        transaction.prepare_cached("DELETE FROM participants WHERE incident = ?1")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM incidents WHERE id = ?1")?.execute([id])?;
    }
    Ok((ids.len(), ids.len() >= CHUNK))
}

impl Reader {
    /// The latest of the selected incidents, at most `limit`, oldest first; without participants.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn incidents(&self, which: &Which, limit: usize) -> Result<Vec<Incident>, ReadError> {
        let by = |filter: &str| {
            format!(
                "SELECT record FROM (SELECT ts, id, record FROM incidents WHERE {filter}
                 ORDER BY ts DESC, id DESC LIMIT ?1) ORDER BY ts, id"
            )
        };
        let limit = bounded(limit);
        match which {
            Which::Since(since) => self.records(&by("ts >= ?2"), params![limit, micros(*since)]),
            Which::Open => self.records(&by("open"), params![limit]),
            Which::Told(since) => self.records(&by("told > ?2"), params![limit, micros(*since)]),
            Which::About(subject) => self.records(&by("subject = ?2"), params![limit, subject]),
            Which::Of(prefix) => {
                let (first, last) = schema::range(prefix);
                let filter = "(first <= ?3 AND last >= ?2) OR id IN
                     (SELECT incident FROM participants WHERE first <= ?3 AND last >= ?2)";
                self.records(&by(filter), params![limit, first, last])
            }
        }
    }

    /// One incident with all participants, those with the most attempts first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn incident(&self, id: RecordId) -> Result<Option<Incident>, ReadError> {
        let found = self.incident_alone(id)?;
        found.map(|incident| self.with_participants(incident)).transpose()
    }

    /// One incident, without participants.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn incident_alone(&self, id: RecordId) -> Result<Option<Incident>, ReadError> {
        let sql = "SELECT record FROM incidents WHERE id = ?1";
        Ok(self.records(sql, params![id.to_string()])?.pop())
    }

    /// An incident with all participants.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn with_participants(&self, mut incident: Incident) -> Result<Incident, ReadError> {
        let sql = "SELECT record FROM participants WHERE incident = ?1";
        let mut offenders: Vec<Participant> = self.records(sql, params![incident.id.to_string()])?;
        offenders.sort_by_key(|one| (std::cmp::Reverse(one.attempts), one.client));
        incident.offenders = offenders;
        Ok(incident)
    }
}
