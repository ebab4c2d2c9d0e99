//! No input costs more than its size: each hostile kind, beside ordinary traffic in the same process.
#![expect(clippy::print_stdout, reason = "what a test measured belongs into its record")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails fails the test")]

use sensor_tests::hostile::{self, Family, Kind, cost};

/// Times what ordinary traffic costs by the byte. `cargo xtask bench hostile` has 20 as its target, of optimised code on
/// a quiet machine; this is for any build on any machine, and for faults that matter.
const MOST: f64 = 50.0;
/// Bytes of a capture: some hundred connections, or three heads of 64 KB.
const BYTES: usize = 200 << 10;
/// Kinds between two measurements of ordinary traffic, of which the least counts.
const BETWEEN: usize = 16;

/// What each kind costs in milliseconds for a megabyte, and ordinary traffic.
fn measure(family: Family) -> (f64, Vec<(f64, &'static Kind)>) {
    let ordinary = hostile::ORDINARY.capture(family, 4 * BYTES);
    let mut least = f64::MAX;
    let mut costs = Vec::new();
    for (index, kind) in hostile::all().enumerate() {
        if index % BETWEEN == 0 {
            least = least.min(cost::least(&ordinary, 2).unwrap().per_megabyte());
        }
        costs.push((cost::run(&kind.capture(family, BYTES)).unwrap().per_megabyte(), kind));
    }
    (least, costs)
}

/// In CPU time. A kind that is over the bound is measured again before it counts, unless it is far over it: whatever
/// disturbs a measurement makes it longer.
#[test]
fn no_input_costs_more_than_its_size() {
    // What is made once, such as tables of words, is made now.
    for kind in hostile::all().chain([&hostile::ORDINARY]) {
        cost::run(&kind.capture(Family::V4, 1)).unwrap();
    }
    let mut failed = Vec::new();
    for family in Family::BOTH {
        let (ordinary, mut costs) = measure(family);
        for (cost, kind) in &mut costs {
            if (MOST..MOST * 10.0).contains(&(*cost / ordinary)) {
                *cost = cost::least(&kind.capture(family, BYTES), 4).unwrap().per_megabyte();
            }
        }
        costs.sort_by(|one, other| other.0.total_cmp(&one.0));
        let ratios: Vec<String> =
            costs.iter().map(|(cost, kind)| format!("{} {:.1}", kind.name, cost / ordinary)).collect();
        println!("{}: ordinary {ordinary:.2} ms/MB; times that: {}", family.label(), ratios.join(", "));
        let over = costs.iter().filter(|(cost, _)| cost / ordinary > MOST);
        failed.extend(over.map(|(cost, kind)| {
            format!("{} over {}: {:.0} times ordinary traffic", kind.name, family.label(), cost / ordinary)
        }));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
