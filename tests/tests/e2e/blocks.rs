//! Blocks: their expiry, with and without a daemon; allow rules over them; and what is never blocked.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, GATEWAY, INTERFACE, LEGITIMATE, SERVER_V4, SERVER_V6, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};

/// How long the tests block for.
const FOR: Duration = Duration::from_secs(3);
/// The kernel's clock goes in steps of up to 10 ms, and there is one in each direction.
const CLOCK_STEPS: Duration = Duration::from_millis(20);

/// Blocks a client for [`FOR`] that was heard before; returns when that began.
fn block(scene: &Scene, client: IpAddr) -> Result<Instant> {
    scene.all_arrive(client, 10)?;
    let start = now();
    scene.daemon.ok(&["block", "add", &client.to_string(), "--for", "3s", "--reason", "a test"])?;
    Ok(start)
}

/// Waits until a blocked client is heard again; it must not be before the block's time is over.
fn is_heard_after_its_time(scene: &Scene, client: IpAddr, start: Instant) -> Result<()> {
    ensure!(wait_until(PATIENCE, || scene.is_heard(client).unwrap_or(false)), "{client} is still not heard");
    let lasted = start.elapsed();
    ensure!(lasted + CLOCK_STEPS >= FOR, "{client} was heard after {lasted:?}");
    Ok(())
}

#[test]
fn a_block_ends_by_itself() -> Result<()> {
    if tools::skipped("a_block_ends_by_itself", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    for client in [v4(FLOODER), v6(FLOODER)] {
        let start = block(&scene, client)?;
        is_heard_after_its_time(&scene, client, start)?;
        let is_listed =
            || scene.daemon.json(&["block", "list"]).is_ok_and(|list| list != serde_json::json!([]));
        ensure!(wait_until(PATIENCE, || !is_listed()), "the block is still listed");
    }
    ensure!(scene.daemon.metrics()?.packets_because("drop", "blocked") > 0, "nothing was dropped");
    scene.all_arrive(v4(LEGITIMATE), 10)
}

#[test]
fn a_block_ends_without_a_daemon() -> Result<()> {
    if tools::skipped("a_block_ends_without_a_daemon", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    let client = v4(FLOODER);
    let start = block(&scene, client)?;
    scene.daemon.kill9()?;
    is_heard_after_its_time(&scene, client, start)?;
    scene.daemon.run()?;
    ensure!(scene.daemon.metrics()?.packets_because("drop", "blocked") > 0, "nothing was dropped");
    ensure!(scene.daemon.json(&["block", "list"])? == serde_json::json!([]), "an ended block came back");
    scene.all_arrive(client, 10)
}

/// A time beyond any calendar is refused or taken; what was said before and after it stands, over a restart too.
#[test]
fn no_duration_is_too_long_for_the_state_file() -> Result<()> {
    if tools::skipped("no_duration_is_too_long_for_the_state_file", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    for time in ["7000years", "9000years", "1000000years", "500000000000years"] {
        let output = scene.daemon.cli(&["block", "add", "10.9.0.67", "--for", time])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() || said.contains("years"), "--for {time}: {}: {said}", output.status);
    }
    scene.daemon.ok(&["block", "add", "10.9.0.66"])?;
    ensure!(!scene.daemon.log().contains("panicked"), "the daemon panicked");
    scene.daemon.terminate()?;
    scene.daemon.run()?;
    let list = scene.daemon.json(&["block", "list"])?;
    ensure!(list.to_string().contains("10.9.0.66/32"), "a later block is not kept: {list}");
    Ok(())
}

#[test]
fn a_block_outlives_the_daemon() -> Result<()> {
    if tools::skipped("a_block_outlives_the_daemon", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "off"))?;
    let client = v4(FLOODER);
    scene.all_arrive(client, 10)?;
    scene.daemon.ok(&["block", "add", &client.to_string(), "--reason", "a test"])?;
    scene.daemon.kill9()?;
    let before = scene.sink.packets_from(client);
    scene.send(client, 100)?;
    scene.all_arrive(v4(LEGITIMATE), 10)?;
    scene.daemon.run()?;
    ensure!(scene.dropped_of(client, 100)? == 100, "the block is gone after the restart");
    ensure!(scene.sink.packets_from(client) == before, "packets came through without a daemon");
    let list = scene.daemon.json(&["block", "list"])?;
    ensure!(list[0]["prefix"] == "10.9.0.66/32" && list[0]["reason"] == "a test", "{list}");
    scene.daemon.ok(&["block", "remove", &client.to_string()])?;
    scene.all_arrive(client, 10)
}

#[test]
fn monitor_mode_counts_what_a_block_would_drop() -> Result<()> {
    if tools::skipped("monitor_mode_counts_what_a_block_would_drop", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    let client = v4(FLOODER);
    scene.daemon.ok(&["block", "add", &client.to_string()])?;
    scene.all_arrive(client, 100)?;
    let metrics = scene.daemon.metrics()?;
    ensure!(metrics.packets_because("would_drop", "blocked") >= 100, "not counted");
    ensure!(metrics.packets("drop") == 0, "dropped in monitor mode");
    ensure!(metrics.sum("sensor_blocks_active", &[]) == 1, "the block is not counted");
    Ok(())
}

#[test]
fn an_allow_beats_a_block() -> Result<()> {
    if tools::skipped("an_allow_beats_a_block", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    scene.net.add_host(67)?;
    let (allowed, blocked) = (v4(FLOODER), v4(67));
    for client in [allowed, blocked] {
        scene.all_arrive(client, 10)?;
    }
    scene.daemon.ok(&["block", "add", "10.9.0.64/28"])?;
    ensure!(scene.dropped_of(allowed, 20)? == 20, "a block of a prefix does not block its clients");
    scene.daemon.ok(&["allow", "add", &allowed.to_string(), "--reason", "a test"])?;
    scene.all_arrive(allowed, 20)?;
    ensure!(scene.dropped_of(blocked, 20)? == 20, "the allow of one client freed its neighbour");
    let explained = scene.daemon.ok(&["explain", &allowed.to_string()])?;
    ensure!(explained.contains("10.9.0.64/28"), "explain does not name the block: {explained}");
    scene.daemon.ok(&["allow", "remove", &allowed.to_string()])?;
    ensure!(scene.dropped_of(allowed, 20)? == 20, "the block is gone with the allow");
    Ok(())
}

/// Whichever of the two is longer.
#[test]
fn an_allowed_network_beats_a_blocked_client() -> Result<()> {
    if tools::skipped("an_allowed_network_beats_a_blocked_client", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    scene.all_arrive(v4(FLOODER), 10)?;
    scene.daemon.ok(&["block", "add", "10.9.0.66"])?;
    scene.daemon.ok(&["allow", "add", "10.9.0.64/28"])?;
    scene.all_arrive(v4(FLOODER), 20)
}

/// The answer says what is true now, and its exit status shows scripts if that is not what was requested.
#[test]
fn a_block_says_what_it_does() -> Result<()> {
    if tools::skipped("a_block_says_what_it_does", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    scene.all_arrive(v4(FLOODER), 10)?;
    let said = scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1h"])?;
    ensure!(said.contains("would be dropped") && said.contains("mode is monitor"), "{said}");
    ensure!(!said.contains("blocked"), "{said}");
    scene.all_arrive(v4(FLOODER), 10)?;
    scene.daemon.ok(&["mode", "enforce"])?;
    let said = scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1h"])?;
    ensure!(said.contains("blocked 10.9.0.66/32 until"), "{said}");
    ensure!(scene.dropped_of(v4(FLOODER), 10)? == 10, "it said so, and it is not true");
    scene.daemon.ok(&["allow", "add", "10.9.0.80/28"])?;
    let refused = scene.daemon.cli(&["block", "add", "10.9.0.81"])?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(1), "{}", refused.status);
    ensure!(
        why.contains("10.9.0.80/28 is allowed") && why.contains("sensor allow remove 10.9.0.80/28"),
        "{why}"
    );
    ensure!(!scene.daemon.ok(&["block", "list"])?.contains("10.9.0.81"), "a refused block is there");
    let said = scene.daemon.ok(&["block", "add", "10.9.0.64/26"])?;
    ensure!(said.contains("except 10.9.0.80/28"), "{said}");
    Ok(())
}

/// The kernel looks for the longest prefix only; the daemon makes sure that none hides another.
#[test]
fn blocks_that_overlap_do_not_hide_each_other() -> Result<()> {
    if tools::skipped("blocks_that_overlap_do_not_hide_each_other", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let client = v4(FLOODER);
    scene.all_arrive(client, 10)?;
    scene.daemon.ok(&["block", "add", "10.9.0.64/28"])?;
    scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1s"])?;
    let blocks = || scene.daemon.json(&["block", "list"]).unwrap_or_default().as_array().map_or(0, Vec::len);
    ensure!(wait_until(PATIENCE, || blocks() == 1), "the shorter block does not end");
    ensure!(scene.dropped_of(client, 20)? == 20, "the end of one block ended the other");
    scene.daemon.ok(&["block", "add", "10.9.0.66", "--for", "1h"])?;
    scene.daemon.ok(&["block", "remove", "10.9.0.64/28"])?;
    ensure!(scene.dropped_of(client, 20)? == 20, "the removal of one block removed the other");
    scene.daemon.ok(&["block", "remove", "10.9.0.66"])?;
    scene.all_arrive(client, 20)
}

/// One address of an IPv6 client, whose /64 shares its limits and its place in the table.
#[test]
fn a_block_may_be_finer_than_a_client() -> Result<()> {
    if tools::skipped("a_block_may_be_finer_than_a_client", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let (blocked, beside): (IpAddr, IpAddr) = (v6(FLOODER), "fd00:0:0:42::2".parse()?);
    scene.net.world.ip(&format!("addr add {beside}/48 dev {INTERFACE} nodad\n"))?;
    scene.all_arrive(beside, 10)?;
    scene.all_arrive(blocked, 10)?;
    scene.daemon.ok(&["block", "add", &blocked.to_string()])?;
    ensure!(scene.dropped_of(blocked, 20)? == 20, "the address is not blocked");
    scene.all_arrive(beside, 20)?;
    ensure!(scene.dropped_of(blocked, 20)? == 20, "its neighbour's packets freed it");
    scene.daemon.ok(&["block", "remove", &blocked.to_string()])?;
    scene.all_arrive(blocked, 20)
}

#[test]
fn an_allow_lifts_every_limit() -> Result<()> {
    if tools::skipped("an_allow_lifts_every_limit", &[]) {
        return Ok(());
    }
    let config = config("enforce", "1/min:5");
    let scene = Scene::new(&format!("allow = [\"10.9.0.2\", \"fd00:0:0:2::/64\"]\n{config}"))?;
    scene.all_arrive(v4(LEGITIMATE), 200)?;
    scene.all_arrive(v6(LEGITIMATE), 200)?;
    scene.send(v4(FLOODER), 10)?;
    ensure!(scene.dropped_of(v4(FLOODER), 100)? >= 95, "a client that is not allowed is not limited");
    Ok(())
}

#[test]
fn what_must_not_be_blocked_is_not() -> Result<()> {
    if tools::skipped("what_must_not_be_blocked_is_not", &[]) {
        return Ok(());
    }
    let never = "[never_block]\nprefixes = [\"10.9.7.0/24\"]\n";
    let scene = Scene::new(&format!("{}{never}", config("enforce", "off")))?;
    let gateway = v4(GATEWAY).to_string();
    for (prefix, named, why) in [
        (gateway.as_str(), gateway.as_str(), "gateway"),
        (&SERVER_V4.to_string(), "10.9.0.1", "belongs to this host"),
        (&SERVER_V6.to_string(), "fd00::1", "belongs to this host"),
        ("10.9.0.128/25", &gateway, "gateway"),
        ("fd00::/64", "fd00::1", "belongs to this host"),
        ("10.9.7.9", "10.9.7.0/24", "never_block"),
        ("10.9.6.0/23", "10.9.7.0/24", "never_block"),
        ("0.0.0.0/0", "", "refused: "),
        ("::/0", "", "refused: "),
    ] {
        let output = scene.daemon.cli(&["block", "add", prefix])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "blocking {prefix}: {}: {said}", output.status);
        ensure!(
            said.contains(named) && said.contains(why),
            "blocking {prefix} does not name {named}, {why}: {said}"
        );
    }
    ensure!(scene.daemon.json(&["block", "list"])? == serde_json::json!([]), "something is blocked");
    scene.all_arrive(v4(GATEWAY), 20)
}

/// A block that the configuration makes cannot be refused on a live host; the gateway passes all the same.
#[test]
fn a_configured_block_spares_the_gateway() -> Result<()> {
    if tools::skipped("a_configured_block_spares_the_gateway", &[]) {
        return Ok(());
    }
    let config = config("enforce", "off");
    let scene = Scene::new(&format!("block = [\"10.9.0.0/24\"]\n{config}"))?;
    scene.all_arrive(v4(GATEWAY), 20)?;
    scene.send(v4(FLOODER), 20)?;
    scene.all_arrive(v4(GATEWAY), 20)?;
    ensure!(scene.sink.packets_from(v4(FLOODER)) == 0, "the configured block does not block");
    Ok(())
}
