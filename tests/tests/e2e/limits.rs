//! Limits that change under traffic, and changes that roll back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::{now, pace_until, wait_until};

#[test]
fn a_limit_set_by_command_takes_effect_at_once() -> Result<()> {
    if tools::skipped("a_limit_set_by_command_takes_effect_at_once", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let pid = scene.daemon.pid();
    for client in [v4(FLOODER), v6(FLOODER)] {
        scene.all_arrive(client, 200)?;
        scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10"])?;
        let dropped = scene.dropped_of(client, 200)?;
        // All but the burst, and what a minute or two bring.
        ensure!((180..=190).contains(&dropped), "{dropped} of 200 dropped at 1/min:10");
        scene.daemon.ok(&["limit", "set", "default", "--packets", "off"])?;
        scene.all_arrive(client, 200)?;
    }
    ensure!(scene.daemon.pid() == pid && scene.daemon.is_ready(), "the daemon was restarted");
    Ok(())
}

#[test]
fn a_scope_has_its_own_limits_until_unset() -> Result<()> {
    if tools::skipped("a_scope_has_its_own_limits_until_unset", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let (inside, outside) = (v4(FLOODER), v4(LEGITIMATE));
    scene.all_arrive(inside, 10)?;
    scene.all_arrive(outside, 10)?;
    scene.daemon.ok(&["limit", "set", "10.9.0.64/28", "--packets", "1/min:10"])?;
    ensure!(scene.dropped_of(inside, 100)? >= 80, "the scope does not limit its clients");
    scene.all_arrive(outside, 100)?;
    scene.daemon.ok(&["limit", "unset", "10.9.0.64/28"])?;
    scene.all_arrive(inside, 100)
}

#[test]
fn an_unconfirmed_limit_is_undone() -> Result<()> {
    if tools::skipped("an_unconfirmed_limit_is_undone", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let client = v4(LEGITIMATE);
    scene.all_arrive(client, 10)?;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10", "--confirm", "2s"])?;
    ensure!(scene.daemon.metrics()?.packets("drop") == 0, "something else was dropped");
    let is_limited = || scene.limits("default").is_ok_and(|limits| limits["packets"] != "off");
    ensure!(wait_until(PATIENCE, || !is_limited()), "not undone: {}", scene.limits("default")?);
    scene.all_arrive(client, 100)?;
    // Confirming too late is reported, and fails for scripts.
    let late = scene.daemon.cli(&["confirm"])?;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    ensure!(late.status.code() == Some(1), "{}", late.status);
    ensure!(
        said.contains("nothing to confirm") && said.contains("limits of default were rolled back at"),
        "{said}"
    );
    Ok(())
}

/// A stored arrival time must not outlive its limit: it would apply for as long as the old one lasted.
#[test]
fn a_limit_that_is_lifted_is_felt_at_once() -> Result<()> {
    if tools::skipped("a_limit_that_is_lifted_is_felt_at_once", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1000/s:1000"))?;
    let client = v4(LEGITIMATE);
    let address = format!("{client}/32");
    scene.all_arrive(client, 10)?;
    for undo in ["unset", "rollback"] {
        let set = ["limit", "set", &*address, "--packets", "60/min:60"];
        let confirm: &[&str] = if undo == "rollback" { &["--confirm", "1s"] } else { &[] };
        scene.daemon.ok(&[&set, confirm].concat())?;
        ensure!(scene.dropped_of(client, 200)? >= 100, "the limit is not in force");
        if undo == "unset" {
            scene.daemon.ok(&["limit", "unset", &address])?;
        }
        let is_gone = || scene.limits(&address).is_err();
        ensure!(wait_until(PATIENCE, is_gone), "{undo}: the limit is still there");
        scene.all_arrive(client, 1).with_context(|| format!("{undo}: the next packet"))?;
        // And then at the rate that holds now, which this is well below.
        pace_until(now() + Duration::from_millis(100));
        scene.all_arrive(client, 50).with_context(|| format!("{undo}: those that follow"))?;
    }
    Ok(())
}

/// `60/min` is what people write for 60 in any minute: a visitor that loads a page is not held up.
#[test]
fn a_rate_without_a_burst_takes_its_count_at_once_and_is_told_in_words() -> Result<()> {
    if tools::skipped("a_rate_without_a_burst_takes_its_count_at_once_and_is_told_in_words", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let client = v4(LEGITIMATE);
    scene.all_arrive(client, 10)?;
    let said = scene.daemon.ok(&["limit", "set", "default", "--packets", "60/min", "--bits", "1M/s:2M"])?;
    ensure!(said.contains("default: 60 packets in any minute"), "{said}");
    ensure!(said.contains("default: 1M bits a second, 2M at once"), "{said}");
    ensure!(!said.contains("mode is monitor"), "{said}");
    scene.all_arrive(client, 50)?;
    ensure!(scene.dropped_of(client, 50)? >= 30, "the count is not the limit");
    scene.daemon.ok(&["mode", "monitor"])?;
    let said = scene.daemon.ok(&["limit", "set", "default", "--packets", "50/min"])?;
    ensure!(said.contains("mode is monitor"), "{said}");
    Ok(())
}

#[test]
fn a_confirmed_limit_stays() -> Result<()> {
    if tools::skipped("a_confirmed_limit_stays", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    scene.all_arrive(v4(FLOODER), 10)?;
    // Long enough that a slow machine gets to confirm.
    let patience = Duration::from_secs(6);
    let deadline = now() + patience;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10", "--confirm", "6s"])?;
    let confirmed = scene.daemon.json(&["confirm"])?;
    ensure!(confirmed["confirmed"] == serde_json::json!(["default"]), "{confirmed}");
    // That nothing happens can only be seen once its time is over.
    pace_until(deadline + Duration::from_secs(2));
    ensure!(scene.limits("default")?["packets"] == "1/min:10", "{}", scene.limits("default")?);
    ensure!(scene.dropped_of(v4(FLOODER), 100)? >= 80, "the confirmed limit is not in force");
    Ok(())
}

#[test]
fn an_unconfirmed_limit_is_undone_by_the_next_daemon() -> Result<()> {
    if tools::skipped("an_unconfirmed_limit_is_undone_by_the_next_daemon", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10", "--confirm", "1s"])?;
    scene.daemon.kill9()?;
    scene.daemon.run()?;
    let is_undone = || scene.limits("default").is_ok_and(|limits| limits["packets"] == "off");
    ensure!(wait_until(PATIENCE, is_undone), "still {}", scene.limits("default")?);
    scene.all_arrive(v4(LEGITIMATE), 100)
}
