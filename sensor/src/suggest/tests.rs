//! Properties of sketches and levels.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a wrong number fails the test")]

mod stories;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use sensor_common::abi::Dimension;
use sensor_common::limit::{Quota, Rate, Step};

use super::ladder::{self, RUNGS, rung_below};
use super::report::readable;
use super::track::Levels;
use super::*;

fn needs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec(
        (0.0_f64..27.6).prop_map(|power| power.exp() as u64).prop_flat_map(|need| (Just(need), 1_u64..1_000)),
        1..300,
    )
}

fn sketch(needs: &[(u64, u64)]) -> Sketch {
    let mut sketch = Sketch::default();
    needs.iter().for_each(|(need, units)| sketch.insert(*need, *units));
    sketch
}

proptest! {
    #[test]
    fn a_quantile_is_the_exact_one_or_a_little_above(needs in needs(), quantile in 0.0_f64..=1.0) {
        let mut sorted: Vec<u64> = needs.iter().map(|(need, _)| *need).collect();
        sorted.sort_unstable();
        let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1);
        let (exact, told) = (sorted[rank - 1], sketch(&needs).quantile(quantile));
        prop_assert!(told >= exact && told as f64 <= exact as f64 * GROWTH, "{told} for {exact}");
    }

    #[test]
    fn a_share_is_the_exact_one_or_that_of_a_slightly_lower_burst(needs in needs(), at in any::<prop::sample::Index>(), factor in 0.9_f64..1.1) {
        let burst = (at.get(&needs).0 as f64 * factor) as u64;
        let exact = |burst: u64| {
            let over: Vec<_> = needs.iter().filter(|(need, _)| *need > burst).collect();
            let units = |all: &[&(u64, u64)]| all.iter().map(|(_, units)| *units).sum::<u64>() as f64;
            let all: Vec<_> = needs.iter().collect();
            (over.len() as f64 / needs.len() as f64, units(&over) / units(&all))
        };
        let (clients, traffic) = sketch(&needs).above(burst);
        let (least, most) = (exact(burst), exact((burst as f64 / GROWTH) as u64));
        prop_assert!(clients >= least.0 - 1e-9 && clients <= most.0 + 1e-9, "{clients}: {least:?} {most:?}");
        prop_assert!(traffic >= least.1 - 1e-9 && traffic <= most.1 + 1e-9, "{traffic}: {least:?} {most:?}");
    }

    #[test]
    fn merging_is_union_and_what_is_kept_comes_back(one in needs(), other in needs()) {
        let mut merged = sketch(&one);
        merged.merge(&sketch(&other));
        prop_assert_eq!(&merged, &sketch(&[one, other].concat()));
        let text = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), merged);
    }

    /// A need is enough, by the very step that the kernel takes, and not much more than enough.
    #[test]
    fn a_limit_with_the_burst_needed_lets_everything_pass(
        gaps in prop::collection::vec(prop_oneof![0_u64..50, 0_u64..3_000, 0_u64..40_000], 1..400),
        rung in 0..RUNGS,
    ) {
        let dimension = Dimension::Requests;
        let mut now = 0;
        let arrivals: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
        let rates = ladder::per_second(dimension);
        let mut levels = Levels::default();
        for second in 0..=now / 1_000 {
            let units = arrivals.iter().filter(|at| **at / 1_000 == second).count() as u64;
            levels.step(units, 1.0, &rates);
        }
        let (peaks, units) = levels.needs().unwrap();
        prop_assert_eq!(units, arrivals.len() as u64);
        let (count, period) = ladder::count(dimension, rung);
        let passes = |burst: u64| {
            let quota = Quota::of_units(Rate::new(count, period, Some(burst)).unwrap(), 1);
            let mut tat = 0;
            arrivals.iter().all(|at| match quota.step(tat, (at + 1) * 1_000_000, quota.cost(1)) {
                Step::Conforms(next) => { tat = next; true }
                Step::Clamped(_) | Step::Exceeds => false,
            })
        };
        let told = f64::from(peaks[rung]).ceil() as u64;
        prop_assert!(passes(told), "{told} at {count} a minute is not enough");
        let slack = (2.0 * rates[rung]).ceil() as u64 + 1;
        if told > slack + 1 {
            prop_assert!(!passes(told - slack - 1), "{told} at {count} a minute is more than {slack} too much");
        }
    }

    #[test]
    fn the_longest_prefix_is_found(
        prefixes in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..30),
        address: u32,
    ) {
        let prefixes: Vec<IpNet> = prefixes
            .iter()
            .map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits ^ (address & 0xffff_ff00)).into(), *length).unwrap().trunc())
            .collect();
        let address = IpAddr::from(Ipv4Addr::from_bits(address));
        let map: PrefixMap<()> = prefixes.iter().map(|prefix| (*prefix, ())).collect();
        let longest = prefixes.iter().filter(|prefix| prefix.contains(&address)).max_by_key(|prefix| prefix.prefix_len());
        prop_assert_eq!(map.longest(address).map(|found| found.0), longest.copied());
    }

    #[test]
    fn readable_numbers_are_no_smaller_and_not_much_larger(number in 1.0_f64..1e12) {
        let read = readable(number) as f64;
        prop_assert!(read >= number * 0.999_999 && read <= number.max(1.0) * 2.0, "{read} for {number}");
    }
}

#[test]
fn the_ladder_has_readable_rungs() {
    for (dimension, lowest, highest) in [
        (Dimension::Packets, "10/s:1", "1M/s:1"),
        (Dimension::Bits, "100k/s:1", "10G/s:1"),
        (Dimension::Connections, "10/min:1", "1M/min:1"),
        (Dimension::Requests, "10/min:1", "1M/min:1"),
    ] {
        for (rung, expected) in [(0, lowest), (RUNGS - 1, highest)] {
            let (count, period) = ladder::count(dimension, rung);
            assert_eq!(Rate::new(count, period, Some(1)).unwrap().to_string(), expected);
        }
    }
    for (rate, rung) in [
        ("9/min", None),
        ("10/min", Some(0)),
        ("120/min", Some(3)),
        ("2/s", Some(3)),
        ("600/h", Some(0)),
        ("1000G", Some(15)),
    ] {
        assert_eq!(rung_below(Dimension::Requests, rate.parse().unwrap()), rung, "{rate}");
    }
    assert_eq!([12.0, 15.1, 45.0, 71.0, 900.0].map(readable), [15, 20, 50, 100, 1_000]);
}
