//! What libFuzzer says.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// How much of a panic's message is repeated: a failed comparison shows both sides on lines of their own.
const CAUSE_LINES: usize = 4;

/// The sums of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Totals {
    runs: u64,
    /// Inputs in the corpus.
    inputs: u64,
    /// Edges with how often each was taken, and comparisons: what libFuzzer collects.
    features: u64,
    /// Edges of the control flow that were taken.
    edges: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, inputs, features, edges } = self;
        write!(f, "{runs:>8} runs, {inputs:>5} inputs, {features:>6} features, {edges:>5} edges")
    }
}

/// An input that breaks a target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breakage {
    /// The file that it is in.
    pub(super) artifact: PathBuf,
    /// What the target, or libFuzzer, says of it.
    pub(super) cause: String,
}

/// Reads the sums from the line that ends a run, as in
/// `#8698 DONE   cov: 210 ft: 905 corp: 120/4096b lim: 4096 exec/s: 1739 rss: 29Mb`.
pub(super) fn totals(log: &str) -> Result<Totals> {
    let line = log.lines().rev().find(|line| line.starts_with('#') && line.contains("DONE"));
    line.and_then(parse_totals).context("libFuzzer ended without its last line of sums")
}

fn parse_totals(line: &str) -> Option<Totals> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |name: &str| {
        let value = words.iter().skip_while(|word| **word != name).nth(1)?;
        value.split('/').next()?.parse().ok()
    };
    let runs = words.first()?.strip_prefix('#')?.parse().ok()?;
    Some(Totals { runs, inputs: after("corp:")?, features: after("ft:")?, edges: after("cov:")? })
}

/// Reads which input it was, and what was wrong with it.
pub(super) fn breakage(log: &str) -> Result<Breakage> {
    let artifact =
        log.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path));
    let artifact = artifact.with_context(|| format!("it failed and wrote no input:\n{log}"))?;
    Ok(Breakage { artifact: PathBuf::from(artifact), cause: cause(log) })
}

/// The panic, or else what libFuzzer noticed: a time-out, too much memory, a signal.
fn cause(log: &str) -> String {
    let panic = log.lines().skip_while(|line| !line.contains(" panicked at "));
    let panic = panic.take_while(|line| !line.starts_with("note: ") && !line.starts_with("=="));
    let panic: Vec<&str> = panic.take(CAUSE_LINES).collect();
    if !panic.is_empty() {
        return panic.join("\n  ");
    }
    let noticed = log.lines().find_map(|line| line.split_once("ERROR: libFuzzer: "));
    noticed.map_or("no reason is given", |(_, noticed)| noticed).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = "INFO: Seed: 1\n#2\tINITED cov: 1 ft: 1 corp: 1/1b\n\
        #8698\tDONE   cov: 210 ft: 905 corp: 120/4096b lim: 4096 exec/s: 1739 rss: 29Mb\nDone 8698 runs\n";
    const PANICKED: &str = "INFO: Seed: 1\nthread '<unnamed>' (7) panicked at sensor/src/a.rs:3:5:\n\
        assertion `left == right` failed: the seed\n  left: 1\n right: 2\nnote: run with\n\
        ==9== ERROR: libFuzzer: deadly signal\n\
        artifact_prefix='a/'; Test unit written to a/crash-0f\nBase64: AA==\n";

    #[test]
    fn sums_are_read_from_the_last_line() {
        let expected = Totals { runs: 8698, inputs: 120, features: 905, edges: 210 };
        assert_eq!(totals(HELD).unwrap(), expected);
        assert!(totals("#2\tINITED cov: 1 ft: 1 corp: 1/1b\n").is_err());
    }

    #[test]
    fn a_panic_is_the_cause() {
        let breakage = breakage(PANICKED).unwrap();
        assert_eq!(breakage.artifact, PathBuf::from("a/crash-0f"));
        assert!(breakage.cause.contains("sensor/src/a.rs:3:5"), "{}", breakage.cause);
        assert!(breakage.cause.ends_with("right: 2"), "{}", breakage.cause);
    }

    #[test]
    fn else_it_is_what_libfuzzer_noticed() {
        let log = "==9== ERROR: libFuzzer: timeout after 10 seconds\nTest unit written to a/timeout-1\n";
        assert_eq!(breakage(log).unwrap().cause, "timeout after 10 seconds");
    }

    #[test]
    fn a_failure_without_an_input_shows_the_log() {
        let error = breakage("cannot open a corpus\n").unwrap_err().to_string();
        assert!(error.contains("cannot open a corpus"), "{error}");
    }
}
