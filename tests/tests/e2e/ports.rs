//! Ports that are not simply a process's of this host: translated to a container, spoken to with QUIC, or owned by a unit.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, LEGITIMATE, Namespace, Net, SERVER_V4, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::shell::browse;
use sensor_tests::peers::tls::TlsNginx;
use sensor_tests::process::unique;
use sensor_tests::scene::config;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::{Value, json};

/// A port of the host on which nobody there listens.
const PUBLISHED: u16 = 8_090;
/// More attempts than any threshold.
const MANY: u32 = 400;

fn records_of(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A request to the published port; its status.
fn ask(net: &Net, client: IpAddr, request: &str, body: &str) -> Result<u16> {
    let server = SocketAddr::new(SERVER_V4, PUBLISHED);
    let client = Client { timeout: Duration::from_secs(1), ..Client::new(client, server) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no answer")
    })
}

/// A namespace behind the server's, to which the published port is translated, as Docker does without its proxy.
fn container(net: &Net, port: u16) -> Result<Namespace> {
    let container = Namespace::new("container")?;
    net.server.ip(&format!(
        "link add veth-d type veth peer name eth0 netns {}\nlink set veth-d up\naddr add 10.8.0.1/24 dev veth-d\n",
        container.name()
    ))?;
    container.ip("link set eth0 up\naddr add 10.8.0.2/24 dev eth0\nroute add default via 10.8.0.1\n")?;
    let rules = format!(
        "echo 1 > /proc/sys/net/ipv4/ip_forward && nft 'table ip nat {{ chain pre {{ type nat hook prerouting \
         priority dstnat; tcp dport {PUBLISHED} dnat to 10.8.0.2:{port}; }}; }}'"
    );
    let output = net.server.command("sh").args(["-c", &rules]).output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(container)
}

#[test]
fn a_port_that_is_only_translated_to_a_container_is_watched_and_protected() -> Result<()> {
    let test = "a_port_that_is_only_translated_to_a_container_is_watched_and_protected";
    if tools::skipped(test, &["nft"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let container = container(&net, LoginServer::PORT)?;
    let _application = LoginServer::start(&container)?;
    let mut daemon = Daemon::prepare(&net, "")?;
    let log = daemon.config_path().with_file_name("exchanges.jsonl");
    daemon.write_config(&format!("{}[http]\nexchange_log = {log:?}\n", config("enforce", "off")))?;
    daemon.run()?;
    let (attacker, innocent) = (v4(FLOODER), v4(LEGITIMATE));
    // The first connection is the first sign of the port.
    let seen = || {
        let mut records = records_of(&log);
        // In its midst the port may become known.
        if records.first().is_some_and(|first| first["gaps"] == true) {
            records.remove(0);
        }
        records
    };
    let is_seen = || ask(&net, innocent, "GET /items/1", "").is_ok() && !seen().is_empty();
    ensure!(wait_until(PATIENCE, is_seen), "nothing is seen: {}\n{}", daemon.ok(&["status"])?, daemon.log());
    for record in seen() {
        ensure!(record["client"] == innocent.to_string() && record["proven"] == true, "{record}");
        ensure!(record["server"] == SERVER_V4.to_string() && record["server_port"] == PUBLISHED, "{record}");
        ensure!(record["status"] == 200 && record["gaps"] == false, "{record}");
    }
    let is_blocked = |client: IpAddr| {
        daemon.ok(&["block", "list"]).is_ok_and(|list| list.contains(&format!("{client}/32")))
    };
    let mut attempts = 0;
    while attempts < MANY && !is_blocked(attacker) {
        for _ in 0..10 {
            attempts += 1;
            let body = format!(r#"{{"username":"user{attempts}","password":"guess{attempts}"}}"#);
            // At the end, some are not answered.
            let _status = ask(&net, attacker, "POST /login", &body);
        }
    }
    ensure!(is_blocked(attacker), "not blocked after {attempts} attempts: {}", daemon.ok(&["alerts"])?);
    ensure!(ask(&net, attacker, "GET /items/1", "").is_err(), "blocked and served all the same");
    ensure!(
        ask(&net, innocent, "GET /items/1", "")? == 200 && !is_blocked(innocent),
        "the innocent are not served"
    );
    Ok(())
}

/// In Python.
const TLS_SERVER: &str = "
import http.server, ssl
server = http.server.ThreadingHTTPServer(('', 9444), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('ec.crt', 'ec.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

#[test]
fn tls_that_ends_in_a_container_is_read() -> Result<()> {
    tls_in_a_container("tls_that_ends_in_a_container_is_read", false)
}

#[test]
fn tls_that_ends_in_a_container_that_comes_later_is_read() -> Result<()> {
    tls_in_a_container("tls_that_ends_in_a_container_that_comes_later_is_read", true)
}

/// With its own copy of the library, as an image of a container has it.
fn tls_in_a_container(test: &str, comes_later: bool) -> Result<()> {
    if tools::skipped(test, &["nft", "nginx", "openssl", "python3", "wget"]) {
        return Ok(());
    }
    let last = if comes_later { 'f' } else { 'e' };
    let id = format!("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde{last}");
    let group = Group::named(&format!("docker-{id}.scope"));
    let Some(group) = group else {
        tools::say_skipped(test, "no control group can be made");
        return Ok(());
    };
    let net = Net::new()?;
    let container = container(&net, 9_444)?;
    // For its certificates; nobody asks it.
    let nginx = TlsNginx::start(&net.world)?;
    let directory = nginx.directory();
    let script = format!(
        "echo $$ > {}/cgroup.procs && cp $(ls /usr/lib/*/libcrypto.so.3 /usr/lib64/libcrypto.so.3 2>/dev/null | head -1) . && \
         LD_LIBRARY_PATH=$PWD exec python3 -c \"$0\"",
        group.0.display()
    );
    let said = || fs::read_to_string(directory.join("python.err")).unwrap_or_default();
    // It has GnuTLS: no secret comes from the client.
    let ask = format!("wget -q -T 5 -t 1 --no-check-certificate -O /dev/null https://$1:{PUBLISHED}/ec.crt");
    let serve = || -> Result<Process> {
        let mut command = container.command("sh");
        command.args(["-c", &script, TLS_SERVER]).current_dir(directory);
        let log = File::create(directory.join("python.err"))?;
        let server = Process(command.stdout(Stdio::null()).stderr(log).spawn()?);
        ensure!(wait_until(PATIENCE, || browse(&net, directory, &ask).is_ok()), "no server: {}", said());
        Ok(server)
    };
    let already = if comes_later { None } else { Some(serve()?) };
    let mut daemon = Daemon::prepare(&net, "")?;
    let log = daemon.config_path().with_file_name("exchanges.jsonl");
    daemon.write_config(&format!("{}[http]\nexchange_log = {log:?}\n", config("monitor", "off")))?;
    daemon.run()?;
    let _server = already.map_or_else(serve, Ok)?;
    let is_read = || browse(&net, directory, &ask).is_ok() && !records_of(&log).is_empty();
    ensure!(wait_until(PATIENCE, is_read), "not read: {}\n{}", daemon.ok(&["status"])?, daemon.log());
    for record in records_of(&log) {
        let expected = json!({
            "source": "tls", "server_port": PUBLISHED, "client": v4(LEGITIMATE).to_string(), "status": 200
        });
        let as_expected = |(key, value): (&String, &Value)| record.get(key) == Some(value);
        ensure!(expected.as_object().is_some_and(|facts| facts.iter().all(as_expected)), "{record}");
    }
    let own = format!("{}/libcrypto.so.3 offset", directory.display());
    ensure!(daemon.log().contains(&own), "its own library is not probed: {}", daemon.log());
    Ok(())
}

/// The first datagram of a connection (RFC 9000, section 17.2.2), padded; its contents are not looked at.
fn initial() -> Vec<u8> {
    let mut datagram = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    datagram.resize(1_200, 0);
    datagram
}

#[test]
fn connections_of_quic_are_counted_and_told() -> Result<()> {
    if tools::skipped("connections_of_quic_are_counted_and_told", &["nginx", "openssl"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _nginx = TlsNginx::start(&net.server)?;
    let daemon = Daemon::start(&net, &config("monitor", "off"))?;
    let status = || daemon.json(&["status"]).unwrap_or_default();
    let watched = || {
        let ports = status().pointer("/http/ports").and_then(Value::as_array).cloned().unwrap_or_default();
        ports.contains(&TlsNginx::PORT.into())
    };
    ensure!(wait_until(PATIENCE, watched), "{}", daemon.log());
    net.world.enter(|| -> Result<()> {
        for _ in 0..3 {
            let socket = UdpSocket::bind((v4(LEGITIMATE), 0))?;
            // The rest of the first flight, and what is no QUIC or not to a watched port, does not count.
            for port in [TlsNginx::PORT, TlsNginx::PORT, TlsNginx::PORT, 9] {
                socket.send_to(&initial(), (SERVER_V4, port))?;
            }
            socket.send_to(&[0x43; 1_200], (SERVER_V4, TlsNginx::PORT))?;
        }
        Ok(())
    })?;
    let counted = || status()["http"]["tls"][TlsNginx::PORT.to_string()]["quic"] == 3;
    ensure!(wait_until(PATIENCE, counted), "{}", status());
    let metrics = daemon.metrics()?;
    let quic = metrics.sum("sensor_tls_connections_total", &[("outcome", "quic")]);
    ensure!(quic == 3, "{quic}");
    let shown = daemon.ok(&["status"])?;
    ensure!(shown.contains(&format!("port {}: 3 QUIC, not read", TlsNginx::PORT)), "{shown}");
    let doctor = daemon.cli(&["doctor"])?;
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(doctor.contains("3 QUIC connections (HTTP/3) to UDP port 8443 are not read"), "{doctor}");
    Ok(())
}

/// A control group, removed at the end.
struct Group(PathBuf);

impl Group {
    /// In the hierarchy of version 2; none if it cannot be made.
    fn new(name: &str) -> Option<Self> {
        Self::named(&format!("sensor-test-{}-{name}", unique()))
    }

    fn named(name: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        let root = roots.into_iter().find(|root| root.join("cgroup.procs").exists())?;
        let group = root.join(name);
        fs::create_dir(&group).ok().map(|()| Self(group))
    }

    fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process may take a moment to end.
        let _gone = wait_until(Duration::from_secs(5), || fs::remove_dir(&self.0).is_ok());
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _signalled = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ended = self.0.wait();
    }
}

#[test]
fn exchanges_tell_which_unit_served_them() -> Result<()> {
    let test = "exchanges_tell_which_unit_served_them";
    if tools::skipped(test, &["python3"]) {
        return Ok(());
    }
    let Some(group) = Group::new("shop.service") else {
        tools::say_skipped(test, "no control group can be made");
        return Ok(());
    };
    let net = Net::new()?;
    let directory = tempfile::tempdir()?;
    File::create(directory.path().join("item"))?;
    let script = format!(
        "echo $$ > {}/cgroup.procs && exec python3 -m http.server {PUBLISHED} --directory {}",
        group.0.display(),
        directory.path().display()
    );
    let mut command = net.server.command("sh");
    let server = command.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let _server = Process(server);
    ensure!(wait_until(PATIENCE, || ask(&net, v4(LEGITIMATE), "GET /item", "").is_ok()), "no server");
    let mut daemon = Daemon::prepare(&net, "")?;
    let log = daemon.config_path().with_file_name("exchanges.jsonl");
    daemon.write_config(&format!("{}[http]\nexchange_log = {log:?}\n", config("monitor", "off")))?;
    daemon.run()?;
    let is_seen = || ask(&net, v4(LEGITIMATE), "GET /item", "").is_ok() && !records_of(&log).is_empty();
    ensure!(wait_until(PATIENCE, is_seen), "nothing is seen: {}", daemon.log());
    for record in records_of(&log) {
        ensure!(record["unit"] == group.name(), "not of {}: {record}", group.name());
    }
    let routes = daemon.ok(&["routes", "--by", "unit"])?;
    ensure!(routes.contains(&group.name()), "{routes}");
    let status = daemon.json(&["status"])?;
    let units = &status["http"]["units"][PUBLISHED.to_string()];
    ensure!(*units == serde_json::json!([group.name()]), "{status}");
    Ok(())
}
