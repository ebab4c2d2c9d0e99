//! The daemon under load for as long as requested, while everything around it fails: does it stay small, report what
//! happened, and keep its state?
//!
//! Everything runs in this process's own namespaces and ends with it. Traffic is real: kernel connections to nginx;
//! only the clients are made up.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "it computes with what it measured, and prints it"
)]

mod faults;
mod load;
mod report;
mod stage;
mod steady;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use report::Report;
use stage::Stage;

/// Runs the daemon under load and faults; exits 1 where a check fails.
#[derive(Parser)]
struct Cli {
    /// How long the load lasts before the faults that end a process begin, in minutes.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// Exchanges a second.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    rate: u32,
    /// Half a minute at a rate that any machine keeps up: a look, not a record.
    #[arg(long, conflicts_with_all = ["minutes", "rate"])]
    quick: bool,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let (steady, rate) = if cli.quick {
        (Duration::from_secs(30), 2_000)
    } else {
        (Duration::from_secs_f64(cli.minutes.max(0.5) * 60.0), cli.rate)
    };
    let mut report = Report::default();
    let mut stage = Stage::set(rate)?;
    steady::run(&mut stage, &mut report, steady, !cli.quick)?;
    faults::run(&mut stage, &mut report)?;
    stage.end(&mut report)?;
    println!("{report}");
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
