//! Alerts by HTTP: what a receiver gets of an incident from its beginning to its end, and what an operator hears of one
//! that takes nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, Net, v4};
use sensor_tests::peers::alertmanager::Alertmanager;
use sensor_tests::peers::hook::{Hook, REFUSAL};
use sensor_tests::peers::login::{LoginServer, stuff};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// An incident is over soon after its last attempt, and that is told a little later.
const OVER: Duration = Duration::from_secs(60);

fn config(webhook: &str) -> String {
    format!(
        "mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}[decide]\nincident_quiet = \"11s\"\n[alerts.webhook]\n{webhook}"
    )
}

/// Tries passwords until an attack is found; in monitor mode, each attempt is answered.
fn attack(net: &Net, is_found: impl Fn() -> bool) -> Result<()> {
    let unanswered = stuff(net, 0, is_found)?;
    ensure!(unanswered.is_none(), "{unanswered:?}");
    Ok(())
}

/// The bodies of all requests.
fn bodies(hook: &Hook) -> Vec<Value> {
    let bodies = hook.requests().into_iter().filter_map(|request| {
        let (_, body) = request.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    });
    bodies.collect()
}

fn count(daemon: &Daemon, outcome: &str) -> Result<u64> {
    Ok(daemon.metrics()?.sum("sensor_webhook_alerts_total", &[("outcome", outcome)]))
}

#[test]
fn a_receiver_hears_of_an_incident_from_its_beginning_to_its_end() -> Result<()> {
    if tools::skipped("a_receiver_hears_of_an_incident_from_its_beginning_to_its_end", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let hook = Hook::start(&net.server)?;
    let webhook = format!(
        "url = \"http://{}/v2/enqueue?a=b\"\nformat = \"pagerduty\"\nrouting_key = \"R0123456789ABCDEF0123456789ABCDE\"\n\
         headers = [\"X-Team: shop\"]\n",
        hook.address()
    );
    let daemon = Daemon::start(&net, &config(&webhook))?;
    let tested = daemon.ok(&["alerts", "test"])?;
    ensure!(tested.contains("webhook: sent"), "{tested}");
    let head = hook.requests().first().context("nothing was posted")?.to_lowercase();
    for wanted in ["post /v2/enqueue?a=b http/1.1", "x-team: shop", "content-type: application/json"] {
        ensure!(head.contains(wanted), "no `{wanted}` in {head}");
    }
    let found = |action: &str| {
        let about = |body: &Value| body["payload"]["summary"].as_str().map(str::to_owned).unwrap_or_default();
        bodies(&hook)
            .into_iter()
            .find(|body| body["event_action"] == action && about(body).contains("credential-stuffing"))
    };
    attack(&net, || found("trigger").is_some())?;
    let began = found("trigger").context("no trigger")?;
    ensure!(wait_until(OVER, || found("resolve").is_some()), "no end was told: {:?}", bodies(&hook));
    let over = found("resolve").context("no resolve")?;
    ensure!(began["dedup_key"] == over["dedup_key"] && began["dedup_key"].is_string(), "{began}\n{over}");
    ensure!(count(&daemon, "failed")? == 0 && count(&daemon, "dropped")? == 0, "losses");
    let sent = count(&daemon, "sent")?;
    ensure!(sent == u64::try_from(hook.requests().len())?, "{sent} of {}", hook.requests().len());
    Ok(())
}

#[test]
fn what_a_receiver_refuses_is_told_in_its_words_and_counted() -> Result<()> {
    if tools::skipped("what_a_receiver_refuses_is_told_in_its_words_and_counted", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let hook = Hook::start(&net.server)?;
    hook.answer(404);
    let webhook = format!("url = \"http://{}/services/T0/B0\"\nformat = \"slack\"\n", hook.address());
    let daemon = Daemon::start(&net, &config(&webhook))?;
    let output = daemon.cli(&["alerts", "test"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!output.status.success(), "success: {said}");
    ensure!(said.contains("404") && said.contains(REFUSAL), "{said}");
    ensure!(wait_until(PATIENCE, || daemon.log().contains(REFUSAL)), "not logged: {}", daemon.log());
    ensure!(count(&daemon, "failed")? == 1, "not counted: {}", count(&daemon, "failed")?);
    let status = daemon.ok(&["status"])?;
    ensure!(status.contains("alerts not delivered: 1"), "status does not say it: {status}");
    // Slack takes an object with a text.
    let body = bodies(&hook).pop().context("no body")?;
    ensure!(body["text"].as_str().is_some_and(|text| text.contains("test")), "{body}");
    // Once it takes them again all is well.
    hook.answer(200);
    let tested = daemon.ok(&["alerts", "test"])?;
    ensure!(tested.contains("webhook: sent"), "{tested}");
    Ok(())
}

#[test]
fn alertmanager_shows_an_incident_while_it_is_open() -> Result<()> {
    if tools::skipped("alertmanager_shows_an_incident_while_it_is_open", &["prometheus-alertmanager"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let server = Alertmanager::start(&net.server)?;
    let webhook =
        format!("url = \"http://{}/api/v2/alerts\"\nformat = \"alertmanager\"\n", Alertmanager::WEB);
    let daemon = Daemon::start(&net, &config(&webhook))?;
    let tested = daemon.ok(&["alerts", "test"])?;
    ensure!(tested.contains("webhook: sent"), "{tested}\n{}", server.log());
    let firing = || {
        let alerts = server.alerts().unwrap_or_default();
        alerts.into_iter().find(|alert| alert["labels"]["detector"] == "credential-stuffing")
    };
    let has_begun = || firing().is_some();
    attack(&net, has_begun).with_context(|| format!("{:?}", server.alerts()))?;
    let alert = firing().context("it ended at once")?;
    let address = v4(FLOODER).to_string();
    ensure!(alert["labels"]["subject"] == address.as_str(), "{alert}");
    ensure!(alert["annotations"]["severity"].is_string(), "{alert}");
    let is_over = wait_until(OVER, || server.alerts().is_ok() && firing().is_none());
    ensure!(is_over, "it fires for ever: {:?}\n{}", server.alerts(), daemon.ok(&["incidents"])?);
    Ok(())
}
