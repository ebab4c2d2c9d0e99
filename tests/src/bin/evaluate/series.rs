//! Anomaly scores on published, labelled time series, from the program's own `sensor score`.
//!
//! Several families of series, each evaluated with a threshold chosen on the others: a detector fitted to one of them
//! gains nothing. Nothing of the archives is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use sensor_tests::{daemon, tools};
use serde::{Deserialize, Serialize};

use crate::new_table;

/// The scorer, which describes what it counts.
const SCORER: &str = "lofo_score.py";

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scores {
    pub(crate) families: BTreeMap<String, Quality>,
    /// The mean over families, each with the same weight.
    pub(crate) mean: Quality,
}

/// How good the scores of a family are, with a threshold from the others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Quality {
    /// Like the standard profile of the Numenta Anomaly Benchmark: 100 is perfect, 0 is silence.
    pub(crate) nab: f64,
    /// Event F1.
    pub(crate) f1: f64,
    /// False alarms in a week of the series' own time.
    pub(crate) false_alarms_week: f64,
}

/// Measures, or reports visibly that it could not.
pub(crate) fn run(archives: &[PathBuf], tools_dir: &Path) -> Result<Option<Scores>> {
    let scorer = tools_dir.join(SCORER);
    let missing = archives.iter().chain([&scorer]).find(|path| !path.is_file());
    let obstacle = match missing {
        Some(missing) => Some(format!("{} is not there", missing.display())),
        None => tools::find("python3").is_none().then(|| "python3 is not installed".to_owned()),
    };
    if let Some(obstacle) = obstacle {
        tools::say_skipped("ANOMALY SCORES ON TIME SERIES ARE NOT MEASURED", &obstacle);
        return Ok(None);
    }
    let place = tempfile::Builder::new().prefix("sensor-series-").tempdir()?;
    for archive in archives {
        run_checked(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place.path()))?;
    }
    let families = families(place.path())?;
    let scores = place.path().join("scores.json");
    let mut command = Command::new("python3");
    command.arg(&scorer).arg("--sensor").arg(daemon::binary()?).arg("--json").arg(&scores);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    command.arg("--jobs").arg(jobs.to_string());
    command.args(families.iter().map(|(name, path)| format!("{name}={}", path.display())));
    run_checked(&mut command)?;
    // JSON has no NaN, and Python writes it: for figures that are not read here.
    let written = fs::read_to_string(&scores)?.replace(": NaN", ": null");
    Ok(Some(serde_json::from_str(&written).context("what the scorer wrote")?))
}

/// The folders of series, two levels down, by name. Where there are texts only, they are licences.
fn families(place: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut families = BTreeMap::new();
    for archive in directories(place)? {
        for family in directories(&archive)? {
            if has_tables(&family)? {
                let name = family.file_name().unwrap_or_default().to_string_lossy().into_owned();
                families.insert(name, family);
            }
        }
    }
    ensure!(families.len() > 1, "one family alone has no others to take a threshold from");
    Ok(families)
}

fn directories(place: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(place)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

fn has_tables(directory: &Path) -> Result<bool> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_table = path.extension().is_some_and(|extension| extension == "csv");
        if is_table || (path.is_dir() && has_tables(&path)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Family by family.
pub(crate) fn table(scores: &Scores) -> Table {
    let mut table = new_table(&["series (not simulated)", "NAB-like", "event F1", "false alarms a week"]);
    let rows = scores.families.iter().map(|(name, quality)| (name.as_str(), quality));
    for (name, quality) in rows.chain([("mean", &scores.mean)]) {
        table.add_row([
            name.to_owned(),
            format!("{:.1}", quality.nab),
            format!("{:.3}", quality.f1),
            format!("{:.2}", quality.false_alarms_week),
        ]);
    }
    table
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
    fn what_the_scorer_writes_is_read() {
        let text = r#"{"families": {"nab": {"nab": 30.3, "f1": 0.197, "false_alarms_week": 3.35, "own_f1": 0.6}},
            "mean": {"nab": 43.8, "f1": 0.427, "false_alarms_week": 1.83, "own_nab": 60.0}}"#;
        let scores: Scores = serde_json::from_str(text).unwrap();
        assert!((scores.mean.nab - 43.8).abs() < 1e-9 && (scores.families["nab"].f1 - 0.197).abs() < 1e-9);
        assert_eq!(table(&scores).row_iter().count(), 2);
    }

    #[test]
    fn folders_without_tables_are_no_families() {
        let place = tempfile::tempdir().unwrap();
        for file in ["a/nab/data/x/one.csv", "a/LICENSES/MIT.txt", "b/ms/two.csv", "b/README.md"] {
            let path = place.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "timestamp,value,label\n").unwrap();
        }
        let found: Vec<String> = families(place.path()).unwrap().into_keys().collect();
        assert_eq!(found, ["ms", "nab"]);
    }
}
