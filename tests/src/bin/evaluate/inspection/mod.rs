//! What requests carry and responses give away: cases made here, of public formats, and attack corpora if they are available.
//!
//! Each made case is one exchange on the wire, and has one kind of finding or none. The corpora are judged by the program
//! that trains the recognition of injection: each source by a model trained on the others.

mod made;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use sensor::capture::Endpoint;
use sensor::clock::Timestamp;
use sensor::http::{self, Connection, Exchange, Http, Sink};
use sensor::identity::Key;
use sensor::inspect::{Config, Inspector, Kind, Known, injection};
use sensor::stream::{CloseCause, Opening, Protocol as _, Side};
use sensor_tests::tools;
use serde::{Deserialize, Serialize};

use crate::new_table;
use crate::targets::Target;
use made::Case;

/// How well one kind of finding is told.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Quality {
    /// Cases that have it.
    pub(crate) meant: usize,
    /// Those of them in which it was found.
    pub(crate) right: usize,
    /// Cases in which it was found, right or wrong.
    pub(crate) told: usize,
}

impl Quality {
    pub(crate) fn precision(&self) -> f64 {
        if self.told == 0 { 0.0 } else { self.right as f64 / self.told as f64 }
    }

    pub(crate) fn recall(&self) -> f64 {
        if self.meant == 0 { 0.0 } else { self.right as f64 / self.meant as f64 }
    }
}

/// One source of attacks, judged by what was trained on the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fold {
    /// The source.
    pub(crate) name: String,
    /// Percentage found at 0.5 % false positives among legitimate requests.
    pub(crate) found: f64,
    /// Attacks in it.
    pub(crate) attacks: usize,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    made: Vec<(&'static str, Quality)>,
    corpora: Option<Vec<Fold>>,
}

/// Environment variable with the program that judges corpora; `cargo xtask evaluate` sets it.
const TRAINING: &str = "SENSOR_TRAINING";

/// Measures what it can, and says what it could not.
pub(crate) fn run(archive: &Path, quick: bool) -> Result<Inspection> {
    let each = if quick { 50 } else { 400 };
    let mut made = Vec::new();
    for (name, kind, cases) in made::all(each) {
        let mut quality = Quality::default();
        for case in &cases {
            let found = look(case).contains(&kind);
            quality.meant += usize::from(case.is_meant);
            quality.told += usize::from(found);
            quality.right += usize::from(found && case.is_meant);
        }
        made.push((name, quality));
    }
    Ok(Inspection { made, corpora: corpora(archive, quick)? })
}

/// The kinds of findings in one exchange.
fn look(case: &Case) -> Vec<Kind> {
    let journal = Journal {
        inspector: Inspector::new(&Config::default(), &Key::from_bytes([7; 32])),
        is_accepted: case.is_accepted,
        kinds: Vec::new(),
    };
    let mut http = Http::new(http::Config::default(), journal);
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let time = |second: u64| Timestamp::from_unix_micros((1_790_000_000 + second) * 1_000_000);
    let mut state = http.open(&Opening {
        client: Endpoint::new(address, 1_024),
        server: Endpoint::new(address, 80),
        time: time(0),
        interface: 0,
        midstream: false,
    });
    for (side, bytes, at) in [(Side::Client, &case.request, 1), (Side::Server, &case.response, 2)] {
        let _advice = http.data(&mut state, side, bytes.as_bytes(), time(at));
        http.end(&mut state, side, time(at));
    }
    http.close(state, CloseCause::Fin, time(3));
    http.into_sink().kinds
}

struct Journal {
    inspector: Inspector,
    is_accepted: bool,
    kinds: Vec<Kind>,
}

impl Sink for Journal {
    fn exchange(&mut self, _connection: &Connection, exchange: &Exchange<'_>) {
        let mut room = Vec::new();
        let body = exchange.decode_request(&mut room);
        let known = Known { is_accepted: self.is_accepted, ..Known::default() };
        let inspected = self.inspector.exchange(exchange, body, &known);
        let counts = inspected.findings.iter().filter(|finding| finding.rule != injection::EVIDENCE_RULE);
        self.kinds.extend(counts.map(|finding| finding.kind));
    }
}

/// Judges the corpora, or reports visibly that it could not.
fn corpora(archive: &Path, quick: bool) -> Result<Option<Vec<Fold>>> {
    let training = std::env::var_os(TRAINING).map(PathBuf::from).filter(|program| program.is_file());
    let obstacle = if quick {
        Some("--quick leaves them out".to_owned())
    } else if !archive.is_file() {
        Some(format!("{} is not there", archive.display()))
    } else if training.is_none() {
        Some(format!("{TRAINING} names no program"))
    } else {
        None
    };
    let (None, Some(training)) = (&obstacle, training) else {
        tools::say_skipped("INJECTION IS NOT MEASURED ON CORPORA", &obstacle.unwrap_or_default());
        return Ok(None);
    };
    let place = tempfile::Builder::new().prefix("sensor-corpora-").tempdir()?;
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place.path()).status()?;
    ensure!(unpacked.success(), "{} cannot be unpacked", archive.display());
    let json = place.path().join("folds.json");
    let output = Command::new(&training).arg(place.path().join("dev")).arg("--json").arg(&json).output();
    let output = output.with_context(|| format!("cannot run {}", training.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", training.display(), said.trim());
    Ok(Some(serde_json::from_str(&std::fs::read_to_string(&json)?).context("what the training wrote")?))
}

/// Percentages to reach in sources that were left out, from the issue that asked for them.
const FOLDS: [(&str, f64, &str); 4] = [
    ("sqlmap-made", 99.5, ">= 99.5 %"),
    ("payload lists", 95.0, ">= 95 %"),
    ("gotestwaf", 97.0, ">= 97 %"),
    ("vulnbank", 88.0, ">= 88 %"),
];

/// Least precision and recall of what is told by its form.
const PRECISION: f64 = 0.98;
const RECALL: f64 = 0.95;

impl Inspection {
    /// Its targets.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let made = self.made.iter().map(|(name, quality)| Target {
            what: format!("made exchanges: {name}, precision / recall"),
            target: ">= 0.98 / 0.95",
            measured: format!("{:.3} / {:.3}", quality.precision(), quality.recall()),
            met: Some(quality.precision() >= PRECISION && quality.recall() >= RECALL),
        });
        let folds = FOLDS.iter().map(|(name, least, target)| {
            let fold = self.corpora.iter().flatten().find(|fold| fold.name == *name);
            Target {
                what: format!("injection, {name} left out, 0.5 % false positives"),
                target,
                measured: fold
                    .map_or_else(|| "NOT MEASURED".to_owned(), |fold| format!("{:.2} %", fold.found)),
                met: fold.map(|fold| fold.found >= *least),
            }
        });
        made.chain(folds).collect()
    }

    /// As a table.
    pub(crate) fn table(&self) -> Table {
        let mut table =
            new_table(&["made exchanges (not simulated)", "with it", "found", "found without it"]);
        for (name, quality) in &self.made {
            table.add_row([
                (*name).to_owned(),
                quality.meant.to_string(),
                quality.right.to_string(),
                (quality.told - quality.right).to_string(),
            ]);
        }
        for fold in self.corpora.iter().flatten() {
            let name = format!("injection in {}, trained without it", fold.name);
            table.add_row([name, fold.attacks.to_string(), format!("{:.2} %", fold.found), String::new()]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_training_writes_is_read() {
        let text = r#"[{"name":"vulnbank","found":90.4,"rules":90.4,"attacks":1097}]"#;
        let corpora: Vec<Fold> = serde_json::from_str(text).unwrap();
        let inspection = Inspection { made: Vec::new(), corpora: Some(corpora) };
        let met: Vec<Option<bool>> = inspection.targets().iter().map(|target| target.met).collect();
        assert_eq!(met, [None, None, None, Some(true)]);
        assert_eq!(inspection.table().row_iter().count(), 1);
    }

    #[test]
    fn every_kind_has_cases_with_it_and_without() {
        for (name, _, cases) in made::all(5) {
            let meant = cases.iter().filter(|case| case.is_meant).count();
            assert!(meant > 0 && meant < cases.len(), "{name}: {meant} of {}", cases.len());
        }
    }
}
