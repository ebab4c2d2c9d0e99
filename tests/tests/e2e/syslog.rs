//! Alerts by syslog: what a real server understands of a message is what records say.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::Net;
use sensor_tests::peers::login::{LoginServer, stuff};
use sensor_tests::peers::rsyslog::Rsyslog;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// An incident is over soon after its last attempt, and that is told a little later.
const OVER: Duration = Duration::from_secs(60);
/// The name of our structured data.
const OWN: &str = "sensor@32473";

fn config(syslog: &str) -> String {
    format!(
        "mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}[decide]\nincident_quiet = \"11s\"\n[alerts.syslog]\n{syslog}"
    )
}

fn over_tls(server: &Rsyslog) -> String {
    let (port, authority) = (Rsyslog::TLS_PORT, server.file("cert.pem"));
    config(&format!("url = \"tls://localhost:{port}\"\nformat = \"json\"\nca_file = {authority:?}\n"))
}

fn count(daemon: &Daemon, outcome: &str) -> Result<u64> {
    Ok(daemon.metrics()?.sum("sensor_syslog_alerts_total", &[("outcome", outcome)]))
}

/// The last one of a detector; alerts, or ends of incidents.
fn of(server: &Rsyslog, id: &str, detector: &str) -> Option<Value> {
    server.messages().into_iter().rfind(|message| {
        message["id"] == id && message["elements"].get(OWN).is_some_and(|own| own["detector"] == detector)
    })
}

#[test]
fn a_server_understands_what_records_say() -> Result<()> {
    if Rsyslog::skipped("a_server_understands_what_records_say") {
        return Ok(());
    }
    let net = Net::new()?;
    let _logins = LoginServer::start(&net.server)?;
    let server = Rsyslog::start(&net.server)?;
    let daemon = Daemon::start(&net, &over_tls(&server))?;
    let told = || of(&server, "alert", "credential-stuffing");
    let unanswered = stuff(&net, 0, || told().is_some())?;
    ensure!(unanswered.is_none(), "{unanswered:?}");
    // Until then it may get worse, and be told again.
    let over = || of(&server, "incident", "credential-stuffing");
    ensure!(wait_until(OVER, || over().is_some()), "no end was told: {:?}", server.messages());
    let message = told().context("no message")?;
    let own = &message["elements"][OWN];
    let id = own["id"].as_str().context("no identifier")?;
    let record = daemon.json_lines(&["alerts"])?.into_iter().find(|alert| alert["id"] == id);
    let record = record.context("no record")?;
    // The text is the record; the record's action may have changed since.
    let text: Value = serde_json::from_str(message["text"].as_str().context("no text")?)?;
    for key in ["id", "ts", "detector", "severity", "owasp", "client", "summary", "evidence", "window"] {
        ensure!(text[key] == record[key], "{key}: {text}\n{record}");
    }
    for key in ["id", "detector", "severity", "owasp", "client"] {
        ensure!(own[key] == record[key], "{key}: {own}\n{record}");
    }
    ensure!(own["end"] == record["window"]["end"] && message["timestamp"] == record["ts"], "{message}");
    let numbers = record["evidence"].as_object().context("no evidence")?;
    let mut compared = 0;
    for (name, value) in numbers.iter().filter(|(name, _)| *name != "exchanges") {
        let sent = &message["elements"]["evidence@32473"][name];
        let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ensure!(*sent == expected.as_str(), "{name}: {sent} is not {expected}");
        compared += 1;
    }
    ensure!(compared > 0, "no numbers: {record}");
    // local0 is 16; high is an error.
    let severity = match record["severity"].as_str() {
        Some("critical") => 2,
        Some("high") => 3,
        _ => 4,
    };
    ensure!(message["priority"] == (16 * 8 + severity).to_string().as_str(), "{message}");
    ensure!(
        message["app"] == "sensor" && message["host"].as_str().is_some_and(|host| host != "-"),
        "{message}"
    );
    let over = over().context("no end")?;
    ensure!(over["elements"][OWN]["id"] == id && over["elements"][OWN]["state"] == "over", "{over}");
    ensure!(count(&daemon, "failed")? == 0 && count(&daemon, "dropped")? == 0, "losses");
    let is_all =
        || count(&daemon, "sent").is_ok_and(|sent| u64::try_from(server.messages().len()).ok() == Some(sent));
    ensure!(wait_until(PATIENCE, is_all), "{} sent: {:?}", count(&daemon, "sent")?, server.messages());
    Ok(())
}

#[test]
fn a_server_that_was_away_gets_what_waited() -> Result<()> {
    if Rsyslog::skipped("a_server_that_was_away_gets_what_waited") {
        return Ok(());
    }
    let net = Net::new()?;
    let mut server = Rsyslog::start(&net.server)?;
    let daemon = Daemon::start(&net, &over_tls(&server))?;
    let tested = daemon.ok(&["alerts", "test"])?;
    ensure!(tested.contains("syslog: sent"), "{tested}");
    ensure!(wait_until(PATIENCE, || server.messages().len() == 1), "{:?}", server.messages());
    server.kill9()?;
    // The command waits for the outcome, so it gets a thread of its own.
    let retries = || Ok::<_, anyhow::Error>(daemon.metrics()?.sum("sensor_syslog_retries_total", &[]));
    let tested = std::thread::scope(|scope| {
        let tested = scope.spawn(|| daemon.ok(&["alerts", "test"]));
        let is_trying = wait_until(PATIENCE, || retries().is_ok_and(|count| count > 0));
        let started = server.run();
        let tested =
            tested.join().map_err(|_panic| anyhow::anyhow!("the command's thread ended in a panic"))?;
        ensure!(is_trying, "nothing was tried again");
        started?;
        tested
    })?;
    ensure!(tested.contains("syslog: sent"), "{tested}");
    ensure!(wait_until(PATIENCE, || server.messages().len() == 2), "{:?}", server.messages());
    let numbers: Vec<_> =
        server.messages().iter().map(|said| said["elements"]["meta"]["sequenceId"].clone()).collect();
    ensure!(numbers == ["1", "2"], "{numbers:?}");
    ensure!(count(&daemon, "sent")? == 2 && count(&daemon, "failed")? == 0, "not counted");
    Ok(())
}

#[test]
fn other_transports_and_other_authorities() -> Result<()> {
    if Rsyslog::skipped("other_transports_and_other_authorities") {
        return Ok(());
    }
    let net = Net::new()?;
    let server = Rsyslog::start(&net.server)?;
    for scheme in ["tcp", "udp"] {
        let before = server.messages().len();
        let daemon =
            Daemon::start(&net, &config(&format!("url = \"{scheme}://127.0.0.1:{}\"\n", Rsyslog::PORT)))?;
        let tested = daemon.ok(&["alerts", "test"])?;
        ensure!(tested.contains("syslog: sent"), "{scheme}: {tested}");
        ensure!(wait_until(PATIENCE, || server.messages().len() > before), "{scheme}: {}", server.log());
        let said = server.messages().pop().context("no message")?;
        ensure!(said["text"].as_str().is_some_and(|text| text.contains("test alert")), "{said}");
    }
    // The system's authorities have not signed the server's certificate.
    let untrusting = format!("url = \"tls://localhost:{}\"\nattempts = 2\n", Rsyslog::TLS_PORT);
    let daemon = Daemon::start(&net, &config(&untrusting))?;
    let output = daemon.cli(&["alerts", "test"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!output.status.success() && said.contains("certificate"), "{said}");
    ensure!(count(&daemon, "failed")? == 1, "not counted");
    ensure!(daemon.ok(&["status"])?.contains("alerts not delivered: 1"), "status does not say it");
    Ok(())
}
