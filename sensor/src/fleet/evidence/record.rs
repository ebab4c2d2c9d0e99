//! A slot as it travels: what a host counted in it so far, signed.

use crate::detect::shared::{MAX_SLOT, Slot};
use crate::fleet::key::{Kind, PublicKey, Sealed, SigningKey};
use crate::fleet::refusal::Refusal;

/// What precedes the payload in a blob, and the numbers in front of a slot.
const HEAD: usize = 1 + 32 + 64 + 16;
/// Longest record.
pub(super) const MAX_RECORD: usize = MAX_SLOT + HEAD;

/// One.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Which slot of time, counted since 1970.
    pub(super) number: u64,
    /// Rises with each record of a host: when it was written, in microseconds since 1970.
    pub(super) sequence: u64,
    pub(super) slot: Slot,
}

/// A record in its signed form.
pub(super) fn seal(number: u64, sequence: u64, slot: &[u8], fleet: &str, key: &SigningKey) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend(sequence.to_be_bytes());
    payload.extend(slot);
    key.seal(Kind::Evidence, fleet, &payload)
}

impl Record {
    /// Reads a record that has to be of a host, about a slot, and newer than a sequence.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn open(
        blob: &[u8],
        fleet: &str,
        (by, number, newer): (PublicKey, u64, u64),
    ) -> Result<Self, Refusal> {
        let sealed = Sealed::parse_longer(blob, MAX_RECORD)?;
        if sealed.by != by {
            return Err(Refusal::Stranger);
        }
        let payload = sealed.verify(Kind::Evidence, fleet)?;
        let (numbers, slot) = payload.split_first_chunk::<16>().ok_or(Refusal::Malformed)?;
        let both = u128::from_be_bytes(*numbers);
        let read = |bits: u128| u64::try_from(bits).unwrap_or(u64::MAX);
        let record = Self {
            number: read(both >> 64),
            sequence: read(both & u128::from(u64::MAX)),
            slot: Slot::read(slot).ok_or(Refusal::Malformed)?,
        };
        // The server may offer an older one, or one of another time.
        if record.number != number || record.sequence <= newer {
            return Err(Refusal::Stale);
        }
        Ok(record)
    }
}
