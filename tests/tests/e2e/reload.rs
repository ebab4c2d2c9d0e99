//! The configuration changes while the daemon runs.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, LEGITIMATE, v4};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::json;

#[test]
fn a_hangup_reads_the_configuration_again() -> Result<()> {
    if tools::skipped("a_hangup_reads_the_configuration_again", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let pid = scene.daemon.pid();
    scene.all_arrive(v4(FLOODER), 50)?;
    scene.daemon.write_config(&format!("block = [\"10.9.0.67\"]\n{}", config("enforce", "1/min:10")))?;
    scene.daemon.signal(Signal::SIGHUP)?;
    let is_taken = || scene.limits("default").is_ok_and(|limits| limits["packets"] == "1/min:10");
    ensure!(wait_until(PATIENCE, is_taken), "not taken: {}", scene.limits("default")?);
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 35, "the new limit is not in force");
    let blocks = scene.daemon.json(&["block", "list"])?;
    ensure!(blocks[0]["prefix"] == "10.9.0.67/32" && blocks[0]["origin"] == "configuration", "{blocks}");
    ensure!(scene.daemon.pid() == pid && scene.daemon.is_ready(), "the daemon was restarted");
    Ok(())
}

#[test]
fn the_command_takes_a_new_configuration_whole() -> Result<()> {
    if tools::skipped("the_command_takes_a_new_configuration_whole", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "1/min:10"))?;
    scene.all_arrive(v4(FLOODER), 50)?;
    scene.daemon.write_config(&config("enforce", "1/min:10"))?;
    ensure!(
        scene.daemon.json(&["reload"])? == json!({"changed": ["mode"], "needs_restart": []}),
        "not exactly what changed is told"
    );
    ensure!(scene.daemon.json(&["mode"])?["mode"] == "enforce", "the mode is still the old one");
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 35, "the new mode is not in force");
    scene.daemon.write_config(&config("enforce", "off"))?;
    scene.daemon.ok(&["reload"])?;
    scene.all_arrive(v4(FLOODER), 50)
}

#[test]
fn what_takes_a_restart_is_named() -> Result<()> {
    if tools::skipped("what_takes_a_restart_is_named", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    scene.daemon.write_config(&config("enforce", "off").replace("65536", "32768"))?;
    let answer = scene.daemon.json(&["reload"])?;
    let named = answer["needs_restart"].as_array().cloned().unwrap_or_default();
    ensure!(named.len() == 1 && named[0].as_str().is_some_and(|key| key.contains("max_")), "{answer}");
    // The daemon's command line names its interface: the file's setting has no effect, and that is reported.
    scene.daemon.write_config(&format!("interfaces = [\"lo\"]\n{}", config("enforce", "off")))?;
    let said = scene.daemon.ok(&["reload"])?;
    ensure!(said.contains("overridden on the daemon's command line: interfaces"), "{said}");
    scene.all_arrive(v4(LEGITIMATE), 20)
}

#[test]
fn a_broken_configuration_is_refused_and_the_old_one_stays() -> Result<()> {
    if tools::skipped("a_broken_configuration_is_refused_and_the_old_one_stays", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1/min:10"))?;
    scene.send(v4(FLOODER), 50)?;
    let reloaded = |scene: &Scene| -> Result<u64> {
        Ok(scene.daemon.metrics()?.sum("sensor_config_reload_success", &[]))
    };
    ensure!(reloaded(&scene)? == 1, "the first configuration does not count as taken");
    // One part is well, and must not be taken without the rest.
    scene.daemon.write_config("mode = \"monitor\"\n[limits.default]\npackets = \"many\"\n")?;
    let output = scene.daemon.cli(&["reload"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    for part in ["sensor.toml:3", "limits.default.packets", "expected RATE"] {
        ensure!(said.contains(part), "no {part} in: {said}");
    }
    ensure!(reloaded(&scene)? == 0, "the failure is not in the metrics");
    ensure!(scene.daemon.json(&["mode"])?["mode"] == "enforce", "half of a broken configuration was taken");
    ensure!(scene.limits("default")?["packets"] == "1/min:10", "{}", scene.limits("default")?);
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 45, "the old limit is not in force");
    scene.daemon.signal(Signal::SIGHUP)?;
    ensure!(
        wait_until(PATIENCE, || scene.daemon.log().matches("refused").count() >= 2),
        "SIGHUP is not logged"
    );
    ensure!(scene.daemon.is_ready(), "the daemon ended");
    scene.daemon.write_config(&config("enforce", "off"))?;
    scene.daemon.ok(&["reload"])?;
    ensure!(reloaded(&scene)? == 1, "the success is not in the metrics");
    scene.all_arrive(v4(FLOODER), 50)
}

/// A command overrides the configuration, until the configuration changes that setting.
#[test]
fn commands_outlive_a_reload() -> Result<()> {
    if tools::skipped("commands_outlive_a_reload", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    scene.daemon.ok(&["mode", "enforce"])?;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "1/min:10"])?;
    scene.daemon.ok(&["block", "add", "10.9.0.67"])?;
    scene.daemon.ok(&["reload"])?;
    ensure!(scene.daemon.json(&["mode"])?["mode"] == "enforce", "the reload changed the mode");
    ensure!(scene.limits("default")?["packets"] == "1/min:10", "the reload changed the limit");
    ensure!(
        scene.daemon.json(&["block", "list"])?[0]["prefix"] == "10.9.0.67/32",
        "the reload lifted the block"
    );
    scene.daemon.ok(&["limit", "unset", "default"])?;
    ensure!(scene.limits("default")?["packets"] == "off", "unset does not return to the configuration");
    Ok(())
}
