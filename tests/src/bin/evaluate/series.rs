//! Anomaly scores on published, labelled time series, from the program's own `sensor score`.
//!
//! The Numenta Anomaly Benchmark is scored by the scorer that is given; the cloud series by events found and false
//! alarms, with one threshold for all of them. Nothing of the archive is kept.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::{daemon, tools};
use serde::Serialize;

use crate::events::Counts;
use crate::in_parallel;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scores {
    /// The benchmark's, by profile.
    pub(crate) nab: Vec<(String, f64)>,
    /// Event F1 of the cloud series with the best threshold for all, of those that flag at most [`MOST_FLAGGED`].
    pub(crate) f1: f64,
    /// That threshold.
    pub(crate) threshold: f64,
    /// The share of points that it flags.
    pub(crate) flagged: f64,
    /// Event F1 with the threshold of the benchmark's standard profile.
    pub(crate) f1_at_nab_threshold: f64,
    /// Series of each kind.
    pub(crate) series: (usize, usize),
}

/// An alarm that never ends meets every event and is about none: a threshold that flags more of the points does not
/// count. About 1% of them are labelled.
const MOST_FLAGGED: f64 = 0.05;

/// A series with its labels and its scores.
struct Scored {
    labels: Vec<bool>,
    scores: Vec<f64>,
}

/// Measures, or says loudly that it could not.
pub(crate) fn run(archive: &Path, tools_dir: &Path) -> Result<Option<Scores>> {
    let scorer = tools_dir.join("nab_score.py");
    let missing = [archive, &scorer].into_iter().find(|path| !path.is_file());
    let obstacle = match missing {
        Some(missing) => Some(format!("{} is not there", missing.display())),
        None if tools::find("python3").is_none() => Some("python3 is not installed".to_owned()),
        None => has_no_score()?,
    };
    if let Some(obstacle) = obstacle {
        tools::say_skipped("ANOMALY SCORES ON TIME SERIES ARE NOT MEASURED", &obstacle);
        return Ok(None);
    }
    let place = tempfile::Builder::new().prefix("sensor-series-").tempdir()?;
    run_checked(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place.path()))?;
    let unpacked = fs::read_dir(place.path())?.next().context("the archive is empty")??.path();
    let (nab, cloud) = (unpacked.join("nab"), unpacked.join("ms-cloud"));
    let scores = place.path().join("scores");
    let count = score_nab(&nab, &scores)?;
    let printed = run_checked(Command::new("python3").arg(&scorer).arg(&nab).arg(&scores))?;
    let profiles = profiles(&printed)?;
    let scored = score_cloud(&cloud)?;
    let (threshold, f1) = best(&scored);
    let at_nab = profiles.first().map_or(1.0, |(_, _, threshold)| *threshold);
    let flagged = flagged(&scored, threshold);
    Ok(Some(Scores {
        nab: profiles.into_iter().map(|(name, score, _)| (name, score)).collect(),
        f1,
        threshold,
        flagged,
        f1_at_nab_threshold: counts(&scored, at_nab).f1(),
        series: (count, scored.len()),
    }))
}

fn has_no_score() -> Result<Option<String>> {
    let output = Command::new(daemon::binary()?).args(["score", "--help"]).output()?;
    Ok((!output.status.success()).then(|| "this sensor has no command `score`".to_owned()))
}

fn score(file: &Path) -> Result<String> {
    run_checked(Command::new(daemon::binary()?).arg("score").arg(file))
}

fn score_nab(nab: &Path, scores: &Path) -> Result<usize> {
    let data = nab.join("data");
    let files = tables(&data)?;
    let results = in_parallel("benchmark", &files, |file| -> Result<()> {
        let target = scores.join(file.strip_prefix(&data)?);
        fs::create_dir_all(target.parent().context("a file is in a directory")?)?;
        Ok(fs::write(target, score(file)?)?)
    });
    results.into_iter().collect::<Result<Vec<()>>>().map(|done| done.len())
}

fn score_cloud(cloud: &Path) -> Result<Vec<Scored>> {
    let files = tables(cloud)?;
    let results = in_parallel("cloud series", &files, |file| -> Result<Scored> {
        let (mut input, mut labels, mut has_value) = ("timestamp,value\n".to_owned(), Vec::new(), Vec::new());
        for line in fs::read_to_string(file)?.lines().skip(1) {
            let line = line.replace('"', "");
            let mut fields = line.split(',');
            let (time, value, label) = (fields.next(), fields.next(), fields.next());
            let value = value.unwrap_or_default().trim();
            // Some points of the archive have no value: nothing can be said of them.
            has_value.push(!value.is_empty());
            if !value.is_empty() {
                writeln!(input, "{},{value}", time.unwrap_or_default())?;
            }
            labels.push(label.is_some_and(|label| label.trim() == "1"));
        }
        let plain = file.with_extension("plain");
        fs::write(&plain, input)?;
        let scored = score(&plain)?;
        let last = |line: &str| line.rsplit(',').next().unwrap_or_default().parse::<f64>();
        let given = scored.lines().skip(1).map(last).collect::<Result<Vec<f64>, _>>()?;
        let expected = has_value.iter().filter(|has_value| **has_value).count();
        ensure!(given.len() == expected, "{}: {} scores for {expected} values", file.display(), given.len());
        let mut given = given.into_iter();
        let scores =
            has_value.iter().map(|has| if *has { given.next().unwrap_or(0.0) } else { 0.0 }).collect();
        Ok(Scored { labels, scores })
    });
    results.into_iter().collect()
}

/// The threshold with the best F1 of all series together.
fn best(scored: &[Scored]) -> (f64, f64) {
    let thresholds = (1..=1_000_u32).map(|step| f64::from(step) / 1_000.0);
    let sparing = thresholds.filter(|threshold| flagged(scored, *threshold) <= MOST_FLAGGED);
    let rated = sparing.map(|threshold| (threshold, counts(scored, threshold).f1()));
    rated.fold((1.0, 0.0), |best, rated| if rated.1 > best.1 { rated } else { best })
}

/// The share of points that a threshold flags.
fn flagged(scored: &[Scored], threshold: f64) -> f64 {
    let points = || scored.iter().flat_map(|series| &series.scores);
    points().filter(|score| **score >= threshold).count() as f64 / points().count().max(1) as f64
}

fn counts(scored: &[Scored], threshold: f64) -> Counts {
    let of_one = |series: &Scored| {
        let flags: Vec<bool> = series.scores.iter().map(|score| *score >= threshold).collect();
        Counts::of(&series.labels, &flags)
    };
    scored.iter().map(of_one).fold(Counts::default(), Counts::plus)
}

/// Name, score and threshold, from lines such as `standard: 61.20  (raw 1.2, threshold 0.9, windows 3)`.
fn profiles(printed: &str) -> Result<Vec<(String, f64, f64)>> {
    let read = |line: &str| -> Option<(String, f64, f64)> {
        let (name, rest) = line.split_once(": ")?;
        let score = rest.split_whitespace().next()?.parse().ok()?;
        let threshold = rest.split_once("threshold ")?.1.split(',').next()?.parse().ok()?;
        Some((name.to_owned(), score, threshold))
    };
    let read: Option<Vec<_>> = printed.lines().map(read).collect();
    read.filter(|profiles| !profiles.is_empty()).with_context(|| format!("the scorer printed {printed}"))
}

/// All tables below a directory, in order.
fn tables(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(tables(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn run_checked(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scorers_lines_are_read() {
        let printed = "standard: 61.20  (raw 1.250, threshold 0.9, windows 3)\nlow: -3.00  (raw 0, threshold 1.1, windows 3)\n";
        let expected = [("standard".to_owned(), 61.2, 0.9), ("low".to_owned(), -3.0, 1.1)];
        assert_eq!(profiles(printed).unwrap(), expected);
        assert!(profiles("").is_err() && profiles("Traceback").is_err());
    }

    #[test]
    fn the_best_threshold_separates() {
        let (mut labels, mut scores) = (vec![false; 40], vec![0.2; 40]);
        (labels[30], scores[30]) = (true, 0.7);
        let series = Scored { labels, scores };
        let (threshold, f1) = best(&[series]);
        assert!((f1 - 1.0).abs() < 1e-9 && (0.201..=0.7).contains(&threshold), "{threshold} {f1}");
    }
}
