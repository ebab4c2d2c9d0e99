//! `sensor posture` of a running daemon, which keeps its inventory over a restart.

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{LEGITIMATE, v4};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

const REQUESTS: u64 = 20;

/// Exchanges of `/` in the report.
fn seen(report: &Value) -> Option<u64> {
    let rows = report["routes"].as_array()?;
    rows.iter().find(|row| row["route"] == "/" && row["method"] == "GET")?["requests"].as_u64()
}

#[test]
fn the_inventory_outlives_the_daemon() -> Result<()> {
    if tools::skipped("the_inventory_outlives_the_daemon", &["nginx"]) {
        return Ok(());
    }
    let mut scene = Scene::with_nginx(&config("monitor", "off"))?;
    let client = scene.http_client(v4(LEGITIMATE));
    let ask = || client.get("/");
    let sees = |scene: &Scene, least: u64| {
        wait_until(PATIENCE, || {
            let report = scene.daemon.json(&["posture"]).ok();
            report.as_ref().and_then(seen).is_some_and(|requests| requests >= least)
        })
    };
    // The port is watched from some moment on.
    let is_watched = wait_until(PATIENCE, || {
        let _answered = scene.net.world.enter(ask);
        scene.daemon.json(&["posture"]).is_ok_and(|report| seen(&report).is_some())
    });
    ensure!(is_watched, "nothing is seen: {}", scene.daemon.log());
    for _ in 0..REQUESTS {
        scene.net.world.enter(ask)?;
    }
    ensure!(sees(&scene, REQUESTS), "{:#}", scene.daemon.json(&["posture"])?);
    let before = scene.daemon.json(&["posture"])?;
    ensure!(scene.daemon.terminate()?.success(), "{}", scene.daemon.log());
    scene.daemon.run()?;
    ensure!(sees(&scene, seen(&before).context("no route")?), "{:#}", scene.daemon.json(&["posture"])?);
    let after = scene.daemon.json(&["posture", "--route", "/", "--since", "1h"])?;
    ensure!(after["since"] == before["since"] && after["changes_since"].is_string(), "{after:#}");
    let nothing = scene.daemon.json(&["posture", "--route", "/nowhere"])?;
    ensure!(nothing["routes"].as_array().is_some_and(Vec::is_empty), "{nothing:#}");
    Ok(())
}
