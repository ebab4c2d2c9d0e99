use proptest::prelude::*;

use super::super::key::key;
use super::super::record::tests::record;
use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn host(number: u8) -> PublicKey {
    key(number).public()
}

fn client(number: u8) -> IpNet {
    IpNet::from(std::net::IpAddr::from([192, 0, 2, number]))
}

fn hold(sequence: u64, seconds: u64, number: u8, until: Option<u64>) -> Record {
    Record {
        sequence,
        at: at(seconds),
        prefix: client(number),
        measure: Measure::Block,
        void: None,
        act: Act::Hold { until: until.map(at), reason: "test".to_owned() },
    }
}

fn lift(sequence: u64, seconds: u64, number: u8, everyones: bool) -> Record {
    let void = everyones.then(|| at(seconds));
    Record { act: Act::Lift { until: at(1_000) }, void, ..hold(sequence, seconds, number, None) }
}

fn standing() -> Standing {
    Standing::new(host(1), Bounds::default())
}

fn until(standing: &Standing, number: u8, now: u64) -> Option<Option<Timestamp>> {
    standing.effect(&(client(number), Measure::Block), at(now)).map(|effect| effect.until)
}

#[test]
fn what_other_hosts_say_holds_until_it_ends() {
    let mut all = standing();
    assert_eq!(all.offer(host(2), hold(1, 10, 7, Some(50)), b"a", at(10)), Ok(true));
    assert_eq!(all.offer(host(3), hold(1, 10, 7, Some(90)), b"b", at(10)), Ok(true));
    assert_eq!(all.offer(host(1), hold(1, 10, 8, Some(90)), b"c", at(10)), Ok(true));
    assert_eq!(until(&all, 7, 11), Some(Some(at(90))));
    assert_eq!(until(&all, 8, 11), None, "its own decisions are elsewhere");
    assert!(all.holds(&(client(8), Measure::Block)));
    assert_eq!(all.expire(at(60)), [(client(7), Measure::Block)]);
    assert_eq!(until(&all, 7, 61), Some(Some(at(90))));
    assert_eq!((all.expire(at(90)).len(), all.len()), (2, 0));
    assert_eq!(all.offer(host(2), hold(9, 10, 7, Some(50)), b"a", at(60)), Ok(false), "it is over");
}

#[test]
fn a_replayed_record_changes_nothing() {
    let mut all = standing();
    let first = hold(1, 10, 7, Some(500));
    assert_eq!(all.offer(host(2), first.clone(), b"a", at(10)), Ok(true));
    assert_eq!(all.offer(host(2), lift(2, 11, 7, false), b"b", at(11)), Ok(true));
    assert_eq!(until(&all, 7, 12), None);
    for now in [12, 100, 400] {
        assert_eq!(all.offer(host(2), first.clone(), b"a", at(now)), Ok(false));
        assert_eq!(until(&all, 7, now), None);
    }
    assert_eq!(all.offer(host(2), hold(3, 13, 7, None), b"c", at(13)), Ok(true));
    assert_eq!(until(&all, 7, 14), Some(None));
}

#[test]
fn one_host_lifts_its_own_and_a_person_lifts_all() {
    let mut all = standing();
    for number in [2, 3] {
        all.offer(host(number), hold(1, 10, 7, None), b"a", at(10)).unwrap();
    }
    all.offer(host(2), lift(2, 11, 7, false), b"b", at(11)).unwrap();
    assert_eq!(until(&all, 7, 12), Some(None));
    all.offer(host(2), lift(3, 12, 7, true), b"c", at(12)).unwrap();
    assert_eq!(until(&all, 7, 13), None);
    all.offer(host(4), hold(1, 13, 7, Some(99)), b"d", at(13)).unwrap();
    assert_eq!(until(&all, 7, 14), Some(Some(at(99))), "what is decided later holds");
    all.decline((client(7), Measure::Block), at(14));
    assert_eq!(until(&all, 7, 15), None, "but not on a host where a person said otherwise");
}

#[test]
fn a_host_decides_for_others_only_so_often_and_loses_nothing() {
    let bounds = Bounds { per_minute: 10, ..Bounds::default() };
    let mut all = Standing::new(host(1), bounds);
    let all_of_them: Vec<Record> = (0..25).map(|n| hold(u64::from(n) + 1, 100, n, None)).collect();
    let offer = |all: &mut Standing, now: u64| {
        let offered = all_of_them.iter().map(|record| all.offer(host(2), record.clone(), b"x", at(now)));
        offered.filter(|taken| *taken == Ok(true)).count()
    };
    assert_eq!(offer(&mut all, 100), 10);
    assert_eq!(all.offer(host(2), hold(99, 100, 99, None), b"x", at(100)), Err(Refusal::Rate));
    assert_eq!(all.offer(host(3), hold(99, 100, 99, None), b"x", at(100)), Ok(true), "others may");
    assert_eq!(all.offer(host(2), lift(98, 100, 1, false), b"x", at(100)), Ok(true), "letting go is free");
    assert_eq!(offer(&mut all, 106), 1);
    assert_eq!(offer(&mut all, 160), 9);
    assert_eq!(offer(&mut all, 400), 5, "offered again, they all arrive");
}

#[test]
fn bounds() {
    let bounds = Bounds { max_records: 2, ..Bounds::default() };
    let mut all = Standing::new(host(1), bounds);
    let wide = Record { prefix: "0.0.0.0/0".parse().unwrap(), ..hold(1, 10, 1, None) };
    assert_eq!(all.offer(host(2), wide.clone(), b"x", at(10)), Err(Refusal::Wide));
    assert_eq!(all.offer(host(2), hold(1, 1_000, 1, None), b"x", at(10)), Err(Refusal::Early));
    assert_eq!(all.offer(host(2), hold(1, 10, 1, None), b"x", at(10)), Ok(true));
    assert_eq!(all.offer(host(2), hold(2, 10, 2, None), b"x", at(10)), Ok(true));
    assert_eq!(all.offer(host(2), hold(3, 10, 3, None), b"x", at(10)), Err(Refusal::Full));
    assert_eq!(all.offer(host(2), hold(4, 10, 2, Some(20)), b"x", at(10)), Ok(true), "in its place");
}

#[test]
fn what_a_host_had_decided_is_taken_back() {
    let mut all = standing();
    for (number, by) in [(1, 2), (2, 2), (2, 3)] {
        all.offer(host(by), hold(u64::from(number), 10, number, None), b"x", at(10)).unwrap();
    }
    all.offer(host(2), hold(9, 30, 9, None), b"x", at(30)).unwrap();
    assert_eq!(all.forget(host(2), at(20)).len(), 2);
    assert_eq!((until(&all, 1, 31), until(&all, 2, 31), until(&all, 9, 31)), (None, Some(None), Some(None)));
    assert_eq!(all.counts().map(|(_, count)| count).sum::<usize>(), 2);
}

proptest! {
    /// Hosts that have seen the same records agree, in whatever order and however often they came.
    #[test]
    fn order_and_repetition_do_not_matter(
        records in prop::collection::vec((2_u8..5, 1_u64..6, 0_u8..3, any::<bool>(), any::<bool>()), 1..12),
        shuffled in any::<prop::sample::Index>(),
    ) {
        // A host does not use a sequence twice.
        let mut seen = BTreeSet::new();
        let records: Vec<(PublicKey, Record)> = records.into_iter().enumerate()
            .filter(|(_, (by, sequence, ..))| seen.insert((*by, *sequence)))
            .map(|(_, (by, sequence, number, lifts, everyones))| {
                let record =
                    if lifts { lift(sequence, sequence, number, everyones) } else { hold(sequence, sequence, number, None) };
                (host(by), record)
            }).collect();
        let (mut one, mut other) = (standing(), standing());
        for (by, record) in &records {
            one.offer(*by, record.clone(), b"x", at(10)).unwrap();
        }
        let from = shuffled.index(records.len());
        for (by, record) in records.iter().rev().chain(records[from..].iter()).chain(&records) {
            other.offer(*by, record.clone(), b"x", at(10)).unwrap();
        }
        for number in 0..3 {
            prop_assert_eq!(until(&one, number, 11), until(&other, number, 11));
        }
        prop_assert_eq!(one.len(), other.len());
    }

    #[test]
    fn indexes_agree(records in prop::collection::vec((2_u8..4, record()), 0..20), now in 0_u64..5_000) {
        let mut all = standing();
        for (by, record) in records {
            let _taken = all.offer(host(by), record, b"x", at(now));
        }
        all.expire(at(now));
        prop_assert_eq!(all.len(), all.records.values().map(BTreeMap::len).sum::<usize>());
        let ends = all.blobs().filter(|(_, end, _)| end.is_some()).count();
        prop_assert_eq!(all.by_end.len(), ends);
        prop_assert!(all.by_end.iter().all(|(end, ..)| *end > at(now)));
    }
}
