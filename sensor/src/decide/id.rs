//! Identifiers of records: stable, sortable by time, and reproducible in a replay.
//!
//! 128 bits as 26 characters of Crockford's base 32, as in ULID: 48 bits of milliseconds since 1970, then, where a
//! ULID has random bits, 64 of a sequence and 16 of an instance. So the same events give the same identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// Identifies a record. Later ones are greater, both as values and as texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(u128);

/// Digits: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Digits of 5 bits; the first has the 3 that are left.
const DIGITS: usize = 26;
/// Milliseconds have 48 bits: until the year 10889.
const MAX_MILLIS: u128 = (1 << 48) - 1;

impl RecordId {
    /// The identifier of the record with this place in the sequence of an instance.
    #[must_use]
    pub fn new(at: Timestamp, sequence: u64, instance: u16) -> Self {
        let millis = u128::from(at.unix_nanos() / 1_000_000).min(MAX_MILLIS);
        Self(millis << 80 | u128::from(sequence) << 16 | u128::from(instance))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..DIGITS).rev() {
            let digit = self.0.checked_shr(shift(place)).unwrap_or(0) & 31;
            let digit = usize::try_from(digit).ok().and_then(|digit| ALPHABET.get(digit));
            fmt::Write::write_char(out, digit.map_or('0', |digit| char::from(*digit)))?;
        }
        Ok(())
    }
}

fn shift(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(0).saturating_mul(5)
}

/// Not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected 26 digits and letters, such as 01K7Z3V5Q8000000000000040G")]
pub struct IdError;

impl FromStr for RecordId {
    type Err = IdError;

    /// Parses an identifier; lower case is accepted.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != DIGITS || !text.starts_with(|first| ('0'..='7').contains(&first)) {
            return Err(IdError);
        }
        let digit = |byte: u8| ALPHABET.iter().position(|known| *known == byte.to_ascii_uppercase());
        text.bytes()
            .try_fold(0_u128, |value, byte| Some(value << 5 | u128::try_from(digit(byte)?).ok()?))
            .map(Self)
            .ok_or(IdError)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Assigns identifiers in order.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    sequence: u64,
    instance: u16,
}

impl Ids {
    /// A sequence that starts at 0. The instance is random in a daemon, so that one restarted with its clock set back
    /// repeats no identifier, and 0 in a replay.
    #[must_use]
    pub const fn new(instance: u16) -> Self {
        Self { sequence: 0, instance }
    }

    /// The next identifier.
    pub fn next(&mut self, at: Timestamp) -> RecordId {
        let id = RecordId::new(at, self.sequence, self.instance);
        self.sequence = self.sequence.wrapping_add(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        let at = Timestamp::from_unix_micros(1_469_918_176_385_000);
        // The time of the example in the ULID specification.
        assert_eq!(RecordId::new(at, 0, 0).to_string(), "01ARYZ6S410000000000000000");
        assert_eq!(RecordId(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        for bad in [
            "",
            "01ARYZ6S41000000000000000",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "01ARYZ6S4100000000000000U0",
            "ü1ARYZ6S410000000000000000",
            "01ARYZ6S4100000000000000ü",
        ] {
            assert_eq!(bad.parse::<RecordId>(), Err(IdError), "{bad}");
        }
        assert_eq!("01aryz6s410000000000000000".parse(), Ok(RecordId::new(at, 0, 0)));
    }

    proptest! {
        #[test]
        fn a_text_is_read_back(value: u128) {
            prop_assert_eq!(RecordId(value).to_string().parse(), Ok(RecordId(value)));
        }

        #[test]
        fn ids_sort_by_time_then_sequence(
            // Few different milliseconds, so that many are the same.
            one in (0_u64..3_000, any::<u64>()), other in (0_u64..3_000, any::<u64>()),
            instances: (u16, u16),
        ) {
            let id = |(us, sequence), instance| RecordId::new(Timestamp::from_unix_micros(us), sequence, instance);
            let key = |(us, sequence): (u64, u64), instance: u16| (us / 1_000, sequence, instance);
            let (first, second) = (id(one, instances.0), id(other, instances.1));
            prop_assert_eq!(first.cmp(&second), key(one, instances.0).cmp(&key(other, instances.1)));
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), first.cmp(&second));
        }

        #[test]
        fn a_replay_gives_the_same_ids(times: Vec<u64>) {
            let give = || {
                let mut ids = Ids::new(0);
                times.iter().map(|at| ids.next(Timestamp::from_unix_nanos(*at))).collect::<Vec<_>>()
            };
            let ids = give();
            prop_assert_eq!(&ids, &give());
            prop_assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
        }
    }
}
