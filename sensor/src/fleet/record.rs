//! A decision as it travels: who is held off or let go, until when, and in which order its host said so.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::key::{Kind, MAX_BLOB, PublicKey, Sealed, SigningKey};
use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::decide::Measure;
use crate::printable::to_json;

/// Longest reason, in characters; what is beyond is cut off.
const MAX_REASON: usize = 200;

/// What a host decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The client is to be held off.
    Hold {
        /// When that ends; absent if it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Why, for people.
        reason: String,
    },
    /// What this host said about it no longer holds.
    Lift {
        /// Until when the record has to be remembered: the end of what is lifted.
        until: Timestamp,
    },
}

/// One record. Of those of one host about one client and measure, the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Rises with each record of a host; it begins with the time of the start, in microseconds since 1970.
    pub sequence: u64,
    /// When it was decided, by the host's clock.
    pub at: Timestamp,
    /// About whom.
    pub prefix: IpNet,
    /// How.
    pub measure: Measure,
    /// Decisions of all hosts until then are void, because a person lifted them; later records repeat it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Timestamp>,
    /// What was decided.
    pub act: Act,
}

impl Record {
    /// Until when it has to be remembered; absent: for good.
    #[must_use]
    pub const fn remembered_until(&self) -> Option<Timestamp> {
        match &self.act {
            Act::Hold { until, .. } => *until,
            Act::Lift { until } => Some(*until),
        }
    }

    /// Whether it lifts the decisions of all hosts.
    #[must_use]
    pub fn lifts_all(&self) -> bool {
        matches!(self.act, Act::Lift { .. }) && self.void == Some(self.at)
    }

    /// The record as its host sends it.
    #[must_use]
    pub fn seal(mut self, fleet: &str, key: &SigningKey) -> Option<Vec<u8>> {
        if let Act::Hold { reason, .. } = &mut self.act {
            *reason = reason.chars().take(MAX_REASON).collect();
        }
        let payload = to_json(&self).ok()?;
        let blob = key.seal(Kind::Decision, fleet, payload.as_bytes());
        (blob.len() <= MAX_BLOB).then_some(blob)
    }

    /// Reads a record whose signer is `trusted`.
    ///
    /// # Errors
    /// If it is not a record, its signer is not trusted, or the signature is wrong.
    pub fn open(
        blob: &[u8],
        fleet: &str,
        trusted: impl FnOnce(PublicKey) -> Result<(), Refusal>,
    ) -> Result<(PublicKey, Self), Refusal> {
        let sealed = Sealed::parse(blob)?;
        // Cheaper than a signature.
        trusted(sealed.by)?;
        let payload = sealed.verify(Kind::Decision, fleet)?;
        let mut record: Self = serde_json::from_slice(payload).map_err(|_error| Refusal::Malformed)?;
        record.prefix = record.prefix.trunc();
        // A limit is not shared: its budget would be that of one host. And nobody lifts what is still to come.
        if record.measure == Measure::Limit || record.void.is_some_and(|void| void > record.at) {
            return Err(Refusal::Malformed);
        }
        Ok((sealed.by, record))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::key::key;
    use super::*;

    pub(in crate::fleet) fn record() -> impl Strategy<Value = Record> {
        let act = prop_oneof![
            (prop::option::of(1_u64..u64::from(u32::MAX)), "\\PC{0,300}").prop_map(|(until, reason)| {
                Act::Hold { until: until.map(Timestamp::from_unix_micros), reason }
            }),
            (1_u64..u64::from(u32::MAX))
                .prop_map(|until| Act::Lift { until: Timestamp::from_unix_micros(until) }),
        ];
        (any::<u64>(), 1_u64..u64::from(u32::MAX), any::<u128>(), 0_u8..=128, any::<bool>(), act).prop_map(
            |(sequence, at, address, length, denies, act)| Record {
                sequence,
                at: Timestamp::from_unix_micros(at),
                prefix: IpNet::new(std::net::Ipv6Addr::from_bits(address).into(), length).unwrap().trunc(),
                measure: if denies { Measure::Deny } else { Measure::Block },
                void: denies.then(|| Timestamp::from_unix_micros(at / 2)),
                act,
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_is_read_back(record in record()) {
            let blob = record.clone().seal("shop", &key(1)).unwrap();
            let (by, read) = Record::open(&blob, "shop", |_key| Ok(())).unwrap();
            prop_assert_eq!(by, key(1).public());
            let mut expected = record;
            if let Act::Hold { reason, .. } = &mut expected.act {
                *reason = reason.chars().take(MAX_REASON).collect();
            }
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn signed_nonsense_is_refused(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let blob = key(1).seal(Kind::Decision, "shop", &payload);
            prop_assert_eq!(Record::open(&blob, "shop", |_key| Ok(())), Err(Refusal::Malformed));
        }
    }

    #[test]
    fn nobody_verifies_what_a_stranger_says() {
        let blob = key(1).seal(Kind::Decision, "another fleet", b"{}");
        let refused = Record::open(&blob, "shop", |_key| Err(Refusal::Stranger));
        assert_eq!(refused, Err(Refusal::Stranger), "trust is asked before the signature");
    }
}
