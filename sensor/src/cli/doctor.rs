//! `sensor doctor`: what works on this host.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde::Serialize;
use serde_json::json;

use super::args::DoctorArgs;
use crate::kernel::{self, XdpMode, probe};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Good,
    Note,
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    what: String,
    /// What to do; empty where all is well.
    remedy: String,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { severity: Severity::Good, what: what.into(), remedy: String::new() }
    }

    fn note(what: impl Into<String>, remedy: &str) -> Self {
        Self { severity: Severity::Note, what: what.into(), remedy: remedy.to_owned() }
    }

    fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, what: what.into(), remedy: remedy.into() }
    }
}

/// Largest MTU that fits one page with XDP's headroom and the trailer of an skb; beyond it native XDP needs a
/// driver with multi-buffer support, which the program has.
const ONE_PAGE_MTU: u32 = 3_498;

/// What keeps the sensor from working on this host, whatever the interface, each with its remedy.
pub(super) fn obstacles() -> Vec<(String, String)> {
    let findings = [kernel_version(), privileges()].into_iter().chain(lockdown());
    let problems = findings.filter(|finding| finding.severity == Severity::Problem);
    problems.map(|Finding { what, remedy, .. }| (what, remedy)).collect()
}

/// Looks, tells, and exits with 1 where something keeps the sensor from working.
pub(super) fn doctor(args: &DoctorArgs, json: bool) -> Result<ExitCode> {
    let mut findings = vec![kernel_version(), privileges(), compiler(), type_information()];
    findings.extend(lockdown());
    findings.push(pins(&args.pin_dir));
    let interfaces = if args.interface.is_empty() { interfaces_up()? } else { args.interface.clone() };
    for interface in &interfaces {
        findings.extend(of_interface(interface));
    }
    let works = findings.iter().all(|finding| finding.severity < Severity::Problem);
    if json {
        println!("{}", json!({"works": works, "findings": findings}));
    } else {
        for Finding { severity, what, remedy } in &findings {
            let mark = match severity {
                Severity::Good => "ok      ",
                Severity::Note => "note    ",
                Severity::Problem => "PROBLEM ",
            };
            println!("{mark} {what}");
            if !remedy.is_empty() {
                println!("         -> {remedy}");
            }
        }
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn kernel_version() -> Finding {
    let release = probe::kernel_release();
    let missing = probe::missing_features(release.version);
    if missing.is_empty() {
        return Finding::good(format!("kernel {release}"));
    }
    Finding::problem(format!("kernel {release} lacks {}", missing.join(", ")), "run Linux 6.1 or later")
}

fn privileges() -> Finding {
    let missing: Vec<String> = probe::missing_capabilities().iter().map(ToString::to_string).collect();
    if missing.is_empty() {
        return Finding::good("privileges to load, attach and pin");
    }
    Finding::problem(format!("missing privileges: {}", missing.join(", ")), "run as root")
}

fn lockdown() -> Option<Finding> {
    let mode = probe::lockdown()?;
    let what = format!("kernel lockdown in {mode} mode refuses BPF");
    Some(Finding::problem(what, "boot with lockdown=integrity or none"))
}

fn compiler() -> Finding {
    if probe::has_jit() {
        return Finding::good("BPF programs are compiled to machine code");
    }
    Finding::note(
        "BPF programs are interpreted, which is many times slower",
        "sysctl net.core.bpf_jit_enable=1",
    )
}

fn type_information() -> Finding {
    if probe::has_btf() {
        return Finding::good("kernel type information (BTF)");
    }
    Finding::note("no kernel type information (BTF)", "the sensor works; tools show its maps less well")
}

fn pins(directory: &Path) -> Finding {
    let place = directory.display();
    if probe::is_bpffs(directory) {
        return Finding::good(format!("BPF file system at {place}"));
    }
    Finding::note(
        format!("no BPF file system at {place} yet"),
        "`sensor run` mounts one; without it enforcement ends with the daemon",
    )
}

fn interfaces_up() -> Result<Vec<String>> {
    let mut names: Vec<String> = getifaddrs()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter(|interface| !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .map(|interface| interface.interface_name)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn of_interface(interface: &str) -> Vec<Finding> {
    let facts = kernel::interface_index(interface).and_then(kernel::link_facts);
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => return vec![Finding::problem(error.to_string(), "name an interface that exists")],
    };
    let mut findings = Vec::new();
    if facts.mtu > ONE_PAGE_MTU {
        findings.push(Finding::note(
            format!("{interface}: MTU {} is more than one page holds", facts.mtu),
            "native XDP needs a driver with multi-buffer support; else `--xdp generic` is used",
        ));
    } else {
        findings.push(Finding::good(format!("{interface}: MTU {}", facts.mtu)));
    }
    let driver = std::fs::read_link(format!("/sys/class/net/{interface}/device/driver"));
    let driver = driver.ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    if let Some(driver) = driver {
        findings.push(Finding::good(format!("{interface}: driver {driver}")));
    }
    match facts.xdp {
        None => findings.push(Finding::good(format!("{interface}: no XDP program attached"))),
        Some(mode) => findings.push(attached(interface, mode, facts.program_id)),
    }
    findings
}

fn attached(interface: &str, mode: XdpMode, id: Option<u32>) -> Finding {
    let name = id.and_then(kernel::program_name);
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    match name {
        Some(name) if name == "sensor_xdp" => {
            Finding::good(format!("{interface}: a sensor is attached, program{id}, {} mode", mode.label()))
        }
        name => Finding::problem(
            format!(
                "{interface}: XDP program{id} `{}` is attached, {} mode",
                name.unwrap_or_else(|| "without a name".to_owned()),
                mode.label()
            ),
            format!(
                "an interface takes one program; `bpftool net` shows whose it is, `ip link set dev {interface} xdp off` removes one without a link"
            ),
        ),
    }
}
