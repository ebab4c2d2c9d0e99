//! Incidents: they grow, name every participant, are re-evaluated, and end.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, join, v4};
use sensor_tests::peers::login::{LoginServer, attempt, stuff};
use sensor_tests::peers::udp;
use sensor_tests::scene::udp_target;
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};
use serde_json::Value;

fn block(daemon: &Daemon) -> Option<Value> {
    let offender = format!("{}/32", v4(FLOODER));
    let rows = daemon.json(&["block", "list"]).ok()?;
    rows.as_array()?.iter().find(|row| row["prefix"] == offender.as_str()).cloned()
}

fn open(daemon: &Daemon, detector: &str) -> Option<Value> {
    let found = daemon.json_lines(&["incidents", "--open"]).ok()?;
    found.into_iter().find(|incident| incident["detector"] == detector)
}

fn seconds(row: &Value, from: &str, until: &str) -> Result<i64> {
    let time = |key: &str| -> Result<i64> {
        let text = row[key].as_str().with_context(|| format!("no {key} in {row}"))?;
        // The times of a block lie within a minute or two.
        let clock = text.split('T').nth(1).context("no time of day")?;
        let mut parts =
            clock.trim_end_matches('Z').split(':').map(|part| part.split('.').next().unwrap_or(part));
        let mut next = || -> Result<i64> { Ok(parts.next().context("no part")?.parse()?) };
        Ok(next()? * 3_600 + next()? * 60 + next()?)
    };
    Ok((time(until)? - time(from)?).rem_euclid(86_400))
}

#[test]
fn an_attack_found_in_monitor_is_acted_on_when_the_mode_becomes_enforce() -> Result<()> {
    if tools::skipped("an_attack_found_in_monitor_is_acted_on_when_the_mode_becomes_enforce", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let daemon = Daemon::start(&net, &format!("mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}"))?;
    let would_block = || open(&daemon, "credential-stuffing").is_some_and(|it| it["action"] == "would_block");
    stuff(&net, 0, would_block)?;
    ensure!(block(&daemon).is_none(), "blocked in monitor mode");
    let address = v4(FLOODER).to_string();
    let incident = open(&daemon, "credential-stuffing").context("no incident")?;
    ensure!(incident["state"] == "open" && incident["clients"] == 1, "{incident}");
    ensure!(incident["attempts"].as_u64().is_some_and(|count| count >= 10), "{incident}");
    ensure!(incident["offenders"][0]["client"] == address.as_str(), "{incident}");
    let explained = daemon.json(&["explain", &address])?;
    ensure!(explained["incidents"][0]["id"] == incident["id"], "{explained}");
    let clients = daemon.json(&["clients"])?;
    let row = clients
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["client"] == format!("{address}/32").as_str()));
    ensure!(row.is_some_and(|row| row["incident"]["id"] == incident["id"]), "{clients}");
    let gauge = daemon
        .metrics()?
        .sum("sensor_incidents_open", &[("detector", "credential-stuffing"), ("severity", "high")]);
    ensure!(gauge == 1, "{gauge}");
    // Whom a block would hit, before it is made.
    let preview = daemon.json(&["block", "add", "--dry-run", "10.9.0.64/28"])?;
    ensure!(preview["hit"].as_u64().is_some_and(|hit| hit >= 1) && block(&daemon).is_none(), "{preview}");

    daemon.ok(&["mode", "enforce"])?;
    ensure!(
        block(&daemon).is_some_and(|row| row["origin"] == "detector"),
        "the open incident was not decided anew"
    );
    ensure!(attempt(&net, v4(FLOODER), "user", "wrong").is_err(), "the attack goes on in enforce mode");
    ensure!(attempt(&net, v4(LEGITIMATE), "alice", "right-1")? == 200, "a legitimate client suffered");
    let acted = wait_until(PATIENCE, || {
        open(&daemon, "credential-stuffing").is_some_and(|it| it["action"] == "block")
    });
    ensure!(acted, "the incident does not say that it is blocked");

    // What an operator lifts stays lifted while the incident goes on.
    daemon.ok(&["block", "remove", &format!("{address}/32")])?;
    for number in 0..40 {
        ensure!(
            attempt(&net, v4(FLOODER), &format!("other{number}"), &format!("other-{number}"))? == 401,
            "blocked again"
        );
    }
    ensure!(block(&daemon).is_none(), "blocked again: {:?}", block(&daemon));
    let id = incident["id"].as_str().context("no id")?;
    let blocked = daemon.json(&["block", "add", "--incident", id, "--for", "5m"])?;
    ensure!(blocked["blocked"][0]["prefix"] == format!("{address}/32").as_str(), "{blocked}");
    ensure!(attempt(&net, v4(FLOODER), "user", "wrong").is_err(), "`block add --incident` blocks nobody");
    Ok(())
}

#[test]
fn who_goes_on_after_a_block_is_blocked_again_for_twice_as_long() -> Result<()> {
    if tools::skipped("who_goes_on_after_a_block_is_blocked_again_for_twice_as_long", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    // The pause between two signals of one attack is ten seconds.
    let config = format!(
        "mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}[decide]\nblock_for = \"11s\"\nincident_quiet = \"5m\"\n"
    );
    let daemon = Daemon::start(&net, &config)?;
    stuff(&net, 0, || block(&daemon).is_some())?;
    let first = block(&daemon).context("no block")?;
    ensure!((10..=12).contains(&seconds(&first, "since", "until")?), "{first}");
    ensure!(wait_until(PATIENCE, || block(&daemon).is_none()), "the block does not end");
    // Attempts come as fast as possible here, and an attack is reported at most once a second.
    let resumed = now();
    stuff(&net, 1_000, || block(&daemon).is_some())?;
    ensure!(resumed.elapsed() < Duration::from_secs(8), "{:?} after the block had ended", resumed.elapsed());
    let second = block(&daemon).context("no second block")?;
    ensure!((21..=23).contains(&seconds(&second, "since", "until")?), "not twice as long: {second}");
    let alerts = daemon.json_lines(&["alerts"])?;
    let stuffing = alerts.iter().filter(|alert| alert["detector"] == "credential-stuffing").count();
    ensure!(stuffing == 1, "one incident, one alert: {alerts:?}");
    Ok(())
}

#[test]
fn incidents_end_survive_a_restart_and_accounts_are_found_by_name() -> Result<()> {
    if tools::skipped("incidents_end_survive_a_restart_and_accounts_are_found_by_name", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let config = format!(
        "mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}[decide]\nincident_quiet = \"20s\"\n[detect]\npreset = \"strict\"\n\
         [login.shop]\nroute = \"/login\"\nsuccess_status = [\"200\"]\n"
    );
    let mut daemon = Daemon::start(&net, &config)?;
    // Somebody is stuffing, and gets into alice's account.
    let accused = || open(&daemon, "credential-stuffing").is_some_and(|it| it["action"] == "would_block");
    stuff(&net, 0, accused)?;
    ensure!(attempt(&net, v4(FLOODER), "alice", "right-1")? == 200, "the login failed");
    ensure!(
        wait_until(PATIENCE, || open(&daemon, "account-takeover").is_some()),
        "no takeover was told: {:?}",
        daemon.json_lines(&["exchanges", "--last", "2"])
    );
    let account = daemon.json(&["account", "Alice"])?;
    ensure!(account["incidents"][0]["detector"] == "account-takeover", "{account}");
    ensure!(account["incidents"][0]["subject"] == account["user"], "{account}");
    ensure!(!daemon.log().to_lowercase().contains("alice"), "the name is in the log");
    let other = daemon.json(&["account", "bob"])?;
    ensure!(other["incidents"].as_array().is_some_and(Vec::is_empty), "{other}");

    // Exchanges are published a few times a second.
    let are_told =
        || daemon.json_lines(&["exchanges", "--last", "3"]).is_ok_and(|records| records.len() == 3);
    ensure!(wait_until(PATIENCE, are_told), "no exchanges");
    lists_are_tables(&daemon)?;
    let before = open(&daemon, "credential-stuffing").context("no incident")?;
    daemon.kill9()?;
    daemon.run()?;
    let after = open(&daemon, "credential-stuffing").context("the incident is gone")?;
    ensure!(after["id"] == before["id"], "before: {before}\nafter: {after}");
    let is_over = || daemon.json_lines(&["incidents", "--open"]).is_ok_and(|open| open.is_empty());
    ensure!(wait_until(PATIENCE, is_over), "incidents do not end: {:?}", daemon.json_lines(&["incidents"]));
    let ended = daemon.json_lines(&["incidents", "--id", before["id"].as_str().unwrap_or_default()])?;
    ensure!(ended[0]["state"] == "over" && ended[0]["step"] == "over", "{ended:?}");
    ensure!(ended[0]["offenders"][0]["client"] == v4(FLOODER).to_string().as_str(), "{ended:?}");
    Ok(())
}

/// `--csv`: a line for each record, and one for the names of the columns.
fn lists_are_tables(daemon: &Daemon) -> Result<()> {
    // (the list, the first columns, whether there is something in it)
    for (list, columns, is_filled) in [
        (&["exchanges", "--last", "3"][..], "ts,client,", true),
        (&["incidents"], "ts,id,state,", true),
        (&["alerts"], "ts,id,detector,", true),
        (&["routes"], "method,route,", true),
        (&["allow", "list"], "prefix,since,", false),
        (&["alerts", "--since", "2100-01-01"], "ts,id,detector,", false),
    ] {
        let printed = daemon.ok(&[list, &["--csv"]].concat())?;
        let rows = match *list {
            ["routes"] => {
                let report = daemon.json(list)?;
                report.get("routes").and_then(Value::as_array).context("no routes")?.len()
            }
            ["allow", "list"] => daemon.json(list)?.as_array().context("no list")?.len(),
            _ => daemon.json_lines(list)?.len(),
        };
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        ensure!((rows > 0) == is_filled && lines.len() == rows + 1, "{list:?}, {rows} rows: {printed}");
        ensure!(lines.first().is_some_and(|header| header.starts_with(columns)), "{list:?}: {printed}");
        // The first cell of a record is what its column says, and no cell is JSON.
        let first_is_time = columns.starts_with("ts,");
        for line in lines.iter().skip(1) {
            ensure!(line.starts_with("20") == first_is_time && !line.contains("{\"\""), "{list:?}: {line}");
        }
    }
    Ok(())
}

#[test]
fn a_flood_that_the_kernel_sheds_is_an_incident() -> Result<()> {
    if tools::skipped("a_flood_that_the_kernel_sheds_is_an_incident", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let config = format!(
        "mode = \"enforce\"\n{SMALL_TABLES}[limits.default]\npackets = \"500/s:500\"\nbits = \"off\"\n"
    );
    let daemon = Daemon::start(&net, &config)?;
    let (stop, flooder) = (Arc::new(AtomicBool::new(false)), v4(FLOODER));
    let flood = net.world.spawn({
        let stop = Arc::clone(&stop);
        move || udp::flood(flooder, udp_target(flooder), 64, 20_000_000, &stop)
    });
    let is_told = || open(&daemon, "flood").is_some();
    let was_told = wait_until(PATIENCE, is_told);
    let incident = open(&daemon, "flood");
    stop.store(true, Ordering::Relaxed);
    join(flood)?;
    ensure!(was_told, "a flood that is dropped raises no alert: {:?}", daemon.json_lines(&["alerts"]));
    let incident = incident.context("no incident")?;
    ensure!(incident["client"] == flooder.to_string().as_str(), "{incident}");
    ensure!(incident["attempts"].as_u64().is_some_and(|packets| packets > 1_000), "{incident}");
    let alerts = daemon.json_lines(&["alerts"])?;
    ensure!(alerts.iter().any(|alert| alert["detector"] == "flood"), "{alerts:?}");
    ensure!(block(&daemon).is_none(), "a source that may be forged is blocked");
    Ok(())
}
