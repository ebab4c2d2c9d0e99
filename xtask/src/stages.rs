//! Running stages one after the other, with a summary that hides nothing.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::clock::Stopwatch;
use crate::outcome::{Outcome, Skip};

/// One stage: a name, and what it does.
pub(crate) struct Stage {
    name: &'static str,
    action: Box<dyn Fn() -> Result<Outcome>>,
}

impl Stage {
    /// A stage that runs `action`.
    pub(crate) fn new(name: &'static str, action: impl Fn() -> Result<Outcome> + 'static) -> Self {
        Self { name, action: Box::new(action) }
    }

    /// A stage that runs whole or fails.
    pub(crate) fn plain(name: &'static str, action: impl Fn() -> Result<()> + 'static) -> Self {
        Self::new(name, move || action().map(|()| Outcome::Passed(Vec::new())))
    }
}

struct Ended {
    name: &'static str,
    took: Duration,
    result: Result<Outcome>,
}

/// Runs the stages; after a failure only when `keep_going`. Prints the summary.
///
/// # Errors
///
/// When a stage failed.
pub(crate) fn run(stages: &[Stage], keep_going: bool) -> Result<()> {
    let mut ended = Vec::new();
    for stage in stages {
        println!("\n== {}", stage.name);
        let stopwatch = Stopwatch::start();
        let result = (stage.action)();
        let failed = result.is_err();
        if let Err(error) = &result {
            println!("FAILED: {}: {error:#}", stage.name);
        }
        ended.push(Ended { name: stage.name, took: stopwatch.elapsed(), result });
        if failed && !keep_going {
            break;
        }
    }
    let not_run: Vec<&str> = stages.iter().skip(ended.len()).map(|stage| stage.name).collect();
    print!("\n{}", summary(&ended, &not_run));
    let failed = ended.iter().filter(|stage| stage.result.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} stages failed", ended.len());
    }
    Ok(())
}

fn summary(ended: &[Ended], not_run: &[&str]) -> String {
    let mut text = String::new();
    let mut skips: Vec<Skip> = Vec::new();
    let (mut passed, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
    for stage in ended {
        let (word, counter, reasons) = match &stage.result {
            Ok(Outcome::Passed(without)) => ("passed", &mut passed, without.clone()),
            Ok(Outcome::Skipped(skip)) => ("SKIPPED", &mut skipped, vec![skip.clone()]),
            Err(_) => ("FAILED", &mut failed, Vec::new()),
        };
        *counter = counter.saturating_add(1);
        skips.extend(reasons);
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{word:<8} {:>7.1} s  {}", stage.took.as_secs_f64(), stage.name);
    }
    for name in not_run {
        skipped = skipped.saturating_add(1);
        skips.push(Skip::new(*name, "an earlier stage failed"));
    }
    for skip in skips {
        let _infallible = writeln!(text, "{skip}");
    }
    let _infallible = writeln!(text, "{passed} passed, {failed} failed, {skipped} skipped");
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    fn ended(result: Result<Outcome>) -> Ended {
        Ended { name: "stage", took: Duration::from_millis(1500), result }
    }

    #[test]
    fn the_summary_counts_and_explains() {
        let all = [
            ended(Ok(Outcome::Passed(vec![Skip::new("a part", "a tool is missing")]))),
            ended(Ok(Outcome::Skipped(Skip::new("all of it", "there is no machine")))),
            ended(Err(anyhow::anyhow!("broken"))),
        ];
        let text = summary(&all, &["last"]);
        assert!(text.contains("passed       1.5 s  stage"), "{text}");
        assert!(text.contains("SKIPPED: a part because a tool is missing"), "{text}");
        assert!(text.contains("SKIPPED: all of it because there is no machine"), "{text}");
        assert!(text.contains("SKIPPED: last because an earlier stage failed"), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 2 skipped\n"), "{text}");
    }

    fn failing_then_counting() -> (Vec<Stage>, Rc<Cell<u32>>) {
        let runs = Rc::new(Cell::new(0_u32));
        let counter = Rc::clone(&runs);
        let failing = Stage::plain("failing", || bail!("broken"));
        let counting = Stage::plain("counting", move || {
            counter.set(counter.get().saturating_add(1));
            Ok(())
        });
        (vec![failing, counting], runs)
    }

    #[test]
    fn a_failure_stops_the_rest() {
        let (stages, runs) = failing_then_counting();
        assert!(run(&stages, false).is_err());
        assert_eq!(runs.get(), 0);
    }

    #[test]
    fn keep_going_runs_the_rest_and_still_fails() {
        let (stages, runs) = failing_then_counting();
        assert!(run(&stages, true).is_err());
        assert_eq!(runs.get(), 1);
    }
}
