//! The daemon dies, comes back, and leaves: the kernel's behaviour meanwhile and afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, join, v4};
use sensor_tests::peers::udp;
use sensor_tests::scene::{Scene, config, udp_target};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// A thousand datagrams a second: far within the limit, and many during every step of a restart.
const EVERY: Duration = Duration::from_millis(1);
/// More than a test lasts.
const STREAM_BOUND: u64 = 600_000;

#[test]
fn no_packet_is_lost_over_five_kills_and_restarts() -> Result<()> {
    if tools::skipped("no_packet_is_lost_over_five_kills_and_restarts", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "20k/s:20k"))?;
    let client = v4(LEGITIMATE);
    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let stream = scene.net.world.spawn({
        let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        move || udp::stream(client, udp_target(client), EVERY, STREAM_BOUND, &sent, &stop)
    });
    let more_are_sent = || {
        let goal = sent.load(Ordering::Relaxed) + 300;
        wait_until(PATIENCE, || sent.load(Ordering::Relaxed) >= goal)
    };
    let outcome = (0..5).try_for_each(|round| {
        ensure!(more_are_sent(), "the stream stopped before kill {round}");
        scene.daemon.kill9()?;
        ensure!(more_are_sent(), "the stream stopped after kill {round}");
        scene.daemon.run()?;
        let status = scene.daemon.json(&["status"])?;
        ensure!(
            status["interfaces"][0]["adopted"] == true,
            "restart {round} did not take over the link: {status}"
        );
        Ok(())
    });
    stop.store(true, Ordering::Relaxed);
    join(stream)?;
    outcome?;
    let sent = sent.load(Ordering::Relaxed);
    let arrived = || scene.sink.from(client).sequences.len() as u64;
    ensure!(wait_until(PATIENCE, || arrived() == sent), "{} of {sent} datagrams arrived", arrived());
    // The client's state is that of before: all but the packet with which it was a newcomer.
    ensure!(scene.totals(client)?.passed + 1 >= sent, "{:?}, {sent} sent", scene.totals(client)?);
    ensure!(scene.daemon.metrics()?.packets("drop") == 0, "something was dropped");
    Ok(())
}

#[test]
fn limits_hold_without_a_daemon() -> Result<()> {
    if tools::skipped("limits_hold_without_a_daemon", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "1/min:10"))?;
    let client = v4(FLOODER);
    scene.send(client, 50)?;
    for graceful in [false, true] {
        if graceful {
            let status = scene.daemon.terminate()?;
            ensure!(status.success(), "SIGTERM ends with {status}");
            ensure!(!scene.daemon.socket().exists(), "the socket is still there");
        } else {
            scene.daemon.kill9()?;
        }
        let before = scene.sink.packets_from(client);
        scene.send(client, 200)?;
        scene.daemon.run()?;
        // A minute or two bring one packet each.
        let arrived = scene.sink.packets_from(client) - before;
        ensure!(arrived < 10, "{arrived} of 200 datagrams arrived without a daemon (graceful: {graceful})");
    }
    // The debt is remembered over restarts, too.
    ensure!(scene.dropped_of(client, 50)? > 40, "the client's debt is forgotten");
    Ok(())
}

#[test]
fn what_commands_said_outlives_the_daemon() -> Result<()> {
    if tools::skipped("what_commands_said_outlives_the_daemon", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("monitor", "off"))?;
    scene.daemon.ok(&["mode", "enforce"])?;
    scene.daemon.ok(&["limit", "set", "10.9.0.64/28", "--packets", "1/min:10"])?;
    scene.daemon.ok(&["allow", "add", "10.9.0.67"])?;
    let said = |scene: &Scene| -> Result<_> {
        Ok((
            scene.daemon.json(&["mode"])?,
            scene.daemon.json(&["limit", "list"])?,
            scene.daemon.json(&["allow", "list"])?,
        ))
    };
    let before = said(&scene)?;
    scene.daemon.kill9()?;
    scene.daemon.run()?;
    let after = said(&scene)?;
    ensure!(before == after, "before: {before:?}\nafter: {after:?}");
    scene.send(v4(FLOODER), 20)?;
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 45, "the limit is listed and not in force");
    Ok(())
}

/// Other bounds take new maps: the clients' state is lost with the old ones, policy is not.
#[test]
fn a_changed_bound_keeps_the_policy() -> Result<()> {
    if tools::skipped("a_changed_bound_keeps_the_policy", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1h"])?;
    scene.daemon.kill9()?;
    scene.daemon.write_config(&config("enforce", "off").replace("65536", "32768"))?;
    scene.daemon.run()?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["clients_max"] == 32_768 && status["interfaces"][0]["adopted"] == true, "{status}");
    scene.send(v4(FLOODER), 50)?;
    scene.all_arrive(v4(LEGITIMATE), 50)?;
    ensure!(scene.sink.packets_from(v4(FLOODER)) == 0, "the block is gone with the old maps");
    Ok(())
}

#[test]
fn unload_leaves_no_trace() -> Result<()> {
    if tools::skipped("unload_leaves_no_trace", &[]) {
        return Ok(());
    }
    for by_run in [false, true] {
        let mut scene = Scene::new(&config("enforce", "1/min:10"))?;
        scene.send(v4(FLOODER), 50)?;
        ensure!(!scene.net.xdp_on(INTERFACE)?.is_empty(), "nothing is attached to begin with");
        let refused = scene.daemon.unload();
        ensure!(refused.is_err(), "unloaded under a running daemon");
        scene.daemon.terminate()?;
        ensure!(!scene.net.xdp_on(INTERFACE)?.is_empty(), "the program left with the daemon");
        if by_run {
            let output = scene.daemon.run_command().arg("--unload").output()?;
            ensure!(output.status.success(), "run --unload: {}", String::from_utf8_lossy(&output.stderr));
        } else {
            scene.daemon.unload()?;
        }
        ensure!(scene.net.xdp_on(INTERFACE)?.is_empty(), "still attached: {}", scene.net.xdp_on(INTERFACE)?);
        ensure!(!is_mounted(&scene.daemon.pin_dir())?, "the BPF file system is still mounted");
        ensure!(!scene.daemon.pin_dir().exists(), "the pin directory is still there");
        scene.all_arrive(v4(FLOODER), 100)?;
        // Once more has nothing to do and is no error; and a new daemon starts from nothing.
        scene.daemon.unload()?;
        scene.daemon.run()?;
        let status = scene.daemon.json(&["status"])?;
        ensure!(status["interfaces"][0]["adopted"] == false, "{status}");
    }
    Ok(())
}

/// A daemon whose start fails undoes what it did.
#[test]
fn a_failed_start_leaves_no_trace() -> Result<()> {
    if tools::skipped("a_failed_start_leaves_no_trace", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    scene.daemon.terminate()?;
    scene.daemon.unload()?;
    // An address that is in use fails late: everything else is well.
    let holder = scene.net.server.enter(|| std::net::TcpListener::bind(sensor_tests::daemon::WEB))?;
    let output = scene.daemon.run_command().output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("127.0.0.1:9797"), "{}: {said}", output.status);
    drop(holder);
    ensure!(scene.net.xdp_on(INTERFACE)?.is_empty(), "still attached");
    ensure!(!is_mounted(&scene.daemon.pin_dir())?, "the BPF file system is still mounted");
    ensure!(!scene.daemon.socket().exists(), "the socket is still there");
    scene.daemon.run()
}

/// If pinning is impossible, the daemon works and says what it cannot guarantee.
#[test]
fn without_pins_enforcement_ends_with_the_daemon() -> Result<()> {
    if tools::skipped("without_pins_enforcement_ends_with_the_daemon", &[]) {
        return Ok(());
    }
    let net = sensor_tests::netns::Net::new()?;
    let mut daemon = sensor_tests::daemon::Daemon::prepare(&net, &config("enforce", "off"))?;
    // A file stands where the directory would be.
    fs::write(daemon.pin_dir(), "")?;
    daemon.run()?;
    ensure!(daemon.log().contains("without pins"), "not said: {}", daemon.log());
    ensure!(daemon.json(&["status"])?["pinned"] == false, "claims to be pinned");
    ensure!(!net.xdp_on(INTERFACE)?.is_empty(), "not attached");
    daemon.terminate()?;
    ensure!(wait_until(PATIENCE, || net.xdp_on(INTERFACE).is_ok_and(|xdp| xdp.is_empty())), "still attached");
    Ok(())
}

fn is_mounted(directory: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let directory = directory.to_str().context("a path of this test")?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(directory)))
}

/// No program and no map of the sensor stays in the kernel.
#[test]
fn unload_frees_the_programs() -> Result<()> {
    if tools::skipped("unload_frees_the_programs", &["bpftool"]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("monitor", "off"))?;
    let attached = scene.net.xdp_on(INTERFACE)?;
    let id = attached.split_whitespace().skip_while(|word| *word != "id").nth(1).map(str::to_owned);
    let id = id.with_context(|| format!("no program id in `{attached}`"))?;
    let is_loaded = || {
        let shown = Command::new("bpftool").args(["prog", "show", "id", &id]).output();
        shown.is_ok_and(|output| output.status.success())
    };
    ensure!(is_loaded(), "program {id} is not there to begin with");
    scene.daemon.terminate()?;
    scene.daemon.unload()?;
    // The kernel frees it after a grace period.
    ensure!(wait_until(PATIENCE, || !is_loaded()), "program {id} is still loaded");
    Ok(())
}
