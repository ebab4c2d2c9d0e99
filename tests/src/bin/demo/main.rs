//! The demonstration: a server, a legitimate client and a flood, with the real daemon between them.
//!
//! Everything happens in network namespaces that it creates and removes; the machine's own interfaces are not involved.
//! It fails if it does not show what it should.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that counts what it has measured, for a terminal"
)]

mod interrupt;
mod numbers;
mod report;
mod server;
mod stage;
mod traffic;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use sensor_tests::tools;

use interrupt::Interrupt;
use stage::Stage;
use traffic::Phase;

/// Shows a flood beside a legitimate client, first with `sensor` in monitor mode, then enforcing.
#[derive(Debug, Parser)]
#[command(name = "sensor-demo")]
struct Args {
    /// Seconds of traffic in each mode
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=10))]
    seconds: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match demonstrate(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sensor-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(args: &Args) -> Result<()> {
    if let Some(obstacle) = tools::obstacle(&[]) {
        bail!("{obstacle}");
    }
    let interrupt = Interrupt::watch()?;
    println!("{}", report::INTRODUCTION);
    report::step("making two network namespaces, a veth pair, and an HTTP server");
    let stage = Stage::set()?;
    interrupt.check()?;
    report::step("sensor attached to the server's interface in native XDP, limits as by default");
    let time = Duration::from_secs(args.seconds);
    report::step(&format!("monitor mode: {} s of traffic, nothing is dropped", args.seconds));
    let monitor = Phase::play(&stage, time, &interrupt)?;
    report::step(&format!("`sensor mode enforce`, live: {} s of the same traffic", args.seconds));
    stage.daemon.ok(&["mode", "enforce"])?;
    let enforce = Phase::play(&stage, time, &interrupt)?;
    let shown = report::shown(&stage, &enforce.clients)?;
    report::step("detached, namespaces removed");
    drop(stage);
    println!("\n{}", report::comparison(&monitor, &enforce, args.seconds));
    println!("{}", report::exchanges(&monitor.exchanges));
    println!("{shown}");
    let faults = report::faults(&monitor, &enforce);
    if !faults.is_empty() {
        bail!("this did not show what it should: {}", faults.join("; "));
    }
    println!("{}", report::NEXT);
    Ok(())
}
