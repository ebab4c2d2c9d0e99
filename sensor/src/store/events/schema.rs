//! The tables, and the representation of values.
//!
//! A record is stored as JSON, next to the columns used for look-ups, so that a new field needs no new schema. Times
//! are microseconds since 1970. Addresses are the first and the last of the prefix, as 16 bytes of IPv6 with IPv4
//! mapped: they compare like the addresses.

use ipnet::IpNet;
use rusqlite::Connection;

use crate::clock::Timestamp;

/// Each step upgrades a database from the version of its index in this list to the next.
const STEPS: [&str; 2] = [ALERTS, INCIDENTS];

const ALERTS: &str = "
    CREATE TABLE alerts (
        id TEXT NOT NULL PRIMARY KEY,
        ts INTEGER NOT NULL,
        first BLOB,
        last BLOB,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alerts_by_time ON alerts (ts);
    CREATE INDEX alerts_by_address ON alerts (first, last) WHERE first IS NOT NULL;
    CREATE TABLE audit (
        id TEXT NOT NULL PRIMARY KEY,
        ts INTEGER NOT NULL,
        first BLOB,
        last BLOB,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_time ON audit (ts);
    CREATE INDEX audit_by_address ON audit (first, last) WHERE first IS NOT NULL;
    CREATE TABLE decisions (
        prefix TEXT NOT NULL,
        measure TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        lifted INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (prefix, measure, since)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX decisions_by_beginning ON decisions (since);
    CREATE INDEX decisions_by_end ON decisions (until);
";

/// `first` and `last` of an incident are its subject's addresses; participants have rows of their own, which are
/// written independently.
const INCIDENTS: &str = "
    CREATE TABLE incidents (
        id TEXT NOT NULL PRIMARY KEY,
        ts INTEGER NOT NULL,
        told INTEGER NOT NULL,
        open INTEGER NOT NULL,
        subject TEXT NOT NULL,
        first BLOB,
        last BLOB,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX incidents_by_time ON incidents (ts);
    CREATE INDEX incidents_by_step ON incidents (told);
    CREATE INDEX incidents_open ON incidents (open) WHERE open;
    CREATE INDEX incidents_by_subject ON incidents (subject);
    CREATE INDEX incidents_by_address ON incidents (first, last) WHERE first IS NOT NULL;
    CREATE TABLE participants (
        incident TEXT NOT NULL,
        first BLOB NOT NULL,
        last BLOB NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (incident, first, last)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX participants_by_address ON participants (first, last);
";

/// Tables that this program does not write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// A newer version of this program created them.
    Newer(i64),
    /// They belong to another program.
    Foreign,
}

/// The version of the tables: the number of upgrade steps applied. Nothing is written.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Result<usize, Unknown>> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match usize::try_from(version) {
        Ok(0) if tables > 0 => Err(Unknown::Foreign),
        Ok(known) if known <= STEPS.len() => Ok(known),
        Ok(_) => Err(Unknown::Newer(version)),
        Err(_negative) => Err(Unknown::Foreign),
    })
}

/// Upgrades the tables from a version to this program's.
pub(super) fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (step, number) in STEPS.iter().zip(1_usize..).skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {number}"))?;
        transaction.commit()?;
    }
    Ok(())
}

/// The expiry of what does not expire.
pub(super) const NEVER: i64 = i64::MAX;

pub(super) fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.unix_nanos() / 1_000).unwrap_or(NEVER)
}

/// First and last address of a prefix.
pub(super) fn range(prefix: &IpNet) -> ([u8; 16], [u8; 16]) {
    match prefix {
        IpNet::V4(prefix) => {
            (prefix.network().to_ipv6_mapped().octets(), prefix.broadcast().to_ipv6_mapped().octets())
        }
        IpNet::V6(prefix) => (prefix.network().octets(), prefix.broadcast().octets()),
    }
}
