//! What Prometheus would see.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use sensor_tests::daemon::Scrape;
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;

/// The families of the kernel part and of the daemon itself that dashboards rely on.
const FAMILIES: &[&str] = &[
    "sensor_build_info",
    "sensor_mode",
    "sensor_interface_info",
    "sensor_packets_total",
    "sensor_bytes_total",
    "sensor_clients_tracked",
    "sensor_clients_evicted_total",
    "sensor_clients_proven_total",
    "sensor_clients_displaced_total",
    "sensor_blocks_active",
    "sensor_blocks_total",
    "sensor_state_write_errors_total",
    "sensor_config_reload_success",
    "sensor_config_last_reload_timestamp_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
];

fn scraped() -> Result<(Scene, Scrape)> {
    let scene = Scene::new(&config("enforce", "1/min:10"))?;
    for client in [v4(FLOODER), v6(FLOODER), v4(LEGITIMATE)] {
        scene.send(client, 50)?;
    }
    scene.daemon.ok(&["block", "add", "10.9.0.67", "--for", "1h"])?;
    let metrics = scene.daemon.metrics()?;
    Ok((scene, metrics))
}

#[test]
fn every_family_is_there_after_traffic() -> Result<()> {
    if tools::skipped("every_family_is_there_after_traffic", &[]) {
        return Ok(());
    }
    let (scene, metrics) = scraped()?;
    let found = metrics.families();
    let missing: Vec<&&str> = FAMILIES.iter().filter(|family| !found.contains(**family)).collect();
    ensure!(missing.is_empty(), "missing: {missing:?}");
    for family in ["ipv4", "ipv6"] {
        for (verdict, reason) in [("pass", "none"), ("drop", "packet_rate")] {
            let labels =
                [("interface", INTERFACE), ("family", family), ("verdict", verdict), ("reason", reason)];
            let (packets, bytes) =
                (metrics.sum("sensor_packets_total", &labels), metrics.sum("sensor_bytes_total", &labels));
            ensure!(packets > 0, "no packets with {labels:?}");
            // The shortest is Ethernet, IPv4, UDP and a sequence number.
            ensure!(bytes >= packets * 50, "{packets} packets of {bytes} bytes with {labels:?}");
        }
    }
    for (name, labels, value) in [
        ("sensor_mode", [("mode", "enforce")], 1),
        ("sensor_mode", [("mode", "monitor")], 0),
        ("sensor_interface_info", [("xdp_mode", "native")], 1),
        ("sensor_blocks_total", [("detector", "command")], 1),
    ] {
        ensure!(metrics.sum(name, &labels) == value, "{name} {labels:?} is not {value}");
    }
    ensure!(metrics.sum("sensor_blocks_active", &[]) == 1, "the block is not counted");
    ensure!(metrics.sum("sensor_clients_tracked", &[]) >= 3, "clients are not counted");
    let later = scene.daemon.metrics()?;
    for sample in metrics.samples.iter().filter(|sample| sample.name.ends_with("_total")) {
        let again =
            later.samples.iter().find(|other| other.name == sample.name && other.labels == sample.labels);
        ensure!(again.is_some_and(|again| again.value >= sample.value), "{sample:?} became {again:?}");
    }
    Ok(())
}

#[test]
fn no_label_names_a_client() -> Result<()> {
    if tools::skipped("no_label_names_a_client", &[]) {
        return Ok(());
    }
    let (_scene, metrics) = scraped()?;
    for sample in &metrics.samples {
        for (key, value) in &sample.labels {
            let is_address = value.parse::<IpAddr>().is_ok() || value.parse::<IpNet>().is_ok();
            ensure!(!is_address && !value.contains("10.9."), "{} has {key}={value}", sample.name);
        }
    }
    Ok(())
}

#[test]
fn promtool_finds_nothing_to_complain_about() -> Result<()> {
    if tools::skipped("promtool_finds_nothing_to_complain_about", &["promtool"]) {
        return Ok(());
    }
    let (_scene, metrics) = scraped()?;
    let program = tools::find("promtool").context("it was there a moment ago")?;
    let mut promtool = std::process::Command::new(program);
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn()?;
    child.stdin.take().context("no pipe to promtool")?.write_all(metrics.text.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "{}: {said}", output.status);
    Ok(())
}
