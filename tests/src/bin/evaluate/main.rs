//! How well attacks are detected, and how often there are false alarms.
//!
//! On simulated traffic (see [`sensor_tests::sim`]) with known truth, compared with fail2ban's rule on the same events;
//! and on published time series if they are available. Measurements, never a test.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "an evaluation computes with what it measured, and prints it"
)]

mod attacks;
mod inspection;
mod series;
mod targets;
mod weeks;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use clap::Parser;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::ProgressBar;
use serde::Serialize;

/// Where archives of labelled time series are looked for.
const SERIES: [&str; 2] = ["../shared/data/timeseries-dev.tar.gz", "../shared/data/series/series-dev.tar.gz"];

/// Where the archive of attack corpora is looked for.
const CORPORA: &str = "../shared/data/attack-corpora-dev.tar.gz";

/// Evaluates the detectors.
#[derive(Parser)]
struct Cli {
    /// One seed and one week: a look, not a record.
    #[arg(long)]
    quick: bool,
    /// The first seed; others follow.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only attacks whose name has this in it, and nothing else.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// An archive of labelled time series, a folder for each family; may be given more than once.
    #[arg(long, value_name = "FILE", default_values = SERIES)]
    series: Vec<PathBuf>,
    /// An archive of attack corpora, as `cargo xtask train-injection` reads them.
    #[arg(long, value_name = "FILE", default_value = CORPORA)]
    corpora: PathBuf,
    /// The directory of the scorer `lofo_score.py`.
    #[arg(long, value_name = "DIR", default_value = "../shared/tools")]
    tools: PathBuf,
}

/// How much is evaluated.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Effort {
    /// Seeds of attacks and of weeks.
    pub(crate) seeds: Vec<u64>,
    /// Weeks of each seed without an attack.
    pub(crate) weeks: u32,
    /// Hours before an attack.
    pub(crate) hours_before: u32,
}

/// All that was measured.
#[derive(Serialize)]
struct Report {
    simulated: bool,
    effort: Effort,
    attacks: Vec<attacks::Row>,
    weeks: Option<weeks::Weeks>,
    series: Option<series::Scores>,
    inspection: Option<inspection::Inspection>,
    targets: Vec<targets::Target>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let effort = cli.effort();
    println!(
        "Everything but the time series, made exchanges and corpora is SIMULATED traffic with known truth: seeds {:?}, a site with 50 logins a \
         minute.\n",
        effort.seeds
    );
    let attacks = attacks::run(&effort, cli.only.as_deref());
    println!("{}\n", attacks::table(&attacks));
    let is_all = cli.only.is_none();
    let weeks = is_all.then(|| weeks::run(&effort));
    if let Some(weeks) = &weeks {
        println!("{weeks}\n");
    }
    let series = if is_all { series::run(&cli.series, &cli.tools)? } else { None };
    if let Some(series) = &series {
        println!("{}\n", series::table(series));
    }
    let inspection = if is_all { Some(inspection::run(&cli.corpora, cli.quick)?) } else { None };
    if let Some(inspection) = &inspection {
        println!("{}\n", inspection.table());
    }
    let mut targets = targets::of(&attacks, weeks.as_ref(), series.as_ref());
    targets.extend(inspection.iter().flat_map(inspection::Inspection::targets));
    println!("{}", targets::table(&targets));
    if attacks.iter().all(|row| row.found.is_none()) && weeks.as_ref().is_none_or(weeks::Weeks::is_silent) {
        println!("- NO DETECTOR SAID ANYTHING: what passes above passes because nobody watched");
    }
    if cli.quick {
        println!("- a quick look: evaluate without --quick for a record");
    }
    if let Some(path) = &cli.json {
        let report = Report { simulated: true, effort, attacks, weeks, series, inspection, targets };
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

impl Cli {
    fn effort(&self) -> Effort {
        let seeds = if self.quick { 1 } else { 3 };
        Effort {
            seeds: (self.seed..self.seed + seeds).collect(),
            weeks: if self.quick { 1 } else { 2 },
            hours_before: if self.quick { 4 } else { 24 },
        }
    }
}

/// A table that people read.
pub(crate) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// Does all jobs, on all processors; results in the jobs' order.
pub(crate) fn in_parallel<J: Sync, R: Send>(what: &str, jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let bar = ProgressBar::new(jobs.len() as u64).with_message(what.to_owned());
    bar.set_style(indicatif::ProgressStyle::default_bar());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((number, job)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(number).map(|job| (number, job))
        } {
            done.push((number, work(job)));
            bar.inc(1);
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    bar.finish_and_clear();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
