//! A real proxy on the protected host, and the application behind it: seen on inner interfaces with the clients'
//! addresses, and blocked in the kernel by them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::{FLOODER, INTERFACE, LEGITIMATE, Net, SERVER_V4, many, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::proxy::{Kind, Proxy};
use sensor_tests::scene::{PROBES, config};
use sensor_tests::tools;
use sensor_tests::wait::wait_until;
use serde_json::Value;

/// Host number of a client that does nothing wrong.
pub(crate) const INNOCENT: u8 = 9;
const APPLICATION: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), LoginServer::PORT);
const PROXY: SocketAddr = SocketAddr::new(SERVER_V4, Proxy::PORT);
/// More attempts than any threshold.
const MANY: u32 = 400;

/// An application on loopback, nginx in front of it, and a daemon that reads `lo`.
struct Stage {
    net: Net,
    daemon: Daemon,
    proxy: Proxy,
    log: PathBuf,
    _application: LoginServer,
}

impl Stage {
    /// `ports`: what `[http] ports` lists.
    fn new(ports: &str) -> Result<Self> {
        let trusting = "[identity]\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
        Self::with(&format!("ports = [{ports}]\ninner_interfaces = [\"lo\"]\n"), trusting)
    }

    /// `http`: what `[http]` says.
    fn with(http: &str, identity: &str) -> Result<Self> {
        let net = Net::new()?;
        net.add_host(INNOCENT)?;
        let application = LoginServer::start(&net.server)?;
        let mut daemon = Daemon::prepare(&net, "")?;
        let log = daemon.config_path().with_file_name("exchanges.jsonl");
        let deny = daemon.config_path().with_file_name("deny.conf");
        daemon.write_config(&format!(
            "{}[http]\n{http}exchange_log = {log:?}\n{identity}[alerts.deny_file]\npath = {deny:?}\n",
            config("enforce", "off")
        ))?;
        daemon.run()?;
        ensure!(wait_until(PATIENCE, || deny.exists()), "no deny file: {}", daemon.log());
        let proxy = Proxy::start(Kind::Nginx, &net.server, SERVER_V4, APPLICATION, &deny)?;
        let stage = Self { net, daemon, proxy, log, _application: application };
        stage.watches(LoginServer::PORT)?;
        Ok(stage)
    }

    fn watches(&self, port: u16) -> Result<()> {
        let is_watched = || {
            let status = self.daemon.json(&["status"]).unwrap_or_default();
            let ports = status.pointer("/http/ports").and_then(Value::as_array).cloned().unwrap_or_default();
            ports.contains(&port.into())
        };
        ensure!(wait_until(PATIENCE, is_watched), "{port} is not watched: {}", self.daemon.log());
        Ok(())
    }

    /// The status of the proxy's answer to a client.
    fn ask(&self, client: IpAddr, request: &str, body: &str) -> Result<u16> {
        let client = Client { timeout: Duration::from_secs(1), ..Client::new(client, PROXY) };
        self.net.world.enter(|| answer(client.connect()?, request, body))
    }

    /// Records of the log of exchanges so far.
    fn records(&self) -> Vec<Value> {
        records_of(&self.log)
    }

    fn is_blocked(&self, client: IpAddr) -> Result<bool> {
        Ok(self.daemon.ok(&["block", "list"])?.contains(&format!("{client}/32")))
    }
}

/// Those that are written to their end.
pub(crate) fn records_of(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

pub(crate) fn answer(mut stream: TcpStream, request: &str, body: &str) -> Result<u16> {
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Forwarded-For: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
        v4(INNOCENT)
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no answer")
}

fn login(user: &str, password: &str) -> String {
    format!(r#"{{"username":"{user}","password":"{password}"}}"#)
}

/// Every request of the attacker says that it comes from the innocent.
#[test]
fn stuffing_through_a_proxy_on_this_host_is_blocked_by_the_clients_own_address() -> Result<()> {
    let test = "stuffing_through_a_proxy_on_this_host_is_blocked_by_the_clients_own_address";
    if tools::skipped(test, &["nginx"]) {
        return Ok(());
    }
    let stage = Stage::new(&format!("\"{}\"", LoginServer::PORT))?;
    let (attacker, innocent) = (v4(FLOODER), v4(INNOCENT));
    let mut attempts = 0;
    while attempts < MANY && !stage.is_blocked(attacker)? {
        for _ in 0..10 {
            attempts += 1;
            let body = login(&format!("user{attempts}"), &format!("guess{attempts}"));
            // Over a limit, some are not answered.
            let _status = stage.ask(attacker, "POST /login", &body);
        }
        ensure!(stage.ask(innocent, "GET /items/1", "")? == 200, "the innocent are not served");
    }
    ensure!(
        stage.is_blocked(attacker)?,
        "not blocked after {attempts} attempts: {}\n{}",
        stage.daemon.ok(&["alerts"])?,
        stage.daemon.log()
    );
    ensure!(stage.ask(attacker, "POST /login", "{}").is_err(), "blocked and served all the same");
    ensure!(
        stage.ask(innocent, "POST /login", &login("ann", "right-1"))? == 200,
        "the innocent are not served"
    );
    ensure!(!stage.is_blocked(innocent)?, "{}", stage.daemon.ok(&["block", "list"])?);
    let dropped = |of: IpAddr| stage.daemon.totals(of).map(|totals| totals.dropped);
    ensure!(
        dropped(attacker)? > 0 && dropped(innocent)? == 0,
        "{:?} {:?}",
        dropped(attacker),
        dropped(innocent)
    );

    // As many records as nginx has answered requests, each with its client.
    let told = || stage.records().iter().filter(|record| !record["status"].is_null()).count();
    let logged = || stage.proxy.logged();
    let agree = wait_until(PATIENCE, || told() == logged() && told() > 0);
    ensure!(agree, "nginx logged {}, records {}", logged(), told());
    let clients = [attacker, innocent].map(|client| client.to_string());
    for record in stage.records() {
        let client = record["client"].as_str().unwrap_or_default().to_owned();
        ensure!(
            clients.contains(&client) && record["peer"] == "127.0.0.1" && record["proven"] == true,
            "{record}"
        );
    }
    Ok(())
}

/// A program on the host that writes what it likes into the header: nobody connected to the host bears that address.
#[test]
fn a_name_that_the_kernel_does_not_confirm_blocks_nobody() -> Result<()> {
    let test = "a_name_that_the_kernel_does_not_confirm_blocks_nobody";
    if tools::skipped(test, &["nginx"]) {
        return Ok(());
    }
    let stage = Stage::new(&format!("\"{}\"", LoginServer::PORT))?;
    let innocent = v4(INNOCENT);
    // The kernel has seen it, and it has been served: it is only not connected while it is accused.
    ensure!(stage.ask(v4(LEGITIMATE), "GET /items/1", "")? == 200, "nginx does not answer");
    for probe in PROBES {
        let status =
            stage.net.server.enter(|| answer(TcpStream::connect(APPLICATION)?, &format!("GET {probe}"), ""));
        ensure!(status? == 404, "{probe}");
    }
    let about = || stage.daemon.json_lines(&["alerts"]).unwrap_or_default();
    let is_told = || about().iter().any(|alert| alert["client"] == innocent.to_string());
    ensure!(wait_until(PATIENCE, is_told), "no alert: {:?}\n{}", about(), stage.daemon.log());
    let deny = stage.daemon.config_path().with_file_name("deny.conf");
    let is_denied = || fs::read_to_string(&deny).is_ok_and(|text| text.contains(&innocent.to_string()));
    ensure!(wait_until(PATIENCE, is_denied), "not in the deny file: {:?}", about());
    ensure!(about().iter().all(|alert| alert["action"] == "none"), "{:?}", about());
    ensure!(!stage.is_blocked(innocent)?, "{}", stage.daemon.ok(&["block", "list"])?);
    ensure!(stage.ask(innocent, "GET /items/1", "")? == 200, "the innocent are not served");
    Ok(())
}

/// nginx's clients speak in clear, and both of its sides are watched.
#[test]
fn a_request_that_is_seen_before_and_behind_the_proxy_counts_once() -> Result<()> {
    let test = "a_request_that_is_seen_before_and_behind_the_proxy_counts_once";
    if tools::skipped(test, &["nginx"]) {
        return Ok(());
    }
    const REQUESTS: usize = 20;
    let stage = Stage::new(&format!("\"{}\", \"{}\"", LoginServer::PORT, Proxy::PORT))?;
    for number in 0..REQUESTS {
        ensure!(
            stage.ask(v4(LEGITIMATE), &format!("GET /items/{}", number % 3), "")? == 200,
            "request {number}"
        );
    }
    let counts = || {
        let records = stage.records();
        let (again, first): (Vec<&Value>, Vec<&Value>) =
            records.iter().partition(|record| record["seen_twice"] == true);
        (first.len(), again.len())
    };
    ensure!(
        wait_until(PATIENCE, || counts() == (REQUESTS, REQUESTS)),
        "{:?}: {:?}",
        counts(),
        stage.records()
    );
    let client = v4(LEGITIMATE).to_string();
    for record in stage.records() {
        let port = if record["seen_twice"] == true { Proxy::PORT } else { LoginServer::PORT };
        ensure!(record["client"] == client && record["server_port"] == port, "{record}");
    }
    let total =
        || stage.daemon.metrics().map(|page| page.sum("sensor_http_exchanges_total", &[])).unwrap_or(0);
    ensure!(wait_until(PATIENCE, || total() == REQUESTS as u64), "{} exchanges are counted", total());
    let again = stage.daemon.metrics()?.sum("sensor_http_seen_twice_total", &[]);
    ensure!(again == REQUESTS as u64, "{again} were seen twice");
    Ok(())
}

#[test]
fn an_inner_interface_is_told_as_one_and_has_no_program_that_drops() -> Result<()> {
    let test = "an_inner_interface_is_told_as_one_and_has_no_program_that_drops";
    if tools::skipped(test, &["nginx"]) {
        return Ok(());
    }
    let stage = Stage::new("\"auto\"")?;
    let daemon = &stage.daemon;
    ensure!(stage.net.xdp_on("lo")?.is_empty(), "{}", stage.net.xdp_on("lo")?);
    ensure!(!stage.net.xdp_on(INTERFACE)?.is_empty(), "no XDP program on {INTERFACE}");
    let status = daemon.json(&["status"])?;
    let inner = serde_json::json!([{"interface": "lo", "state": "up"}]);
    ensure!(
        status["inner_interfaces"] == inner && status["interfaces"][0]["interface"] == INTERFACE,
        "{status}"
    );
    let text = daemon.ok(&["status"])?;
    ensure!(text.lines().any(|line| line.starts_with("lo ") && line.contains("inner")), "{text}");
    let role = |interface, role| {
        daemon
            .metrics()
            .map(|page| page.sum("sensor_interface_role_info", &[("interface", interface), ("role", role)]))
    };
    ensure!((role("lo", "inner")?, role(INTERFACE, "outer")?, role("lo", "outer")?) == (1, 1, 0), "roles");
    let told = daemon.ok(&["explain", &v4(INNOCENT).to_string()])?;
    ensure!(told.contains("lo: inner interface, nothing is limited or blocked there"), "{told}");
    // A change of roles waits for a restart, as that of `interfaces` does.
    let text = fs::read_to_string(daemon.config_path())?;
    daemon.write_config(&text.replace("inner_interfaces = [\"lo\"]", "inner_interfaces = []"))?;
    let told = daemon.ok(&["reload"])?;
    ensure!(told.contains("http.inner_interfaces"), "{told}");
    // An interface with both roles is refused, by name.
    daemon.write_config(&text.replace("[\"lo\"]", &format!("[\"{INTERFACE}\"]")))?;
    let refused = daemon.run_command().output()?;
    let why = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && why.contains(INTERFACE) && why.contains("inner_interfaces"),
        "{why}"
    );
    Ok(())
}

/// Nobody has configured anything: the proxy is believed once the clients that it named were seen to be connected.
#[test]
fn a_proxy_on_this_host_is_believed_once_it_is_proven() -> Result<()> {
    let test = "a_proxy_on_this_host_is_believed_once_it_is_proven";
    if tools::skipped(test, &["nginx"]) {
        return Ok(());
    }
    let stage = Stage::with("", "")?;
    stage.net.add_many(8)?;
    let inner = |record: &Value| record["server_port"] == LoginServer::PORT;
    let is_proven = || stage.daemon.log().contains("a proxy on this host is proven");
    let mut asked = 0_u8;
    let proven = wait_until(PATIENCE, || {
        asked = asked % 8 + 1;
        stage.ask(many(asked), "GET /items/1", "").is_ok() && is_proven()
    });
    ensure!(proven, "not proven: {}", stage.daemon.log());
    // Until then, nothing on loopback counts.
    for record in stage.records().iter().filter(|record| inner(record)) {
        ensure!(record["peer"] == "127.0.0.1" && record["client"] != "127.0.0.1", "{record}");
    }
    let attacker = v4(FLOODER);
    let mut attempts = 0;
    while attempts < MANY && !stage.is_blocked(attacker)? {
        for _ in 0..10 {
            attempts += 1;
            let body = login(&format!("user{attempts}"), &format!("guess{attempts}"));
            // Over a limit, some are not answered.
            let _status = stage.ask(attacker, "POST /login", &body);
        }
    }
    ensure!(stage.is_blocked(attacker)?, "not blocked: {}", stage.daemon.ok(&["alerts"])?);
    let is_inner = |record: &Value| inner(record) && record["client"] == attacker.to_string();
    ensure!(stage.records().iter().any(is_inner), "only seen outside: {}", stage.daemon.log());
    ensure!(stage.ask(many(1), "GET /items/1", "")? == 200, "the innocent are not served");
    Ok(())
}
