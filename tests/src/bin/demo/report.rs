//! The output, for a terminal of 80 columns, and checks of what it must show.

use std::fmt::Write as _;

use anyhow::Result;
use sensor_tests::daemon::{Totals, WEB};
use sensor_tests::netns::INTERFACE;
use sensor_tests::peers::http::Tally;

use crate::numbers::{grouped, milliseconds, percent, percentile};
use crate::stage::Stage;
use crate::traffic::{Exchanges, Phase};

/// What this is.
pub(crate) const INTRODUCTION: &str = "\
sensor: a flood beside a legitimate client, without and with enforcement

  10.9.0.2   legitimate client, 50 HTTP requests a second  \\
                                                            veth > XDP > server
  10.9.0.66  flooding client, UDP as fast as it can and    /
             HTTP on 4 connections
";

/// What to do after this.
pub(crate) const NEXT: &str = "\
Next: `cargo xtask run` starts it on this machine, in monitor mode, and
      `sensor doctor` says what works here.";

/// Says that a step begins.
pub(crate) fn step(text: &str) {
    println!("* {text}");
}

/// Both phases side by side.
pub(crate) fn comparison(monitor: &Phase, enforce: &Phase, seconds: u64) -> String {
    let mut text = String::new();
    let mut line = |name: &str, values: [String; 2]| {
        let [left, right] = values;
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{}", format!("{name:<30}{left:>24}{right:>24}").trim_end());
    };
    let both = [monitor, enforce];
    line("", ["monitor".to_owned(), "enforce".to_owned()]);
    line("", ["counts only".to_owned(), "drops".to_owned()]);
    line(&"-".repeat(30), ["-".repeat(24), "-".repeat(24)]);
    line("legitimate client", [String::new(), String::new()]);
    line("  HTTP requests", both.map(|phase| grouped(phase.legitimate.all())));
    line("  answered", both.map(|phase| answered(&phase.legitimate)));
    line("  latency p50 / p99, ms", both.map(|phase| latency(&phase.legitimate)));
    line("  packets at the interface", both.map(|phase| grouped(seen(phase.legitimate_packets))));
    line("  over a limit", both.map(|phase| grouped(phase.legitimate_packets.dropped)));
    line("flooding client", [String::new(), String::new()]);
    line("  UDP packets sent", both.map(|phase| grouped(phase.flood_sent)));
    line("  a second", both.map(|phase| grouped(phase.flood_sent / seconds)));
    line("  reached the application", both.map(|phase| of(phase.flood_arrived, phase.flood_sent)));
    line("  HTTP requests", both.map(|phase| grouped(phase.flood_requests.all())));
    line("  answered", both.map(|phase| grouped(phase.flood_requests.ok)));
    line("  packets at the interface", both.map(|phase| grouped(seen(phase.flood_packets))));
    let dropped = |phase: &Phase| of(phase.flood_packets.dropped, seen(phase.flood_packets));
    line("  over a limit: would drop", [dropped(monitor), "-".to_owned()]);
    line("  over a limit: dropped by XDP", ["-".to_owned(), dropped(enforce)]);
    text
}

/// Excerpts for an operator, taken from the running daemon.
pub(crate) fn shown(stage: &Stage, clients: &str) -> Result<String> {
    let status = stage.daemon.ok(&["status"])?;
    let metrics = stage.daemon.metrics()?;
    let lines: Vec<String> = metrics.text.lines().filter(|line| is_telling(line)).map(shortened).collect();
    Ok(format!(
        "$ curl http://{WEB}/metrics    # excerpt; … for interface and family\n{}\n\n\
         $ sensor clients --top 2    # during the flood, enforcing\n{}\n\n$ sensor status\n{}\n",
        lines.join("\n"),
        clients.trim_end(),
        status.trim_end()
    ))
}

/// What the daemon saw of both clients' HTTP.
pub(crate) fn exchanges(exchanges: &Exchanges) -> String {
    let lines = [&exchanges.legitimate[..], &exchanges.flooder[..]].concat();
    format!(
        "$ sensor exchanges    # excerpt, right after the traffic in monitor mode\n{}\n",
        lines.join("\n")
    )
}

/// Series that have counted something of this.
fn is_telling(line: &str) -> bool {
    let counted = line.starts_with("sensor_packets_total{") && !line.ends_with(" 0");
    let ours = counted && line.contains(FAMILY);
    ours || ["sensor_mode{", "sensor_clients_tracked "].iter().any(|name| line.starts_with(name))
}

const FAMILY: &str = "family=\"ipv4\",";

/// A line without the labels that are the same in all of these, so that it fits the terminal.
fn shortened(line: &str) -> String {
    line.replace(FAMILY, "").replace(&format!("interface=\"{INTERFACE}\","), "…,")
}

/// What the demonstration should have shown and did not.
pub(crate) fn faults(monitor: &Phase, enforce: &Phase) -> Vec<String> {
    let Tally { failed, why, .. } = &enforce.legitimate;
    let why = why.as_deref().unwrap_or_default();
    let Exchanges { legitimate, flooder } = &monitor.exchanges;
    let checks = [
        (legitimate.is_empty(), "no exchange of the legitimate client was seen".to_owned()),
        (flooder.is_empty(), "no exchange of the flooder was seen".to_owned()),
        (monitor.flood_packets.dropped == 0, "in monitor mode the flood was within the limits".to_owned()),
        (monitor.dropped_by_xdp > 0, format!("monitor mode dropped {} packets", monitor.dropped_by_xdp)),
        (enforce.flood_packets.dropped == 0, "in enforce mode nothing of the flood was dropped".to_owned()),
        (enforce.legitimate.ok == 0, "no legitimate request was answered in enforce mode".to_owned()),
        (*failed > 0, format!("{failed} legitimate requests failed in enforce mode, the last with: {why}")),
        (enforce.legitimate_packets.dropped > 0, "packets of the legitimate client were dropped".to_owned()),
    ];
    checks.into_iter().filter(|(is_fault, _)| *is_fault).map(|(_, fault)| fault).collect()
}

fn answered(tally: &Tally) -> String {
    of(tally.ok, tally.all())
}

fn of(part: u64, whole: u64) -> String {
    format!("{} ({})", grouped(part), percent(part, whole))
}

fn latency(tally: &Tally) -> String {
    let mut sorted = tally.took.clone();
    sorted.sort();
    format!("{} / {}", milliseconds(percentile(&sorted, 50)), milliseconds(percentile(&sorted, 99)))
}

const fn seen(packets: Totals) -> u64 {
    packets.passed + packets.dropped
}
