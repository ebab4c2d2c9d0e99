//! People can lift detectors' decisions; decisions outlive the daemon, and are audited.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, v4};
use sensor_tests::peers::login::{LoginServer, attempt, stuff};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

fn find(rows: &Value, key: &str, value: &str) -> Option<Value> {
    rows.as_array()?.iter().find(|row| row[key] == value).cloned()
}

fn changes(daemon: &Daemon) -> Result<Vec<Value>> {
    let printed = daemon.ok(&["audit", "--json"])?;
    printed.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn a_decided_block_outlives_a_kill_in_the_middle_of_the_attack() -> Result<()> {
    if tools::skipped("a_decided_block_outlives_a_kill_in_the_middle_of_the_attack", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let mut daemon = Daemon::start(&net, &format!("mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}"))?;
    let offender = format!("{}/32", v4(FLOODER));
    let block = |daemon: &Daemon| {
        daemon.json(&["block", "list"]).ok().and_then(|rows| find(&rows, "prefix", &offender))
    };
    stuff(&net, 0, || block(&daemon).is_some())?;
    let before = block(&daemon).context("no block")?;
    ensure!(before["origin"] == "detector", "{before}");
    daemon.kill9()?;
    ensure!(
        attempt(&net, v4(FLOODER), "user", "wrong").is_err(),
        "the kernel let the attacker in without a daemon"
    );
    ensure!(attempt(&net, v4(LEGITIMATE), "alice", "right-1")? == 200, "a legitimate client suffered");
    daemon.run()?;
    let after = block(&daemon).context("the block is gone")?;
    ensure!(after == before, "before: {before}\nafter: {after}");
    ensure!(attempt(&net, v4(FLOODER), "user", "wrong").is_err(), "the restarted daemon let the attacker in");
    let explained = daemon.json(&["explain", &v4(FLOODER).to_string()])?;
    ensure!(explained["alerts"][0]["detector"] == "credential-stuffing", "{explained}");
    // The way out that the explanation names.
    daemon.ok(&["block", "remove", &offender])?;
    ensure!(attempt(&net, v4(FLOODER), "user", "wrong")? == 401, "the block was not lifted");
    Ok(())
}

#[test]
fn a_decided_limit_is_lifted_by_command_and_all_is_audited() -> Result<()> {
    if tools::skipped("a_decided_limit_is_lifted_by_command_and_all_is_audited", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    // High severity limits, where only critical blocks.
    let config =
        format!("mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}[decide]\nblock_from = \"critical\"\n");
    let daemon = Daemon::start(&net, &config)?;
    let offender = format!("{}/32", v4(FLOODER));
    let limit = || daemon.json(&["limit", "list"]).ok().and_then(|rows| find(&rows, "scope", &offender));
    stuff(&net, 0, || limit().is_some())?;
    ensure!(limit().is_some_and(|row| row["origin"] == "detector"), "{:?}", limit());
    daemon.ok(&["limit", "unset", &offender])?;
    ensure!(limit().is_none(), "the limit is still there: {:?}", limit());
    let again = daemon.cli(&["limit", "unset", &offender])?;
    ensure!(again.status.code() == Some(1), "a limit that is not there was lifted");
    daemon.signal(Signal::SIGHUP)?;
    let is_told = || {
        let told = changes(&daemon).unwrap_or_default();
        let named = |change: &str| told.iter().any(|entry| entry["what"] == change);
        ["limit_set", "limit_unset", "configuration_loaded"].into_iter().all(named)
    };
    ensure!(wait_until(PATIENCE, is_told), "{:?}", changes(&daemon)?);
    Ok(())
}

/// `response = "monitor"` and a reload lift the detector's block, and keep people's blocks; `mode enforce` after that
/// shows in alerts that were raised before.
#[test]
fn a_detector_that_may_only_watch_blocks_no_longer() -> Result<()> {
    if tools::skipped("a_detector_that_may_only_watch_blocks_no_longer", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let config = format!("mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}");
    let daemon = Daemon::start(&net, &config)?;
    let offender = format!("{}/32", v4(FLOODER));
    let block =
        |prefix: &str| daemon.json(&["block", "list"]).ok().and_then(|rows| find(&rows, "prefix", prefix));
    stuff(&net, 0, || block(&offender).is_some())?;
    daemon.ok(&["block", "add", "192.0.2.7"])?;
    daemon.write_config(&format!("{config}[detect.credential-stuffing]\nresponse = \"monitor\"\n"))?;
    daemon.ok(&["reload"])?;
    ensure!(block(&offender).is_none(), "the detector's block stays: {:?}", block(&offender));
    ensure!(block("192.0.2.7/32").is_some(), "an operator's block is gone");
    ensure!(attempt(&net, v4(FLOODER), "user", "wrong")? == 401, "the kernel still drops");
    let action = |wanted: &str| {
        let alerts = daemon.json_lines(&["alerts"]).unwrap_or_default();
        alerts.iter().any(|alert| alert["detector"] == "credential-stuffing" && alert["action"] == wanted)
    };
    ensure!(wait_until(PATIENCE, || action("would_block")), "{:?}", daemon.json_lines(&["alerts"])?);
    daemon.write_config(&config)?;
    daemon.ok(&["reload"])?;
    ensure!(block(&offender).is_some(), "the open incident is not decided anew");
    ensure!(wait_until(PATIENCE, || action("block")), "{:?}", daemon.json_lines(&["alerts"])?);
    let removed = changes(&daemon)?.into_iter().find(|entry| entry["what"] == "block_removed");
    ensure!(removed.is_some_and(|entry| entry["cause"]["by"] == "configuration"), "{:?}", changes(&daemon)?);
    Ok(())
}
