//! Alerts in the schemas of others, against what those publish: of every detector, each action, with everything that a
//! record may have and with the least.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use sensor::decide::{Alert, Incident};
use sensor::detect::{Severity, Threat};
use sensor::notify::{WebhookFormat, body_of_alert, body_of_end};
use sensor_tests::tools;
use serde_json::{Value, json};

/// Pinned, so that the tests do not change by themselves.
const OCSF_PACKAGES: [&str; 2] = ["ocsf-json-schema==1.2.0", "jsonschema==4.26.0"];
const OTLP_PACKAGE: &str = "opentelemetry-proto==1.45.2";
const ECS_PACKAGE: &str = "@elastic/ecs@9.4.0";

const HOST: &str = "web1.example.org";
/// What a client may have put into a record.
const HOSTILE: &str = "\"]}\\ \u{0}\u{1b}[2J\r\n\u{202e}\u{e9}\u{1f600}";

/// Whom alerts are about, with the exchange that is an example.
const SUBJECTS: [(&str, &str, &str); 5] = [
    ("client", "192.0.2.7", "192.0.2.7"),
    ("client", "2001:db8::/64", "2001:db8::17"),
    ("subject", "user:00000000deadbeef", "192.0.2.9"),
    ("subject", HOSTILE, "::1"),
    ("subject", "192.0.2.0/24", "192.0.2.9"),
];

fn alert(
    threat: Threat,
    severity: Severity,
    action: &str,
    (key, about, client): (&str, &str, &str),
) -> Result<Alert> {
    let is_full = action != "none";
    let mut record = json!({
        "id": "01K7Z3V5Q8000000000000040G",
        "ts": "2026-11-26T08:17:14.000000Z",
        "detector": threat.slug(),
        "severity": severity.label(),
        "confidence": if is_full { 0.87 } else { 0.0 },
        "owasp": threat.owasp(),
        "summary": format!("tried 10 accounts {HOSTILE}"),
        "evidence": {},
        "window": { "start": "2026-11-26T08:17:02.000000Z", "end": "2026-11-26T08:17:14.000000Z" },
        "action": action,
    });
    let mut put =
        |key: &str, value: Value| record.as_object_mut().map(|object| object.insert(key.to_owned(), value));
    put(key, about.into());
    if is_full {
        put("until", "2026-11-26T08:27:14.000000Z".into());
        put("reason_no_action", HOSTILE.into());
        let exchange = json!({
            "ts": "2026-11-26T08:17:13.000000Z",
            "client": client,
            "method": "POST",
            "route": "/users/{id}",
            "path": HOSTILE,
            "status": 401,
            "user": "user:00000000deadbeef",
            "unit": "shop.service",
        });
        let least = json!({ "ts": "2026-11-26T08:17:13.000000Z", "client": client, "status": null });
        let exchanges = [exchange, least];
        let evidence = json!({
            "accounts": 10, "share": 0.5, "most": u64::MAX, "text": HOSTILE, "exchanges": exchanges,
        });
        put("evidence", evidence);
    }
    Ok(serde_json::from_value(record)?)
}

/// The end of an alert's incident.
fn end(alert: &Alert) -> Result<Incident> {
    let mut record = serde_json::to_value(alert)?;
    let more = json!({
        "first": alert.window.start, "known": alert.ts, "last": alert.window.end, "state": "over", "over": alert.ts,
        "attempts": 70, "clients": 3, "blocked": 2, "limited": 1, "alerts": [alert.id], "step": "over", "told": alert.ts,
    });
    let (Some(record_keys), Some(more)) = (record.as_object_mut(), more.as_object()) else {
        anyhow::bail!("no objects");
    };
    record_keys.extend(more.clone());
    record_keys.remove("ts");
    record_keys.remove("window");
    Ok(serde_json::from_value(record)?)
}

fn alerts() -> Result<Vec<Alert>> {
    let mut alerts = Vec::new();
    let (mut severities, mut subjects) = (Severity::ALL.into_iter().cycle(), SUBJECTS.into_iter().cycle());
    for threat in Threat::ALL {
        for action in ["none", "would_limit", "limit", "would_block", "block"] {
            let severity = severities.next().context("no severity")?;
            alerts.push(alert(threat, severity, action, subjects.next().context("no subject")?)?);
        }
        // So that each action meets each of both.
        let _skipped = (severities.next(), subjects.next(), subjects.next());
    }
    Ok(alerts)
}

/// All in a format, one a line.
fn lines(format: &WebhookFormat) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for alert in alerts()? {
        lines.push(body_of_alert(format, HOST, &alert)?);
        lines.push(body_of_end(format, HOST, &end(&alert)?)?);
    }
    Ok(lines)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)
}

/// What a program says about the lines; an error, if it finds something in them.
fn judged(command: &mut Command, lines: &[String]) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let mut input = child.stdin.take().context("no input")?;
    let text = lines.join("\n");
    // It may stop reading and say why.
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    let _written = writer.join();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// One line with something that the schema does not have.
fn broken(line: &str, old: &str, new: &str) -> Vec<String> {
    vec![line.replacen(old, new, 1)]
}

#[test]
fn ocsf_s_schema_takes_every_alert() -> Result<()> {
    let test = "ocsf_s_schema_takes_every_alert";
    let what = ("ocsf", "the schema of OCSF");
    let Some(packages) = tools::python_packages(test, what, &OCSF_PACKAGES)? else { return Ok(()) };
    let judge = |lines: &[String]| {
        judged(Command::new("python3").env("PYTHONPATH", &packages).arg(script("ocsf.py")), lines)
    };
    let lines = lines(&WebhookFormat::Ocsf)?;
    let said = judge(&lines)?;
    ensure!(said.contains(&format!("{} events", lines.len())), "{said}");
    // It finds what is wrong.
    for (old, new) in [("\"finding_info\"", "\"finding\""), ("\"severity_id\":", "\"severity_id\":7")] {
        ensure!(judge(&broken(&lines[0], old, new)).is_err(), "{old} is taken as {new}");
    }
    Ok(())
}

#[test]
fn ecs_s_fields_are_those_of_every_alert() -> Result<()> {
    let test = "ecs_s_fields_are_those_of_every_alert";
    if tools::find("npm").is_none() || tools::find("node").is_none() {
        tools::say_skipped(test, "npm or node is not installed");
        return Ok(());
    }
    let directory = tools::directory("ecs")?;
    let package = directory.join("node_modules/@elastic/ecs");
    if !package.join("package.json").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        let output = npm.arg(&directory).arg(ECS_PACKAGE).output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            tools::say_skipped(test, &format!("the list of ECS's fields cannot be had: {why}"));
            return Ok(());
        }
    }
    let judge = |lines: &[String]| judged(Command::new("node").arg(script("ecs.js")).arg(&package), lines);
    let lines = lines(&WebhookFormat::Ecs)?;
    let said = judge(&lines)?;
    ensure!(said.contains(&format!("{} events", lines.len())), "{said}");
    for (old, new) in [("\"hostname\"", "\"host_name\""), ("\"intrusion_detection\"", "\"intrusion\"")] {
        ensure!(judge(&broken(&lines[0], old, new)).is_err(), "{old} is taken as {new}");
    }
    Ok(())
}

#[test]
fn open_telemetry_s_definitions_read_every_alert() -> Result<()> {
    let test = "open_telemetry_s_definitions_read_every_alert";
    let what = ("otlp", "OpenTelemetry's definitions");
    let Some(packages) = tools::python_packages(test, what, &[OTLP_PACKAGE])? else { return Ok(()) };
    let judge = |lines: &[String]| {
        judged(Command::new("python3").env("PYTHONPATH", &packages).arg(script("otlp.py")), lines)
    };
    let mut compared = 0;
    let (alerts, mut lines) = (alerts()?, Vec::new());
    for alert in &alerts {
        lines.push(body_of_alert(&WebhookFormat::Otlp, HOST, alert)?);
    }
    let said = judge(&lines)?;
    for (line, alert) in said.lines().zip(&alerts) {
        let read: Value = serde_json::from_str(line)?;
        let record = serde_json::to_value(alert)?;
        let attribute = |key: &str| &read["attributes"][key];
        ensure!(read["service"] == "sensor" && read["event"] == "sensor.alert", "{read}");
        ensure!(read["time"] == json!(alert.ts.unix_nanos()), "{read}");
        ensure!(attribute("security_rule.name") == &record["detector"], "{read}");
        ensure!(
            attribute("sensor.id") == &record["id"] && attribute("sensor.action") == &record["action"],
            "{read}"
        );
        ensure!(attribute("sensor.summary") == &record["summary"], "{read}");
        ensure!(attribute("sensor.confidence").as_f64() == record["confidence"].as_f64(), "{read}");
        for key in ["accounts", "share", "text"] {
            let (sent, kept) = (attribute(&format!("sensor.evidence.{key}")), &record["evidence"][key]);
            ensure!(sent == kept, "{key}: {sent} is not {kept}");
        }
        compared += 1;
    }
    ensure!(compared == alerts.len(), "{compared} of {}", alerts.len());
    let ends = alerts.iter().map(|alert| Ok(body_of_end(&WebhookFormat::Otlp, HOST, &end(alert)?)?));
    let said = judge(&ends.collect::<Result<Vec<_>>>()?)?;
    ensure!(said.lines().count() == alerts.len() && said.contains("\"sensor.state\": \"over\""), "{said}");
    ensure!(judge(&broken(&lines[0], "\"eventName\"", "\"event_type\"")).is_err(), "anything is read");
    Ok(())
}
