//! Nobody has somebody else accused: requests with a forged source, of everything that a client can be accused of, over
//! both families, with and without proxies that are trusted.
//!
//! Each row is a capture of its own, replayed. That it can fail is shown by the same requests over connections whose client
//! is there: they have to raise the alert. `e2e/forged.rs` does some of it live.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a wrong test may panic")]
#![expect(clippy::cast_possible_truncation, reason = "numbers of a test are small")]

mod scripts;
mod ways;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor::detect::Threat;
use sensor_tests::daemon;
use sensor_tests::hostile::Family;
use serde_json::Value;

use scripts::{SCRIPTS, Script};
use ways::{PROXIES, Player, Via, Way, proxy, victim};

/// What is told of routes and of what their answers give away, of packets that the kernel has shed (captures have neither a
/// limit nor a client for it), and of frames of HTTP/2, which are no text.
const OF_NO_REQUEST: [Threat; 12] = [
    Threat::RateSpike,
    Threat::ErrorSpike,
    Threat::LatencySpike,
    Threat::KeyExposure,
    Threat::DataExposure,
    Threat::Flood,
    Threat::Http2Abuse,
    // These compare days, and their tests are beside them. What nobody proves to have sent reaches no detector.
    Threat::Bola,
    Threat::Bfla,
    Threat::Unauthenticated,
    Threat::MassAssignment,
    Threat::BusinessFlow,
];

/// What a request may look like, for the row about that.
const OFFERS: &str = r#"openapi: 3.1.0
info: {title: offers, version: "1"}
paths:
  /api/users/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {default: {description: a member}}
  /api/offers/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {"200": {description: the offer}, "400": {description: no number}}
"#;

/// Alerts of a row's capture, and the summary.
fn replay(directory: &Path, script: &Script, capture: &[u8]) -> Result<(Vec<Value>, Value)> {
    let (file, config) = (directory.join("row.pcap"), directory.join("sensor.toml"));
    fs::write(&file, capture)?;
    let mut text = format!(
        "[identity]\ntrusted_proxies = {PROXIES:?}\n[detect.request-rate]\nper_client = \"120/min:60\"\n"
    );
    if script.threat == Threat::Schema {
        let document = directory.join("openapi.yaml");
        fs::write(&document, OFFERS)?;
        text.push_str(&format!("[routes]\nopenapi = {document:?}\n"));
    }
    fs::write(&config, text)?;
    let output =
        Command::new(daemon::binary()?).args(["replay", "--json", "-c"]).arg(&config).arg(&file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (alerts, rest): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["detector"].is_string());
    // That members, who are there, send their passwords in clear is told of the route, and names nobody.
    let is_of_route = |alert: &Value| {
        let subject = alert["subject"].as_str().unwrap_or_default();
        alert["detector"] == "key-exposure" && subject.starts_with("route ")
    };
    let alerts = alerts.into_iter().filter(|alert| !is_of_route(alert)).collect();
    Ok((alerts, rest.into_iter().next_back().context("no summary")?))
}

/// The names of victims in a row: their addresses, and the /64 that makes a client of IPv6.
fn is_named(script: &Script, family: Family, via: Via, alerts: &[Value]) -> bool {
    let client = if script.by_wire && via != Via::Direct { proxy(family) } else { victim(family, 0) };
    let name = client.to_string();
    let name = name.strip_suffix("::5").unwrap_or(&name);
    alerts.iter().any(|alert| alert.to_string().contains(name))
}

fn rows() -> impl Iterator<Item = (&'static Script, Family, Via)> {
    let scripts = SCRIPTS.iter();
    let families = scripts.flat_map(|script| Family::BOTH.map(|family| (script, family)));
    families.flat_map(|(script, family)| Via::ALL.map(|via| (script, family, via)))
}

#[test]
fn every_detector_that_accuses_clients_has_a_row() {
    for threat in Threat::ALL {
        let has_row = SCRIPTS.iter().any(|script| script.threat == threat);
        assert_eq!(has_row, !OF_NO_REQUEST.contains(&threat), "{threat:?}");
    }
}

/// The control: who is there is accused.
#[test]
fn whoever_is_there_is_accused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for (script, family, via) in rows() {
        let (alerts, _) = replay(directory.path(), script, &Player::play(script, family, via, Way::Whole))?;
        let row = || format!("{} {family:?} {via:?}: {alerts:#?}", script.name);
        let is_told = alerts.iter().any(|alert| alert["detector"] == script.threat.slug());
        ensure!(is_told, "not told: {}", row());
        ensure!(is_named(script, family, via, &alerts), "nobody is named: {}", row());
    }
    Ok(())
}

#[test]
fn whoever_is_not_there_is_not_accused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut failed = Vec::new();
    for (script, family, via) in rows() {
        for way in Way::FORGED {
            let (alerts, summary) =
                replay(directory.path(), script, &Player::play(script, family, via, way))?;
            let row = format!("{} {family:?} {via:?} {way:?}", script.name);
            if !alerts.is_empty() {
                failed.push(format!("{row}: {alerts:?}"));
            }
            if way.is_shown() && summary["unproven"].as_u64() < Some(1) {
                failed.push(format!("{row}: not shown: {summary}"));
            }
        }
    }
    ensure!(failed.is_empty(), "{} rows: {failed:#?}", failed.len());
    Ok(())
}
