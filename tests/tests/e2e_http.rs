//! What the daemon sees of HTTP, beside what nginx logs, tcpdump captures and tshark reads.
#![expect(clippy::arithmetic_side_effects, reason = "a wrong test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{INTERFACE, LEGITIMATE, join, v4, v6};
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::scene::{Scene, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Requests of the long run, as the issue of it asks.
const MANY: u32 = 100_000;

/// A scene whose daemon logs every exchange.
struct Seen {
    scene: Scene,
    log: PathBuf,
}

impl Seen {
    fn new(more: &str) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-http-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let log = directory.join("exchanges.jsonl");
        let text =
            format!("{}[http]\nexchange_log = \"{}\"\n{more}", config("monitor", "off"), log.display());
        let scene = Scene::with_nginx(&text)?;
        let seen = Self { scene, log };
        // The port is found by looking at listening sockets, as it is by default.
        let watched = || {
            let status = seen.scene.daemon.json(&["status"]).unwrap_or_default();
            let ports = status.pointer("/http/ports").and_then(Value::as_array);
            ports.is_some_and(|ports| ports.contains(&8_080.into()))
        };
        ensure!(wait_until(PATIENCE, watched), "nginx's port is not watched: {}", seen.scene.daemon.log());
        Ok(seen)
    }

    fn nginx_lines(&self) -> Result<Vec<String>> {
        self.scene.nginx.as_ref().context("no nginx")?.access_log()
    }

    /// The daemon's records as nginx's log writes them, once there are as many.
    fn records(&self, count: usize) -> Result<Vec<Value>> {
        let read = || -> Result<Vec<Value>> {
            let text = fs::read_to_string(&self.log)?;
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
        };
        let is_there = || fs::read_to_string(&self.log).is_ok_and(|text| text.matches('\n').count() >= count);
        let there = wait_until(PATIENCE, is_there);
        let records = read()?;
        ensure!(there, "{} exchanges of {count}: {}", records.len(), self.scene.daemon.ok(&["status"])?);
        Ok(records)
    }

    /// Exchanges equal the server's own log, request by request, and nothing was lost.
    fn equals_the_access_log(&self) -> Result<Vec<Value>> {
        let logged = self.nginx_lines()?;
        let records = self.records(logged.len())?;
        let (seen, expected) = (tally(records.iter().map(line)), tally(logged.into_iter()));
        ensure!(seen == expected, "differs: {:?}", difference(&seen, &expected));
        let metrics = self.scene.daemon.metrics()?;
        for family in
            ["sensor_mirror_lost_total", "sensor_stream_gaps_total", "sensor_http_parse_errors_total"]
        {
            ensure!(metrics.sum(family, &[]) == 0, "{family} is {}", metrics.sum(family, &[]));
        }
        ensure!(metrics.sum("sensor_http_exchanges_total", &[]) == records.len() as u64);
        Ok(records)
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        drop(self.log.parent().map(fs::remove_dir_all));
    }
}

/// A record in the form of the access log.
fn line(record: &Value) -> String {
    let text = |key: &str| {
        let value = record.get(key).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let keys = ["client", "client_port", "method", "path", "status", "response_bytes"];
    keys.map(text).join(" ")
}

fn tally(lines: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    lines.fold(BTreeMap::new(), |mut tally, line| {
        *tally.entry(line).or_default() += 1;
        tally
    })
}

/// The first lines that are in one and not in the other as often.
fn difference(one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> Vec<(String, u64, u64)> {
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    let of = |tally: &BTreeMap<String, u64>, key: &String| tally.get(key).copied().unwrap_or(0);
    let differing = keys.filter(|key| of(one, key) != of(other, key));
    differing.map(|key| (key.clone(), of(one, key), of(other, key))).take(10).collect()
}

/// The third of four requests sent together has the method `third`.
///
/// Static files, chunked and zipped ones, requests without bodies, errors, pipelining.
fn variety(scene: &Scene, source: IpAddr, third: &str) -> Result<()> {
    let client = scene.http_client(source);
    scene.net.world.enter(|| -> Result<()> {
        let mut connection = KeepAlive::connect(&client)?;
        for _ in 0..10 {
            for (method, path, more) in [
                ("GET", "/files/1k.txt", ""),
                ("GET", "/files/100k.txt", ""),
                ("HEAD", "/files/100k.txt", ""),
                ("GET", "/files/zipped/100k.txt", "Accept-Encoding: gzip\r\n"),
                ("GET", "/files/nothing", ""),
                ("DELETE", "/files/1k.txt", ""),
                ("GET", "/", "Authorization: Bearer correct-horse-battery-staple\r\n"),
            ] {
                connection.ask(method, path, more)?;
            }
            let together = [("GET", "/files/1k.txt"), (third, "/"), ("GET", "/"), ("GET", "/files/nothing")];
            connection.ask_all(&together, "")?;
        }
        client.get("/files/100k.txt")?;
        Ok(())
    })
}

#[test]
fn exchanges_are_those_of_the_access_log() -> Result<()> {
    if tools::skipped("exchanges_are_those_of_the_access_log", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    variety(&seen.scene, v4(LEGITIMATE), "HEAD")?;
    variety(&seen.scene, v6(LEGITIMATE), "HEAD")?;
    let records = seen.equals_the_access_log()?;
    let text = fs::read_to_string(&seen.log)?;
    ensure!(!text.contains("correct-horse"), "a token is in the log of exchanges");
    let principals = records.iter().filter(|record| record["principal"].is_string()).count();
    ensure!(principals == 20, "{principals} exchanges have a principal");
    let clients = seen.scene.daemon.json(&["clients", "--sort", "failures"])?;
    let failures = &clients[0]["failures"];
    ensure!(failures == 30, "the client failed {failures} times, not 30: {clients}");
    Ok(())
}

#[test]
fn a_hundred_thousand_exchanges_and_none_is_lost() -> Result<()> {
    if tools::skipped("a_hundred_thousand_exchanges_and_none_is_lost", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let client = seen.scene.http_client(v4(LEGITIMATE));
    let ask = move || -> std::io::Result<()> {
        let mut connection = KeepAlive::connect(&client)?;
        (0..MANY / 2).try_for_each(|_| connection.ask("GET", "/files/1k.txt", "").map(drop))
    };
    let threads = [(); 2].map(|()| seen.scene.net.world.spawn(ask));
    for thread in threads {
        join(thread)?;
    }
    let records = seen.equals_the_access_log()?;
    ensure!(records.len() >= MANY as usize, "{}", records.len());
    Ok(())
}

/// tcpdump on the daemon's interface; ended by [`Capture::end`].
struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    fn start(seen: &Seen) -> Result<Self> {
        let file = seen.log.with_extension("pcap");
        let mut tcpdump = seen.scene.net.server.command("tcpdump");
        tcpdump
            .args(["--immediate-mode", "-U", "-i", INTERFACE, "-s", "0", "-w"])
            .arg(&file)
            .arg("tcp port 8080");
        let child = tcpdump.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // The file has its header once packets are captured.
        let is_up = wait_until(PATIENCE, || fs::metadata(&file).is_ok_and(|file| file.len() >= 24));
        ensure!(is_up, "tcpdump does not start");
        Ok(Self { child, file })
    }

    fn end(mut self) -> Result<PathBuf> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(self.file)
    }
}

fn replay(daemon: &Daemon, file: &Path) -> Result<Vec<Value>> {
    let mut command = daemon.program(&["replay", "--exchanges", "--json"]);
    let output = command.arg(file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// What a live exchange and the same one out of a capture have in common: all but times.
fn timeless(record: &Value) -> String {
    let mut fields = record.as_object().cloned().unwrap_or_default();
    fields.retain(|key, _| !["ts", "duration_us", "principal"].contains(&key.as_str()));
    Value::Object(fields).to_string()
}

#[test]
fn a_capture_gives_the_same_exchanges_and_tshark_agrees() -> Result<()> {
    let name = "a_capture_gives_the_same_exchanges_and_tshark_agrees";
    if tools::skipped(name, &["ip", "nginx", "tcpdump", "tshark"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let capture = Capture::start(&seen)?;
    // Behind a HEAD among pipelined requests, tshark takes what follows for its body, and loses a response.
    variety(&seen.scene, v4(LEGITIMATE), "GET")?;
    variety(&seen.scene, v6(LEGITIMATE), "GET")?;
    let live = seen.equals_the_access_log()?;
    let file = capture.end()?;
    let replayed = replay(&seen.scene.daemon, &file)?;
    let (one, other) = (tally(live.iter().map(timeless)), tally(replayed.iter().map(timeless)));
    ensure!(one == other, "live and replayed differ: {:?}", difference(&one, &other));
    let again = replay(&seen.scene.daemon, &file)?;
    ensure!(again == replayed, "a second replay differs from the first");
    let read = tshark(&file)?;
    let ours = tally(replayed.iter().map(|record| {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", text("client"), record["client_port"], text("method"), text("path"))
    }));
    ensure!(ours == read.requests, "requests: {:?}", difference(&ours, &read.requests));
    let ours = tally(replayed.iter().map(|record| {
        format!(
            "{} {} {}",
            record["client"].as_str().unwrap_or_default(),
            record["client_port"],
            record["status"]
        )
    }));
    ensure!(ours == read.responses, "responses: {:?}", difference(&ours, &read.responses));
    Ok(())
}

/// Requests and responses as tshark reads them.
struct Read {
    requests: BTreeMap<String, u64>,
    responses: BTreeMap<String, u64>,
}

fn tshark(file: &Path) -> Result<Read> {
    Ok(Read {
        requests: fields(
            file,
            "http.request",
            &["src", "srcport", "http.request.method", "http.request.uri"],
        )?,
        responses: fields(file, "http.response", &["dst", "dstport", "http.response.code"])?,
    })
}

/// One line for each message; a packet with several has its fields comma-separated.
fn fields(file: &Path, filter: &str, names: &[&str]) -> Result<BTreeMap<String, u64>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-o", "tcp.desegment_tcp_streams:TRUE", "-Y", filter, "-T", "fields"]);
    let (side, port) = (names.first().context("no side")?, names.get(1).context("no port")?);
    for field in [format!("ip.{side}"), format!("ipv6.{side}"), format!("tcp.{port}")] {
        command.args(["-e", &field]);
    }
    for name in names.iter().skip(2) {
        command.args(["-e", name]);
    }
    let output = command.stderr(Stdio::null()).output()?;
    ensure!(output.status.success(), "tshark failed on {}", file.display());
    let text = String::from_utf8(output.stdout)?;
    let mut lines = Vec::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [v4, v6, port, messages @ ..] = &columns[..] else { continue };
        let address = if v4.is_empty() { v6 } else { v4 };
        let messages: Vec<Vec<&str>> = messages.iter().map(|column| column.split(',').collect()).collect();
        let count = messages.first().map_or(0, Vec::len);
        for index in 0..count {
            let of_one: Vec<&str> = messages.iter().filter_map(|column| column.get(index).copied()).collect();
            lines.push(format!("{address} {port} {}", of_one.join(" ")));
        }
    }
    Ok(tally(lines.into_iter()))
}
