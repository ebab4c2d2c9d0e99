//! `cargo xtask`: everything a developer, an operator who builds from source, or the continuous
//! integration does with this repository, as commands that need no further explanation.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints")]

mod bare;
mod bench;
mod build;
mod clock;
mod demo;
mod deny;
mod dist;
mod evaluate;
mod fuzz;
mod outcome;
mod picture;
mod process;
mod progress;
mod run;
mod setup;
mod soak;
mod stages;
mod test;
mod tidy;
mod train;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Builds, demonstrates and tests sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what building needs on this machine, and install what is missing.
    Setup(setup::Args),
    /// Build everything that runs on this machine.
    Build(build::Args),
    /// Build the daemon and run it here, observing only.
    Run(run::Args),
    /// Build and show an attack and its end, in network namespaces of its own.
    Demo(demo::Args),
    /// Run every check and every test.
    Test(test::Args),
    /// Measure.
    Bench(bench::Args),
    /// Evaluate the detectors: attacks found and false alarms on simulated traffic, scores on time series.
    Evaluate(evaluate::Args),
    /// Train the recognition of injection on corpora, and write its weights.
    TrainInjection(train::Args),
    /// Run the daemon under load and faults for minutes or hours, and see whether it grows.
    Soak(soak::Args),
    /// Give the parsers hostile input, guided by what it reaches.
    Fuzz(fuzz::Args),
    /// Make the package for Debian and Ubuntu, and the tarball for the rest.
    Dist(dist::Args),
    /// Take the picture of `sensor top` that is in the README.
    Picture(picture::Args),
    /// Check the house rules.
    Tidy,
    /// Run the kernel-side tests on other Linux versions, in virtual machines.
    Vm(vm::Args),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Setup(args) => setup::command(&args),
        Command::Build(args) => build::command(&args),
        Command::Run(args) => run::command(&args),
        Command::Demo(args) => demo::command(&args),
        Command::Test(args) => test::command(&args),
        Command::Bench(args) => bench::command(&args),
        Command::Evaluate(args) => evaluate::command(&args),
        Command::TrainInjection(args) => train::command(&args),
        Command::Soak(args) => soak::command(&args),
        Command::Fuzz(args) => fuzz::command(&args),
        Command::Dist(args) => dist::command(&args),
        Command::Picture(args) => picture::command(&args),
        Command::Tidy => tidy::command(),
        Command::Vm(args) => vm::command(&args),
    }
}

/// The names of the subcommands, for checking what the documentation names.
fn subcommands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn subcommands_have_their_names() {
        let names = subcommands();
        for name in [
            "setup", "build", "run", "demo", "test", "bench", "evaluate", "soak", "fuzz", "dist", "picture",
            "tidy", "vm",
        ] {
            assert!(names.iter().any(|known| known == name), "{name} is missing");
        }
    }
}
