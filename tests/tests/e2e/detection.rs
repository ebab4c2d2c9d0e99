//! Attacks as real HTTP: reported by `sensor alerts`, blocked in the kernel, without any effect on legitimate clients.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{Net, SERVER_V4};
use sensor_tests::peers::login::LoginServer;
use sensor_tests::sim::Simulation;
use sensor_tests::sim::attack::Scenario;
use sensor_tests::sim::live::{self, Pace, Played};
use sensor_tests::sim::plan::{MINUTE, Plan};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, LoginServer::PORT);
const STUFFING: &str = "stuffing, 1 address, 10/s";

/// Legitimate logins, and a scenario that begins a minute later.
fn simulation(name: &str, seed: u64) -> Result<Simulation> {
    let scenario = Scenario::named(name).context(name.to_owned())?;
    let plan = Plan {
        logins_per_minute: 50.0,
        behaviours: Vec::new(),
        ..Plan::busy(seed, live::noon(), MINUTE + scenario.lasts / 3)
    };
    Ok(Simulation::with_attack(&plan, scenario.begin(plan.start.plus(MINUTE))))
}

fn pace(faster: u32) -> Pace {
    Pace { faster, residents: 200, attackers: 1, logins_only: true }
}

#[test]
fn what_is_played_is_what_was_simulated() -> Result<()> {
    if tools::skipped("what_is_played_is_what_was_simulated", &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let server = LoginServer::start(&net.server)?;
    let pace = pace(0);
    live::prepare(&net, &pace)?;
    let [benign, attack] = live::expected(simulation(STUFFING, 1)?);
    ensure!(benign.0 > 50 && attack.1 > 900, "{benign:?} {attack:?}");
    let played = live::play(&net, SERVER, simulation(STUFFING, 1)?, &pace)?;
    let Played { benign: us, attack: them } = &played;
    ensure!((us.accepted, us.refused, us.unanswered) == (benign.0, benign.1, 0), "{played:?}");
    ensure!((them.accepted, them.refused, them.unanswered) == (attack.0, attack.1, 0), "{played:?}");
    let answered = server.answered();
    ensure!(answered.successes == benign.0 + attack.0 && answered.others == 0, "{answered:?}");
    Ok(())
}

/// Whether the daemon has what these tests are about; says so where it has not.
fn has_alerts(daemon: &Daemon, test: &str) -> Result<bool> {
    let has = daemon.program(&["alerts", "--help"]).output()?.status.success();
    if !has {
        tools::say_skipped(test, "this sensor has no command `alerts`");
    }
    Ok(has)
}

/// All alerts so far, one object a line.
fn alerts(daemon: &Daemon) -> Result<Vec<Value>> {
    let printed = daemon.ok(&["alerts", "--json"])?;
    printed.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn stuffing_is_told_and_blocked_in_the_kernel() -> Result<()> {
    let test = "stuffing_is_told_and_blocked_in_the_kernel";
    if tools::skipped(test, &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let config = format!("mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}");
    let daemon = Daemon::prepare(&net, &config)?;
    if !has_alerts(&daemon, test)? {
        return Ok(());
    }
    drop(daemon);
    let _server = LoginServer::start(&net.server)?;
    let daemon = Daemon::start(&net, &config)?;
    let pace = pace(4);
    live::prepare(&net, &pace)?;
    let played = live::play(&net, SERVER, simulation(STUFFING, 2)?, &pace)?;
    let attacker = live::attacker(0).to_string();
    let is_it =
        |alert: &Value| alert["detector"] == "credential-stuffing" && alert["client"] == attacker.as_str();
    let told = || alerts(&daemon).is_ok_and(|alerts| alerts.iter().any(is_it));
    ensure!(wait_until(PATIENCE, told), "{:?}", alerts(&daemon)?);
    let blocks = daemon.json(&["block", "list"])?.to_string();
    ensure!(blocks.contains(&attacker), "{attacker} is not blocked: {blocks}");
    ensure!(played.attack.silenced.contains(&live::attacker(0)), "{:?}", played.attack);
    let before = played.attack.accepted + played.attack.refused;
    ensure!(before < 200, "{before} attempts were answered before the block");
    let us = &played.benign;
    ensure!(us.unanswered == 0 && us.silenced.is_empty(), "a legitimate client suffered: {us:?}");
    let metrics = daemon.metrics()?;
    ensure!(metrics.sum("sensor_enforcement_latency_seconds_count", &[]) > 0, "no enforcement was measured");
    ensure!(us.accepted > 0, "{us:?}");
    Ok(())
}
