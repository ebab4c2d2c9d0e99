//! `cargo xtask fuzz`: the fuzz entries of `sensor`, under a fuzzer that sees which code each input reaches.
//!
//! New inputs go to the build directory; the corpora that git keeps are only read, unless asked otherwise.

mod instrumented;
mod report;
mod target;

use std::env;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::outcome::{Outcome, Skip};
use crate::progress::{self, Step};
use crate::{process, setup};
use target::{Ended, Target};

/// What building libFuzzer takes; `CXX` names another.
const COMPILER: &str = "c++";

/// Flags of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how long, in all; the targets share it.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// Afterwards, add inputs that reach something new to the corpora that git keeps.
    #[arg(long)]
    keep: bool,
    /// The files of `fuzz/targets`; all of them if none is named.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the command; what is left out is reported, and no failure.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    if let Outcome::Skipped(skip) = run(args)? {
        println!("{skip}");
    }
    Ok(())
}

/// All targets, for `seconds` together.
///
/// # Errors
///
/// When a target does not build or an input breaks one.
pub(crate) fn smoke(seconds: u64) -> Result<Outcome> {
    run(&Args { seconds, keep: false, targets: Vec::new() })
}

fn run(args: &Args) -> Result<Outcome> {
    let targets = chosen(&target::all()?, &args.targets)?;
    if env::var_os("CXX").is_none() && process::in_path(COMPILER).is_none() {
        let reason = format!("libFuzzer is C++ and there is no {COMPILER} (`cargo xtask setup --tests`)");
        return Ok(Outcome::Skipped(Skip::new("fuzzing", reason)));
    }
    instrumented::build()?;
    let share = share(Duration::from_secs(args.seconds), targets.len());
    let mut broken = Vec::new();
    for target in &targets {
        if !passes(target, share)? {
            broken.push(target.name());
        } else if args.keep {
            target.keep()?;
        }
    }
    if !broken.is_empty() {
        bail!("an input breaks {}; above is which, and how to run it again", broken.join(", "));
    }
    Ok(Outcome::Passed(Vec::new()))
}

fn passes(target: &Target, share: Duration) -> Result<bool> {
    let step = Step::start(&format!("{} for {} s", target.name(), share.as_secs()));
    match target.run(share)? {
        Ended::Held(totals) => {
            step.done(&format!("{:<15} {totals}", target.name()));
            Ok(true)
        }
        Ended::Broke(breakage) => {
            drop(step);
            progress::note(&format!("{} broke: {}", target.name(), breakage.cause));
            println!("  input:     {}", breakage.artifact.display());
            println!("  run again: {}", process::show(&target.again(&breakage.artifact)));
            Ok(false)
        }
    }
}

/// Whole seconds, because libFuzzer knows no others.
fn share(all: Duration, targets: usize) -> Duration {
    let targets = u64::try_from(targets).unwrap_or(u64::MAX);
    Duration::from_secs(all.as_secs().checked_div(targets).unwrap_or(0).max(1))
}

fn chosen(all: &[String], named: &[String]) -> Result<Vec<Target>> {
    let unknown = named.iter().find(|name| !all.contains(name));
    if let Some(name) = unknown {
        bail!("there is no target `{name}`; there are {}", all.join(", "));
    }
    let names = if named.is_empty() { all } else { named };
    ensure!(!names.is_empty(), "there are no targets");
    Ok(names.iter().map(|name| Target::new(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_share_the_time_and_none_gets_nothing() {
        assert_eq!(share(Duration::from_secs(60), 8), Duration::from_secs(7));
        assert_eq!(share(Duration::from_secs(3), 8), Duration::from_secs(1));
    }

    #[test]
    fn a_target_that_does_not_exist_is_named_with_those_that_do() {
        let all = ["http".to_owned(), "route".to_owned()];
        let error = chosen(&all, &["htpt".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "there is no target `htpt`; there are http, route");
        let names = |targets: Vec<Target>| targets.iter().map(Target::name).map(str::to_owned).collect();
        let every: Vec<String> = names(chosen(&all, &[]).unwrap());
        assert_eq!(every, all);
        let one: Vec<String> = names(chosen(&all, &all[1..]).unwrap());
        assert_eq!(one, all[1..]);
    }
}
