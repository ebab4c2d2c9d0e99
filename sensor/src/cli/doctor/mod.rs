//! `sensor doctor`: what works on this host.
//!
//! Each part first collects facts and then evaluates them; the evaluation is tested with made-up facts.

mod crowdsec;
mod finding;
mod interface;
mod kernel;
mod logs;
mod ports;

use std::process::ExitCode;

use anyhow::Result;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde_json::json;

use super::args::DoctorArgs;
use super::say::{SayError, say, say_json};
use finding::{Finding, Severity};

/// Whatever prevents the sensor from working on this host, independent of the interface, each with its remedy.
pub(super) fn obstacles() -> Vec<(String, String)> {
    let problems = kernel::essentials().into_iter().filter(|finding| finding.severity == Severity::Problem);
    problems.map(|Finding { what, remedy, .. }| (what, remedy)).collect()
}

/// Checks, reports, and exits with 1 if something prevents the sensor from working.
pub(super) fn doctor(args: &DoctorArgs, json: bool) -> Result<ExitCode> {
    let mut findings = kernel::findings(&args.pin_dir);
    let interfaces = if args.interface.is_empty() { interfaces_up()? } else { args.interface.clone() };
    for interface in &interfaces {
        findings.extend(interface::findings(interface));
    }
    findings.extend(ports::findings(&args.remote));
    let works = findings.iter().all(|finding| finding.severity < Severity::Problem);
    if json {
        say_json(&json!({"works": works, "findings": findings}))?;
    } else {
        findings.iter().try_for_each(print)?;
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(Finding { severity, what, remedy }: &Finding) -> Result<(), SayError> {
    let mark = match severity {
        Severity::Good => "ok      ",
        Severity::Note => "note    ",
        Severity::Problem => "PROBLEM ",
    };
    say(format!("{mark} {what}"))?;
    if remedy.is_empty() { Ok(()) } else { say(format!("         -> {remedy}")) }
}

fn interfaces_up() -> Result<Vec<String>> {
    let mut names: Vec<String> = getifaddrs()?
        .filter(|interface| {
            interface.flags.contains(InterfaceFlags::IFF_UP)
                && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        })
        .map(|interface| interface.interface_name)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
