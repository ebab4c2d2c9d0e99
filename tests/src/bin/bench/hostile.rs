//! The cost of hostile input relative to ordinary traffic: the sensing thread's work per megabyte of a capture, from
//! the file reader to the detectors.

use anyhow::Result;
use sensor_tests::hostile::{self, Family, cost};

use crate::contest::Effort;
use crate::report::{MS_PER_MB, Report, Target};

/// Times ordinary traffic, for every kind.
const TARGET: f64 = 20.0;

/// Measures the kinds that have `only` in their names.
pub(crate) fn measure(report: &mut Report, effort: Effort, only: &str) -> Result<()> {
    let (bytes, rounds) = if effort.quick { (1 << 20, 2) } else { (4 << 20, 3) };
    let mut worst = (0.0, String::new());
    for family in Family::BOTH {
        let name = format!("ordinary, {}", family.label());
        let ordinary = cost::least(&hostile::ORDINARY.capture(family, bytes), rounds.max(5))?.per_megabyte();
        report.value(&name, ordinary, MS_PER_MB);
        for kind in hostile::all().filter(|kind| kind.name.contains(only)) {
            let outcome = cost::least(&kind.capture(family, bytes), rounds)?;
            let cost = outcome.per_megabyte();
            let what = format!("{}, {}: {}", kind.name, family.label(), kind.what);
            report.compare(&what, (cost, MS_PER_MB), (&name, ordinary), Some(Target::AtMost(TARGET)));
            if cost / ordinary > worst.0 {
                worst = (cost / ordinary, format!("{}, {}", kind.name, family.label()));
            }
        }
    }
    report.note(format!("the costliest is {}: {:.1} times ordinary traffic", worst.1, worst.0));
    Ok(())
}
