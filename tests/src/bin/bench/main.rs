//! Measurements, for people and for records: never a test; a slow machine fails nothing.
//!
//! Everything measured runs in this process's own namespaces and ends with it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a measurement computes with what it measured, and prints it"
)]

mod clock;
mod command;
mod contest;
mod crowd;
mod daemon;
mod fleet;
mod flood;
mod frames;
mod hostile;
mod http;
mod http2;
mod link;
mod nftables;
mod plane;
mod policy;
mod report;
mod sandbox;
mod series;
mod single;
mod testplane;
mod tls;
mod xdp_filter;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use contest::Effort;
use report::Report;

/// Measures the sensor against the tools that it is compared with.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// What a packet costs in the kernel, beside xdp-filter and nftables; needs root.
    Kernel(SuiteArgs),
    /// What seeing HTTP costs: server, daemon, replay, memory; needs root.
    Http(HttpArgs),
    /// What reading TLS costs: server, handshakes, daemon, memory; and how soon an attack inside is blocked; needs root.
    Tls(TlsArgs),
    /// What seeing HTTP/2 costs: pipeline, memory, server, blocks; needs root.
    Http2(Http2Args),
    /// What a fleet costs and how fast it is: blocks on their way, the server, telling others; needs root.
    Fleet(FleetArgs),
    /// What an idle daemon takes, and how soon one with 100,000 blocks is ready; needs root.
    Daemon(SuiteArgs),
    /// What each megabyte of hostile input costs, beside ordinary traffic.
    Hostile(HostileArgs),
    /// What a value costs the detector of spikes, and what a series takes.
    Series(SuiteArgs),
}

#[derive(clap::Args)]
struct HostileArgs {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Only the kinds whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
}

#[derive(clap::Args)]
struct HttpArgs {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Only the parts whose name has this in it: pipeline, detection, authorization, inspection, posture, memory, replay,
    /// live, response.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
}

#[derive(clap::Args)]
struct TlsArgs {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Only the parts whose name has this in it: pipeline, memory, live, handshakes, response.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
}

#[derive(clap::Args)]
struct FleetArgs {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Only the parts whose name has this in it: hosts, engine, telling.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
}

#[derive(clap::Args)]
struct Http2Args {
    #[command(flatten)]
    suite: SuiteArgs,
    /// Only the parts whose name has this in it: pipeline, memory, live, reset.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
}

#[derive(clap::Args)]
struct SuiteArgs {
    /// Also write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer rounds: a look, not a record.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    let (report, args) = match Cli::parse().suite {
        Suite::Kernel(args) => {
            let effort = args.effort();
            let report = sandbox::isolated(|| kernel(effort)).context("the kernel could not be measured")?;
            (report, args)
        }
        Suite::Http(HttpArgs { suite: args, only }) => {
            let mut report = Report::new(args.effort())?;
            http::measure(&mut report, args.effort(), &only).context("HTTP could not be measured")?;
            (report, args)
        }
        Suite::Tls(TlsArgs { suite: args, only }) => {
            let mut report = Report::new(args.effort())?;
            tls::measure(&mut report, args.effort(), &only).context("TLS could not be measured")?;
            (report, args)
        }
        Suite::Http2(Http2Args { suite: args, only }) => {
            let mut report = Report::new(args.effort())?;
            http2::measure(&mut report, args.effort(), &only).context("HTTP/2 could not be measured")?;
            (report, args)
        }
        Suite::Fleet(FleetArgs { suite: args, only }) => {
            let mut report = Report::new(args.effort())?;
            fleet::measure(&mut report, args.effort(), &only).context("the fleet could not be measured")?;
            (report, args)
        }
        Suite::Daemon(args) => {
            let mut report = Report::new(args.effort())?;
            daemon::measure(&mut report, args.effort()).context("the daemon could not be measured")?;
            (report, args)
        }
        Suite::Hostile(HostileArgs { suite: args, only }) => {
            let mut report = Report::new(args.effort())?;
            hostile::measure(&mut report, args.effort(), &only)
                .context("hostile input could not be measured")?;
            (report, args)
        }
        Suite::Series(args) => {
            let mut report = Report::new(args.effort())?;
            series::measure(&mut report, args.effort()).context("series could not be measured")?;
            (report, args)
        }
    };
    println!("{report}");
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

impl SuiteArgs {
    const fn effort(&self) -> Effort {
        if self.quick { Effort::QUICK } else { Effort::FULL }
    }
}

fn kernel(effort: Effort) -> Result<Report> {
    let mut report = Report::new(effort)?;
    let xdp_filter = xdp_filter::load(&mut report)?;
    single::measure(&mut report, effort, xdp_filter.as_ref())?;
    policy::measure(&mut report, effort)?;
    crowd::measure(&mut report, effort)?;
    flood::measure(&mut report, effort)?;
    Ok(report)
}
