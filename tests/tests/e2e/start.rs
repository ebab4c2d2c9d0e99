//! Ways to start a daemon: which interfaces, how it attaches, what counts as one client.

use anyhow::{Result, ensure};
use sensor_tests::daemon::Daemon;
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, Net, v4, v6};
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use serde_json::Value;

/// Starts a daemon with these flags; returns it with its interfaces and how it is attached to each.
fn started(net: &Net, config: &str, flags: &[&str]) -> Result<(Daemon, Vec<(String, String)>)> {
    let mut daemon = Daemon::prepare(net, config)?;
    daemon.set_flags(flags);
    daemon.run()?;
    let served = served(&daemon)?;
    Ok((daemon, served))
}

fn served(daemon: &Daemon) -> Result<Vec<(String, String)>> {
    let status = daemon.json(&["status"])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = status.get("interfaces").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(rows.iter().map(|row| (text(row, "interface"), text(row, "xdp_mode"))).collect())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(interface, mode)| ((*interface).to_owned(), (*mode).to_owned())).collect()
}

#[test]
fn without_a_name_it_serves_the_default_route() -> Result<()> {
    if tools::skipped("without_a_name_it_serves_the_default_route", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    net.add_interface("eth1")?;
    let (_daemon, served) = started(&net, &config("monitor", "off"), &[])?;
    ensure!(served == pairs(&[(INTERFACE, "native")]), "{served:?}");
    ensure!(net.xdp_on("eth1")?.is_empty(), "attached where nobody asked for it");
    Ok(())
}

#[test]
fn without_a_default_route_it_asks_for_a_name() -> Result<()> {
    if tools::skipped("without_a_default_route_it_asks_for_a_name", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    net.server.ip("route del default\n")?;
    let mut daemon = Daemon::prepare(&net, &config("monitor", "off"))?;
    daemon.set_flags(&[]);
    let output = daemon.run_command().output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("-i"), "{}: {said}", output.status);
    ensure!(!daemon.pin_dir().exists(), "a refused start leaves pins behind");
    Ok(())
}

#[test]
fn generic_xdp_enforces_as_well() -> Result<()> {
    if tools::skipped("generic_xdp_enforces_as_well", &[]) {
        return Ok(());
    }
    let mut scene = Scene::new(&config("enforce", "1/min:10"))?;
    scene.daemon.terminate()?;
    scene.daemon.set_flags(&["-i", INTERFACE, "--xdp", "generic"]);
    // In place of the native one that the first daemon left.
    scene.daemon.run()?;
    ensure!(served(&scene.daemon)? == pairs(&[(INTERFACE, "generic")]), "{:?}", served(&scene.daemon)?);
    scene.send(v4(FLOODER), 20)?;
    ensure!(scene.dropped_of(v4(FLOODER), 50)? >= 45, "generic XDP does not drop");
    Ok(())
}

#[test]
fn interfaces_come_and_go_with_restarts() -> Result<()> {
    if tools::skipped("interfaces_come_and_go_with_restarts", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    net.add_interface("eth1")?;
    let both = format!("interfaces = [\"{INTERFACE}\", \"eth1\"]\n{}", config("monitor", "off"));
    let (mut daemon, found) = started(&net, &both, &[])?;
    ensure!(found == pairs(&[(INTERFACE, "native"), ("eth1", "native")]), "{found:?}");
    daemon.terminate()?;
    daemon.write_config(&both.replace(&format!("\"{INTERFACE}\", "), ""))?;
    daemon.run()?;
    ensure!(served(&daemon)? == pairs(&[("eth1", "native")]), "{:?}", served(&daemon)?);
    ensure!(net.xdp_on(INTERFACE)?.is_empty(), "an interface that is served no more is still attached");
    daemon.terminate()?;
    daemon.unload()?;
    ensure!(net.xdp_on("eth1")?.is_empty(), "unload forgot an interface");
    Ok(())
}

#[test]
fn an_interface_that_went_away_is_no_obstacle() -> Result<()> {
    if tools::skipped("an_interface_that_went_away_is_no_obstacle", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    net.add_interface("eth1")?;
    let (mut daemon, _) = started(&net, &config("enforce", "off"), &["-i", INTERFACE, "-i", "eth1"])?;
    daemon.kill9()?;
    // Gone, and back with another index.
    net.server.ip("link del eth1\n")?;
    net.add_interface("eth1")?;
    daemon.run()?;
    ensure!(
        served(&daemon)? == pairs(&[(INTERFACE, "native"), ("eth1", "native")]),
        "{:?}",
        served(&daemon)?
    );
    Ok(())
}

#[test]
fn the_mode_of_the_command_line_counts() -> Result<()> {
    if tools::skipped("the_mode_of_the_command_line_counts", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let flags = ["-i", INTERFACE, "--mode", "enforce"];
    let (mut daemon, _) = started(&net, &config("monitor", "off"), &flags)?;
    ensure!(daemon.json(&["mode"])?["mode"] == "enforce", "the configuration won");
    // It is said for that run: the next one goes by the configuration again.
    daemon.terminate()?;
    daemon.set_flags(&["-i", INTERFACE]);
    daemon.run()?;
    ensure!(daemon.json(&["mode"])?["mode"] == "monitor", "a flag of an earlier run counts still");
    Ok(())
}

#[test]
fn a_client_may_be_a_network() -> Result<()> {
    if tools::skipped("a_client_may_be_a_network", &[]) {
        return Ok(());
    }
    let coarse = "ipv4_prefix = 24\nipv6_prefix = 48\ndoorkeeper";
    let scene = Scene::new(&config("enforce", "1/min:50").replace("doorkeeper", coarse))?;
    for (one, other) in [(v4(FLOODER), v4(LEGITIMATE)), (v6(FLOODER), v6(LEGITIMATE))] {
        scene.send(one, 100)?;
        // The network's burst is spent.
        ensure!(scene.dropped_of(other, 50)? >= 45, "{other} has a limit of its own");
        ensure!(scene.totals(one)? == scene.totals(other)?, "{one} and {other} are counted apart");
    }
    Ok(())
}
