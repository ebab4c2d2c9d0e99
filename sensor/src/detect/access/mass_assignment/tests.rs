//! What a sender tried is counted as a walk over all that waits would count it.

use proptest::prelude::*;

use super::*;
use crate::detect::made_up::{api_key, exchange};
use crate::inspect::FieldName;

const ROUTE: &str = "/api/me";

/// By a walk.
fn naive(detector: &MassAssignment) -> Vec<((u64, u64), Tried)> {
    let mut all: HashMap<(u64, u64), Tried> = HashMap::new();
    for ((function, _), waiting) in detector.waiting.iter() {
        if waiting.senders.at_least() <= 1 {
            let tried = all.entry((*function, waiting.sender)).or_default();
            tried.fields += 1;
            tried.refused += u32::from(waiting.was_refused);
        }
    }
    sorted(all)
}

fn sorted<S>(all: HashMap<(u64, u64), Tried, S>) -> Vec<((u64, u64), Tried)> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_unstable_by_key(|(by, _)| *by);
    all
}

proptest! {
    #[test]
    fn counts_are_those_of_a_walk(
        capacity in prop_oneof![2_u32..8, Just(WAITING)],
        steps in prop::collection::vec((0_u64..12, 0_u32..4, 0_u64..2, any::<bool>(), 0_u64..40, 0_u8..8), 1..120),
    ) {
        let mut detector = MassAssignment::new(&Detect::default(), 1);
        detector.waiting = Recent::new(capacity, Duration::from_secs(24 * 3_600), 1);
        let mut ms = 0;
        for (field, who, function, is_accepted, wait, rest) in steps {
            // A rest of more than a day now and then: then an entry gives way to one of the same field.
            ms += wait * 60_000 + if rest == 0 { 90_000_000 } else { 0 };
            let power = PowerField { class: "role", name: FieldName::of(b"role"), hash: field };
            let powers = [power];
            let mut one = exchange(ms, who, ROUTE, ROUTE, if is_accepted { 200 } else { 422 });
            one.method = Some("PATCH");
            one.request_bytes = Some(40);
            one.exposed.powers = &powers;
            let fresh = || Function { accepted: 1_000, senders: Distinct::of_bits([u64::MAX; 4]), fields: Vec::new() };
            detector.functions.touch(function, one.seen, fresh);
            let client = ClientNet::of(one.client);
            let _signal = detector.exchange(&one, (function, u64::from(who)), (Some(api_key(who)), client));
            prop_assert_eq!(sorted(detector.tried.clone()), naive(&detector));
            if rest == 1 {
                detector.advance(one.seen, &mut Vec::new());
                prop_assert_eq!(sorted(detector.tried.clone()), naive(&detector));
            }
        }
    }
}
