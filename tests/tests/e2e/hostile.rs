//! The costliest input, sent to a running daemon: it keeps answering, and stays alive.
#![expect(clippy::print_stdout, reason = "what a test measured belongs into its record")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{LEGITIMATE, Net, SERVER_V4, SERVER_V6, v4, v6};
use sensor_tests::peers::http::Client;
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::{now, wait_until};

const PORT: u16 = 8_080;
/// Requests over each family: 7 MB in all.
const REQUESTS: u64 = 54;
/// Bytes of each head, just below the bound.
const HEAD: usize = 65_000;
/// Within this time the daemon answers, and tells the service manager that it is alive.
const PROMPTLY: Duration = Duration::from_secs(4);

/// A value and thousands of blank lines that go on with it.
fn folded() -> Vec<u8> {
    let mut head = b"GET /a HTTP/1.1\r\nHost: a\r\nX: a".to_vec();
    while head.len() < HEAD {
        head.extend(b"\r\n\t");
    }
    head.extend(b"\r\n\r\n");
    head
}

/// Takes connections, reads each to its end and refuses it.
fn serve(listener: &TcpListener, stop: &AtomicBool) -> Result<()> {
    listener.set_nonblocking(true)?;
    while !stop.load(Ordering::Relaxed) {
        let mut accepted = None;
        let is_there = wait_until(Duration::from_millis(100), || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let Some((mut stream, _)) = accepted.filter(|_| is_there) else { continue };
        stream.set_nonblocking(false)?;
        let mut request = Vec::new();
        stream.read_to_end(&mut request)?;
        stream.write_all(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    }
    Ok(())
}

fn attack() -> Result<()> {
    let head = folded();
    for _ in 0..REQUESTS {
        for (source, server) in [(v4(LEGITIMATE), SERVER_V4), (v6(LEGITIMATE), SERVER_V6)] {
            let mut stream = Client::new(source, SocketAddr::new(server, PORT)).connect()?;
            stream.write_all(&head)?;
            stream.shutdown(Shutdown::Write)?;
            stream.read_to_end(&mut Vec::new())?;
        }
    }
    Ok(())
}

/// The longest time between two pings, until it is told to stop.
fn longest_silence(manager: &UnixDatagram, stop: &AtomicBool) -> Result<Duration> {
    manager.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut last, mut longest) = (now(), Duration::ZERO);
    let mut told = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        let length = manager.recv(&mut told).unwrap_or(0);
        longest = longest.max(last.elapsed());
        if told.get(..length) == Some(&b"WATCHDOG=1\n"[..]) {
            last = now();
        }
    }
    Ok(longest)
}

/// Asks for the status until all requests were seen; the longest time that an answer took.
fn ask_meanwhile(daemon: &Daemon) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    let mut failure = None;
    let all_seen = wait_until(PATIENCE, || {
        let asked = now();
        let status = daemon.json(&["status"]);
        longest = longest.max(asked.elapsed());
        match status {
            Ok(status) => {
                status.pointer("/http/exchanges").and_then(serde_json::Value::as_u64) >= Some(REQUESTS * 2)
            }
            Err(error) => {
                failure = Some(error);
                true
            }
        }
    });
    failure.map_or(Ok(()), Err)?;
    ensure!(all_seen, "not every request was seen: {}", daemon.ok(&["status"])?);
    Ok(longest)
}

#[test]
fn the_costliest_input_holds_nothing_up() -> Result<()> {
    if tools::skipped("the_costliest_input_holds_nothing_up", &["ip"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let listener = net.server.enter(|| TcpListener::bind(("::", PORT)))?;
    let http = format!("[http]\nports = [{PORT}]\nsnap_bytes = 65536\n");
    let mut daemon = Daemon::prepare(&net, &(config("monitor", "off") + &http))?;
    let notify = daemon.config_path().with_file_name("notify.sock");
    let manager = UnixDatagram::bind(&notify)?;
    let socket = format!("NOTIFY_SOCKET={}", notify.display());
    let period = format!("WATCHDOG_USEC={}", PROMPTLY.as_micros());
    daemon.set_wrapper(&["env".to_owned(), socket, period]);
    daemon.run()?;
    let (stop, served) = (AtomicBool::new(false), AtomicBool::new(false));
    let (answered, silence) = std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &served));
        let silence = scope.spawn(|| longest_silence(&manager, &stop));
        let attack = scope.spawn(|| net.world.enter(attack));
        let answered = ask_meanwhile(&daemon);
        let attacked = attack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        stop.store(true, Ordering::Relaxed);
        served.store(true, Ordering::Relaxed);
        let silence = silence.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        attacked.context("the attack")?;
        anyhow::Ok((answered?, silence))
    })?;
    println!("the slowest answer took {answered:?}, the longest silence was {silence:?}");
    ensure!(answered < PROMPTLY, "an answer took {answered:?}");
    ensure!(silence < PROMPTLY, "the service manager heard nothing for {silence:?}");
    let status = daemon.json(&["status"])?;
    ensure!(status["http"]["segments_lost"] == 0, "segments were lost: {status}");
    Ok(())
}
