//! Decisions of a real CrowdSec server in the kernel: taken, left, withdrawn, ended, and what holds while it is away.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES};
use sensor_tests::netns::{FLOODER, GATEWAY, LEGITIMATE, Net, v4, v6};
use sensor_tests::peers::crowdsec::Crowdsec;
use sensor_tests::peers::login::{LoginServer, stuff};
use sensor_tests::peers::udp::Sink;
use sensor_tests::scene::{Scene, UDP_PORT, config};
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};
use serde_json::Value;

/// As many as CrowdSec sends in one page.
const MANY: usize = 30_000;

/// A CrowdSec and a daemon that pulls from it, in one namespace.
struct Pair {
    scene: Scene,
    crowdsec: Crowdsec,
}

impl Pair {
    /// `prepare` decides what stands before the daemon starts.
    fn new(prepare: impl FnOnce(&Crowdsec) -> Result<()>) -> Result<Self> {
        let net = Net::new()?;
        let crowdsec = Crowdsec::start(&net.server)?;
        prepare(&crowdsec)?;
        let key = crowdsec.file("sensor.key");
        fs::write(&key, crowdsec.key("sensor-web1")?)?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        let sink = Sink::start(&net.server, UDP_PORT)?;
        let daemon = Daemon::start(
            &net,
            &format!(
                "{}[crowdsec]\nurl = \"http://{}/\"\nkey_file = \"{}\"\ninterval = \"1s\"\n",
                config("enforce", "off"),
                Crowdsec::ADDRESS,
                key.display()
            ),
        )?;
        Ok(Self { scene: Scene { daemon, sink, nginx: None, net }, crowdsec })
    }

    fn decide(&self, address: IpAddr, more: &[&str]) -> Result<()> {
        let address = address.to_string();
        let mut args = vec!["decisions", "add", "--ip", &address];
        args.extend(more);
        self.crowdsec.cscli(&args).map(drop)
    }

    fn withdraw(&self, address: IpAddr) -> Result<()> {
        self.crowdsec.cscli(&["decisions", "delete", "--ip", &address.to_string()]).map(drop)
    }

    fn status(&self) -> Value {
        let status = self.scene.daemon.json(&["status"]).unwrap_or_default();
        status.get("crowdsec").cloned().unwrap_or_default()
    }

    /// The block of an address, if there is one.
    fn block(&self, address: IpAddr) -> Option<Value> {
        let list = self.scene.daemon.json(&["block", "list"]).unwrap_or_default();
        let wanted = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        list.as_array()?.iter().find(|row| row.get("prefix").is_some_and(|of| *of == *wanted)).cloned()
    }

    /// Waits until an address is blocked, or no longer is.
    fn await_block(&self, address: IpAddr, is_blocked: bool) -> Result<()> {
        let agrees = wait_until(PATIENCE, || self.block(address).is_some() == is_blocked);
        ensure!(agrees, "{address}: {}\n{}", self.scene.daemon.log(), self.crowdsec.log());
        Ok(())
    }
}

/// How many of so many datagrams of a client are dropped as blocked, whether or not the daemon has heard of it before.
fn dropped(scene: &Scene, source: IpAddr, count: u64) -> Result<u64> {
    let drops = || scene.daemon.metrics().map(|all| all.packets_because("drop", "blocked"));
    let before = drops()?;
    scene.send(source, count)?;
    let all = before.saturating_add(count);
    // The caller says what it means if they never are.
    let _all_dropped = wait_until(PATIENCE, || drops().is_ok_and(|drops| drops >= all));
    Ok(drops()?.saturating_sub(before))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn bans_of_crowdsec_are_carried_out_in_the_kernel() -> Result<()> {
    if tools::skipped("bans_of_crowdsec_are_carried_out_in_the_kernel", &["crowdsec", "cscli"]) {
        return Ok(());
    }
    let flooder = v4(FLOODER);
    let pair = Pair::new(|crowdsec| {
        let (flooder, gateway) = (flooder.to_string(), v4(GATEWAY).to_string());
        for args in [
            ["--ip", &flooder, "--reason", "a test"],
            ["--ip", &gateway, "--reason", "a test"],
            ["--range", "198.51.100.0/24", "--duration", "2h"],
            ["--ip", "203.0.113.8", "--type", "captcha"],
            ["--scope", "Country", "--value", "XX"],
        ] {
            crowdsec.cscli(&[&["decisions", "add"][..], &args[..]].concat())?;
        }
        Ok(())
    })?;
    let scene = &pair.scene;
    pair.await_block(flooder, true)?;
    ensure!(dropped(scene, flooder, 50)? == 50, "the ban is not in force");
    scene.all_arrive(v4(LEGITIMATE), 50)?;
    let block = pair.block(flooder).unwrap_or_default();
    ensure!(text(&block, "origin") == "crowdsec" && text(&block, "reason") == "cscli: a test", "{block}");
    let explained = scene.daemon.ok(&["explain", &flooder.to_string()])?;
    ensure!(explained.contains("crowdsec") && explained.contains("cscli: a test"), "{explained}");
    ensure!(pair.block(v4(GATEWAY)).is_none(), "the gateway is blocked");
    let status = pair.status();
    let expected = serde_json::json!({"protected": 1, "scope": 1, "type": 1});
    ensure!(status.get("left") == Some(&expected), "{status}");
    ensure!(
        status.get("blocks") == Some(&2.into()) && status.get("decisions") == Some(&3.into()),
        "{status}"
    );
    let metrics = scene.daemon.metrics()?;
    ensure!(metrics.sum("sensor_crowdsec_connected", &[]) == 1, "not connected by its metrics");
    ensure!(
        metrics.sum("sensor_crowdsec_decisions_left_total", &[("cause", "protected")]) == 1,
        "not counted"
    );
    Ok(())
}

#[test]
fn changes_of_crowdsec_and_of_people_are_followed() -> Result<()> {
    if tools::skipped("changes_of_crowdsec_and_of_people_are_followed", &["crowdsec", "cscli"]) {
        return Ok(());
    }
    let flooder = v4(FLOODER);
    let pair =
        Pair::new(|crowdsec| crowdsec.cscli(&["decisions", "add", "--ip", &flooder.to_string()]).map(drop))?;
    let scene = &pair.scene;
    pair.await_block(flooder, true)?;
    // It has to know the server's link address.
    scene.all_arrive(v6(FLOODER), 10)?;
    pair.decide(v6(FLOODER), &["--duration", "1h"])?;
    pair.await_block(v6(FLOODER), true)?;
    ensure!(dropped(scene, v6(FLOODER), 20)? == 20, "the second ban is not in force");
    pair.withdraw(flooder)?;
    pair.await_block(flooder, false)?;
    scene.all_arrive(flooder, 20)?;
    // One that ends by itself.
    pair.decide(flooder, &["--duration", "8s"])?;
    pair.await_block(flooder, true)?;
    ensure!(wait_until(PATIENCE, || pair.block(flooder).is_none()), "it does not end");
    scene.all_arrive(flooder, 20)?;
    // One that a person lifts here.
    pair.decide(flooder, &["--duration", "1h"])?;
    pair.await_block(flooder, true)?;
    scene.daemon.ok(&["block", "remove", &flooder.to_string()])?;
    scene.all_arrive(flooder, 20)?;
    let allowed = v6(FLOODER).to_string();
    scene.daemon.ok(&["allow", "add", &allowed])?;
    ensure!(pair.block(v6(FLOODER)).is_none(), "it is allowed, and blocked");
    scene.daemon.ok(&["allow", "remove", &allowed])?;
    ensure!(pair.block(v6(FLOODER)).is_some(), "it is not allowed any more, and not blocked");
    let audit = scene.daemon.ok(&["audit"])?;
    ensure!(audit.contains("crowdsec changed") && audit.contains("(CrowdSec)"), "{audit}");
    Ok(())
}

#[test]
fn while_crowdsec_is_away_its_decisions_hold() -> Result<()> {
    if tools::skipped("while_crowdsec_is_away_its_decisions_hold", &["crowdsec", "cscli"]) {
        return Ok(());
    }
    let (flooder, other) = (v4(FLOODER), v6(FLOODER));
    let mut pair = Pair::new(|_| Ok(()))?;
    pair.decide(flooder, &["--duration", "1h"])?;
    pair.await_block(flooder, true)?;
    pair.crowdsec.kill9()?;
    ensure!(
        wait_until(PATIENCE, || pair.status().get("connected") == Some(&false.into())),
        "{}",
        pair.status()
    );
    let status = pair.scene.daemon.ok(&["status"])?;
    ensure!(status.contains("DEGRADED     crowdsec") && status.contains("hold until they end"), "{status}");
    ensure!(dropped(&pair.scene, flooder, 20)? == 20, "it does not hold");
    // Also over a restart of the sensor, with nothing left in the kernel.
    pair.scene.daemon.terminate()?;
    pair.scene.daemon.unload()?;
    pair.scene.daemon.run()?;
    ensure!(dropped(&pair.scene, flooder, 20)? == 20, "it does not hold after a restart");
    ensure!(text(&pair.block(flooder).unwrap_or_default(), "origin") == "crowdsec", "whose is it?");
    // CrowdSec comes back.
    pair.crowdsec.run()?;
    pair.decide(other, &["--duration", "1h"])?;
    pair.withdraw(flooder)?;
    pair.await_block(other, true)?;
    pair.await_block(flooder, false)?;
    // Who lost the key says so.
    pair.crowdsec.cscli(&["bouncers", "delete", "sensor-web1"])?;
    let knows = || text(&pair.status(), "trouble").contains("403 Forbidden");
    ensure!(wait_until(PATIENCE, knows), "{}", pair.status());
    let doctor = pair.scene.daemon.cli(&["doctor"])?;
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(doctor.contains("cscli bouncers add sensor"), "{doctor}");
    ensure!(pair.block(other).is_some(), "what stands does not hold");
    Ok(())
}

#[test]
fn thirty_thousand_decisions_are_one_answer() -> Result<()> {
    if tools::skipped("thirty_thousand_decisions_are_one_answer", &["crowdsec", "cscli"]) {
        return Ok(());
    }
    let pair = Pair::new(|crowdsec| {
        let mut list = "duration,scope,reason,type,value\n".to_owned();
        for number in 0..MANY {
            writeln!(list, "4h,ip,a blocklist,ban,203.{}.{}.7", number / 250, number % 250)?;
        }
        let file = crowdsec.file("list.csv");
        fs::write(&file, list)?;
        crowdsec.cscli(&["decisions", "import", "-i", &file.display().to_string()]).map(drop)
    })?;
    let start = now();
    let carried = || pair.status().get("blocks") == Some(&MANY.into());
    ensure!(wait_until(PATIENCE, carried), "{}\n{}", pair.status(), pair.crowdsec.log());
    println!(
        "{MANY} decisions were in force {:?} after the daemon was ready",
        now().saturating_duration_since(start)
    );
    let metrics = pair.scene.daemon.metrics()?;
    ensure!(metrics.sum("sensor_blocks_active", &[]) == u64::try_from(MANY)?, "not in the kernel");
    pair.crowdsec.cscli(&["decisions", "delete", "--all"])?;
    let start = now();
    ensure!(wait_until(PATIENCE, || pair.status().get("blocks") == Some(&0.into())), "{}", pair.status());
    println!("and lifted {:?} after they were deleted", now().saturating_duration_since(start));
    ensure!(pair.scene.daemon.metrics()?.sum("sensor_blocks_active", &[]) == 0, "still in the kernel");
    pair.scene.all_arrive(v4(LEGITIMATE), 20)?;
    ensure!(pair.scene.daemon.is_ready(), "not ready");
    Ok(())
}

/// A machine of CrowdSec's pushes what its detectors blocked, and does not take it back as CrowdSec's.
#[test]
fn blocks_of_detectors_are_pushed_and_do_not_come_back() -> Result<()> {
    if tools::skipped("blocks_of_detectors_are_pushed_and_do_not_come_back", &["crowdsec", "cscli"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let crowdsec = Crowdsec::start(&net.server)?;
    let (key, login) = (crowdsec.file("sensor.key"), crowdsec.file("sensor.login"));
    fs::write(&key, crowdsec.key("sensor-web1")?)?;
    let file = login.display().to_string();
    crowdsec.cscli(&["machines", "add", "web1", "-a", "-f", &file])?;
    for path in [&key, &login] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    let daemon = Daemon::start(
        &net,
        &format!(
            "mode = \"enforce\"\n{SMALL_TABLES}{NO_LIMITS}[crowdsec]\nurl = \"http://{}/\"\nkey_file = \"{}\"\n\
             login_file = \"{file}\"\ninterval = \"1s\"\nfull_interval = \"60s\"\n",
            Crowdsec::ADDRESS,
            key.display()
        ),
    )?;
    let offender = v4(FLOODER).to_string();
    let origin = || {
        let list = daemon.json(&["block", "list"]).unwrap_or_default();
        let block = list.as_array()?.iter().find(|row| text(row, "prefix") == format!("{offender}/32"))?;
        Some(text(block, "origin").to_owned())
    };
    stuff(&net, 0, || origin().is_some())?;
    let decisions = || crowdsec.cscli(&["decisions", "list", "-o", "json"]).unwrap_or_default();
    let scenario = "sensor@web1/credential-stuffing";
    let is_pushed = || decisions().contains(scenario) && decisions().contains(&offender);
    ensure!(wait_until(PATIENCE, is_pushed), "{}\n{}\n{}", decisions(), daemon.log(), crowdsec.log());
    let status = || daemon.json(&["status"]).unwrap_or_default();
    let own = || status().pointer("/crowdsec/left/own").and_then(Value::as_u64).unwrap_or(0);
    ensure!(wait_until(PATIENCE, || own() > 0), "it did not come back: {}", status());
    ensure!(origin().as_deref() == Some("detector"), "{:?}", origin());
    let pushes = status().pointer("/crowdsec/pushes").cloned().unwrap_or_default();
    ensure!(pushes.get("sent").and_then(Value::as_u64) > Some(0), "{pushes}");
    // 1.4.6 has neither.
    ensure!(pushes.get("allow_lists") == Some(&false.into()), "{pushes}");
    ensure!(status().pointer("/crowdsec/usage_metrics") == Some(&false.into()), "{}", status());
    let shown = daemon.ok(&["status"])?;
    ensure!(shown.contains("it has no allow lists") && !shown.contains("DEGRADED     crowdsec"), "{shown}");
    // Whom a person lets go here does not come back through CrowdSec.
    daemon.ok(&["block", "remove", &offender])?;
    let pulls = || {
        daemon.metrics().map_or(0, |all| all.sum("sensor_crowdsec_pulls_total", &[("outcome", "answered")]))
    };
    let before = pulls();
    ensure!(wait_until(PATIENCE, || pulls() > before.saturating_add(1)), "no more pulls");
    ensure!(origin().is_none(), "{:?}", origin());
    Ok(())
}

#[test]
fn the_configuration_is_checked_before_anything_is_asked() -> Result<()> {
    if tools::skipped("the_configuration_is_checked_before_anything_is_asked", &[]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = Daemon::prepare(&net, "[crowdsec]\nurl = \"ftp://127.0.0.1/\"\ninterval = \"1ms\"\n")?;
    let checked = daemon.program(&["check", "-c", &daemon.config_path().display().to_string()]).output()?;
    let said =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    ensure!(!checked.status.success(), "taken: {said}");
    for expected in ["crowdsec.url: expected http:// or https://", "crowdsec.interval"] {
        ensure!(said.contains(expected), "{expected}: {said}");
    }
    Ok(())
}
