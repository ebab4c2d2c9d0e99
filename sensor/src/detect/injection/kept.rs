//! Profiles of fields as base64 for a file, so that a restart does not report each editor anew.
//!
//! A field is a keyed hash, as in findings. Files may contain anything: input is checked, and nothing read from one makes a
//! field ordinary before its time.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::profile::{CLIENTS, Field};
use crate::clock::Timestamp;
use crate::inspect::injection::Class;
use crate::prefix::ClientNet;

/// Maximum fields kept: those that last had a hit.
pub(super) const MOST: usize = 8_192;

/// Bytes of a client: 16 of its prefix, 1 for the number of bits plus one; 0 for none.
const CLIENT: usize = 17;
/// Bytes of a field: 8 of its hash, 8 for when it was last hit, 8 since when it counts, 4 for the hits, and its clients.
const FIELD: usize = 28 + CLIENTS * CLIENT;

/// Fields by class, oldest hit first: some 900 KB at most.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Kept {
    classes: BTreeMap<String, String>,
}

/// A field with its key and the time of its last hit.
pub(super) type Entry = ((u64, &'static str), Timestamp, Field);

impl Kept {
    pub(super) fn of<'f>(
        fields: impl Iterator<Item = (&'f (u64, &'static str), Timestamp, &'f Field)>,
    ) -> Self {
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by_key(|(key, hit, _)| (*hit, **key));
        let mut classes: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for ((hash, class), hit, field) in fields.iter().rev().take(MOST).rev() {
            let bytes = classes.entry(class).or_default();
            bytes.extend(hash.to_le_bytes());
            bytes.extend(hit.unix_nanos().to_le_bytes());
            bytes.extend(field.since.unix_nanos().to_le_bytes());
            bytes.extend(field.hits.to_le_bytes());
            for client in &field.clients {
                let (hi, lo, length) = client.map_or((0, 0, 0), |client| {
                    let (hi, lo, length) = client.parts();
                    (hi, lo, length.saturating_add(1))
                });
                bytes.extend(hi.to_le_bytes());
                bytes.extend(lo.to_le_bytes());
                bytes.push(length);
            }
        }
        let encoded =
            classes.into_iter().map(|(class, bytes)| (class.to_owned(), BASE64_STANDARD.encode(bytes)));
        Self { classes: encoded.collect() }
    }

    /// The stored fields, oldest hit first, and what is wrong with the rest.
    pub(super) fn read(&self) -> (Vec<Entry>, Option<String>) {
        let mut entries: Vec<Entry> = Vec::new();
        let mut unread = 0_usize;
        for (name, text) in &self.classes {
            let class = Class::ALL.iter().map(|class| class.label()).find(|label| label == name);
            let (Some(class), Ok(bytes)) = (class, BASE64_STANDARD.decode(text)) else {
                unread = unread.saturating_add(1);
                continue;
            };
            let (whole, rest) = bytes.as_chunks::<FIELD>();
            let known = entries.len();
            entries.extend(whole.iter().filter_map(|bytes| entry(bytes, class)));
            let is_damaged = !rest.is_empty() || entries.len().saturating_sub(known) < whole.len();
            unread = unread.saturating_add(usize::from(is_damaged));
        }
        entries.sort_by_key(|(key, hit, _)| (*hit, *key));
        entries.drain(..entries.len().saturating_sub(MOST));
        let why = (unread > 0).then(|| format!("injection: fields of {unread} classes cannot be read"));
        (entries, why)
    }
}

fn entry(bytes: &[u8; FIELD], class: &'static str) -> Option<Entry> {
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (hit, rest) = rest.split_first_chunk::<8>()?;
    let (since, rest) = rest.split_first_chunk::<8>()?;
    let (hits, rest) = rest.split_first_chunk::<4>()?;
    let (stored, _) = rest.as_chunks::<CLIENT>();
    let mut clients = [None; CLIENTS];
    for (place, bytes) in clients.iter_mut().zip(stored) {
        *place = client(bytes)?;
    }
    let [hit, since] = [hit, since].map(|bytes| Timestamp::from_unix_nanos(u64::from_le_bytes(*bytes)));
    let field = Field { since, clients, hits: u32::from_le_bytes(*hits) };
    (since <= hit).then_some(((u64::from_le_bytes(*hash), class), hit, field))
}

/// A client, or none; nothing if the bytes are neither.
fn client(bytes: &[u8; CLIENT]) -> Option<Option<ClientNet>> {
    let (hi, rest) = bytes.split_first_chunk::<8>()?;
    let (lo, rest) = rest.split_first_chunk::<8>()?;
    let length = *rest.first()?;
    let Some(length) = length.checked_sub(1) else { return Some(None) };
    ClientNet::from_parts(u64::from_le_bytes(*hi), u64::from_le_bytes(*lo), length).map(Some)
}
