//! What the daemon sees of HTTP, compared with nginx's log, tcpdump's capture and tshark's reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::captures::{Capture, replay};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::netns::{INTERFACE, LEGITIMATE, SERVER_V4, join, v4, v6};
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::scene::Scene;
use sensor_tests::seen::{Seen, difference, line, tally};
use sensor_tests::tools;
use sensor_tests::wait::{now, pace_until, wait_until};
use serde_json::Value;

/// Requests of the long run.
const MANY: u32 = 100_000;

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
    the_doctor_says_which_ports_speak_http(&seen)?;
    identities_are_counted(&seen, records.len())
}

/// Of each exchange what a log tells, too.
fn logged(record: &Value) -> String {
    let text = |key: &str| record.get(key).map_or_else(String::new, ToString::to_string);
    ["client", "method", "path", "status", "response_bytes", "user_agent"].map(text).join(" ")
}

#[test]
fn an_access_log_tells_the_same_exchanges() -> Result<()> {
    if tools::skipped("an_access_log_tells_the_same_exchanges", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    variety(&seen.scene, v4(LEGITIMATE), "HEAD")?;
    variety(&seen.scene, v6(LEGITIMATE), "HEAD")?;
    let records = seen.equals_the_access_log()?;
    let log = seen.scene.nginx.as_ref().context("no nginx")?.combined_log();
    let (read, summary) = replay(&log, &["--log", "combined"])?;
    ensure!(summary["lines"] == records.len() && summary["lines_unreadable"] == 0, "{summary}");
    let (from_log, from_wire) = (tally(read.iter().map(logged)), tally(records.iter().map(logged)));
    ensure!(from_log == from_wire, "differs: {:?}", difference(&from_log, &from_wire));
    ensure!(read.iter().all(|record| record["source"] == "log" && record["proven"] == true), "{read:?}");
    Ok(())
}

/// From what passed: nobody connects to find out.
fn the_doctor_says_which_ports_speak_http(seen: &Seen) -> Result<()> {
    let daemon = &seen.scene.daemon;
    let says = || -> Result<String> {
        let mut doctor = daemon.program(&["doctor", "-i", INTERFACE, "--socket"]);
        let output = doctor.arg(daemon.socket()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let found = wait_until(PATIENCE, || says().is_ok_and(|text| text.contains("HTTP ports: 8080;")));
    ensure!(found, "{}", says()?);
    Ok(())
}

fn identities_are_counted(seen: &Seen, exchanges: usize) -> Result<()> {
    let metrics = seen.scene.daemon.metrics()?;
    let sum = |family: &str, labels: &[(&str, &str)]| metrics.sum(family, labels);
    let peers = sum("sensor_clients_identified_total", &[("mechanism", "peer")]);
    ensure!(peers == exchanges as u64, "{peers} clients of {exchanges} exchanges");
    let principals = sum("sensor_principals_total", &[]);
    ensure!(principals == 20, "{principals} principals");
    ensure!(
        sum("sensor_identity_anomalies_total", &[]) == 0
            && sum("sensor_forwarding_untrusted_total", &[]) == 0
    );
    Ok(())
}

#[test]
fn a_hundred_thousand_exchanges_and_none_is_lost() -> Result<()> {
    if tools::skipped("a_hundred_thousand_exchanges_and_none_is_lost", &["ip", "nginx"]) {
        return Ok(());
    }
    // An unoptimised daemon reads more slowly than nginx answers: the ring holds what waits.
    let seen = Seen::new("ring_mib = 512\n")?;
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

/// Python's server; dropping it ends it.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

#[test]
fn curl_and_a_python_server_are_seen() -> Result<()> {
    const PORT: u16 = 8_090;
    if tools::skipped("curl_and_a_python_server_are_seen", &["ip", "nginx", "python3", "curl"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let directory = seen.log.parent().context("no directory")?;
    fs::write(directory.join("page.txt"), "x".repeat(70_000))?;
    let mut python = seen.scene.net.server.command("python3");
    python.args(["-m", "http.server", &PORT.to_string(), "--directory"]).arg(directory);
    let _python = Python(python.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    seen.wait_for_port(PORT)?;
    let (url, before) = (format!("http://{SERVER_V4}:{PORT}"), seen.records(0)?.len());
    let asked = [
        (&["--get"][..], "GET", "/page.txt", 200, 70_000),
        (&["--head"], "HEAD", "/page.txt", 200, 0),
        (&["--http1.0"], "GET", "/page.txt", 200, 70_000),
    ];
    for (flags, _, path, ..) in &asked {
        let mut curl = seen.scene.net.world.command("curl");
        let status =
            curl.args(["-s", "-o", "/dev/null"]).args(*flags).arg(format!("{url}{path}")).status()?;
        ensure!(status.success(), "curl {flags:?} failed");
    }
    let records = seen.records(before + asked.len())?;
    let ours: Vec<&Value> =
        records.iter().filter(|record| record.get("server_port") == Some(&PORT.into())).collect();
    ensure!(ours.len() == asked.len(), "{ours:?}");
    for (record, (_, method, path, status, bytes)) in ours.iter().zip(&asked) {
        let found = line(record);
        ensure!(found.ends_with(&format!("{method} {path} {status} {bytes}")), "{found}");
        ensure!(record.get("gaps") == Some(&false.into()), "{record}");
    }
    Ok(())
}

#[test]
fn a_client_that_sends_byte_by_byte_is_one_exchange() -> Result<()> {
    if tools::skipped("a_client_that_sends_byte_by_byte_is_one_exchange", &["ip", "nginx"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let client = seen.scene.http_client(v4(LEGITIMATE));
    seen.scene.net.world.enter(|| -> Result<()> {
        let mut stream = client.connect()?;
        stream.set_nodelay(true)?;
        for byte in b"GET /files/100k.txt HTTP/1.1\r\nHost: slow.example\r\nConnection: close\r\n\r\n" {
            stream.write_all(&[*byte])?;
            pace_until(now() + Duration::from_millis(1));
        }
        let mut answer = Vec::new();
        // Slowly, too: small pieces.
        let mut piece = [0; 2_048];
        while let count @ 1.. = stream.read(&mut piece)? {
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() > 100_000, "{} bytes", answer.len());
        Ok(())
    })?;
    let records = seen.equals_the_access_log()?;
    ensure!(records.len() == 1, "{records:?}");
    Ok(())
}

#[test]
fn a_damaged_capture_gives_what_it_holds_and_fails() -> Result<()> {
    if tools::skipped("a_damaged_capture_gives_what_it_holds_and_fails", &["ip", "nginx", "tcpdump"]) {
        return Ok(());
    }
    let seen = Seen::new("")?;
    let capture = capture(&seen)?;
    variety(&seen.scene, v4(LEGITIMATE), "HEAD")?;
    let whole = seen.equals_the_access_log()?.len();
    let file = capture.end()?;
    let bytes = fs::read(&file)?;
    fs::write(&file, bytes.get(..bytes.len() / 2).context("an empty capture")?)?;
    let output = seen.scene.daemon.program(&["replay", "--exchanges", "--json"]).arg(&file).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{:?}: {said}", output.status);
    ensure!(said.contains("exchanges.pcap: ") && said.contains("packet "), "{said}");
    let exchanges = String::from_utf8(output.stdout)?.lines().count();
    ensure!((10..whole).contains(&exchanges), "{exchanges} exchanges of {whole}");
    Ok(())
}

/// What passes the port under test.
fn capture(seen: &Seen) -> Result<Capture> {
    Capture::start(&seen.scene.net.server, seen.log.with_extension("pcap"), 65_536, "tcp port 8080")
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
    let capture = capture(&seen)?;
    // Behind a HEAD among pipelined requests, tshark takes what follows for its body, and loses a response.
    variety(&seen.scene, v4(LEGITIMATE), "GET")?;
    variety(&seen.scene, v6(LEGITIMATE), "GET")?;
    let live = seen.equals_the_access_log()?;
    let one = tally(live.iter().map(timeless));
    // What the kernel has captured and tcpdump has not read yet is lost at its end: the last exchange may be there in
    // part.
    let is_written =
        || replay(capture.path(), &[]).is_ok_and(|(replayed, _)| tally(replayed.iter().map(timeless)) == one);
    let is_whole = wait_until(PATIENCE, is_written);
    let file = capture.end()?;
    let (replayed, _) = replay(&file, &[])?;
    let other = tally(replayed.iter().map(timeless));
    ensure!(is_whole && one == other, "live and replayed differ: {:?}", difference(&one, &other));
    let (again, _) = replay(&file, &[])?;
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
