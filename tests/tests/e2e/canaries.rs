//! Marked secrets sent to a server behind the running daemon, with detectors made to fire: no output of the daemon, by
//! whatever channel, contains one, nor a byte that affects a terminal.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_tests::daemon::{Daemon, NO_LIMITS, PATIENCE, SMALL_TABLES, WEB, page};
use sensor_tests::netns::{FLOODER, Namespace, Net, SERVER_V4, SERVER_V6, v4, v6};
use sensor_tests::peers::hook::Hook;
use sensor_tests::peers::http::Client;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::tools;
use sensor_tests::wait::wait_until;

/// In lower case, as outputs are looked through in lower case.
const CANARY: &str = "mellonfriend";
/// What the event store, the alerts and all else may have none of.
const TRACES: &[&str] = &["mellon", "eyjhbg", "akia"];

/// Requests as templates: `{}` is a word, `{T}` looks like a token, `{N}` is the number of the round.
const REQUESTS: &[&str] = &[
    "GET /reset/{T} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /bot{N}123456:{T}/sendMessage HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /users/{}@mellon.example/{T} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /hooks/T000/B000/{T} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /orders/{T} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /a?{}&token%3D{}&x=1;password={} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /a;jsessionid={} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /a#access_token={} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET http://user:{}@shop.example/a HTTP/1.1\r\nHost: user:{}@shop.example\r\n",
    "CONNECT {T}:443 HTTP/1.1\r\nHost: shop.example\r\n",
    "MELLONFRIEND /a HTTP/1.1\r\nHost: shop.example\r\n",
    "{} x HTTP/1.1\r\nHost: {}\r\n",
    "GET /a HTTP/1.1\r\nHost: shop.example\r\nCookie: sid={}\r\nAuthorization: Bearer {}\r\nReferer: /?{}\r\n",
    "GET /a HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: app/1 token={} {T}\r\n",
    "POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Type: multipart/form-data; boundary={}\r\n",
    "GET /.env?{} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: sqlmap/1.7 k={}\r\n",
    "GET /.git/{N}/{T} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /wp-{N}.php;{} HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /AKIAMELLONFRIEND0000/eyJhbGciOiJNRUxMT040NyJ9.eyJzdWIiOiJNRUxMT040NyJ9.bWVsbG9u HTTP/1.1\r\nHost: shop.example\r\n",
    "GET /a\u{1b}]0;x\u{7}/\u{9b}2J/\u{202e} HTTP/1.1\r\nHost: evil\u{1b}[2J\u{202e}\r\nUser-Agent: \u{1b}[31m\u{9b}m\r\n",
];

fn ask(net: &Net, source: IpAddr, port: u16, request: &str) -> io::Result<()> {
    let server = if source.is_ipv4() { SERVER_V4 } else { SERVER_V6 };
    let client =
        Client { timeout: Duration::from_secs(2), ..Client::new(source, SocketAddr::new(server, port)) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // A server may close without one.
        let _read = stream.read_to_end(&mut answer);
        Ok(())
    })
}

fn login(user: &str, password: &str) -> String {
    let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    let head =
        "POST /login HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Requests of one round, from one source.
fn round(net: &Net, source: IpAddr, port: u16, number: u32) {
    let token = format!("MELLON{number:03}FRIEND");
    for template in REQUESTS {
        let head = template.replace("{T}", &token).replace("{}", CANARY).replace("{N}", &number.to_string());
        let _asked = ask(net, source, port, &format!("{head}Connection: close\r\n\r\n"));
    }
    // The length is told wrongly: the rest of the body looks like the next request.
    let wrong = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nuser=bob&password={CANARY} HTTP/1.1\r\n\r\n"
    );
    let _asked = ask(net, source, port, &wrong);
    for (user, password) in [
        (format!("{CANARY}{number}@mellon.example"), format!("{CANARY}{number}")),
        (format!("{CANARY}@mellon.example"), format!("{CANARY}{number}")),
    ] {
        let _asked = ask(net, source, port, &login(&user, &password));
    }
}

/// Every file below a directory, as bytes read as text.
fn files(directory: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // The BPF file system is another device; its files are no text.
        if kind.is_dir() && entry.metadata()?.dev() == fs::metadata(directory)?.dev() {
            files(&entry.path(), found)?;
        } else if kind.is_file() && entry.file_name() != "sensor.toml" {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
            found.push((entry.path().display().to_string(), text));
        }
    }
    Ok(())
}

/// A syslog server for datagrams: where it listens, and what it gets. Its thread ends with the test's process.
fn syslog(namespace: &Namespace) -> Result<(SocketAddr, Arc<Mutex<String>>)> {
    let socket = namespace.enter(|| UdpSocket::bind("127.0.0.1:0"))?;
    let address = socket.local_addr()?;
    let received = Arc::<Mutex<String>>::default();
    let own = received.clone();
    thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut datagram) {
            let message = String::from_utf8_lossy(datagram.get(..length).unwrap_or_default()).into_owned();
            let mut received = own.lock().unwrap_or_else(PoisonError::into_inner);
            received.push_str(&message);
            received.push('\n');
        }
    });
    Ok((address, received))
}

/// Every way out but metrics goes to files of a directory, at every level.
fn configuration(place: &Path, hook: SocketAddr, syslog: SocketAddr) -> String {
    let at = |name: &str| place.join(name).display().to_string();
    format!(
        "mode = \"monitor\"\n{SMALL_TABLES}{NO_LIMITS}[http]\nports = [{}, {}]\nexchange_log = \"{}\"\n[alerts]\noutput = \"{}\"\n\
         [alerts.webhook]\nurl = \"http://{hook}/\"\nmin_severity = \"info\"\n[alerts.syslog]\nurl = \"udp://{syslog}\"\nmin_severity = \"info\"\n\
         format = \"json\"\nmax_bytes = 65507\n[alerts.deny_file]\npath = \"{}\"\n\
         [log]\nlevel = \"trace\"\n",
        LoginServer::PORT,
        Nginx::PORT,
        at("exchanges.jsonl"),
        at("alerts.jsonl"),
        at("deny.conf"),
    )
}

/// What commands answer, in both forms, and metrics, each with its name.
fn answers(daemon: &Daemon, net: &Net) -> Result<Vec<(String, String)>> {
    let alerts = daemon.ok(&["alerts", "--json"])?;
    let id = alerts.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let attacker = v4(FLOODER).to_string();
    let mut said = Vec::new();
    for words in [
        &["alerts"][..],
        &["audit"],
        &["exchanges", "--last", "256"],
        &["routes", "--top", "1000"],
        &["status"],
        &["clients"],
        &["block", "list"],
        &["allow", "list"],
        &["limit", "list"],
        &["explain", attacker.as_str()],
        &["explain", id],
    ] {
        for form in [&[][..], &["--json"]] {
            said.push((words.join(" "), daemon.ok(&[words, form].concat())?));
        }
    }
    said.push(("metrics".to_owned(), net.server.enter(|| page(WEB, "/metrics"))?));
    Ok(said)
}

fn is_silent(name: &str, text: &str) -> Result<()> {
    let lower = text.to_lowercase();
    for trace in TRACES {
        let line = lower.lines().find(|line| line.contains(trace));
        ensure!(line.is_none(), "{trace} in {name}: {line:?}");
    }
    if name.contains("events.db") || name.ends_with("hash.key") {
        return Ok(());
    }
    let steers = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
    let line = text.lines().find(|line| line.contains(steers));
    ensure!(line.is_none(), "{name} steers a terminal: {line:?}");
    ensure!(!text.contains("\nFORGED"), "{name} has a forged line");
    Ok(())
}

#[test]
fn nothing_that_gets_out_has_a_secret() -> Result<()> {
    if tools::skipped("nothing_that_gets_out_has_a_secret", &["ip", "nginx"]) {
        return Ok(());
    }
    let net = Net::new()?;
    let _logins = LoginServer::start(&net.server)?;
    let _nginx = Nginx::start(&net.server)?;
    let hook = Hook::start(&net.server)?;
    let (syslog, received) = syslog(&net.server)?;
    let posted = || hook.requests().join("\n").replace('\r', "");
    let mut daemon = Daemon::prepare(&net, "")?;
    let state = daemon.state_dir();
    let place = state.parent().unwrap_or(Path::new("/")).to_owned();
    daemon.write_config(&configuration(&place, hook.address(), syslog))?;
    daemon.hide_log();
    daemon.run()?;
    for number in 0..25 {
        round(&net, v4(FLOODER), LoginServer::PORT, number);
        round(&net, v6(FLOODER), Nginx::PORT, number);
    }
    let fired = || {
        let alerts = daemon.ok(&["alerts", "--json"]).unwrap_or_default();
        let has = |detector: &&str| alerts.contains(*detector);
        ["scanner", "credential-stuffing"].iter().all(has) && !posted().is_empty()
    };
    ensure!(wait_until(PATIENCE, fired), "detectors did not fire: {}", daemon.ok(&["alerts"])?);
    daemon.ok(&["block", "add", "203.0.113.9", "--reason", "a\nFORGED \u{1b}[2J\u{9b}m\u{202e}"])?;
    let mut said = answers(&daemon, &net)?;
    said.push(("webhook".to_owned(), posted()));
    // The state is written at the end.
    daemon.terminate()?;
    let messages = received.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(messages.contains("sensor@32473"), "nothing by syslog: {messages}");
    said.push(("syslog".to_owned(), messages));
    files(&place, &mut said)?;
    for name in ["events.db", "routes.json", "exchanges.jsonl", "alerts.jsonl", "sensor.log"] {
        let found = said.iter().find(|(path, _)| path.ends_with(name));
        ensure!(found.is_some_and(|(_, text)| !text.is_empty()), "{name} is not there");
    }
    let records = said.iter().find(|(name, _)| name.ends_with("exchanges.jsonl"));
    let records = records.map_or("", |(_, text)| text.as_str());
    let count = records.lines().count();
    ensure!(count > 800 && records.contains("{token:"), "{count} records");
    said.iter().try_for_each(|(name, text)| is_silent(name, text))
}
