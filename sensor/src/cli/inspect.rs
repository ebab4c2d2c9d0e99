//! `sensor inspect`: requests from files through the inspection that the daemon does, to judge its rules by.

mod request;

use std::fs;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::args::InspectArgs;
use super::say::{SayError, complain};
use crate::control::wire::counted;
use crate::identity::Key;
use crate::inspect::{Config, Finding, Inspector};
use crate::printable::{printable, write_json};
use request::Given;

/// Runs the command.
pub(super) fn inspect(args: &InspectArgs, json: bool) -> Result<ExitCode> {
    let mut judge = Judge {
        inspector: Inspector::new(
            &Config { bytes_per_second: usize::MAX, ..Config::default() },
            &Key::from_bytes([0; 32]),
        ),
        out: BufWriter::new(io::stdout().lock()),
        json,
        all: 0,
        told: 0,
    };
    for file in &args.files {
        let name = file.display().to_string();
        let input = open(file)?;
        if args.values || args.lines {
            judge.lines(&name, input, args.values)?;
        } else {
            judge.whole(&name, input)?;
        }
    }
    judge.out.flush().map_err(SayError::from).context("writing verdicts")?;
    complain(format!("{} inspected: {}", counted(judge.all, "request"), counted(judge.told, "attack")));
    Ok(ExitCode::SUCCESS)
}

fn open(file: &Path) -> Result<Box<dyn Read>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok(Box::new(opened))
}

/// Longest request, or line.
const MAX_BYTES: u64 = 16 << 20;

/// What is said of a request.
#[derive(Serialize)]
struct Verdict<'a> {
    /// The file, and the line in it.
    source: String,
    /// `attack`, `evidence` or `clean`.
    verdict: &'static str,
    /// From 0 to 1; for comparing requests, not a probability.
    score: f64,
    findings: &'a [Finding],
}

struct Judge<W: Write> {
    inspector: Inspector,
    out: W,
    json: bool,
    all: u64,
    told: u64,
}

impl<W: Write> Judge<W> {
    /// A file with one request.
    fn whole(&mut self, name: &str, input: Box<dyn Read>) -> Result<()> {
        let mut text = Vec::new();
        input.take(MAX_BYTES).read_to_end(&mut text).with_context(|| format!("cannot read {name}"))?;
        let given = Given::of_wire(&text)
            .with_context(|| format!("{name}: expected a request line, `GET /path HTTP/1.1`"))?;
        self.judge(name.to_owned(), &given)
    }

    /// A file with a request in each line.
    fn lines(&mut self, name: &str, input: Box<dyn Read>, are_values: bool) -> Result<()> {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = input.by_ref().take(MAX_BYTES).read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {name}"))? == 0 {
                return Ok(());
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.trim_ascii().is_empty() {
                continue;
            }
            let given = if are_values {
                Given::of_value(text)
            } else {
                Given::of_json(text).with_context(|| format!("{name}:{number}"))?
            };
            self.judge(format!("{name}:{number}"), &given)?;
        }
        Ok(())
    }

    fn judge(&mut self, source: String, given: &Given) -> Result<()> {
        let judged = self.inspector.judge(given.carrier());
        let verdict = match judged.findings {
            [] => "clean",
            _ if judged.is_attack => "attack",
            _ => "evidence",
        };
        self.all = self.all.saturating_add(1);
        self.told = self.told.saturating_add(u64::from(judged.is_attack));
        let verdict = Verdict { source, verdict, score: judged.score, findings: judged.findings };
        let written = if self.json {
            write_json(&mut self.out, &verdict).map_err(io::Error::from).and_then(|()| writeln!(self.out))
        } else {
            text(&mut self.out, &verdict)
        };
        written.map_err(SayError::from).context("writing verdicts")
    }
}

/// One line: the source, the verdict, the score, and each finding as `class:rule@place.name`.
fn text(out: &mut impl Write, verdict: &Verdict<'_>) -> io::Result<()> {
    write!(out, "{}\t{}\t{:.3}", printable(&verdict.source), verdict.verdict, verdict.score)?;
    for finding in verdict.findings {
        write!(out, "\t{}:{}@{}", finding.class, finding.rule, finding.place.label())?;
        if !finding.name.text().is_empty() {
            write!(out, ".{}", finding.name.text())?;
        }
    }
    writeln!(out)
}
