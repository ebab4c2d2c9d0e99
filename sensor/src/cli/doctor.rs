//! `sensor doctor`: what works on this host.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde::Serialize;
use serde_json::json;

use super::args::{DoctorArgs, Remote};
use crate::control::Client;
use crate::control::wire::{Envelope, HttpReport, Request, StatusReport};
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
    findings.push(ports(&args.remote));
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

/// Which ports speak HTTP. Nothing is sent to find out: the daemon knows by what passed.
fn ports(remote: &Remote) -> Finding {
    let listening = kernel::listening_ports();
    let request = Envelope { request: Request::Status, ssh_peer: None };
    let answer = Client::new(&remote.socket).ask(&request).ok();
    let status = answer.and_then(|answer| serde_json::from_value::<StatusReport>(answer).ok());
    match status.map(|status| status.http) {
        Some(Some(http)) => spoken(&listening, &http),
        Some(None) => Finding::note(
            "the daemon does not see HTTP",
            "its log says why; `[http] enabled` may be false, or the kernel refused the mirror",
        ),
        None => Finding::note(
            format!("ports that somebody listens on: {}; no daemon tells which speak HTTP", list(&listening)),
            "`sensor run` finds out, by what passes and without a connection of its own",
        ),
    }
}

fn spoken(listening: &BTreeSet<u16>, http: &HttpReport) -> Finding {
    let spoken: BTreeSet<u16> = http.http_ports.iter().copied().collect();
    let others: BTreeSet<u16> = listening.difference(&spoken).copied().collect();
    if spoken.is_empty() {
        return Finding::note(
            format!("no port has spoken HTTP yet; somebody listens on {}", list(&others)),
            "the first exchange over a served interface shows it; TLS and what stays on the loopback interface are not seen",
        );
    }
    Finding::good(format!(
        "ports that speak HTTP: {}; others that somebody listens on: {}",
        list(&spoken),
        list(&others)
    ))
}

/// Ports for a person; a host may have thousands.
fn list(ports: &BTreeSet<u16>) -> String {
    const SHOWN: usize = 32;
    let shown: Vec<String> = ports.iter().take(SHOWN).map(u16::to_string).collect();
    match ports.len().saturating_sub(SHOWN) {
        _ if ports.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Aggregates that the device makes of several packets before a program sees them.
fn offloads(interface: &str, active: &BTreeSet<String>) -> Finding {
    let found: Vec<(&str, &str)> = [("rx-lro", "lro"), ("rx-gro-hw", "rx-gro-hw")]
        .into_iter()
        .filter(|(name, _)| active.contains(*name))
        .collect();
    if found.is_empty() {
        return Finding::good(format!("{interface}: no receive offload that is in the way of XDP"));
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    let switches: Vec<String> = found.iter().map(|(_, switch)| format!("{switch} off")).collect();
    Finding::note(
        format!(
            "{interface}: {} on; many drivers refuse native XDP with it, or switch it off",
            names.join(" and ")
        ),
        &format!("ethtool -K {interface} {}", switches.join(" ")),
    )
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
            format!("{interface}: MTU {} is more than one page holds: {ONE_PAGE_MTU}, or a little more or less by driver", facts.mtu),
            &format!("native XDP needs a driver with multi-buffer support, and only attaching shows whether this one has it; else generic mode is used, which is slower, or `ip link set dev {interface} mtu {ONE_PAGE_MTU}`"),
        ));
    } else {
        findings.push(Finding::good(format!("{interface}: MTU {}", facts.mtu)));
    }
    match kernel::active_features(interface) {
        Ok(active) => findings.push(offloads(interface, &active)),
        Err(error) => findings.push(Finding::note(
            format!("{interface}: its offloads cannot be asked for: {error}"),
            "`ethtool -k` may know more; LRO and hardware GRO should be off for native XDP",
        )),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_of_the_device_are_told_with_their_switch() {
        let active = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(offloads("eth0", &active(&["rx-gro", "loopback"])).severity, Severity::Good);
        for (names, remedy) in [
            (&["rx-lro", "rx-gro"][..], "ethtool -K eth0 lro off"),
            (&["rx-gro-hw"], "ethtool -K eth0 rx-gro-hw off"),
            (&["rx-gro-hw", "rx-lro"], "ethtool -K eth0 lro off rx-gro-hw off"),
        ] {
            let finding = offloads("eth0", &active(names));
            assert_eq!((finding.severity, finding.remedy.as_str()), (Severity::Note, remedy));
        }
    }

    #[test]
    fn ports_that_speak_http_are_told_apart() {
        let listening = BTreeSet::from([22, 80, 8080]);
        let report = |http_ports| HttpReport { http_ports, ..HttpReport::default() };
        let finding = spoken(&listening, &report(vec![80]));
        assert_eq!(finding.what, "ports that speak HTTP: 80; others that somebody listens on: 22, 8080");
        let finding = spoken(&listening, &report(vec![]));
        assert_eq!((finding.severity, finding.what.contains("22, 80, 8080")), (Severity::Note, true));
        assert_eq!(list(&(1..=40).collect()).rsplit_once(' ').map(|(_, end)| end), Some("more"));
        assert_eq!(list(&BTreeSet::new()), "none");
    }

    #[test]
    fn without_a_daemon_the_listeners_are_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let finding = ports(&Remote { socket: "/nonexistent/sensor.sock".into() });
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.what.contains("no daemon tells"), "{}", finding.what);
        assert!(kernel::listening_ports().contains(&listener.local_addr().unwrap().port()));
    }
}
