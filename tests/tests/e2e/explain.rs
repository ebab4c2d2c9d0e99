//! `sensor explain`, `status` and `clients`: what an operator reads when something is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{FLOODER, GATEWAY, INTERFACE, LEGITIMATE, join, v4, v6};
use sensor_tests::peers::udp;
use sensor_tests::scene::{Scene, config, udp_target};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

#[test]
fn a_limited_client_is_explained() -> Result<()> {
    if tools::skipped("a_limited_client_is_explained", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1/min:10"))?;
    for client in [v4(FLOODER), v6(FLOODER)] {
        scene.send(client, 50)?;
        let address = client.to_string();
        let explain = || scene.daemon.json(&["explain", &address]).unwrap_or_default();
        let is_noted = || explain()["over_limit"][0][1] == "packet_rate";
        ensure!(wait_until(PATIENCE, is_noted), "does not say which limit: {}", explain());
        let explained = explain();
        ensure!(explained["scope"]["limits"]["packets"] == "1/min:10", "{explained}");
        ensure!(explained["client"]["drops"].as_u64() > Some(30), "{explained}");
        let text = scene.daemon.ok(&["explain", &address])?;
        for part in [address.as_str(), "1/min:10", "packet_rate", "sensor allow add"] {
            ensure!(text.contains(part), "no `{part}` in:\n{text}");
        }
        let has_site = client.is_ipv6();
        ensure!((explained["site"]["times"] == 256) == has_site, "{explained}");
        ensure!(text.contains("limits.ipv6_site_times") == has_site, "{text}");
    }
    Ok(())
}

#[test]
fn a_client_of_a_limited_site_is_explained() -> Result<()> {
    if tools::skipped("a_client_of_a_limited_site_is_explained", &[]) {
        return Ok(());
    }
    // Two clients of one /48 that keep to their own limits.
    let config = config("enforce", "1/min:40");
    let scene = Scene::new(&config.replace("[limits", "[limits]\nipv6_site_times = 1\n[limits"))?;
    scene.send(v6(FLOODER), 30)?;
    scene.send(v6(LEGITIMATE), 30)?;
    let client = v6(LEGITIMATE).to_string();
    let explain = || scene.daemon.json(&["explain", &client]).unwrap_or_default();
    ensure!(wait_until(PATIENCE, || explain()["over_limit"][0][1] == "site_rate"), "{}", explain());
    let explained = explain();
    ensure!(explained["site"]["times"] == 1, "{explained}");
    let dropped = scene.daemon.metrics()?.packets_because("drop", "site_rate");
    ensure!(dropped > 10, "only {dropped} packets were dropped");
    ensure!(scene.daemon.metrics()?.packets_because("drop", "packet_rate") == 0, "over its own limit");
    let text = scene.daemon.ok(&["explain", &client])?;
    for part in ["all clients of fd00::/48 with these limits together", "limits.ipv6_site_times", "site_rate"]
    {
        ensure!(text.contains(part), "no `{part}` in:\n{text}");
    }
    Ok(())
}

/// Every command that `explain` proposes works as it is printed.
#[test]
fn proposed_commands_work() -> Result<()> {
    if tools::skipped("proposed_commands_work", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1/min:10"))?;
    scene.daemon.ok(&["block", "add", "10.9.0.67"])?;
    scene.daemon.ok(&["allow", "add", "10.9.0.68"])?;
    for of in ["10.9.0.66", "fd00:0:0:42::1", "10.9.0.67", "10.9.0.68", "10.9.0.0/24"] {
        let explained = scene.daemon.json(&["explain", of])?;
        let proposed = explained["undo"].as_array().context("no proposals")?;
        ensure!(!proposed.is_empty(), "nothing is proposed for {of}: {explained}");
        for command in proposed {
            let words: Vec<&str> = command.as_str().context("not a text")?.split(' ').collect();
            let (program, args) = words.split_first().context("an empty proposal")?;
            ensure!(*program == "sensor", "{command} is not a command of ours");
            scene.daemon.ok(args).with_context(|| format!("proposed for {of}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_protected_client_is_explained() -> Result<()> {
    if tools::skipped("a_protected_client_is_explained", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "off"))?;
    let text = scene.daemon.ok(&["explain", &v4(GATEWAY).to_string()])?;
    ensure!(text.contains("never blocked") && text.contains("gateway"), "{text}");
    Ok(())
}

#[test]
fn the_busiest_client_comes_first() -> Result<()> {
    if tools::skipped("the_busiest_client_comes_first", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1/min:50"))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stream = |client, every| {
        let stop = Arc::clone(&stop);
        let send = move || {
            udp::stream(
                client,
                udp_target(client),
                Duration::from_millis(every),
                100_000,
                &AtomicU64::new(0),
                &stop,
            )
        };
        scene.net.world.spawn(send)
    };
    let streams = [stream(v4(LEGITIMATE), 50), stream(v4(FLOODER), 1)];
    let is_over = || scene.totals(v4(FLOODER)).is_ok_and(|totals| totals.dropped > 0);
    let was_over = wait_until(PATIENCE, is_over);
    let sorted = ["packets", "bits", "drops"]
        .map(|sort| scene.daemon.json(&["clients", "--sort", sort, "--top", "1"]));
    let text = scene.daemon.ok(&["clients"]);
    stop.store(true, Ordering::Relaxed);
    for stream in streams {
        join(stream)?;
    }
    ensure!(was_over, "nothing was dropped");
    for rows in sorted {
        let rows = rows?;
        ensure!(rows.as_array().map(Vec::len) == Some(1), "not one row: {rows}");
        ensure!(
            rows[0]["client"] == "10.9.0.66/32" && rows[0]["rates"]["drops"].as_u64() > Some(0),
            "{rows}"
        );
    }
    let text = text?;
    ensure!(text.lines().nth(1).is_some_and(|first| first.starts_with("10.9.0.66/32")), "{text}");
    ensure!(text.contains("10.9.0.2/32"), "{text}");
    Ok(())
}

#[test]
fn status_says_what_goes_on() -> Result<()> {
    if tools::skipped("status_says_what_goes_on", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("enforce", "1/min:10"))?;
    scene.send(v4(FLOODER), 50)?;
    scene.daemon.ok(&["block", "add", "10.9.0.67"])?;
    scene.daemon.ok(&["limit", "set", "default", "--packets", "2/min:20", "--confirm", "1h"])?;
    let status = scene.daemon.json(&["status"])?;
    let interface = &status["interfaces"][0];
    ensure!(interface["interface"] == INTERFACE && interface["xdp_mode"] == "native", "{status}");
    ensure!(interface["dropped"].as_u64() > Some(30) && interface["would_drop"] == 0, "{status}");
    ensure!(
        status["mode"] == "enforce" && status["pinned"] == true && status["blocks_active"] == 1,
        "{status}"
    );
    ensure!(status["pending"][0]["scope"] == "default", "the unconfirmed change is not shown: {status}");
    let text = scene.daemon.ok(&["status"])?;
    for part in ["enforce", INTERFACE, "native", "1 block,", "unconfirmed"] {
        ensure!(text.contains(part), "no `{part}` in:\n{text}");
    }
    Ok(())
}

#[test]
fn the_doctor_sees_the_daemon() -> Result<()> {
    if tools::skipped("the_doctor_sees_the_daemon", &[]) {
        return Ok(());
    }
    let scene = Scene::new(&config("monitor", "off"))?;
    let pins = scene.daemon.pin_dir();
    let output =
        scene.daemon.program(&["doctor", "-i", INTERFACE, "--json", "--pin-dir"]).arg(&pins).output()?;
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.success() && found["works"] == true, "{found}");
    let says = |what: &str| {
        let findings = found["findings"].as_array().into_iter().flatten();
        findings.into_iter().any(|finding| finding["what"].as_str().is_some_and(|text| text.contains(what)))
    };
    ensure!(says("a sensor is attached") && says("MTU 1500"), "{found}");
    ensure!(says("no receive offload") && says("which speak HTTP is unknown without a daemon"), "{found}");
    scene.net.add_interface("big0")?;
    scene.net.server.ip("link set big0 mtu 9000\n")?;
    let output =
        scene.daemon.program(&["doctor", "-i", "big0", "--socket"]).arg(scene.daemon.socket()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("big0: MTU 9000 exceeds one page"), "{text}");
    ensure!(text.contains("no HTTP seen on any port yet"), "{text}");
    let output = scene.daemon.program(&["doctor", "-i", "nosuch0"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(1) && text.contains("nosuch0"), "{}: {text}", output.status);
    Ok(())
}
