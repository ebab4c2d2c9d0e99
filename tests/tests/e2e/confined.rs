//! The daemon's own sandbox, tested from inside by a library loaded into it.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use nix::unistd::User;
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::inside::{Tries, library};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Net, v4};
use sensor_tests::peers::login::{LoginServer, attempt};
use sensor_tests::peers::udp::Sink;
use sensor_tests::scene::{Scene, UDP_PORT, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// On every Debian, and owner of nothing.
const USER: &str = "nobody";

/// A daemon with the library in it.
fn prepare(flags: &[&str]) -> Result<(Scene, PathBuf)> {
    let net = Net::new()?;
    let sink = Sink::start(&net.server, UDP_PORT)?;
    let mut daemon = Daemon::prepare(&net, &config("enforce", "off"))?;
    let directory = daemon.config_path().parent().context("a directory")?.to_owned();
    // The user has to get at its state.
    fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    let out = daemon.state_dir().join("probe");
    let library = library(&directory)?;
    daemon.set_environment(&[("LD_PRELOAD", library.as_os_str()), ("PROBE_OUT", out.as_os_str())]);
    daemon.set_flags(&[&["-i", sensor_tests::netns::INTERFACE], flags].concat());
    daemon.run()?;
    Ok((Scene { daemon, sink, nginx: None, net }, out))
}

fn tries(daemon: &Daemon, out: &Path) -> Result<Tries> {
    daemon.signal(Signal::SIGUSR1)?;
    let mut tries = None;
    let is_done = || {
        tries = fs::read_to_string(out).ok().and_then(|text| Tries::read(&text));
        tries.is_some()
    };
    ensure!(wait_until(PATIENCE, is_done), "the library tried nothing: {}", daemon.log());
    tries.context("tries")
}

/// The numbers of a process's user, from its status.
fn uids(daemon: &Daemon) -> Result<Vec<u32>> {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid().context("it does not run")?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).context("no user")?;
    Ok(line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

#[test]
fn root_by_hand_is_confined_all_the_same() -> Result<()> {
    if tools::skipped("root_by_hand_is_confined_all_the_same", &["cc"]) {
        return Ok(());
    }
    let (mut scene, out) = prepare(&[])?;
    ensure!(uids(&scene.daemon)?.iter().all(|uid| *uid == 0), "it became somebody else");
    tries(&scene.daemon, &out)?.nothing_foreign_is_possible()?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["confinement"]["user"]["extent"] == "off", "{status}");
    for layer in ["files", "calls"] {
        ensure!(status["confinement"][layer]["extent"] == "full", "{layer}: {status}");
    }
    scene.daemon.ok(&["reload"])?;
    // A shell is refused by the end of whoever asks for it, and the kernel goes on.
    let bad = v4(FLOODER);
    scene.all_arrive(bad, 20)?;
    scene.daemon.ok(&["block", "add", &bad.to_string(), "--for", "1h"])?;
    ensure!(scene.dropped_of(bad, 20)? == 20, "the block does not drop");
    scene.daemon.signal(Signal::SIGUSR2)?;
    let ended = scene.daemon.wait()?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
    ensure!(signal == Some(Signal::SIGSYS as i32), "it ended by {ended}");
    ensure!(!scene.is_heard(bad)?, "the block ended with the daemon");
    Ok(())
}

#[test]
fn the_daemon_is_nobody() -> Result<()> {
    if tools::skipped("the_daemon_is_nobody", &["cc"]) {
        return Ok(());
    }
    let nobody = User::from_name(USER)?.with_context(|| format!("no user {USER}"))?;
    let (mut scene, out) = prepare(&["--user", USER])?;
    let (good, bad) = (v4(LEGITIMATE), v4(FLOODER));
    ensure!(uids(&scene.daemon)?.iter().all(|uid| *uid == nobody.uid.as_raw()), "it is not {USER}");
    let tries = tries(&scene.daemon, &out)?;
    tries.nothing_foreign_is_possible()?;
    ensure!(tries.of("read:/etc/shadow")? == "EACCES", "{tries:?}");
    let status = scene.daemon.json(&["status"])?;
    for layer in ["user", "files", "calls"] {
        ensure!(status["confinement"][layer]["extent"] == "full", "{layer}: {status}");
    }
    // State and pins are its own.
    for place in [scene.daemon.state_dir().join("hash.key"), scene.daemon.pin_dir().join("maps")] {
        let owner = fs::metadata(&place).with_context(|| place.display().to_string())?.uid();
        ensure!(owner == nobody.uid.as_raw(), "{} belongs to {owner}", place.display());
    }
    scene.all_arrive(good, 20)?;
    scene.all_arrive(bad, 20)?;
    scene.daemon.ok(&["block", "add", &bad.to_string(), "--for", "1h"])?;
    ensure!(scene.dropped_of(bad, 20)? == 20, "the block does not drop");
    scene.daemon.ok(&["reload"])?;
    // An interface that comes back is attached to and pinned without any capability.
    scene.net.disconnect()?;
    scene.net.connect()?;
    let is_served = || {
        let status = scene.daemon.json(&["status"]).unwrap_or_default();
        status.pointer("/interfaces/0/state").is_some_and(|state| state == "up")
            && !scene.is_heard(bad).unwrap_or(true)
    };
    ensure!(wait_until(PATIENCE, is_served), "the interface is not served again: {}", scene.daemon.log());
    // The next one takes over, as the user whom the state belongs to.
    scene.daemon.kill9()?;
    scene.daemon.set_flags(&["-i", sensor_tests::netns::INTERFACE]);
    scene.daemon.run()?;
    ensure!(uids(&scene.daemon)?.iter().all(|uid| *uid == nobody.uid.as_raw()), "it is root again");
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["interfaces"][0]["adopted"] == true, "the link was not taken over: {status}");
    ensure!(!scene.is_heard(bad)?, "the next daemon forgot the block");
    ensure!(scene.daemon.terminate()?.success(), "it did not end in order");
    Ok(())
}

/// Takes one alert over HTTP; what was sent.
fn receive(listener: &TcpListener) -> Result<String> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut text, mut part) = (String::new(), [0; 4_096]);
    while !text.contains("\"detector\"") {
        let length = stream.read(&mut part)?;
        ensure!(length > 0, "the sender left: {text}");
        text.push_str(&String::from_utf8_lossy(part.get(..length).unwrap_or_default()));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(text)
}

#[test]
fn alerts_get_out_of_the_sandbox() -> Result<()> {
    if tools::skipped("alerts_get_out_of_the_sandbox", &[]) {
        return Ok(());
    }
    let nobody = User::from_name(USER)?.with_context(|| format!("no user {USER}"))?;
    let net = Net::new()?;
    let _server = LoginServer::start(&net.server)?;
    let receiver = net.server.enter(|| TcpListener::bind("127.0.0.1:0"))?;
    let port = receiver.local_addr()?.port();
    let mut daemon = Daemon::prepare(&net, "")?;
    let directory = daemon.config_path().parent().context("a directory")?.to_owned();
    fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    let out = directory.join("out");
    fs::create_dir(&out)?;
    std::os::unix::fs::chown(&out, Some(nobody.uid.as_raw()), None)?;
    let (lines, deny) = (out.join("alerts.jsonl"), out.join("deny.conf"));
    // By name: the resolver's files and libraries are read from within.
    daemon.write_config(&format!(
        "{}[alerts]\noutput = {lines:?}\n[alerts.webhook]\nurl = \"http://localhost:{port}/\"\nmin_severity = \"info\"\n\
         [alerts.deny_file]\npath = {deny:?}\ninclude = \"all\"\n",
        config("enforce", "off")
    ))?;
    daemon.set_flags(&["-i", sensor_tests::netns::INTERFACE, "--user", USER]);
    daemon.run()?;
    let received = net.server.spawn(move || receive(&receiver));
    // Until the attacker gets no answer any more.
    let is_blocked =
        (0..200).any(|number| attempt(&net, v4(FLOODER), &format!("user{number}"), "wrong").is_err());
    ensure!(is_blocked, "nobody was blocked");
    let sent = received.join().map_err(|_panic| anyhow!("the receiver ended in a panic"))??;
    ensure!(sent.contains(&v4(FLOODER).to_string()), "{sent}");
    let holds = |file: &Path| {
        let is_there = || fs::read_to_string(file).is_ok_and(|text| text.contains(&v4(FLOODER).to_string()));
        wait_until(PATIENCE, is_there)
    };
    ensure!(holds(&lines), "no line was written: {}", daemon.log());
    ensure!(holds(&deny), "the deny file was not written: {}", daemon.log());
    // It is another user's, but the kernel's log and the daemon's have nothing to say about it.
    ensure!(!daemon.log().contains("not permitted"), "{}", daemon.log());
    Ok(())
}

#[test]
fn state_that_was_roots_is_taken_over() -> Result<()> {
    if tools::skipped("state_that_was_roots_is_taken_over", &["cc"]) {
        return Ok(());
    }
    let (mut scene, _) = prepare(&[])?;
    let bad = v4(FLOODER);
    scene.daemon.ok(&["block", "add", &bad.to_string(), "--for", "1h"])?;
    let key = fs::read(scene.daemon.state_dir().join("hash.key"))?;
    scene.daemon.kill9()?;
    ensure!(!scene.is_heard(bad)?, "the block ended with the daemon");
    scene.daemon.set_flags(&["-i", sensor_tests::netns::INTERFACE, "--user", USER]);
    scene.daemon.run()?;
    let status = scene.daemon.json(&["status"])?;
    ensure!(status["interfaces"][0]["adopted"] == true, "the link was not taken over: {status}");
    ensure!(scene.daemon.ok(&["block", "list"])?.contains(&bad.to_string()), "the block is forgotten");
    ensure!(!scene.is_heard(bad)?, "the block is not in force");
    ensure!(fs::read(scene.daemon.state_dir().join("hash.key"))? == key, "another key");
    Ok(())
}
