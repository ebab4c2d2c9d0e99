//! `sensor limit suggest`: from traffic of known clients to limits, and setting them.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, many, v4};
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Ordinary clients: the `n`th asks `n` times, at once.
const ORDINARY: u8 = 22;
/// The one that asks more.
const HEAVY: u64 = 40;
/// What a sketch may tell too much (5 %), and one more for what drains at the lowest rate between two samples.
const fn most(need: u64) -> u64 {
    need.saturating_add(need.div_ceil(20)).saturating_add(1)
}

/// Requests one after the other on one connection, each in a segment of its own.
fn ask(scene: &Scene, client: IpAddr, requests: u64) -> Result<()> {
    scene.net.world.enter(|| {
        let mut connection = KeepAlive::connect(&scene.http_client(client))?;
        (0..requests).try_for_each(|_| connection.ask("GET", "/", "").map(drop))
    })?;
    Ok(())
}

fn suggest(scene: &Scene, more: &[&str]) -> Result<Value> {
    scene.daemon.json(&[&["limit", "suggest", "--force"], more].concat())
}

fn requests(report: &Value) -> Option<&Value> {
    let scope = report["scopes"].as_array()?.iter().find(|scope| scope["scope"] == "default")?;
    scope["dimensions"].as_array()?.iter().find(|dimension| dimension["dimension"] == "requests")
}

fn counted(scene: &Scene, clients: u64) -> Result<()> {
    let mut found = Value::Null;
    let all = wait_until(PATIENCE, || {
        found = suggest(scene, &[]).unwrap_or_default();
        requests(&found).is_some_and(|requests| requests["clients"] == clients)
    });
    ensure!(all, "not {clients} clients that sent requests: {found:#}\n{}", scene.daemon.log());
    Ok(())
}

/// The rate of a limit, and its burst.
fn parts(candidate: &Value) -> Result<(String, u64)> {
    let text = candidate["limit"].as_str().with_context(|| format!("no limit in {candidate}"))?;
    let (rate, burst) = text.split_once(':').with_context(|| format!("no burst in {text}"))?;
    Ok((rate.to_owned(), burst.parse()?))
}

fn traffic() -> Result<Scene> {
    let scene = Scene::with_nginx(&config("monitor", "off"))?;
    scene.net.add_many(ORDINARY)?;
    let looks = || {
        suggest(&scene, &[])
            .is_ok_and(|report| report.get("observed_seconds").and_then(Value::as_u64) > Some(0))
    };
    ensure!(wait_until(PATIENCE, looks), "nobody looks at clients");
    for n in 1..=ORDINARY {
        ask(&scene, many(n), n.into())?;
    }
    ask(&scene, v4(LEGITIMATE), HEAVY)?;
    Ok(scene)
}

#[test]
fn limits_are_suggested_from_what_clients_did() -> Result<()> {
    if tools::skipped("limits_are_suggested_from_what_clients_did", &["nginx"]) {
        return Ok(());
    }
    let mut scene = traffic()?;
    scene.daemon.ok(&["block", "add", "10.9.0.66"])?;
    scene.send(v4(FLOODER), 500)?;
    counted(&scene, u64::from(ORDINARY) + 1)?;
    let blocked = || suggest(&scene, &[]).is_ok_and(|report| report["excluded"]["blocked"] == 1);
    ensure!(wait_until(PATIENCE, blocked), "the blocked client is no exception: {}", suggest(&scene, &[])?);

    let refused = scene.daemon.cli(&["limit", "suggest"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        refused.status.code() == Some(1) && said.contains("at least 10 minutes needed"),
        "{}: {said}",
        refused.status
    );

    let report = suggest(&scene, &["--requests", "10/min:15"])?;
    let found = requests(&report).context("no requests")?;
    // Of 1 to 22 and 40, the 12th, the 21st, and the last.
    for (quantile, need) in [("p50", 12), ("p90", 21), ("p99", HEAVY), ("max", HEAVY)] {
        let (rate, burst) = parts(&found[quantile])?;
        ensure!(rate == "10/min" && (need..=most(need)).contains(&burst), "{quantile} of {need}: {found:#}");
    }
    // Eight need more than 15; the one that needs 15 may be told to, too.
    let touched = found["asked"]["touched"].as_f64().context("nothing was asked")? * 23.0;
    ensure!((7.99..=9.01).contains(&touched), "{touched} of 23 clients: {found:#}");
    let text = scene.daemon.ok(&["limit", "suggest", "--force"])?;
    for part in ["sensor limit set default", "--confirm 10m", "left out: 1 blocked", "too little data: "] {
        ensure!(text.contains(part), "no `{part}` in:\n{text}");
    }

    scene.daemon.terminate()?;
    scene.daemon.run()?;
    let kept = suggest(&scene, &[])?;
    ensure!(
        requests(&kept).is_some_and(|requests| requests["clients"] == 23 && requests["p50"] == found["p50"]),
        "forgotten over a restart: {kept:#}"
    );
    Ok(())
}

#[test]
fn suggested_limits_are_applied_and_undone_unless_confirmed() -> Result<()> {
    if tools::skipped("suggested_limits_are_applied_and_undone_unless_confirmed", &["nginx"]) {
        return Ok(());
    }
    let scene = traffic()?;
    counted(&scene, u64::from(ORDINARY) + 1)?;
    let how = scene.daemon.cli(&["limit", "suggest", "--force", "--apply"])?;
    ensure!(how.status.code() == Some(2), "applied for good without being asked to: {}", how.status);
    let applied = suggest(&scene, &["--apply", "--confirm", "2s"])?;
    let suggested = &applied["suggestion"]["scopes"][0]["suggested"]["requests"];
    ensure!(suggested.is_string() && scene.limits("default")?["requests"] == *suggested, "{applied:#}");
    let undone = || scene.limits("default").is_ok_and(|limits| limits["requests"] == "off");
    ensure!(wait_until(PATIENCE, undone), "not undone: {}", scene.limits("default")?);

    suggest(&scene, &["--apply", "--confirm", "1h"])?;
    let confirmed = scene.daemon.json(&["confirm"])?;
    ensure!(confirmed["confirmed"] == serde_json::json!(["default"]), "{confirmed}");
    ensure!(scene.limits("default")?["requests"] == *suggested, "{}", scene.limits("default")?);
    // What the limits were made from passes under them.
    scene.daemon.ok(&["mode", "enforce"])?;
    for n in [1, ORDINARY] {
        ask(&scene, many(n), n.into())?;
    }
    ask(&scene, v4(LEGITIMATE), HEAVY)?;
    ensure!(scene.daemon.metrics()?.packets("drop") == 0, "clients met a limit that was made for them");
    Ok(())
}
