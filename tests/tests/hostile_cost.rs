//! No input costs more than its size: each hostile kind, beside ordinary traffic in the same process.
#![expect(clippy::print_stdout, reason = "what a test measured belongs into its record")]

use sensor_tests::hostile::{self, Family, cost};

/// Times what ordinary traffic costs by the byte. `cargo xtask bench hostile` has 20 as its target, of optimised code on
/// a quiet machine; this is for any build on any machine, and for faults that matter.
const MOST: f64 = 50.0;
/// Bytes of a capture: some hundred connections, or three heads of 64 KB.
const BYTES: usize = 200 << 10;

/// CPU time, the least of some rounds. A kind that is over the bound is measured again before it counts: whatever
/// disturbs a measurement makes it longer.
#[test]
fn no_input_costs_more_than_its_size() {
    // What is made once, such as tables of words, is made now.
    for kind in hostile::all().chain([&hostile::ORDINARY]) {
        cost::run(&kind.capture(Family::V4, 1)).unwrap();
    }
    let mut failed = Vec::new();
    for family in Family::BOTH {
        let ordinary = cost::least(&hostile::ORDINARY.capture(family, 4 * BYTES), 5).unwrap();
        let mut ratios = Vec::new();
        for kind in hostile::all() {
            let capture = kind.capture(family, BYTES);
            let ratio = |rounds| {
                let outcome = cost::least(&capture, rounds).unwrap();
                outcome.per_megabyte() / ordinary.per_megabyte()
            };
            let first = ratio(1);
            let ratio = if (MOST..MOST * 10.0).contains(&first) { ratio(4) } else { first };
            if std::env::var_os("ALL").is_some() {
                println!("{} {} {ratio:.1}", family.label(), kind.name);
            }
            ratios.push((ratio, kind.name));
        }
        ratios.sort_by(|one, other| other.0.total_cmp(&one.0));
        println!("{}: ordinary {:.2} ms/MB; {:.1?}", family.label(), ordinary.per_megabyte(), &ratios[..8]);
        failed.extend(ratios.into_iter().filter(|(ratio, _)| *ratio > MOST).map(|(ratio, name)| {
            format!("{name} over {}: {ratio:.0} times ordinary traffic", family.label())
        }));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
