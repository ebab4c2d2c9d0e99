//! Findings of `sensor doctor` on interfaces and ports with problems.

use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{Xdp, XdpMode};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{INTERFACE, LEGITIMATE, Net, SERVER_V4, v4};
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;
use tempfile::TempDir;

/// Programs that do nothing.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/testplane"));

const TLS_PORT: u16 = 8_443;

fn doctor(daemon: &Daemon) -> Result<Value> {
    let mut command = daemon.program(&["doctor", "-i", INTERFACE, "--json", "--socket"]);
    let output = command.arg(daemon.socket()).arg("--pin-dir").arg(daemon.pin_dir()).output()?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The finding that says this.
fn finding<'a>(found: &'a Value, what: &str) -> Option<&'a Value> {
    let findings = found["findings"].as_array().into_iter().flatten();
    findings.into_iter().find(|finding| finding["what"].as_str().is_some_and(|text| text.contains(what)))
}

#[test]
fn another_program_is_told_with_its_owner() -> Result<()> {
    if tools::skipped("another_program_is_told_with_its_owner", &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let daemon = Daemon::prepare(&net, &config("monitor", "off"))?;
    let found = doctor(&daemon)?;
    for what in
        ["no XDP program attached", "no receive offload", "driver veth has native XDP", "no RLIMIT_MEMLOCK"]
    {
        ensure!(
            finding(&found, what).is_some_and(|finding| finding["severity"] == "good"),
            "{what}: {found:#}"
        );
    }
    let mut object = aya::Ebpf::load(OBJECT)?;
    let program: &mut Xdp = object.program_mut("empty_drop").context("no such program")?.try_into()?;
    program.load()?;
    net.server.enter(|| program.attach(INTERFACE, XdpMode::Driver))?;
    let found = doctor(&daemon)?;
    let foreign =
        finding(&found, "`empty_drop` is attached by a link, native mode").context(found.to_string())?;
    let process = format!("held by process {} (", std::process::id());
    ensure!(
        foreign["severity"] == "problem"
            && foreign["what"].as_str().is_some_and(|what| what.contains(&process)),
        "{foreign:#}"
    );
    ensure!(
        foreign["remedy"].as_str().is_some_and(|remedy| remedy.contains("stop that process")),
        "{foreign:#}"
    );
    ensure!(found["works"] == false, "{found:#}");
    Ok(())
}

/// `openssl s_server`; dropping it ends it.
struct TlsServer {
    child: Child,
    _files: TempDir,
}

impl TlsServer {
    fn start(net: &Net) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let (key, certificate) = (files.path().join("key.pem"), files.path().join("certificate.pem"));
        let mut make = net.server.command("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        make.args(["-subj", "/CN=sensor.test", "-days", "1", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        let made = make.output()?;
        ensure!(made.status.success(), "openssl req: {}", String::from_utf8_lossy(&made.stderr));
        let mut serve = net.server.command("openssl");
        serve.args(["s_server", "-quiet", "-www", "-accept", &TLS_PORT.to_string(), "-key"]).arg(&key);
        serve.arg("-cert").arg(&certificate).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: serve.spawn()?, _files: files })
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn ports_that_speak_tls_and_proxies_that_nobody_named_are_told() -> Result<()> {
    if tools::skipped("ports_that_speak_tls_and_proxies_that_nobody_named_are_told", &["nginx", "openssl"]) {
        return Ok(());
    }
    let scene = Scene::with_nginx(&format!("{}[tls]\nenabled = false\n", config("monitor", "off")))?;
    let _server = TlsServer::start(&scene.net)?;
    let watched = |port: u16| {
        let status = scene.daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(Value::as_array);
        ports.is_some_and(|ports| ports.contains(&port.into()))
    };
    ensure!(wait_until(PATIENCE, || watched(TLS_PORT) && watched(8_080)), "{}", scene.daemon.log());
    let mut client = scene.net.world.command("openssl");
    client.args(["s_client", "-connect", &format!("{SERVER_V4}:{TLS_PORT}")]);
    let said = client.output()?;
    ensure!(String::from_utf8_lossy(&said.stdout).contains("BEGIN CERTIFICATE"), "no TLS: {said:?}");
    scene.net.world.enter(|| {
        let mut connection = KeepAlive::connect(&scene.http_client(v4(LEGITIMATE)))?;
        (0..30).try_for_each(|n| {
            connection.ask("GET", "/", &format!("X-Forwarded-For: 192.0.2.{n}\r\n")).map(drop)
        })
    })?;
    let tells = |what: &str, remedy: &str| {
        let mut found = Value::Null;
        let told = wait_until(PATIENCE, || {
            found = doctor(&scene.daemon).unwrap_or_default();
            finding(&found, what).is_some_and(|finding| {
                finding["severity"] == "note"
                    && finding["remedy"].as_str().is_some_and(|text| text.contains(remedy))
            })
        });
        ensure!(told, "no `{what}` with `{remedy}`: {found:#}");
        ensure!(found["works"] == true, "{found:#}");
        Ok(())
    };
    tells("port 8443 speaks TLS that is not decrypted (1 connections", "[tls] keylog")?;
    tells("10.9.0.2 forwards other clients' addresses", "add \"10.9.0.2\" to trusted_proxies")?;
    let status = scene.daemon.ok(&["status"])?;
    ensure!(status.contains("tls          port 8443: 1 dark: library or suite not supported"), "{status}");
    Ok(())
}
