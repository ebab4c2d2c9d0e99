//! The fixture table as one program, for virtual machines of other kernels: it needs no network, no files and
//! little memory. Exits with 0 if every row passed.
#![expect(clippy::print_stdout, reason = "the machine's console is all that it can speak to")]

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use sensor::kernel::probe;
use sensor_common::abi::programs;
use sensor_tests::fixtures::{self, Report};
use sensor_tests::mirror;
use sensor_tests::plane::{Plane, SMALL};

fn main() -> ExitCode {
    println!("Linux {}", probe::kernel_release());
    match run() {
        Ok(report) => {
            for failure in &report.failures {
                println!("FAILED {failure}");
            }
            println!("{} passed, {} failed", report.passed, report.failures.len());
            if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Report> {
    let mut plane = Plane::load(SMALL)?;
    for name in [programs::XDP, programs::CLOCK] {
        let program = plane.dataplane.ebpf().program(name).context("a program is missing")?;
        match program.info()?.verified_instruction_count() {
            Some(count) => println!("{name}: {count} instructions verified"),
            None => println!("{name}: this kernel does not say how many instructions it verified"),
        }
    }
    let report = fixtures::run_all(&mut plane)?;
    mirror::check().context("the mirror")?;
    println!("the mirror copies what it is asked for");
    Ok(report)
}
