//! Interfaces that go and come back under a running daemon, which no longer has any capability.

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, v4};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

#[test]
fn an_interface_that_was_down_is_served_on() -> Result<()> {
    if tools::skipped("an_interface_that_was_down_is_served_on", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    scene.all_arrive(v4(FLOODER), 50)?;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10"])?;
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 35, "the limit is not in force");
    scene.net.server.ip(&format!("link set {INTERFACE} down\n"))?;
    becomes(&scene.daemon, "down", 0)?;
    scene.net.server.ip(&format!("link set {INTERFACE} up\n"))?;
    becomes(&scene.daemon, "up", 0)?;
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 35, "the limit is not in force any more");
    Ok(())
}

#[test]
fn an_interface_that_comes_back_is_served_again() -> Result<()> {
    if tools::skipped("an_interface_that_comes_back_is_served_again", &["nginx"]) {
        return Ok(());
    }
    let mut scene = Scene::with_nginx(&config("enforce", "off"))?;
    scene.daemon.ok(&["block", "add", &v4(FLOODER).to_string()])?;
    http_is_seen(&scene)?;
    for times in 1..=2 {
        scene.net.disconnect()?;
        becomes(&scene.daemon, "gone", times - 1)?;
        let told = scene.daemon.ok(&["status"])?;
        ensure!(told.lines().any(|line| line.starts_with(INTERFACE) && line.contains("gone")), "{told}");
        scene.net.connect()?;
        becomes(&scene.daemon, "up", times)?;
        scene.all_arrive(v4(LEGITIMATE), 20)?;
        ensure!(!scene.is_heard(v4(FLOODER))?, "the block is not in force any more");
        http_is_seen(&scene)?;
    }
    // Enforcement outlives the daemon on the new interface, too, and the next one takes it over.
    scene.daemon.kill9()?;
    ensure!(!scene.is_heard(v4(FLOODER))?, "the block ended with the daemon");
    scene.daemon.run()?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["interfaces"][0]["adopted"] == true, "{status}");
    ensure!(!scene.is_heard(v4(FLOODER))?, "the next daemon forgot the block");
    http_is_seen(&scene)
}

/// Waits until the daemon tells this of its interface, in the status and in the metrics.
fn becomes(daemon: &Daemon, state: &str, reattached: u64) -> Result<()> {
    let is_told = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        status.pointer("/interfaces/0/state").is_some_and(|told| told == state)
    };
    ensure!(wait_until(PATIENCE, is_told), "not {state}: {}", daemon.json(&["status"])?);
    let metrics = daemon.metrics()?;
    let up = metrics.sum("sensor_interface_up", &[("interface", INTERFACE)]);
    ensure!(up == u64::from(state == "up"), "sensor_interface_up is {up} while it is {state}");
    let times = metrics.sum("sensor_interface_reattached_total", &[("interface", INTERFACE)]);
    ensure!(times == reattached, "attached again {times} times, not {reattached}");
    Ok(())
}

/// A request is answered, and an exchange more is counted.
fn http_is_seen(scene: &Scene) -> Result<()> {
    let seen = || scene.daemon.metrics().map(|metrics| metrics.sum("sensor_http_exchanges_total", &[]));
    let before = seen()?;
    let client = scene.http_client(v4(LEGITIMATE));
    // Until the server's port is watched, requests pass unseen.
    let is_seen = || client_get(scene, &client) && seen().is_ok_and(|now| now > before);
    ensure!(wait_until(PATIENCE, is_seen), "no exchange was seen: {}", scene.daemon.json(&["status"])?);
    Ok(())
}

fn client_get(scene: &Scene, client: &sensor_tests::peers::http::Client) -> bool {
    scene.net.world.enter(|| client.get("/")).is_ok()
}
