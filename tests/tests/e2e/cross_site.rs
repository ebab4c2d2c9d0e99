//! A page of another site makes a real browser probe the server: nobody is blocked for it, and a real scanner is.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, LEGITIMATE, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Files that nobody asks for by mistake; of two, a client is suspicious.
const PROBES: [&str; 5] = ["/.env", "/.git/config", "/.aws/credentials", "/.ssh/id_rsa", "/.npmrc"];

/// Where the page is: in the visitor's own namespace, so that it is another site than the server.
const PAGE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_099);

/// The page, with images that are none.
fn page(head: &str) -> String {
    let image = |path: &&str| format!("<img src=\"http://{SERVER_V4}:{}{path}\">", Nginx::PORT);
    let images: String = PROBES.iter().map(image).collect();
    format!("<!doctype html><html><head>{head}</head><body>{images}</body></html>")
}

/// Serves a page until it is told to stop.
fn serve(listener: &TcpListener, page: &str, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut stream) = stream else { return };
        let mut head = [0; 4_096];
        let _read = stream.read(&mut head);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        // A browser that went away needs no answer.
        let _written = stream.write_all(answer.as_bytes());
    }
}

/// A browser that is ended when the test is over.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Opens the page in a browser, until it has asked for all of it.
fn visit(scene: &Scene, head: &str, flags: &[&str]) -> Result<()> {
    let profile = tempfile::Builder::new().prefix("sensor-browser-").tempdir()?;
    let listener = scene.net.world.enter(|| TcpListener::bind(PAGE))?;
    let (page, stop) = (page(head), Arc::new(AtomicBool::new(false)));
    let asked = || -> Result<usize> {
        let log = scene.nginx.as_ref().context("no server")?.access_log()?;
        let of_browser = format!("{} ", v4(LEGITIMATE));
        Ok(log.iter().filter(|line| line.starts_with(&of_browser) && line.contains(" /.")).count())
    };
    let before = asked()?;
    std::thread::scope(|scope| {
        let (server_page, server_stop) = (page.as_str(), Arc::clone(&stop));
        scope.spawn(move || serve(&listener, server_page, &server_stop));
        let mut command = scene.net.world.command("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).args(flags);
        command.arg("--remote-debugging-port=0").arg(format!("http://{PAGE}/"));
        let browser =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start chromium");
        let seen = browser.and_then(|browser| {
            let _browser = Browser(browser);
            let all = wait_until(PATIENCE.saturating_mul(2), || {
                asked().is_ok_and(|asked| asked.saturating_sub(before) >= PROBES.len())
            });
            ensure!(
                all,
                "the browser asked for {} of {} images",
                asked()?.saturating_sub(before),
                PROBES.len()
            );
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        // Wakes the page's server, which waits for a visitor.
        let _woken =
            scene.net.world.enter(|| std::net::TcpStream::connect_timeout(&PAGE, Duration::from_secs(1)));
        seen
    })
}

fn scanner_alerts(daemon: &Daemon) -> Vec<Value> {
    let printed = daemon.ok(&["alerts", "--json"]).unwrap_or_default();
    let alerts = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    alerts.filter(|alert| alert["detector"] == "scanner").collect()
}

fn blocks(daemon: &Daemon) -> Result<Vec<String>> {
    let rows = daemon.json(&["block", "list"])?;
    let prefixes = rows.as_array().context("no list")?.iter().filter_map(|row| row["prefix"].as_str());
    Ok(prefixes.map(str::to_owned).collect())
}

#[test]
fn a_page_of_another_site_gets_nobody_blocked() -> Result<()> {
    if tools::skipped("a_page_of_another_site_gets_nobody_blocked", &["nginx", "chromium"]) {
        return Ok(());
    }
    let scene = Scene::with_nginx(&config("enforce", "off"))?;
    let daemon = &scene.daemon;
    let hidden = "<meta name=\"referrer\" content=\"no-referrer\">";
    // As over TLS, where browsers say in headers who made them ask.
    let secure = format!("--unsafely-treat-insecure-origin-as-secure=http://{SERVER_V4}:{}", Nginx::PORT);
    for (head, flags) in [("", vec![]), (hidden, vec![]), (hidden, vec![secure.as_str()])] {
        visit(&scene, head, &flags)?;
        let visitor = scanner_alerts(daemon);
        ensure!(visitor.iter().all(|alert| alert["action"] == "none"), "{flags:?} {head}: {visitor:?}");
        ensure!(blocks(daemon)?.is_empty(), "{flags:?} {head}: {:?}", blocks(daemon)?);
    }
    // It is told all the same, with the reason.
    let visitor = v4(LEGITIMATE).to_string();
    let is_told = || {
        let alerts = scanner_alerts(daemon);
        let of_visitor = alerts.iter().find(|alert| alert["client"] == visitor.as_str());
        of_visitor
            .is_some_and(|alert| alert["severity"] == "low" && alert["evidence"]["cross_site"].is_string())
    };
    ensure!(wait_until(PATIENCE, is_told), "{:?}", scanner_alerts(daemon));

    // Whoever asks for the same by himself is blocked.
    let scanner = Client { timeout: Duration::from_secs(1), ..scene.http_client(v4(FLOODER)) };
    let prefix = format!("{}/32", v4(FLOODER));
    let mut probes = PROBES.into_iter().cycle();
    // It may be limited before it is blocked, so that some of its requests get lost.
    let is_blocked = || {
        let path = probes.next().unwrap_or_default();
        let _blocked_by_then = scene.net.world.enter(|| scanner.get(path));
        blocks(daemon).is_ok_and(|blocks| blocks == [prefix.clone()])
    };
    ensure!(wait_until(PATIENCE, is_blocked), "{:?}", blocks(daemon)?);
    let visitor = scene.http_client(v4(LEGITIMATE));
    ensure!(scene.net.world.enter(|| visitor.get("/")).is_ok(), "the browser's user is shut out");
    Ok(())
}
