use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
}

#[test]
fn a_million_keys_stay_within_the_bound_and_busy_ones_stay() {
    let mut table = Recent::new(1_000, Duration::from_secs(600), 1);
    for key in 0..1_000_000_u64 {
        let now = Timestamp::from_unix_nanos(key * 1_000_000);
        table.touch(key + 10, now, || 0);
        *table.touch(1, now, || 0).unwrap() += 1;
    }
    assert_eq!(table.usage().entries, 1_000);
    assert!(table.usage().evicted > 990_000, "{:?}", table.usage());
    let hash = table.hash(&1);
    let now = Timestamp::from_unix_nanos(1_000_000_000_000);
    assert_eq!(table.get(hash, &1, now), Some(&mut 1_000_000));
}

#[test]
fn a_clock_set_back_forgets_at_most_what_it_made_meaningless() {
    let mut table = Recent::new(8, Duration::from_secs(60), 1);
    *table.touch(1, at(100_000), || 0).unwrap() = 5;
    assert_eq!(table.touch(1, at(99_990), || 0), Some(&mut 5));
    assert_eq!(table.touch(1, at(10), || 0), Some(&mut 0));
    assert_eq!(table.usage().entries, 1);
}

proptest! {
    #[test]
    fn it_is_a_map_that_forgets(
        capacity in 1_u32..40,
        steps in prop::collection::vec((0_u8..60, 0_u64..40, any::<bool>()), 1..300),
    ) {
        let keep = Duration::from_secs(30);
        let mut table = Recent::new(capacity, keep, 1);
        let mut model: HashMap<u8, (u64, u32)> = HashMap::new();
        let mut now = 0;
        for (key, wait, sweep) in steps {
            now += wait;
            if sweep {
                table.sweep(at(now), 7, |key, value| {
                    let (seen, known) = model.remove(key).unwrap();
                    assert!(now - seen > 30 && known == value);
                });
            }
            let value = table.touch(key, at(now), || 0).unwrap();
            let known = model.get(&key).filter(|(seen, _)| now - seen <= 30).map_or(0, |(_, value)| *value);
            prop_assert!(*value == known || *value == 0);
            *value += 1;
            model.insert(key, (now, *value));
            prop_assert!(table.usage().entries <= capacity as usize);
            // What it has is what was put in, at one place only.
            let mut keys: Vec<u8> = table.iter().map(|(key, _)| *key).collect();
            prop_assert!(table.iter().all(|(key, value)| model[key].1 == *value));
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(keys.len(), table.usage().entries);
            for key in keys {
                let hash = table.hash(&key);
                prop_assert!(table.find(hash, &key).is_some());
            }
        }
    }

    #[test]
    fn a_table_is_read_piece_by_piece(
        most in 1_usize..20,
        steps in prop::collection::vec((0_u8..120, 0_u64..9), 1..300),
    ) {
        let mut table = Recent::new(100, Duration::from_secs(30), 1);
        let (first, rest) = steps.split_at(steps.len() / 2);
        let (mut now, mut made) = (0, 0);
        // Each entry has a number: one that was forgotten and came back is another.
        let mut step = |table: &mut Recent<u8, u32>, (key, wait): (u8, u64)| {
            now += wait;
            made += 1;
            table.touch(key, at(now), || made);
            table.sweep(at(now), 7, |_, _| {});
        };
        first.iter().for_each(|one| step(&mut table, *one));
        let mut stay: Vec<u32> = table.iter().map(|(_, made)| *made).collect();
        let (mut end, mut met, mut rest) = (usize::MAX, Vec::new(), rest.iter());
        while end > 0 {
            end = end.min(table.usage().entries);
            let piece = table.before(end, most);
            end -= piece.len();
            prop_assert!(piece.len() <= most && (end == 0 || piece.len() == most));
            met.extend(piece.map(|(_, made)| *made));
            rest.by_ref().take(3).for_each(|one| step(&mut table, *one));
            // What was forgotten meanwhile need not be met.
            stay.retain(|made| table.iter().any(|(_, known)| known == made));
        }
        prop_assert!(stay.iter().all(|made| met.contains(made)), "{stay:?} of {met:?}");
    }

    #[test]
    fn different_values_are_counted(count in 0_u32..3_000, seed in any::<u64>()) {
        let hasher = RandomState::with_seeds(seed, 1, 2, 3);
        let mut distinct = Distinct::<16>::NONE;
        for value in (0..count).chain(0..count) {
            distinct.note(hasher.hash_one(value));
        }
        prop_assert!(distinct.at_least() <= count);
        let error = distinct.estimate().abs_diff(count);
        prop_assert!(error <= count / 5 + 2, "{} for {count}", distinct.estimate());
    }
}
